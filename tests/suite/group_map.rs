//! Roles and projects from LDAP groups, against a real slapd.

use serde_json::{Value, json};

use crate::proxy::{self, Fault};
use crate::slapd::{BASE, Manner, Slapd, TREE, person};
use crate::support::{Run, TestEnv, has};
use crate::sync::{configure, directory_for, table};

pub const GROUPS: &str = "ou=groups,dc=rz,dc=example,dc=com";

/// Three users.
fn people() -> String {
    let mut ldif = String::from(TREE);
    for (uid, name) in [("anna", "Anna"), ("ben", "Ben"), ("clara", "Clara")] {
        ldif += &person(uid, name);
    }
    ldif + &format!("dn: {GROUPS}\nobjectClass: organizationalUnit\nou: groups\n\n")
}

pub fn group(cn: &str, class: &str, attribute: &str, members: &[&str]) -> String {
    let mut ldif = format!("dn: cn={cn},{GROUPS}\nobjectClass: {class}\ncn: {cn}\n");
    if class == "posixGroup" {
        ldif += "gidNumber: 1\n";
    }
    for member in members {
        ldif += &format!("{attribute}: {member}\n");
    }
    ldif + "\n"
}

pub fn user_dn(uid: &str) -> String {
    format!("UID={uid} , ou=People,{BASE}")
}

fn group_dn(cn: &str) -> String {
    format!("CN={cn},{GROUPS}")
}

