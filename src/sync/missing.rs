//! What a sync does with LDAP users who are missing from the LDAP directory: nothing, a deletion at once, or the
//! grace period, in which the users are disabled.

use serde::Serialize;

use super::rules::{MissingUsers, SyncRules};
use crate::history::{DisabledEntry, DisabledUsers};
use crate::user::Role;
use crate::user_db::UserSummary;
use crate::util::time::Timestamp;

/// A user that a sync disabled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserInGrace {
    /// The username.
    pub username: String,
    /// When a sync found that the user is missing, in RFC 3339.
    #[serde(serialize_with = "rfc3339")]
    #[cfg_attr(test, schemars(with = "String"))]
    pub missing_since: Timestamp,
    /// When a sync deletes the user, in RFC 3339; null if no sync deletes the user.
    #[serde(serialize_with = "optional_rfc3339")]
    #[cfg_attr(test, schemars(with = "Option<String>"))]
    pub delete_at: Option<Timestamp>,
}

fn rfc3339<S: serde::Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&time.rfc3339())
}

#[expect(clippy::ref_option, reason = "the signature that serde requires")]
fn optional_rfc3339<S: serde::Serializer>(
    time: &Option<Timestamp>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    time.map(Timestamp::rfc3339).serialize(serializer)
}

/// What happens to a missing user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum MissingAction {
    /// Nothing: such users are neither disabled nor deleted.
    Keep,
    /// Nothing: the user is an administrator.
    ProtectAdmin,
    /// Nothing: 'cc-user disable' disabled the user.
    ProtectDisabled,
    /// The user is disabled.
    Disable,
    /// The user is disabled already, since this time.
    Wait(Timestamp),
    /// The user is deleted.
    Delete,
}

/// The entry of a user who is disabled.
pub(super) fn disabled_entry<'state>(
    user: &UserSummary<'_>,
    disabled: &'state DisabledUsers,
) -> Option<&'state DisabledEntry> {
    // An entry of a user who has roles again has no meaning.
    disabled.entry(user.username).filter(|_| user.is_without_roles)
}

/// Decides about a missing user. The period of a user begins when a sync finds that the user is missing; if the
/// clock was set back, it ends later.
pub(super) fn decide_missing(
    user: &UserSummary<'_>,
    entry: Option<&DisabledEntry>,
    rules: &SyncRules,
) -> MissingAction {
    let is_protected = is_or_was_admin(user, entry) && !rules.delete_admins;
    let since = entry.map(|entry| entry.missing_since.map(Timestamp));
    match (since, rules.missing) {
        (Some(Some(since)), MissingUsers::Keep) => MissingAction::Wait(since),
        (_, MissingUsers::Keep) => MissingAction::Keep,
        (Some(None), _) => MissingAction::ProtectDisabled,
        (Some(Some(since)), MissingUsers::Disable { period, now }) if now < period.end(since) => {
            MissingAction::Wait(since)
        }
        _ if is_protected => MissingAction::ProtectAdmin,
        // Roles that cannot be read cannot be restored.
        (None, MissingUsers::Disable { .. }) if user.roles.entries().is_none() => MissingAction::ProtectAdmin,
        (None, MissingUsers::Disable { .. }) => MissingAction::Disable,
        (Some(Some(_)), MissingUsers::Disable { .. }) | (_, MissingUsers::Delete) => MissingAction::Delete,
    }
}

/// Whether a user has the role admin, had it before the user was disabled, or has roles that cannot be read.
pub(super) fn is_or_was_admin(user: &UserSummary<'_>, entry: Option<&DisabledEntry>) -> bool {
    user.is_admin || entry.is_some_and(has_admin)
}

