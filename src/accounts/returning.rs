//! Roles and projects that a user loses, and those that the next synchronization gives again.

use std::collections::HashSet;

use super::error::AccountsErrors;
use super::store::UserTable;
use crate::user::User;
use crate::user::account::distinct;
use crate::util::quote::quote;

/// Returns whether a list has an entry that is not in the list after a change.
pub(super) fn loses_entry(before: &[String], after: &[String]) -> bool {
    removed(before, after).next().is_some()
}

/// Returns a note if a source gave a removed role or project: the next synchronization gives it again.
///
/// # Errors
/// The error of the file with the given roles and projects.
pub(super) fn returning_entries(
    table: &UserTable<'_>,
    before: &User,
    after: &User,
) -> Result<Option<String>, AccountsErrors> {
    if !loses_entry(&before.roles, &after.roles) && !loses_entry(&before.projects, &after.projects) {
        return Ok(None);
    }
    let given = table.given(&before.username)?;
    let roles: HashSet<&String> = given.values().flat_map(|rights| &rights.roles).collect();
    let projects: HashSet<&String> = given.values().flat_map(|rights| &rights.projects).collect();
    let lost_roles = removed(&before.roles, &after.roles).filter(|role| roles.contains(role));
    let lost_projects =
        removed(&before.projects, &after.projects).filter(|project| projects.contains(project));
    let entries = distinct(lost_roles.chain(lost_projects).map(|entry| quote(entry)).collect());
    Ok((!entries.is_empty()).then(|| {
        format!(
            "an LDAP group or a Slurm account gave {} to {}: the next synchronization adds it again, unless the group or account no longer gives it",
            entries.join(", "),
            quote(&before.username)
        )
    }))
}

fn removed<'list>(before: &'list [String], after: &[String]) -> impl Iterator<Item = &'list String> {
    let after: HashSet<String> = after.iter().cloned().collect();
    before.iter().filter(move |entry| !after.contains(*entry))
}
