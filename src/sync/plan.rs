//! What a sync would do: a pure value computed from the directory and the user table.
//!
//! Names are compared as the server compares them: byte by byte, case and blanks included.
//! Names that differ in nothing else are different users to it, and are only warned of.

use std::hash::{BuildHasher as _, RandomState};

use crate::ldap::LdapSnapshot;
use crate::ldap::snapshot::{NameStatus, SkippedEntry};
use crate::user::{AuthSource, normalized};
use crate::user_db::UserSummary;

use super::limit::DeletionLimit;

/// What a sync is allowed to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SyncRules {
    /// Delete users who came from the directory and are no longer in it.
    pub delete_missing: bool,
    /// Leave full names as they are.
    pub keep_names: bool,
    /// Delete users with the role admin as well.
    pub delete_admins: bool,
    /// How many may be deleted.
    pub max_delete: DeletionLimit,
}

/// A full name that changed in the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rename {
    /// The place in the snapshot.
    index: u32,
    /// The full name in the table.
    pub before: Option<String>,
}

/// A user of another source who has a name of the directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The name.
    pub username: String,
    /// Where the user in the table came from.
    pub source: AuthSource,
}

/// Why a plan is not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlanRejection {
    /// More users would be deleted than is allowed.
    TooMany {
        /// How many would be deleted.
        deletions: u64,
        /// How many may be.
        allowed: u64,
        /// Of how many who came from the directory.
        known: u64,
    },
    /// The search returned no entry.
    Empty {
        /// How many would be deleted.
        deletions: u64,
    },
    /// The search returned entries, but none of which a user could be made.
    NoUsername {
        /// How many entries.
        entries: u64,
        /// How many of them have no username at all.
        without: u64,
    },
}

/// The changes, and what is reported beside them.
#[derive(Debug)]
pub struct Plan<'ldap_snapshot> {
    snapshot: &'ldap_snapshot LdapSnapshot,
    rules: SyncRules,
    add: Vec<u32>,
    rename: Vec<Rename>,
    delete: Vec<String>,
    protected_admins: Vec<String>,
    missing: u64,
    conflicts: Vec<Conflict>,
    similar_usernames: Vec<(String, String)>,
    known: u64,
    unchanged: u64,
}

impl<'ldap_snapshot> Plan<'ldap_snapshot> {
    /// Who is added: username and full name, in order.
    pub fn additions(
        &self,
    ) -> impl ExactSizeIterator<Item = (&'ldap_snapshot str, Option<&'ldap_snapshot str>)> {
        self.add.iter().map(|place| self.texts(*place))
    }

    /// Whose full name changes: username, name before, name after.
    pub fn renames(
        &self,
    ) -> impl ExactSizeIterator<Item = (&'ldap_snapshot str, Option<&str>, Option<&'ldap_snapshot str>)> {
        self.rename.iter().map(|rename| {
            let (username, name) = self.texts(rename.index);
            (username, rename.before.as_deref(), name)
        })
    }

    /// Who is deleted, in order.
    #[must_use]
    pub fn deletions(&self) -> &[String] {
        &self.delete
    }

    /// Admins who are no longer in the directory and are kept all the same.
    #[must_use]
    pub fn protected_admins(&self) -> &[String] {
        &self.protected_admins
    }

    /// How many came from the directory and are no longer in it, deleted or not.
    #[must_use]
    pub const fn missing(&self) -> u64 {
        self.missing
    }

    /// Users of other sources who have a name of the directory; they are kept as they are.
    #[must_use]
    pub fn conflicts(&self) -> &[Conflict] {
        &self.conflicts
    }

    /// Names that differ by case or blanks only, and would be different users.
    #[must_use]
    pub fn similar_usernames(&self) -> &[(String, String)] {
        &self.similar_usernames
    }

    /// Entries that were skipped, the first thousand of them.
    #[must_use]
    pub fn skipped(&self) -> &[SkippedEntry] {
        self.snapshot.skipped()
    }

    /// How many entries were skipped.
    #[must_use]
    pub const fn skipped_count(&self) -> u64 {
        self.snapshot.skipped_count()
    }

