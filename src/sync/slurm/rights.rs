//! The roles and projects that Slurm accounting gives to LDAP users.

use super::super::error::SyncError;
use super::super::rights_report::listed;
use crate::policy::role_map::Grants;
use crate::slurm::{SlurmGrants, SlurmSource};
use crate::util::note::Notes;

/// Reads the output of sacctmgr and returns what it gives to users with these usernames.
///
/// # Errors
/// [`SyncError::Slurm`].
pub(in super::super) fn grants<'a>(
    source: &SlurmSource,
    usernames: impl Iterator<Item = &'a str>,
    notes: &mut Notes,
) -> Result<Grants, SyncError> {
    let found = source.grants(&source.read(notes)?, usernames)?;
    add_notes(&found, notes);
    Ok(found.grants)
}

/// Notes about users and accounts of Slurm that give nothing.
fn add_notes(found: &SlurmGrants, notes: &mut Notes) {
    let SlurmGrants { unknown_users, invalid_projects, .. } = found;
    if !unknown_users.is_empty() {
        let names = unknown_users.iter().map(String::as_str);
        notes.note(format!(
            "users of Slurm who are not in the LDAP directory get no role or project ('cc-user sync-slurm' gives \
             them to all users): {}",
            listed(names, unknown_users.len() as u64)
        ));
    }
    warn_of_projects(invalid_projects, notes);
}

/// Warns of accounts whose names no project can have.
pub(super) fn warn_of_projects(accounts: &[String], notes: &mut Notes) {
    if !accounts.is_empty() {
        let names = accounts.iter().map(String::as_str);
        notes.warn(
            "slurm-account-name",
            format!(
                "accounts of Slurm with names that no project can have: {}",
                listed(names, accounts.len() as u64)
            ),
        );
    }
}
