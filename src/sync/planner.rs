//! Computation of a plan, one user of the table at a time.

use std::rc::Rc;

use crate::history::{DisabledUsers, GivenState};
use crate::ldap::LdapSnapshot;
use crate::ldap::snapshot::NameStatus;
use crate::user::AuthSource;
use crate::user_db::UserSummary;

use super::missing::{
    MissingAction, UserInGrace, decide_missing, disabled_entry, has_admin, is_or_was_admin,
};
use super::plan::{Conflict, DisabledUser, Plan, Rename, ReturnedUser};
use super::rights::{PlannedRights, Rights};
use super::rules::SyncRules;
use super::similar_usernames::similar_usernames;

/// A missing administrator to disable or to delete.
#[derive(Debug)]
struct RemovedAdmin {
    removal: Removal,
    /// Whether the user table has the role admin of the user.
    has_role: bool,
}

#[derive(Debug)]
enum Removal {
    Disable(DisabledUser),
    Delete(String),
}

/// Computes a plan. It receives each user of the table once, in any order; the order of the usernames'
/// bytes is the fastest.
#[derive(Debug)]
pub struct Planner<'snapshot> {
    plan: Plan<'snapshot>,
    disabled: DisabledUsers,
    /// The administrators who are disabled or deleted if another one remains.
    removed_admins: Vec<RemovedAdmin>,
    /// Whether an administrator of the table is neither disabled nor deleted.
    has_admin: bool,
    /// One bit for each username of the snapshot: whether a user in the table has it.
    in_table: Vec<u64>,
    /// The index in the snapshot after that of the last user.
    next: usize,
    /// The usernames in the table that are not in the snapshot.
    other_usernames: Vec<String>,
}