    /// How many entries the directory has.
    #[must_use]
    pub const fn entries(&self) -> u64 {
        self.snapshot.entries()
    }

    /// How many users in the table came from the directory.
    #[must_use]
    pub const fn known(&self) -> u64 {
        self.known
    }

    /// How many users stay exactly as they are.
    #[must_use]
    pub const fn unchanged(&self) -> u64 {
        self.unchanged
    }

    /// Whether nothing changes.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.add.is_empty() && self.rename.is_empty() && self.delete.is_empty()
    }

    /// Why the plan must not be carried out, if so.
    #[must_use]
    pub fn rejection(&self) -> Option<PlanRejection> {
        let deletions = self.delete.len() as u64;
        // An answer without a single user comes from a wrong setting or a missing right, whatever
        // the limit, and also where no user is to delete.
        if !self.snapshot.has_users() {
            return Some(match self.snapshot.entries() {
                0 => PlanRejection::Empty { deletions },
                entries => PlanRejection::NoUsername { entries, without: self.snapshot.without_name() },
            });
        }
        let allowed = self.rules.max_delete.allowed(self.known);
        (deletions > allowed).then_some(PlanRejection::TooMany { deletions, allowed, known: self.known })
    }

    /// The attribute that was searched for usernames.
    #[must_use]
    pub fn uid_attribute(&self) -> &str {
        self.snapshot.uid_attribute()
    }

    /// Attributes that the LDAP server returned under another spelling than the configured one.
    #[must_use]
    pub fn spellings(&self) -> &[(String, String)] {
        self.snapshot.spellings()
    }

    fn texts(&self, place: u32) -> (&'ldap_snapshot str, Option<&'ldap_snapshot str>) {
        let ldap_snapshot: &'ldap_snapshot LdapSnapshot = self.snapshot;
        ldap_snapshot.get(place as usize).map_or(("", None), |member| (member.username, member.name))
    }
}

/// Makes a plan; it receives each user of the table once, in any order; the order of the names is
/// fastest.
#[derive(Debug)]
pub struct Planner<'ldap_snapshot> {
    plan: Plan<'ldap_snapshot>,
    /// A bit for each name of the snapshot: whether a user in the table has it.
    found: Vec<u64>,
    next: usize,
    /// Names in the table that the directory has not.
    other_usernames: Vec<String>,
}

impl<'ldap_snapshot> Planner<'ldap_snapshot> {
    /// Begins with what the directory has.
    #[must_use]
    pub fn new(ldap_snapshot: &'ldap_snapshot LdapSnapshot, rules: SyncRules) -> Self {
        let plan = Plan {
            snapshot: ldap_snapshot,
            rules,
            add: Vec::new(),
            rename: Vec::new(),
            delete: Vec::new(),
            protected_admins: Vec::new(),
            missing: 0,
            conflicts: Vec::new(),
            similar_usernames: Vec::new(),
            known: 0,
            unchanged: 0,
        };
        Self { plan, found: vec![0; ldap_snapshot.len().div_ceil(64)], next: 0, other_usernames: Vec::new() }
    }

    /// Takes note of a user in the table.
    pub fn add_user(&mut self, user: UserSummary<'_>) {
        let plan = &mut self.plan;
        let from_directory = user.source == AuthSource::Ldap;
        plan.known += u64::from(from_directory);
        let Some(place) = plan.snapshot.find(user.username, self.next) else {
            self.other_usernames.push(user.username.to_owned());
            if !from_directory {
                return;
            }
            plan.missing += 1;
            if !plan.rules.delete_missing {
                plan.unchanged += 1;
            } else if user.is_admin && !plan.rules.delete_admins {
                plan.protected_admins.push(user.username.to_owned());
            } else {
                plan.delete.push(user.username.to_owned());
            }
            return;
        };
        self.next = place + 1;
        if let Some(bits) = self.found.get_mut(place / 64) {
            *bits |= 1 << (place % 64);
        }
        let Some(member) = plan.snapshot.get(place) else { return };
        if !from_directory {
            // A further name of a user, or an invalid one, would not have been added anyway.
            if member.status == NameStatus::Usable {
                plan.conflicts.push(Conflict { username: user.username.to_owned(), source: user.source });
            }
            return;
        }
        // An entry without the attribute says nothing about the name, and one of several entries
        // says nothing for sure.
        let changed = matches!(member.status, NameStatus::Usable | NameStatus::Invalid)
            && member.name.is_some_and(|name| Some(name) != user.name);
        match u32::try_from(place) {
            Ok(place) if changed && !plan.rules.keep_names => {
                plan.rename.push(Rename { index: place, before: user.name.map(str::to_owned) });
            }
            _ => plan.unchanged += 1,
        }
    }