/// The rules of all layouts: a group by name, one by DN, and projects by pattern.
fn rules() -> Value {
    json!([
        {"cn": "HPC-Support", "roles": ["support"]},
        {"dn": format!("cn=api, {GROUPS}"), "roles": "api"},
        {"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]},
    ])
}

fn map(more: Value) -> Value {
    let mut map = json!({"group-base": GROUPS, "rules": rules()});
    for (name, value) in more.as_object().unwrap() {
        map[name] = value.clone();
    }
    json!({"group-map": map})
}

fn sync(directory: &TestEnv, arguments: &str) -> Run {
    directory.sh(&format!("cc-user sync-ldap {arguments}"))
}

fn memberof() -> Manner {
    Manner {
        global: "sizelimit unlimited\nmoduleload memberof".to_owned(),
        database: "overlay memberof\nmemberof-group-oc groupOfNames\nmemberof-member-ad member".to_owned(),
        ..Manner::default()
    }
}

/// The directories of the layouts, each with its settings. In all of them anna is in `hpc-support`, ben is a
/// principal investigator of Astro, and clara of Bio by a group in `pi-Bio`, if groups are nested.
fn layouts() -> Vec<(&'static str, String, Value, Manner)> {
    let names = |class: &str, attribute: &str| {
        let dn = |uid: &str| user_dn(uid);
        group("hpc-support", class, attribute, &[&dn("anna"), &dn("gone")])
            + &group("api", class, attribute, &[&dn("ben"), &dn("anna")])
            + &group("pi-Astro", class, attribute, &[&dn("ben")])
            + &group("team", class, attribute, &[&dn("clara")])
            + &group("pi-Bio", class, attribute, &[&group_dn("team"), &group_dn("pi-Bio")])
    };
    let posix = group("hpc-support", "posixGroup", "memberUid", &["anna", "gone", "ANNA"])
        + &group("api", "posixGroup", "memberUid", &["ben", "anna"])
        + &group("pi-Astro", "posixGroup", "memberUid", &["ben"])
        + &group("pi-Bio", "posixGroup", "memberUid", &["clara"]);
    vec![
        ("rfc2307", people() + &posix, map(json!({"membership": "member-name"})), Manner::default()),
        (
            "rfc2307bis",
            people() + &names("groupOfNames", "member"),
            map(json!({"nesting-depth": 2})),
            Manner::default(),
        ),
        (
            "lldap",
            people() + &names("groupOfUniqueNames", "uniqueMember"),
            map(json!({"member-attr": "uniqueMember", "nesting-depth": 1})),
            Manner::default(),
        ),
        (
            "freeipa",
            people() + &names("groupOfNames", "member"),
            map(json!({"membership": "member-of", "nesting-depth": 1})),
            memberof(),
        ),
    ]
}

/// Starts the server. The overlay memberof sees only groups that are added while it runs.
fn start(ldif: &str, manner: &Manner) -> Slapd {
    let (tree, groups) = ldif.split_once("dn: cn=hpc-support,").unwrap();
    if manner.database.is_empty() {
        return Slapd::start(ldif, manner);
    }
    let server = Slapd::start(tree, manner);
    let added = format!("dn: cn=hpc-support,{groups}")
        .replace("\nobjectClass: group", "\nchangetype: add\nobjectClass: group");
    server.modify(&added);
    server
}

const EXPECTED: [&str; 3] = [
    r#"anna|1|Anna|["user","api","support"]|[]"#,
    r#"ben|1|Ben|["user","api","manager"]|["Astro"]"#,
    r#"clara|1|Clara|["user","manager"]|["Bio"]"#,
];

#[test]
fn group_map_gives_the_same_roles_and_projects_in_every_layout() {
    if !has("slapd") {
        return;
    }
    for (layout, ldif, settings, manner) in layouts() {
        let server = start(&ldif, &manner);
        let directory = directory_for(&server.url(), settings);
        let check = sync(&directory, "--check").ended(0);
        assert!(check.stdout.contains("pattern pi-(.*)"), "{layout}: {}", check.stdout);
        let dry = sync(&directory, "--dry-run").ended(0);
        assert!(
            dry.stdout.contains("+project  ben               Astro (rules[2]: cn=pi-Astro,"),
            "{}",
            dry.stdout
        );
        let first = sync(&directory, "--json").ended(0).json();
        assert_eq!(table(&directory), EXPECTED, "{layout}");
        assert_eq!(first["counts"]["roles_added"], 5, "{layout}");
        assert_eq!(first["counts"]["projects_added"], 2, "{layout}");
        let second = sync(&directory, "--json").ended(0).json();
        assert_eq!(second["counts"]["rights_changed"], 0, "{layout}: {second}");
        assert_eq!(second["counts"]["unchanged"], 3, "{layout}");
        assert_eq!(table(&directory), EXPECTED, "{layout}");
    }
}

#[test]
fn group_map_without_nesting_counts_direct_members_only() {
    if !has("slapd") {
        return;
    }
    for (layout, ldif, mut settings, manner) in layouts() {
        let map = settings["group-map"].as_object_mut().unwrap();
        if map.remove("nesting-depth").is_none() {
            continue;
        }
        let server = start(&ldif, &manner);
        let directory = directory_for(&server.url(), settings);
        sync(&directory, "").ended(0);
        assert_eq!(table(&directory)[2], r#"clara|1|Clara|["user"]|[]"#, "{layout}");
    }
}

/// A synchronized table in which every user has something by a group.
pub fn synchronized() -> (Slapd, TestEnv, Value) {
    let (_, ldif, settings, manner) = layouts().remove(1);
    let server = Slapd::start(&ldif, &manner);
    let directory = directory_for(&server.url(), settings.clone());
    sync(&directory, "").ended(0);
    assert_eq!(table(&directory), EXPECTED);
    (server, directory, settings)
}

/// A planned group map shows its effect on users after a copy of the database was synchronized.
#[test]
fn planned_group_map_takes_effect_in_a_synchronized_copy() {
    if !has("slapd") {
        return;
    }
    let (_server, directory, _) = synchronized();
    let mut planned: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    planned["auth"]["ldap"]["group-map"]["rules"][1]["roles"] = json!("support");
    directory.write("new.json", planned.to_string());
    let plan = "cc-jwt scan new.json --json --what-if config=new.json";
    let alone = directory.sh(plan).ended(0);
    assert!(alone.stderr.contains("ldap-not-synchronized"), "{}", alone.stderr);
    assert_eq!(alone.json()["users"], json!([]));
    directory.sh("mkdir plan && cp -p var/job.db* plan/").ended(0);
    directory.sh("cc-user sync-ldap --config new.json --db plan/job.db -q").ended(0);
    let run = directory.sh(&format!("{plan} --what-if db=plan/job.db")).ended(1);
    assert!(!run.stderr.contains("ldap-not-synchronized"), "{}", run.stderr);
    let report = run.json();
    let changed: Vec<(&str, &Value, &Value)> = report["users"]
        .as_array()
        .unwrap()
        .iter()
        .map(|user| (user["username"].as_str().unwrap(), &user["lost_endpoints"], &user["planned"]["roles"]))
        .collect();
    let lost = json!(["user-api", "metric-store-api"]);
    let roles = [json!(["user", "support"]), json!(["user", "manager", "support"])];
    assert_eq!(changed, [("anna", &lost, &roles[0]), ("ben", &lost, &roles[1])], "{report}");
    // The present database is as before.
    assert_eq!(table(&directory), EXPECTED);
}

#[test]
fn group_map_removes_only_what_it_gave() {
    if !has("slapd") {
        return;
    }
    let (server, directory, _) = synchronized();
    let removed = directory.sh("cc-user role remove anna support").ended(0);
    assert!(removed.stderr.contains("gave 'support' to 'anna': the next sync"), "{}", removed.stderr);
    let added = directory.sh("cc-user role add anna support").ended(0);
    assert!(!added.stderr.contains("the next sync"), "{}", added.stderr);
    directory.sh("cc-user role add clara support && cc-user project add clara hand").ended(0);
    server.modify(&format!(
        "dn: cn=hpc-support,{GROUPS}\nchangetype: modify\nadd: member\nmember: {}\n\n",
        user_dn("clara")
    ));
    sync(&directory, "").ended(0);
    server.modify(&format!(
        "dn: cn=hpc-support,{GROUPS}\nchangetype: modify\nreplace: member\nmember: {0}\n\n\
         dn: cn=team,{GROUPS}\nchangetype: modify\nreplace: member\nmember: {0}\n\n",
        user_dn("gone")
    ));
    let dry = sync(&directory, "--dry-run --max-delete 9").ended(0);
    assert!(dry.stdout.contains("-role     anna              support\n"), "{}", dry.stdout);
    assert!(dry.stdout.contains("-project  clara             Bio\n"), "{}", dry.stdout);
    assert!(dry.stdout.contains("by hand   clara             support, hand (set by hand;"), "{}", dry.stdout);
    let run = sync(&directory, "").ended(0);
    assert!(run.stdout.contains("removed   role support of anna\n"), "{}", run.stdout);
    assert!(
        run.stderr.contains("is not removed from users with projects set by hand: 'clara'"),
        "{}",
        run.stderr
    );
    let rows = table(&directory);
    assert_eq!(rows[0], r#"anna|1|Anna|["user","api"]|[]"#);
    assert_eq!(rows[2], r#"clara|1|Clara|["user","manager","support"]|["hand"]"#);
    // Without the project set by hand, the role goes as well.
    directory.sh("cc-user project remove clara hand").ended(0);
    sync(&directory, "").ended(0);
    assert_eq!(table(&directory)[2], r#"clara|1|Clara|["user","support"]|[]"#);
}

#[test]
fn group_map_faults_of_the_group_search_remove_no_role() {
    if !has("slapd") {
        return;
    }
    let (mut server, directory, settings) = synchronized();
    let before = table(&directory);
    let with = |name: &str, value: Value| {
        let mut changed = settings.clone();
        changed["group-map"][name] = value;
        changed
    };
    let (port, passed) = proxy::counting(server.port);
    configure(&directory, &format!("ldap://127.0.0.1:{port}"), settings.clone());
    sync(&directory, "").ended(0);
    let length = passed.load(std::sync::atomic::Ordering::SeqCst);
    let url = server.url();
    let through = |fault, after| format!("ldap://127.0.0.1:{}", proxy::start(server.port, fault, after));
    let mut with_missing = settings.clone();
    with_missing["group-map"]["rules"][0] = json!({"dn": format!("cn=absent,{GROUPS}"), "roles": "support"});
    let mut with_unknown = settings.clone();
    with_unknown["group-map"]["rules"][0] = json!({"cn": "absent", "roles": "support"});
    let only_pattern = json!([{"pattern": "pi-(.*)", "roles": ["manager"], "projects": ["$1"]}]);
    let mut nothing_found = with("group-filter", json!("(objectClass=device)"));
    nothing_found["group-map"]["rules"] = only_pattern.clone();
    let mut absent = with("member-attr", json!("seeAlso"));
    absent["group-map"]["group-filter"] = json!("(cn=*)");
    let mut wrong_password = settings.clone();
    wrong_password["search-dn"] = json!(format!("cn=other,{BASE}"));
    let mut no_tls = settings.clone();
    no_tls["starttls"] = json!(true);
    let cases: Vec<(&str, String, Value, i32)> = vec![
        ("stalled", through(Fault::Stall, length - 300), settings.clone(), 69),
        ("cut", through(Fault::Cut, length - 300), settings.clone(), 69),
        ("cut at the end", through(Fault::Cut, length - 5), settings.clone(), 69),
        ("base does not exist", url.clone(), with("group-base", json!(format!("ou=none,{BASE}"))), 78),
        ("base is empty", url.clone(), with("group-base", json!(format!("ou=people,{BASE}"))), 69),
        ("group by DN is missing", url.clone(), with_missing, 69),
        ("group by name is missing", url.clone(), with_unknown, 69),
        ("no group is found", url.clone(), nothing_found, 69),
        ("attribute is absent", url.clone(), absent, 69),
        ("credentials are wrong", url.clone(), wrong_password, 77),
        ("TLS fails", url.clone(), no_tls, 69),
        ("server is not reachable", "ldap://127.0.0.1:9".to_owned(), settings.clone(), 69),
    ];
    for (fault, url, settings, status) in cases {
        configure(&directory, &url, settings);
        let run = sync(&directory, "--delete-missing --max-delete 100% --timeout 1s");
        assert_eq!(run.status, status, "{fault}: {}{}", run.stdout, run.stderr);
        assert_eq!(table(&directory), before, "{fault}: {}", run.stderr);
    }
    // The size limit of the server is under the number of groups.
    let (_, ldif, settings, _) = layouts().remove(1);
    let limited = Slapd::start(&ldif, &Manner { global: "sizelimit 4".to_owned(), ..Manner::default() });
    configure(&directory, &limited.url(), settings.clone());
    sync(&directory, "--max-delete 100%").ended(69);
    assert_eq!(table(&directory), before);
    // The members of one group are hidden.
    let hidden = Manner {
        database: format!(
            "access to dn.exact=\"cn=hpc-support,{GROUPS}\" attrs=member by * none\naccess to * by * read"
        ),
        ..Manner::default()
    };
    let hiding = Slapd::start(&ldif, &hidden);
    configure(&directory, &hiding.url(), settings.clone());
    let run = sync(&directory, "--max-delete 100%").ended(69);
    assert!(run.stderr.contains("cannot be read: the response does not have 'member'"), "{}", run.stderr);
    assert_eq!(table(&directory), before);
    server.kill();
    configure(&directory, &server.url(), settings.clone());
    sync(&directory, "").ended(69);
    assert_eq!(table(&directory), before);
}

#[test]
fn group_map_check_reports_every_fault_at_once() {
    if !has("slapd") {
        return;
    }
    let (_, ldif, mut settings, _) = layouts().remove(1);
    let twin = format!(
        "dn: cn=api,ou=people,{BASE}\nobjectClass: groupOfNames\ncn: api\nmember: {}\n\n",
        user_dn("ben")
    );
    let server = Slapd::start(&(ldif + &twin), &Manner::default());
    settings["group-map"]["rules"] = json!([
        {"cn": "x", "dn": "cn=x", "roles": ["support"]},
        {"pattern": "pi-.*", "projects": ["$1"]},
        {"cn": "staff", "projects": ["$1"]},
        {"dn": "staff", "roles": ["suport", "admin"]},
        {"filter": "(cn=x", "roles": ["support"]},
        {"cn": "staff"},
    ]);
    settings["group-map"]["group-base"] = json!([]);
    settings["sync-grace-period"] = json!("-1h");
    let directory = directory_for(&server.url(), settings.clone());
    let run = sync(&directory, "--check").ended(78);
    assert_eq!(run.stderr.matches("auth.ldap.group-map.rules[").count(), 8, "{}", run.stderr);
    // The faults of the rules do not hide those of the rest.
    for fault in ["group-map.rules[4].filter'", "group-map.group-base'", "invalid sync-grace-period '-1h"] {
        assert!(run.stderr.contains(fault), "{fault}: {}", run.stderr);
    }
    settings.as_object_mut().unwrap().remove("sync-grace-period");
    settings["group-map"]["group-base"] = json!(BASE);
    settings["group-map"]["rules"] = json!([
        {"cn": "absent", "roles": ["support"]},
        {"cn": "api", "roles": ["support"]},
        {"dn": format!("cn=none,{GROUPS}"), "roles": ["support"]},
    ]);
    configure(&directory, &server.url(), settings);
    let run = sync(&directory, "--check").ended(69);
    assert!(run.stderr.contains("does not have the group 'absent' of rules[0]"), "{}", run.stderr);
    assert!(run.stderr.contains("rules[1]: several groups have the name 'api'"), "{}", run.stderr);
    assert!(run.stderr.contains("does not have the group 'cn=none,"), "{}", run.stderr);
}

#[test]
fn group_map_last_admin_keeps_the_role_and_the_limit_counts_removals() {
    if !has("slapd") {
        return;
    }
    let (_, ldif, mut settings, _) = layouts().remove(1);
    settings["group-map"]["rules"] =
        json!([{"cn": "api", "roles": ["admin"]}, {"cn": "hpc-support", "roles": ["support"]}]);
    let server = Slapd::start(&ldif, &Manner::default());
    let directory = directory_for(&server.url(), settings.clone());
    let refused = sync(&directory, "").ended(78);
    assert!(refused.stderr.contains("the role 'admin' requires 'allow-admin'"), "{}", refused.stderr);
    settings["group-map"]["allow-admin"] = json!(true);
    configure(&directory, &server.url(), settings.clone());
    sync(&directory, "").ended(0);
    assert_eq!(table(&directory)[1], r#"ben|1|Ben|["user","admin"]|[]"#);
    server.modify(&format!(
        "dn: cn=api,{GROUPS}\nchangetype: modify\nreplace: member\nmember: {0}\n\n\
         dn: cn=hpc-support,{GROUPS}\nchangetype: modify\nreplace: member\nmember: {0}\n\n",
        user_dn("gone")
    ));
    let before = table(&directory);
    let limited = sync(&directory, "--max-delete 0").ended(75);
    assert!(
        limited.stderr.contains("1 role or project of 3 LDAP users would be removed"),
        "{}",
        limited.stderr
    );
    assert_eq!(table(&directory), before);
    let run = sync(&directory, "").ended(0);
    assert!(run.stderr.contains("no other administrator would remain: 'anna', 'ben'"), "{}", run.stderr);
    assert_eq!(table(&directory)[0], r#"anna|1|Anna|["user","admin"]|[]"#);
    // With another administrator the role goes.
    directory.sh("echo secret-of-boss | cc-user add boss --role admin --password-stdin").ended(0);
    sync(&directory, "").ended(0);
    assert_eq!(table(&directory)[0], r#"anna|1|Anna|["user"]|[]"#);
}

#[test]
fn group_map_is_explained_for_one_user() {
    if !has("slapd") {
        return;
    }
    let (_server, directory, _) = synchronized();
    directory.sh("cc-user role add clara support").ended(0);
    let shown = directory.sh("COLUMNS=300 cc-user show clara --why").ended(0).stdout;
    assert!(shown.contains("role user: given to each new user, or set by hand\n"), "{shown}");
    assert!(
        shown.contains(&format!("project Bio: given; rules[2]: cn=team,{GROUPS} in cn=pi-Bio,{GROUPS}\n")),
        "{shown}"
    );
    let report = directory.sh("cc-user show clara --why --json").ended(0).json();
    assert_eq!(report["rights"]["projects"][0]["reasons"][0]["rule"], "rules[2]");
    assert_eq!(report["rights"]["projects"][0]["reasons"][0]["chain"][1], format!("cn=pi-Bio,{GROUPS}"));
    assert_eq!(
        report["rights"]["roles"][2],
        json!({"name": "support", "state": "set-by-hand", "given_by": [], "reasons": []})
    );
}

#[test]
fn group_map_applies_at_a_login_that_adds_or_updates_a_user() {
    if !has("slapd") {
        return;
    }
    for (layout, ldif, mut settings, manner) in layouts() {
        settings["sync-user-on-login"] = json!(true);
        settings["update-user-on-login"] = json!(true);
        let server = start(&ldif, &manner);
        let directory = directory_for(&server.url(), settings);
        for uid in ["anna", "ben", "clara"] {
            let login = format!("echo {uid}pw | cc-login {uid} --password-stdin");
            directory.sh(&login).ended(0);
        }
        assert_eq!(table(&directory), EXPECTED, "{layout}");
        let run = sync(&directory, "--json").ended(0).json();
        assert_eq!(run["counts"]["rights_changed"], 0, "{layout}: {run}");
        let (class, attribute) = match layout {
            "rfc2307" => ("memberUid", "gone".to_owned()),
            "lldap" => ("uniqueMember", user_dn("gone")),
            _ => ("member", user_dn("gone")),
        };
        server.modify(&format!(
            "dn: cn=hpc-support,{GROUPS}\nchangetype: modify\nreplace: {class}\n{class}: {attribute}\n\n"
        ));
        directory.sh("echo annapw | cc-login anna --password-stdin").ended(0);
        assert_eq!(table(&directory)[0], r#"anna|1|Anna|["user","api"]|[]"#, "{layout}");
    }
}

#[test]
fn group_map_rules_by_filter_attribute_and_default_give_their_union() {
    if !has("slapd") {
        return;
    }
    let (_, ldif, mut settings, _) = layouts().remove(1);
    settings["group-map"] = json!({
        "group-base": GROUPS,
        "default-role": "api",
        "rules": [
            {"filter": "(cn=pi-*)", "roles": ["manager"], "projects": ["all-pi"]},
            {"filter": "(cn=absent)", "roles": ["support"]},
            {"attribute": "gecos", "pattern": "B*", "roles": ["support"]},
            {"attribute": "sn", "projects": ["lab-$1"]},
            {"cn": "team", "roles": ["support", "support"]},
        ],
    });
    let server = Slapd::start(&ldif, &Manner::default());
    let directory = directory_for(&server.url(), settings.clone());
    let run = sync(&directory, "").ended(0);
    assert!(run.stderr.contains("no LDAP group matches rules[1]"), "{}", run.stderr);
    assert!(
        run.stderr.contains("2 users do not get projects of 'group-map' without the role manager"),
        "{}",
        run.stderr
    );
    assert_eq!(
        table(&directory),
        [
            r#"anna|1|Anna|["user"]|[]"#,
            r#"ben|1|Ben|["user","manager","support"]|["all-pi","lab-x"]"#,
            r#"clara|1|Clara|["user","support"]|[]"#,
        ],
        "the rule by 'sn' matches all users, so that the default role does not apply"
    );
    settings["group-map"]["rules"].as_array_mut().unwrap().remove(3);
    settings["group-map"]["locked-accounts"] = json!("(gecos=Clara)");
    configure(&directory, &server.url(), settings);
    let run = sync(&directory, "--json").ended(0).json();
    assert_eq!(run["counts"]["missing"], 1);
    assert_eq!(
        table(&directory),
        [
            r#"anna|1|Anna|["user","api"]|[]"#,
            r#"ben|1|Ben|["user","manager","support"]|["all-pi"]"#,
            r#"clara|1|Clara|["user","support"]|[]"#,
        ],
        "a locked account counts as missing, and missing users keep everything"
    );
}

#[test]
fn group_map_authoritative_removes_what_its_rules_name_and_nothing_else() {
    if !has("slapd") {
        return;
    }
    let (server, directory, mut settings) = synchronized();
    directory.sh("cc-user role add clara support && cc-user project add clara hand").ended(0);
    directory
        .sh("cc-user disable anna && echo secret-of-loc | cc-user add loc --role support --password-stdin")
        .ended(0);
    settings["group-map"]["authoritative"] = json!(true);
    settings["group-map"]["rules"][1]["roles"] = json!("support");
    configure(&directory, &server.url(), settings);
    sync(&directory, "").ended(0);
    assert_eq!(
        table(&directory),
        [
            r#"anna|1|Anna|[]|[]"#,
            r#"ben|1|Ben|["user","manager","support"]|["Astro"]"#,
            r#"clara|1|Clara|["user","manager"]|["Bio"]"#,
            r#"loc|0|-|["support"]|[]"#,
        ],
        "disabled users and users of another auth source are not changed"
    );
}

#[test]
fn group_base_that_does_not_exist_is_named_in_the_hint() {
    if !has("slapd") {
        return;
    }
    let (server, directory, mut settings) = synchronized();
    settings["group-map"]["group-base"] = json!([GROUPS, format!("ou=none,{BASE}")]);
    configure(&directory, &server.url(), settings);
    for command in ["sync-ldap", "sync-ldap --check", "show anna --why"] {
        let run = directory.sh(&format!("cc-user {command}")).ended(78);
        let message = format!("the LDAP search base 'ou=none,{BASE}' of the groups does not exist");
        assert!(run.stderr.contains(&message), "{command}: {}", run.stderr);
        assert!(run.stderr.contains("hint: check 'group-base' in 'group-map'"), "{command}: {}", run.stderr);
    }
    assert_eq!(table(&directory), EXPECTED);
}