impl<'snapshot> Planner<'snapshot> {
    /// A planner without any user of the table yet.
    #[must_use]
    pub fn new(
        snapshot: &'snapshot LdapSnapshot,
        rules: SyncRules,
        disabled: DisabledUsers,
        rights: Option<(&'snapshot Rights, Rc<GivenState>)>,
    ) -> Self {
        let plan = Plan {
            snapshot,
            rules,
            add: Vec::new(),
            rename: Vec::new(),
            disable: Vec::new(),
            in_grace: Vec::new(),
            returned: Vec::new(),
            delete: Vec::new(),
            protected_admins: Vec::new(),
            protected_disabled: Vec::new(),
            missing: 0,
            conflicts: Vec::new(),
            similar_usernames: Vec::new(),
            known: 0,
            unchanged: 0,
            rights: rights.map(|(rights, given)| PlannedRights::new(rights, given)),
        };
        let in_table = vec![0; snapshot.len().div_ceil(64)];
        Self {
            plan,
            disabled,
            removed_admins: Vec::new(),
            has_admin: false,
            in_table,
            next: 0,
            other_usernames: Vec::new(),
        }
    }

    /// Adds a user of the table.
    pub fn add_user(&mut self, user: UserSummary<'_>) {
        let is_ldap_user = user.source == AuthSource::Ldap;
        self.plan.known += u64::from(is_ldap_user);
        match self.plan.snapshot.find(user.username, self.next) {
            Some(index) => self.add_present(&user, index),
            None => {
                self.other_usernames.push(user.username.to_owned());
                if is_ldap_user && self.add_missing(&user) {
                    return;
                }
            }
        }
        if has_admin_role(&user) {
            self.count_admin();
        }
    }

    /// Counts an administrator who is neither disabled nor deleted.
    const fn count_admin(&mut self) {
        self.has_admin = true;
        if let Some(rights) = &mut self.plan.rights {
            rights.count_admin();
        }
    }

    /// Adds an LDAP user whose username is not in the snapshot; returns whether the user is disabled or deleted.
    fn add_missing(&mut self, user: &UserSummary<'_>) -> bool {
        let plan = &mut self.plan;
        plan.missing += 1;
        let username = user.username.to_owned();
        let entry = disabled_entry(user, &self.disabled);
        let removal = match decide_missing(user, entry, &plan.rules) {
            MissingAction::Keep => {
                plan.unchanged += 1;
                return false;
            }
            MissingAction::ProtectAdmin => {
                plan.protected_admins.push(username);
                return false;
            }
            MissingAction::ProtectDisabled => {
                plan.protected_disabled.push(username);
                return false;
            }
            MissingAction::Wait(missing_since) => {
                plan.unchanged += 1;
                let delete_at = plan.rules.delete_at(missing_since);
                plan.in_grace.push(UserInGrace { username, missing_since, delete_at });
                return false;
            }
            MissingAction::Disable => {
                Removal::Disable(DisabledUser { username, roles: user.roles.entries().unwrap_or_default() })
            }
            MissingAction::Delete => Removal::Delete(username),
        };
        if is_or_was_admin(user, entry) {
            self.removed_admins.push(RemovedAdmin { removal, has_role: has_admin_role(user) });
        } else {
            plan.remove(removal);
        }
        true
    }

    /// Adds a user whose username is in the snapshot at this index.
    fn add_present(&mut self, user: &UserSummary<'_>, index: usize) {
        self.next = index + 1;
        if let Some(bits) = self.in_table.get_mut(index / 64) {
            *bits |= 1 << (index % 64);
        }
        let plan = &mut self.plan;
        let Some(entry) = plan.snapshot.get(index) else { return };
        if user.source != AuthSource::Ldap {
            // An additional or invalid username would not have been added anyway.
            if entry.status == NameStatus::Usable {
                plan.conflicts.push(Conflict { username: user.username.to_owned(), source: user.source });
            }
            return;
        }
        // An entry without the attribute does not change the full name; nor does one of several entries
        // with the same username.
        let is_renamed = matches!(entry.status, NameStatus::Usable | NameStatus::Invalid)
            && entry.name.is_some_and(|name| Some(name) != user.name);
        let is_renamed = is_renamed && !plan.rules.keep_names;
        let Ok(index) = u32::try_from(index) else { return };
        // Additional and duplicate usernames are not users of their own.
        let is_own_user = matches!(entry.status, NameStatus::Usable | NameStatus::Invalid);
        let entry = disabled_entry(user, &self.disabled);
        let returned = entry.filter(|entry| is_own_user && entry.missing_since.is_some());
        let returns_admin = returned.is_some_and(has_admin);
        let rights = plan.rights.as_mut().filter(|_| is_own_user);
        let has_new_rights = match (rights, entry, returned) {
            (Some(rights), _, Some(entry)) => rights.add_returned(user, &entry.roles, index),
            (Some(rights), None, None) => rights.add_known(user, index),
            _ => false,
        };
        if let Some(entry) = returned {
            plan.returned.push(ReturnedUser { index, roles: entry.roles.clone() });
        }
        if is_renamed {
            plan.rename.push(Rename { index, before: user.name.map(str::to_owned) });
        } else if !has_new_rights && returned.is_none() {
            plan.unchanged += 1;
        }
        if returns_admin {
            self.count_admin();
        }
    }

    /// Disables and deletes the administrators, or protects them if no administrator would remain.
    fn remove_admins(&mut self) {
        let has_other_admin = self.has_admin;
        for RemovedAdmin { removal, has_role } in std::mem::take(&mut self.removed_admins) {
            if has_other_admin {
                self.plan.remove(removal);
                continue;
            }
            let (Removal::Disable(DisabledUser { username, .. }) | Removal::Delete(username)) = removal;
            self.plan.protected_admins.push(username);
            if has_role {
                self.count_admin();
            }
        }
    }

    /// Returns the plan after the last user of the table.
    #[must_use]
    pub fn finish(mut self) -> Plan<'snapshot> {
        self.remove_admins();
        let Self { mut plan, in_table, mut other_usernames, .. } = self;
        for (index, entry) in (0_u32..).zip(plan.snapshot.users()) {
            let bits = in_table.get(index as usize / 64).copied().unwrap_or_default();
            let is_in_table = bits >> (index % 64) & 1 == 1;
            if !is_in_table && entry.status == NameStatus::Usable {
                plan.add.push(index);
                if let Some(rights) = &mut plan.rights {
                    rights.add_new(entry.username, index);
                }
            }
        }
        let snapshot = plan.snapshot;
        if let Some(rights) = &mut plan.rights {
            rights.finish(|index| snapshot.get(index as usize).map_or("", |user| user.username));
        }
        plan.rename.sort_unstable_by_key(|rename| rename.index);
        plan.returned.sort_unstable_by_key(|user| user.index);
        plan.disable.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        plan.in_grace.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        plan.delete.sort_unstable();
        plan.protected_admins.sort_unstable();
        plan.protected_disabled.sort_unstable();
        plan.conflicts.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        other_usernames.sort_unstable();
        plan.similar_usernames = similar_usernames(plan.snapshot, &plan.add, &other_usernames);
        plan
    }
}