    /// The plan, after all users of the table.
    #[must_use]
    pub fn finish(mut self) -> Plan<'ldap_snapshot> {
        let plan = &mut self.plan;
        for (place, member) in (0_u32..).zip(plan.snapshot.users()) {
            let taken = self.found.get(place as usize / 64).is_some_and(|bits| bits >> (place % 64) & 1 == 1);
            if !taken && member.status == NameStatus::Usable {
                plan.add.push(place);
            }
        }
        plan.rename.sort_unstable_by_key(|rename| rename.index);
        plan.delete.sort_unstable();
        plan.protected_admins.sort_unstable();
        plan.conflicts.sort_unstable_by(|a, b| a.username.cmp(&b.username));
        find_similar_usernames(plan, &mut self.other_usernames);
        self.plan
    }
}

/// How many near-collisions are named.
const NAMED: usize = 100;

/// Whether a name may differ from its plain form.
fn may_differ_from_normalized(name: &str) -> bool {
    name.bytes().any(|byte| byte.is_ascii_uppercase() || byte.is_ascii_whitespace() || !byte.is_ascii())
}

/// Finds names about to be added that differ from another name, here or there, by case or blanks
/// only. One of two such names is not in its plain form, and most directories have few of those.
fn find_similar_usernames(plan: &mut Plan<'_>, new_usernames: &mut [String]) {
    if plan.add.is_empty() {
        return;
    }
    new_usernames.sort_unstable();
    let hasher = RandomState::new();
    let mut seen: Vec<(u64, &str)> = Vec::new();
    let ldap_snapshot = plan.snapshot;
    let usernames =
        ldap_snapshot.users().map(|member| member.username).chain(new_usernames.iter().map(String::as_str));
    for name in usernames.filter(|name| may_differ_from_normalized(name)) {
        let normal = normalized(name);
        let hash = hasher.hash_one(&normal);
        seen.push((hash, name));
        if let Some(member) = ldap_snapshot.find(&normal, 0).and_then(|place| ldap_snapshot.get(place)) {
            seen.push((hash, member.username));
        }
        if let Ok(at) = new_usernames.binary_search(&normal) {
            seen.extend(new_usernames.get(at).map(|name| (hash, name.as_str())));
        }
    }
    seen.sort_unstable();
    seen.dedup();
    let is_added = |name: &str| {
        let place = ldap_snapshot.find(name, 0).and_then(|place| u32::try_from(place).ok());
        place.is_some_and(|place| plan.add.binary_search(&place).is_ok())
    };
    let pairs = seen.windows(2).filter_map(|pair| match pair {
        [(a_hash, a), (b_hash, b)] if a_hash == b_hash && normalized(a) == normalized(b) => Some((*a, *b)),
        _ => None,
    });
    plan.similar_usernames = pairs
        .filter(|(a, b)| is_added(a) || is_added(b))
        .take(NAMED)
        .map(|(a, b)| (a.to_owned(), b.to_owned()))
        .collect();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ldap::snapshot::SnapshotBuilder;

    fn ldap_snapshot(people: &[(&str, Option<&str>)]) -> LdapSnapshot {
        let mut builder = SnapshotBuilder::default();
        for (uid, name) in people {
            builder
                .add_entry(uid, [uid.as_bytes()].into_iter(), name.map(str::as_bytes).into_iter())
                .unwrap();
        }
        builder.finish().unwrap()
    }

    const fn ldap<'a>(username: &'a str, name: Option<&'a str>) -> UserSummary<'a> {
        UserSummary { username, source: AuthSource::Ldap, name, is_admin: false }
    }

    fn plan<'r>(ldap_snapshot: &'r LdapSnapshot, rules: SyncRules, table: &[UserSummary<'_>]) -> Plan<'r> {
        let mut planner = Planner::new(ldap_snapshot, rules);
        for user in table {
            planner.add_user(*user);
        }
        planner.finish()
    }

    const DELETING: SyncRules = SyncRules {
        delete_missing: true,
        keep_names: false,
        delete_admins: false,
        max_delete: DeletionLimit::Default,
    };

    #[test]
    fn plan_without_deletions_counts_missing_users_as_unchanged() {
        let ldap_snapshot = ldap_snapshot(&[("a", None)]);
        let rules = SyncRules { delete_missing: false, ..DELETING };
        let table = [ldap("a", None), ldap("b", None), ldap("c", None)];
        assert_eq!(plan(&ldap_snapshot, rules, &table).unchanged(), 3);
    }

    #[test]
    fn who_is_new_is_added_and_who_is_known_stays() {
        let ldap_snapshot = ldap_snapshot(&[("anna", Some("Anna")), ("ben", None), ("zoe", Some("Zoe"))]);
        let plan = plan(&ldap_snapshot, DELETING, &[ldap("ben", Some("Ben B")), ldap("anna", Some("Anna"))]);
        assert_eq!(plan.additions().collect::<Vec<_>>(), [("zoe", Some("Zoe"))]);
        assert_eq!((plan.unchanged(), plan.known(), plan.renames().len()), (2, 2, 0));
        assert!(plan.deletions().is_empty() && plan.rejection().is_none());
    }

    #[test]
    fn a_name_that_changed_is_updated_unless_names_are_kept() {
        let ldap_snapshot = ldap_snapshot(&[("anna", Some("Anna Neu"))]);
        let table = [ldap("anna", Some("Anna Alt"))];
        let changed = plan(&ldap_snapshot, DELETING, &table);
        let renames: Vec<_> = changed.renames().collect();
        assert_eq!(renames, [("anna", Some("Anna Alt"), Some("Anna Neu"))]);
        assert!(plan(&ldap_snapshot, SyncRules { keep_names: true, ..DELETING }, &table).is_empty());
    }

    #[test]
    fn an_entry_without_a_full_name_changes_no_name() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None), ("ben", Some("")), ("clara", Some(""))]);
        let table = [ldap("anna", Some("Anna")), ldap("ben", None), ldap("clara", Some("Clara"))];
        let plan = plan(&ldap_snapshot, DELETING, &table);
        assert!(plan.is_empty());
    }

    #[test]
    fn who_is_gone_is_deleted_only_when_that_is_asked_for() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let table = [ldap("anna", None), ldap("gone", None)];
        assert_eq!(plan(&ldap_snapshot, DELETING, &table).deletions(), ["gone"]);
        let keeping = plan(&ldap_snapshot, SyncRules::default(), &table);
        assert!(keeping.is_empty());
        assert_eq!(keeping.missing(), 1);
    }

    #[test]
    fn an_admin_who_is_gone_is_kept_unless_admins_may_go_as_well() {
        let ldap_snapshot = ldap_snapshot(&[("anna", None)]);
        let table = [ldap("anna", None), UserSummary { is_admin: true, ..ldap("boss", None) }];
        let kept = plan(&ldap_snapshot, DELETING, &table);
        assert!(kept.is_empty());
        assert_eq!(kept.protected_admins(), ["boss"]);
        let all = plan(&ldap_snapshot, SyncRules { delete_admins: true, ..DELETING }, &table);
        assert_eq!(all.deletions(), ["boss"]);
    }

    #[test]
    fn users_of_other_sources_are_kept_and_named() {
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
    fn empty_directory_deletes_no_user_with_any_limit() {
        let ldap_snapshot = ldap_snapshot(&[]);
        let rules = SyncRules { max_delete: DeletionLimit::Percent(100), ..DELETING };
        let plan = plan(&ldap_snapshot, rules, &[ldap("anna", None)]);
        assert_eq!(plan.rejection(), Some(PlanRejection::Empty { deletions: 1 }));
    }

    #[test]
    fn answer_without_a_usable_entry_is_refused_also_where_nothing_is_deleted() {
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
            assert_eq!(plan.rejection(), Some(PlanRejection::NoUsername { entries: 4, without: 1 }));
            assert_eq!(plan.uid_attribute(), "employeeNumber");
        }
    }

    #[test]
    fn a_loss_above_the_limit_is_refused_with_the_numbers() {
        let ldap_snapshot = ldap_snapshot(&[("u0", None)]);
        let names: Vec<String> = (0..100).map(|number| format!("u{number}")).collect();
        let table: Vec<_> = names.iter().map(|name| ldap(name, None)).collect();
        let refused = plan(&ldap_snapshot, DELETING, &table).rejection();
        assert_eq!(refused, Some(PlanRejection::TooMany { deletions: 99, allowed: 10, known: 100 }));
        let allowed = SyncRules { max_delete: DeletionLimit::Count(99), ..DELETING };
        assert_eq!(plan(&ldap_snapshot, allowed, &table).rejection(), None);
    }

    #[test]
    fn a_name_that_several_entries_have_is_neither_added_nor_deleted() {
        let mut builder = SnapshotBuilder::default();
        for dn in ["cn=a", "cn=b"] {
            builder.add_entry(dn, [&b"twice"[..]].into_iter(), [&b"Some Name"[..]].into_iter()).unwrap();
        }
        let ldap_snapshot = builder.finish().unwrap();
        assert!(plan(&ldap_snapshot, DELETING, &[]).is_empty());
        assert!(plan(&ldap_snapshot, DELETING, &[ldap("twice", Some("T"))]).is_empty());
    }

    #[test]
    fn user_known_by_a_further_name_is_not_missing() {
        let mut builder = SnapshotBuilder::default();
        builder.add_entry("cn=a", [&b"anna"[..], b"anna2"].into_iter(), [].into_iter()).unwrap();
        let ldap_snapshot = builder.finish().unwrap();
        let plan = plan(&ldap_snapshot, DELETING, &[ldap("anna2", None)]);
        assert_eq!(plan.additions().collect::<Vec<_>>(), [("anna", None)]);
        assert!(plan.deletions().is_empty());
    }

    #[test]
    fn a_name_too_long_for_a_new_user_keeps_who_has_it_already() {
        let long = "x".repeat(255);
        let ldap_snapshot = ldap_snapshot(&[(&long, Some("Long"))]);
        assert!(plan(&ldap_snapshot, DELETING, &[]).is_empty());
        assert!(plan(&ldap_snapshot, DELETING, &[ldap(&long, Some("Long"))]).deletions().is_empty());
    }

    #[test]
    fn names_that_differ_by_case_or_blanks_are_warned_of() {
        let ldap_snapshot =
            ldap_snapshot(&[("Anna", None), ("anna", None), ("ben", None), ("BEN", None), ("zoe", None)]);
        let local = UserSummary { source: AuthSource::Local, ..ldap("Zoe ", None) };
        let plan = plan(&ldap_snapshot, SyncRules::default(), &[ldap("ben", None), ldap("BEN", None), local]);
        let near: Vec<_> = plan.similar_usernames().iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(near.len(), 2, "{near:?}");
        assert!(near.contains(&("Anna", "anna")) && near.contains(&("Zoe ", "zoe")), "{near:?}");
        assert_eq!(plan.additions().len(), 3, "they are different users all the same");
    }

    #[test]
    fn the_order_of_the_table_does_not_matter() {
        let names: Vec<String> = (0..500).map(|number| format!("u{number:03}")).collect();
        let people: Vec<_> = names.iter().map(|name| (name.as_str(), None)).collect();
        let ldap_snapshot = ldap_snapshot(&people);
        let mut table: Vec<_> = names.iter().step_by(3).map(|name| ldap(name, None)).collect();
        let forth =
            plan(&ldap_snapshot, DELETING, &table).additions().map(|(name, _)| name).collect::<Vec<_>>();
        table.reverse();
        let back =
            plan(&ldap_snapshot, DELETING, &table).additions().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(forth, back);
        assert_eq!(forth.len(), 500 - 167);
    }
}