/// Whether the roles before a user was disabled contain admin.
pub(super) fn has_admin(entry: &DisabledEntry) -> bool {
    entry.roles.iter().any(|role| role == Role::Admin.name())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::GracePeriod;
    use crate::ldap::LdapSnapshot;
    use crate::ldap::snapshot::SnapshotBuilder;
    use crate::sync::error::PlanRejection;
    use crate::sync::limit::DeletionLimit;
    use crate::sync::plan::Plan;
    use crate::sync::planner::Planner;
    use crate::user::AuthSource;
    use crate::user_db::ListColumn;

    const HOUR: i64 = 3600;

    fn user(roles: &'static str) -> UserSummary<'static> {
        UserSummary {
            username: "gone",
            source: AuthSource::Ldap,
            name: None,
            is_admin: !roles.starts_with('[') || roles.contains("admin"),
            is_without_roles: roles == "[]",
            roles: ListColumn::from_text(roles),
            projects: ListColumn::from_text("[]"),
        }
    }

    fn entry(roles: &[&str], missing_since: Option<i64>) -> DisabledEntry {
        DisabledEntry { roles: roles.iter().map(|role| (*role).to_owned()).collect(), missing_since }
    }

    fn rules(period: i64, now: i64) -> SyncRules {
        let missing =
            MissingUsers::Disable { period: GracePeriod::from_seconds(period), now: Timestamp(now) };
        SyncRules { missing, ..SyncRules::default() }
    }

    #[test]
    fn missing_user_is_disabled_waits_and_is_deleted_after_the_period() {
        let active = user("[\"user\"]");
        let disabled = user("[]");
        let now = 100 * HOUR;
        let since = |hours: i64| Some(now - hours * HOUR);
        let day = rules(24 * HOUR, now);
        let action = |user, entry: Option<DisabledEntry>, rules: &SyncRules| {
            decide_missing(user, entry.as_ref(), rules)
        };
        let user_entry = |since| Some(entry(&["user"], since));
        assert_eq!(action(&active, None, &day), MissingAction::Disable);
        assert_eq!(action(&disabled, None, &day), MissingAction::Disable, "without roles, not disabled");
        let waits = |hours: i64| MissingAction::Wait(Timestamp(now - hours * HOUR));
        assert_eq!(action(&disabled, user_entry(since(0)), &day), waits(0));
        assert_eq!(action(&disabled, user_entry(since(23)), &day), waits(23));
        assert_eq!(action(&disabled, user_entry(since(24)), &day), MissingAction::Delete);
        // The period of the settings at the time of the run counts.
        assert_eq!(action(&disabled, user_entry(since(24)), &rules(48 * HOUR, now)), waits(24));
        assert_eq!(action(&disabled, user_entry(since(2)), &rules(HOUR, now)), MissingAction::Delete);
        let without = |missing| SyncRules { missing, ..SyncRules::default() };
        assert_eq!(action(&disabled, user_entry(since(1)), &without(MissingUsers::Keep)), waits(1));
        assert_eq!(
            action(&disabled, user_entry(since(1)), &without(MissingUsers::Delete)),
            MissingAction::Delete
        );
        // The clock was set back, or has no meaningful time.
        assert_eq!(action(&disabled, user_entry(since(-50)), &day), waits(-50));
        let extreme = rules(i64::MAX, i64::MAX - 1);
        assert_eq!(action(&disabled, user_entry(Some(1)), &extreme), MissingAction::Wait(Timestamp(1)));
        assert_eq!(action(&disabled, user_entry(Some(i64::MIN)), &day), MissingAction::Delete);
    }

    #[test]
    fn missing_user_who_was_disabled_by_hand_is_never_deleted() {
        let by_hand = entry(&["admin"], None);
        for missing in [MissingUsers::Delete, rules(0, 100 * HOUR).missing] {
            for delete_admins in [false, true] {
                let rules = SyncRules { missing, delete_admins, ..SyncRules::default() };
                let action = decide_missing(&user("[]"), Some(&by_hand), &rules);
                assert_eq!(action, MissingAction::ProtectDisabled, "{rules:?}");
            }
        }
    }

    #[test]
    fn missing_administrator_is_disabled_and_deleted_only_with_delete_admins() {
        let due = entry(&["user", "admin"], Some(0));
        for (delete_admins, active, disabled) in [
            (false, MissingAction::ProtectAdmin, MissingAction::ProtectAdmin),
            (true, MissingAction::Disable, MissingAction::Delete),
        ] {
            let rules = SyncRules { delete_admins, ..rules(HOUR, 100 * HOUR) };
            assert_eq!(decide_missing(&user("[\"admin\"]"), None, &rules), active);
            assert_eq!(decide_missing(&user("[]"), Some(&due), &rules), disabled);
            let invalid = decide_missing(&user("garbage"), None, &rules);
            assert_eq!(invalid, MissingAction::ProtectAdmin, "roles that cannot be read are not changed");
        }
    }

    fn ldap_snapshot(entries: &[(&str, Option<&str>)]) -> LdapSnapshot {
        let mut builder = SnapshotBuilder::default();
        for (uid, name) in entries {
            let name = name.map(str::as_bytes).into_iter();
            builder.add_entry(uid, [uid.as_bytes()].into_iter(), name).unwrap();
        }
        builder.finish().unwrap()
    }

    fn ldap<'a>(username: &'a str, name: Option<&'a str>) -> UserSummary<'a> {
        UserSummary { username, name, ..user("[\"user\"]") }
    }

    const NO_ROLES: ListColumn<'static> = ListColumn::from_text("[]");

    /// A day of grace at the time of two days.
    const GRACE: SyncRules = SyncRules {
        missing: MissingUsers::Disable { period: GracePeriod::from_seconds(86_400), now: Timestamp(172_800) },
        keep_names: false,
        delete_admins: false,
        max_delete: DeletionLimit::Default,
    };

    fn plan_with_disabled<'r>(
        ldap_snapshot: &'r LdapSnapshot,
        rules: SyncRules,
        table: &[UserSummary<'_>],
        since: &[(&str, i64)],
    ) -> Plan<'r> {
        let mut disabled = DisabledUsers::default();
        for (username, since) in since {
            let roles = vec!["user".to_owned(), "manager".to_owned()];
            disabled.set(username, Some(DisabledEntry { roles, missing_since: Some(*since) }));
        }
        let mut planner = Planner::new(ldap_snapshot, rules, disabled, None);
        for user in table {
            planner.add_user(*user);
        }
        planner.finish()
    }

    #[test]
    fn plan_with_a_grace_period_disables_keeps_and_deletes_missing_users() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None), ("back", Some("Back"))]);
        let disabled =
            |username| UserSummary { is_without_roles: true, roles: NO_ROLES, ..ldap(username, None) };
        let table =
            [ldap("anna", None), ldap("new", None), disabled("wait"), disabled("due"), disabled("back")];
        let since = [("wait", 100_000), ("due", 86_400), ("back", 0), ("anna", 0)];
        let plan = plan_with_disabled(&ldap_snapshot, GRACE, &table, &since);
        assert_eq!(plan.disabled().collect::<Vec<_>>(), [("new", &["user".to_owned()][..])]);
        let in_grace: Vec<_> =
            plan.in_grace().iter().map(|user| (user.username.as_str(), user.delete_at)).collect();
        assert_eq!(in_grace, [("wait", Some(Timestamp(186_400)))]);
        assert_eq!(plan.deletions(), ["due"]);
        let roles = ["user".to_owned(), "manager".to_owned()];
        assert_eq!(plan.returned().collect::<Vec<_>>(), [("back", &roles[..])]);
        // The name of a returned user is updated as that of others; anna has roles and is not disabled.
        assert_eq!((plan.renames().len(), plan.unchanged(), plan.missing()), (1, 2, 3));
        // Without the grace period, users who are disabled return all the same.
        let rules = SyncRules { missing: MissingUsers::Keep, ..GRACE };
        let without = plan_with_disabled(&ldap_snapshot, rules, &table, &since);
        assert_eq!(
            (without.disabled().len(), without.deletions().len(), without.returned().len()),
            (0, 0, 1)
        );
        assert_eq!(without.in_grace().len(), 2);
    }

    #[test]
    fn plan_counts_disabled_and_deleted_users_for_the_limit() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let names: Vec<String> = (0..7).map(|number| format!("u{number}")).collect();
        let mut table: Vec<_> = names.iter().map(|name| ldap(name, None)).collect();
        let since = [("u0", 0), ("u1", 0)];
        for user in &mut table[..2] {
            (user.is_without_roles, user.roles) = (true, NO_ROLES);
        }
        let plan = plan_with_disabled(&ldap_snapshot, GRACE, &table, &since);
        assert_eq!((plan.deletions().len(), plan.disabled().len()), (2, 5));
        assert_eq!(plan.rejection(), Some(PlanRejection::TooMany { deletions: 7, allowed: 5, known: 7 }));
        let no_users = self::ldap_snapshot(&[]);
        let empty = plan_with_disabled(&no_users, GRACE, &table, &since).rejection();
        assert_eq!(empty, Some(PlanRejection::Empty { deletions: 7 }));
    }

    #[test]
    fn plan_neither_disables_nor_deletes_the_last_administrators() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let admin = |username, source| UserSummary { source, is_admin: true, ..ldap(username, None) };
        let rules = SyncRules { delete_admins: true, ..GRACE };
        let (boss, chief) = (admin("boss", AuthSource::Ldap), admin("chief", AuthSource::Ldap));
        let protected = plan_with_disabled(&ldap_snapshot, rules, &[boss, ldap("gone", None), chief], &[]);
        assert_eq!(protected.protected_admins(), ["boss", "chief"]);
        assert_eq!(protected.disabled().map(|(username, _)| username).collect::<Vec<_>>(), ["gone"]);
        let local = admin("local", AuthSource::Local);
        let others = plan_with_disabled(&ldap_snapshot, rules, &[boss, chief, local], &[]);
        assert_eq!((others.disabled().len(), others.protected_admins().len()), (2, 0));
        // The period of an administrator ends.
        let due = UserSummary { is_without_roles: true, roles: NO_ROLES, ..ldap("due", None) };
        let plan = |table: &[UserSummary<'_>]| {
            let mut disabled = DisabledUsers::default();
            disabled.set("due", Some(entry(&["admin"], Some(0))));
            let mut planner = Planner::new(&ldap_snapshot, rules, disabled, None);
            for user in table {
                planner.add_user(*user);
            }
            let plan = planner.finish();
            (plan.deletions().len(), plan.protected_admins().len())
        };
        assert_eq!(plan(&[due]), (0, 1));
        assert_eq!(plan(&[due, boss]), (0, 2), "boss is missing as well");
        assert_eq!(plan(&[due, local]), (1, 0));
    }
}