impl Plan<'_> {
    fn remove(&mut self, removal: Removal) {
        match removal {
            Removal::Disable(user) => self.disable.push(user),
            Removal::Delete(username) => self.delete.push(username),
        }
    }
}

/// Whether the user table has the role admin of a user, in a list that can be read.
fn has_admin_role(user: &UserSummary<'_>) -> bool {
    user.is_admin && user.roles.entries().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::DisabledEntry;
    use crate::ldap::snapshot::SnapshotBuilder;
    use crate::sync::error::PlanRejection;
    use crate::sync::limit::DeletionLimit;
    use crate::sync::rules::MissingUsers;
    use crate::user_db::ListColumn;

    fn ldap_snapshot(entries: &[(&str, Option<&str>)]) -> LdapSnapshot {
        let mut builder = SnapshotBuilder::default();
        for (uid, name) in entries {
            builder
                .add_entry(uid, [uid.as_bytes()].into_iter(), name.map(str::as_bytes).into_iter())
                .unwrap();
        }
        builder.finish().unwrap()
    }

    const fn ldap<'a>(username: &'a str, name: Option<&'a str>) -> UserSummary<'a> {
        UserSummary {
            username,
            source: AuthSource::Ldap,
            name,
            is_admin: false,
            is_without_roles: false,
            roles: ListColumn::from_text("[\"user\"]"),
            projects: ListColumn::from_text("[]"),
        }
    }

    fn plan<'r>(ldap_snapshot: &'r LdapSnapshot, rules: SyncRules, table: &[UserSummary<'_>]) -> Plan<'r> {
        let mut disabled = DisabledUsers::default();
        disabled.set("locked", Some(DisabledEntry { roles: vec!["user".to_owned()], missing_since: None }));
        let mut planner = Planner::new(ldap_snapshot, rules, disabled, None);
        for user in table {
            planner.add_user(*user);
        }
        planner.finish()
    }

    const DELETING: SyncRules = SyncRules {
        missing: MissingUsers::Delete,
        keep_names: false,
        delete_admins: false,
        max_delete: DeletionLimit::Default,
    };

    #[test]
    fn plan_without_deletions_counts_missing_users_as_unchanged() {
        let ldap_snapshot = ldap_snapshot(&[("a", None)]);
        let rules = SyncRules { missing: MissingUsers::Keep, ..DELETING };
        let table = [ldap("a", None), ldap("b", None), ldap("c", None)];
        assert_eq!(plan(&ldap_snapshot, rules, &table).unchanged(), 3);
    }

    #[test]
    fn plan_adds_new_users_and_leaves_known_users_unchanged() {
        let ldap_snapshot = ldap_snapshot(&[("anna", Some("Anna")), ("ben", None), ("zoe", Some("Zoe"))]);
        let plan = plan(&ldap_snapshot, DELETING, &[ldap("ben", Some("Ben B")), ldap("anna", Some("Anna"))]);
        assert_eq!(plan.additions().collect::<Vec<_>>(), [("zoe", Some("Zoe"))]);
        assert_eq!((plan.unchanged(), plan.known(), plan.renames().len()), (2, 2, 0));
        assert!(plan.deletions().is_empty() && plan.rejection().is_none());
    }

    #[test]
    fn plan_changes_a_full_name_except_with_keep_names() {
        let ldap_snapshot = ldap_snapshot(&[("anna", Some("Anna Neu"))]);
        let table = [ldap("anna", Some("Anna Alt"))];
        let changed = plan(&ldap_snapshot, DELETING, &table);
        let renames: Vec<_> = changed.renames().collect();
        assert_eq!(renames, [("anna", Some("Anna Alt"), Some("Anna Neu"))]);
        assert!(plan(&ldap_snapshot, SyncRules { keep_names: true, ..DELETING }, &table).is_empty());
    }

    #[test]
    fn plan_does_not_change_the_full_name_if_the_entry_has_none() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None), ("ben", Some("")), ("clara", Some(""))]);
        let table = [ldap("anna", Some("Anna")), ldap("ben", None), ldap("clara", Some("Clara"))];
        let plan = plan(&ldap_snapshot, DELETING, &table);
        assert!(plan.is_empty());
    }

    #[test]
    fn plan_deletes_missing_users_only_with_delete_missing() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let table = [ldap("anna", None), ldap("gone", None)];
        assert_eq!(plan(&ldap_snapshot, DELETING, &table).deletions(), ["gone"]);
        let without_deletion = plan(&ldap_snapshot, SyncRules::default(), &table);
        assert!(without_deletion.is_empty());
        assert_eq!(without_deletion.missing(), 1);
    }

    #[test]
    fn plan_deletes_a_missing_admin_only_with_delete_admins() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let table = [ldap("anna", None), UserSummary { is_admin: true, ..ldap("boss", None) }];
        let protected = plan(&ldap_snapshot, DELETING, &table);
        assert!(protected.is_empty());
        assert_eq!(protected.protected_admins(), ["boss"]);
        let rules = SyncRules { delete_admins: true, ..DELETING };
        let last = plan(&ldap_snapshot, rules, &table);
        assert_eq!((last.deletions().len(), last.protected_admins()), (0, &["boss".to_owned()][..]));
        let local = UserSummary { source: AuthSource::Local, is_admin: true, ..ldap("local", None) };
        let table = [table[0], table[1], local];
        assert_eq!(plan(&ldap_snapshot, rules, &table).deletions(), ["boss"]);
        // A local user whose roles cannot be read is not an administrator.
        let invalid = UserSummary { roles: ListColumn::from_text("garbage"), ..local };
        assert!(plan(&ldap_snapshot, rules, &[table[0], table[1], invalid]).is_empty());
    }

    #[test]
    fn plan_protects_a_missing_disabled_user_also_with_delete_admins() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let locked = UserSummary { is_without_roles: true, ..ldap("locked", None) };
        let rules = SyncRules { delete_admins: true, ..DELETING };
        let protected = plan(&ldap_snapshot, rules, &[ldap("anna", None), locked]);
        assert!(protected.is_empty());
        assert_eq!((protected.protected_disabled(), protected.missing()), (&["locked".to_owned()][..], 1));
        // An entry of a user who has roles again has no meaning, nor have missing roles without an entry.
        let table = [ldap("locked", None), UserSummary { username: "other", ..locked }];
        assert_eq!(plan(&ldap_snapshot, rules, &table).deletions(), ["locked", "other"]);
    }

    #[test]
    fn plan_reports_users_of_other_auth_sources_as_conflicts() {
        let ldap_snapshot = ldap_snapshot(&[("anna", Some("LDAP Anna"))]);
        for source in [AuthSource::Local, AuthSource::Token, AuthSource::Oidc, AuthSource::Unknown(7)] {
            let table =
                [UserSummary { source, ..ldap("anna", None) }, UserSummary { source, ..ldap("other", None) }];
            let plan = plan(&ldap_snapshot, DELETING, &table);
            assert!(plan.is_empty(), "{source:?}");
            assert_eq!(plan.conflicts(), [Conflict { username: "anna".to_owned(), source }]);
        }
    }

    #[test]
    fn plan_of_an_empty_search_is_rejected_with_any_limit() {
        let ldap_snapshot = ldap_snapshot(&[]);
        let rules = SyncRules { max_delete: DeletionLimit::Percent(100), ..DELETING };
        let plan = plan(&ldap_snapshot, rules, &[ldap("anna", None)]);
        assert_eq!(plan.rejection(), Some(PlanRejection::Empty { deletions: 1 }));
    }

    #[test]
    fn plan_without_a_usable_entry_is_rejected_even_without_deletions() {
        assert_eq!(
            plan(&ldap_snapshot(&[]), DELETING, &[]).rejection(),
            Some(PlanRejection::Empty { deletions: 0 })
        );
        let mut builder = SnapshotBuilder::new("employeeNumber");
        builder.add_entry("cn=a", [].into_iter(), [].into_iter()).unwrap();
        builder.add_entry("cn=b", [&b" blank"[..]].into_iter(), [].into_iter()).unwrap();
        for (dn, kind) in [("cn=c", "twice"), ("cn=d", "twice")] {
            builder.add_entry(dn, [kind.as_bytes()].into_iter(), [].into_iter()).unwrap();
        }
        let unusable = builder.finish().unwrap();
        for table in [&[][..], &[ldap("gone", None)]] {
            let plan = plan(&unusable, DELETING, table);
            let attribute = "employeeNumber".to_owned();
            assert_eq!(
                plan.rejection(),
                Some(PlanRejection::NoUsername { entries: 4, without: 1, attribute })
            );
        }
    }

    #[test]
    fn plan_with_more_deletions_than_the_limit_is_rejected_with_the_numbers() {
        let ldap_snapshot = ldap_snapshot(&[("u0", None)]);
        let names: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
        let table: Vec<_> = names.iter().map(|name| ldap(name, None)).collect();
        let rejection = plan(&ldap_snapshot, DELETING, &table).rejection();
        assert_eq!(rejection, Some(PlanRejection::TooMany { deletions: 99, allowed: 10, known: 100 }));
        let allowed = SyncRules { max_delete: DeletionLimit::Count(99), ..DELETING };
        assert_eq!(plan(&ldap_snapshot, allowed, &table).rejection(), None);
    }

    #[test]
    fn plan_neither_adds_nor_deletes_a_duplicate_username() {
        let mut builder = SnapshotBuilder::default();
        for dn in ["cn=a", "cn=b"] {
            builder.add_entry(dn, [&b"twice"[..]].into_iter(), [&b"Some Name"[..]].into_iter()).unwrap();
        }
        let ldap_snapshot = builder.finish().unwrap();
        assert!(plan(&ldap_snapshot, DELETING, &[]).is_empty());
        assert!(plan(&ldap_snapshot, DELETING, &[ldap("twice", Some("T"))]).is_empty());
    }

    #[test]
    fn plan_does_not_delete_a_user_with_an_additional_username() {
        let mut builder = SnapshotBuilder::default();
        builder.add_entry("cn=a", [&b"anna"[..], b"anna2"].into_iter(), [].into_iter()).unwrap();
        let ldap_snapshot = builder.finish().unwrap();
        let plan = plan(&ldap_snapshot, DELETING, &[ldap("anna2", None)]);
        assert_eq!(plan.additions().collect::<Vec<_>>(), [("anna", None)]);
        assert!(plan.deletions().is_empty());
    }

    #[test]
    fn plan_does_not_delete_a_user_whose_username_is_too_long() {
        let long = "x".repeat(255);
        let ldap_snapshot = ldap_snapshot(&[(&long, Some("Long"))]);
        assert!(plan(&ldap_snapshot, DELETING, &[]).is_empty());
        assert!(plan(&ldap_snapshot, DELETING, &[ldap(&long, Some("Long"))]).deletions().is_empty());
    }

    #[test]
    fn plan_reports_usernames_that_differ_only_in_case_or_blanks() {
        let ldap_snapshot =
            ldap_snapshot(&[("Anna", None), ("anna", None), ("ben", None), ("BEN", None), ("zoe", None)]);
        let local = UserSummary { source: AuthSource::Local, ..ldap("Zoe ", None) };
        let plan = plan(&ldap_snapshot, SyncRules::default(), &[ldap("ben", None), ldap("BEN", None), local]);
        let similar: Vec<_> =
            plan.similar_usernames().iter().map(|pair| pair.each_ref().map(String::as_str)).collect();
        assert_eq!(similar.len(), 2, "{similar:?}");
        assert!(similar.contains(&["Anna", "anna"]) && similar.contains(&["Zoe ", "zoe"]), "{similar:?}");
        assert_eq!(plan.additions().len(), 3, "they are different users all the same");
    }

    #[test]
    fn plan_does_not_depend_on_the_order_of_the_table() {
        let names: Vec<String> = (0..500).map(|number| format!("u{number:03}")).collect();
        let entries: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
        let ldap_snapshot = ldap_snapshot(&entries);
        let mut table: Vec<_> = names.iter().step_by(3).map(|name| ldap(name, None)).collect();
        let sorted =
            plan(&ldap_snapshot, DELETING, &table).additions().map(|(name, _)| name).collect::<Vec<_>>();
        table.reverse();
        let reversed =
            plan(&ldap_snapshot, DELETING, &table).additions().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(sorted, reversed);
        assert_eq!(sorted.len(), 500 - 167);
    }
}
