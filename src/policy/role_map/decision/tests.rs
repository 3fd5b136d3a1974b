use super::*;

fn texts(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn grants(source: RightsSource, roles: &[Role], projects: &[&str]) -> Grants {
    let mut builder = Grants::builder(source);
    let reason = builder.reason("rules[0]", &["cn=g"]);
    let user = builder.user("anna");
    for role in roles {
        builder.role(user, *role, reason);
    }
    for project in projects {
        builder.project(user, project, reason);
    }
    builder.finish()
}

fn given(roles: &[&str], projects: &[&str]) -> GivenRights {
    GivenRights { roles: texts(roles), projects: texts(projects) }
}

/// The authority over manager, support, and projects that begin with `p`.
fn authority(is_active: bool) -> Authority {
    Authority {
        roles: vec![Role::Manager, Role::Support],
        projects: vec!["p$1".parse().unwrap()],
        is_active,
        protects_admins: false,
    }
}

struct Case {
    roles: &'static [&'static str],
    projects: &'static [&'static str],
    gives: (&'static [Role], &'static [&'static str]),
    gave: (&'static [&'static str], &'static [&'static str]),
    authoritative: bool,
}

/// The row and the record afterwards.
fn run(case: &Case) -> (Vec<String>, Vec<String>, GivenRights, RightsChange) {
    let (roles, projects) = (texts(case.roles), texts(case.projects));
    let source = grants(RightsSource::Ldap, case.gives.0, case.gives.1);
    let before = given(case.gave.0, case.gave.1);
    let current = CurrentRights { roles: &roles, projects: &projects };
    let records = [(RightsSource::Ldap, before.clone())];
    let change = decide("anna", current, &[&source], &authority(case.authoritative), &records);
    let record = change.given.first().map_or(before, |(_, given)| given.clone());
    // A second decision on the result changes nothing.
    let current = CurrentRights { roles: &change.roles, projects: &change.projects };
    let records = [(RightsSource::Ldap, record.clone())];
    let again = decide("anna", current, &[&source], &authority(case.authoritative), &records);
    assert!(!again.changes_row() && again.given.is_empty(), "{again:?}");
    (change.roles.clone(), change.projects.clone(), record, change)
}

const USER: Case =
    Case { roles: &["user"], projects: &[], gives: (&[], &[]), gave: (&[], &[]), authoritative: false };

#[test]
fn decision_adds_what_the_source_gives_and_records_it() {
    let (roles, projects, record, _) =
        run(&Case { gives: (&[Role::Manager, Role::Support], &["p1", "p2"]), ..USER });
    assert_eq!((roles, projects), (texts(&["user", "manager", "support"]), texts(&["p1", "p2"])));
    assert_eq!(record, given(&["manager", "support"], &["p1", "p2"]));
}

#[test]
fn decision_removes_only_what_was_given() {
    let case = Case { roles: &["user", "support", "api"], gave: (&["support"], &[]), ..USER };
    let (roles, _, record, change) = run(&case);
    assert_eq!((roles, record), (texts(&["user", "api"]), GivenRights::default()));
    assert_eq!(change.removals(), 1);
    let by_hand = Case { gave: (&[], &[]), ..case };
    let (roles, _, _, change) = run(&by_hand);
    assert_eq!(roles, texts(&["user", "support", "api"]));
    assert_eq!(change.set_by_hand, given(&["support"], &[]), "an authoritative map would remove it");
}

#[test]
fn decision_leaves_a_role_set_by_hand_although_a_group_gave_it_in_between() {
    let case = Case { roles: &["user", "support"], gives: (&[Role::Support], &[]), ..USER };
    let (roles, _, record, _) = run(&case);
    assert_eq!((roles, record), (texts(&["user", "support"]), GivenRights::default()));
}

#[test]
fn authoritative_decision_removes_what_the_map_names_and_nothing_else() {
    let (roles, projects, ..) = run(&Case {
        roles: &["user", "manager", "support", "api"],
        projects: &["p1", "p2", "other"],
        gives: (&[Role::Manager], &["p1"]),
        authoritative: true,
        ..USER
    });
    assert_eq!((roles, projects), (texts(&["user", "manager", "api"]), texts(&["p1", "other"])));
}

#[test]
fn manager_with_projects_set_by_hand_keeps_the_role_until_they_are_gone() {
    let case = Case {
        roles: &["user", "manager"],
        projects: &["p1", "hand"],
        gave: (&["manager"], &["p1"]),
        ..USER
    };
    let (roles, projects, record, change) = run(&case);
    assert_eq!((roles, projects), (texts(&["user", "manager"]), texts(&["hand"])));
    assert!(change.keeps_manager_for_projects);
    assert_eq!(record, given(&["manager"], &[]));
    // A group that gives only a project does not give it to such a manager.
    let project_only = Case { gives: (&[], &["p1"]), ..case };
    let (roles, projects, ..) = run(&project_only);
    assert_eq!((roles, projects), (texts(&["user", "manager"]), texts(&["hand"])));
    let (roles, ..) = run(&Case { projects: &[], gave: (&["manager"], &[]), ..case });
    assert_eq!(roles, texts(&["user"]));
    let case = Case {
        roles: &["user", "manager"],
        projects: &["p1", "hand"],
        gave: (&["manager"], &["p1"]),
        authoritative: true,
        ..USER
    };
    let (roles, projects, ..) = run(&case);
    assert_eq!((roles, projects), (texts(&["user"]), Vec::new()), "an authoritative map removes both");
}

#[test]
fn user_without_the_role_manager_gets_no_project() {
    let (roles, projects, record, change) = run(&Case { gives: (&[], &["p1"]), ..USER });
    assert_eq!((roles, projects, record), (texts(&["user"]), Vec::new(), GivenRights::default()));
    assert_eq!(change.projects_without_manager, ["p1"]);
    // A manager set by hand gets it.
    let (_, projects, ..) = run(&Case { roles: &["user", "manager"], gives: (&[], &["p1"]), ..USER });
    assert_eq!(projects, ["p1"]);
    // With the role go the projects that a group still gives.
    let (roles, projects, record, change) = run(&Case {
        roles: &["user", "manager"],
        projects: &["p1"],
        gives: (&[], &["p1"]),
        gave: (&["manager"], &["p1"]),
        ..USER
    });
    assert_eq!((roles, projects, record), (texts(&["user"]), Vec::new(), GivenRights::default()));
    assert_eq!(change.removed_projects, ["p1"]);
}

#[test]
fn protected_admin_keeps_the_role_and_its_record() {
    let roles = texts(&["user", "admin", "support"]);
    let current = CurrentRights { roles: &roles, projects: &[] };
    let records = [(RightsSource::Ldap, given(&["admin", "support"], &[]))];
    let ldap = grants(RightsSource::Ldap, &[], &[]);
    let change = decide("anna", current, &[&ldap], &authority(false).protecting_admins(), &records);
    assert_eq!((change.roles, change.keeps_admin), (texts(&["user", "admin"]), true));
    assert_eq!(change.given, [(RightsSource::Ldap, given(&["admin"], &[]))]);
}

#[test]
fn right_of_a_source_that_was_not_asked_remains() {
    let roles = texts(&["user", "manager", "support"]);
    let projects = texts(&["p1", "s1"]);
    let current = CurrentRights { roles: &roles, projects: &projects };
    let records = [
        (RightsSource::Ldap, given(&["support"], &["p1"])),
        (RightsSource::Slurm, given(&["manager"], &["s1"])),
    ];
    let ldap = grants(RightsSource::Ldap, &[], &[]);
    let change = decide("anna", current, &[&ldap], &authority(false), &records);
    assert_eq!((&change.roles, &change.projects), (&texts(&["user", "manager"]), &texts(&["s1"])));
    assert_eq!(change.given, [(RightsSource::Ldap, GivenRights::default())]);
}

#[test]
fn right_that_two_sources_give_is_removed_with_the_last_one() {
    let roles = texts(&["user", "support"]);
    let current = CurrentRights { roles: &roles, projects: &[] };
    let ldap = grants(RightsSource::Ldap, &[], &[]);
    let slurm = grants(RightsSource::Slurm, &[Role::Support], &[]);
    let records = [(RightsSource::Ldap, given(&["support"], &[]))];
    let change = decide("anna", current, &[&ldap, &slurm], &authority(false), &records);
    assert!(!change.changes_row());
    let records = change.given;
    assert_eq!(
        records,
        [(RightsSource::Ldap, GivenRights::default()), (RightsSource::Slurm, given(&["support"], &[])),]
    );
    let slurm = grants(RightsSource::Slurm, &[], &[]);
    let change = decide("anna", current, &[&ldap, &slurm], &authority(false), &records);
    assert_eq!(change.removed_roles, ["support"]);
}
