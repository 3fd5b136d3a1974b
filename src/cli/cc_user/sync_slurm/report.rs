//! The report of `cc-user sync-slurm` as text and JSON.

use crate::cli::cc_user::rights::{log_rights, print_removed, print_rights, print_row};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::style;
use crate::sync::slurm::{SlurmSyncCounts, SlurmSyncReport};
use crate::util::count::counted;

/// Prints what was changed, or in a dry run each change.
pub(super) fn print(report: &SlurmSyncReport<'_>, console: &mut Console) -> Result<(), Failure> {
    let SlurmSyncReport { counts, dry_run, .. } = report;
    if !dry_run {
        report.added.iter().for_each(|username| log::info!("added {username}"));
        log_rights(report.rights);
    }
    if console.is_json() {
        console.json(report)?;
    } else if *dry_run {
        for username in report.added {
            print_row("add", style::PASS, username, "", console)?;
        }
        print_rights(report.rights, console)?;
        for username in report.disabled_users {
            print_row("protect", style::NOTE, username, "disabled, not changed", console)?;
        }
        console.line(&format!(
            "would be: {} ({} of Slurm)",
            summary(counts),
            counted(counts.users, "user")
        ))?;
    } else if !console.is_quiet() {
        print_removed(report.rights, counts.roles_removed + counts.projects_removed, console)?;
        let seconds = report.seconds.unwrap_or_default();
        console.line(&format!(
            "{} ({} of Slurm in {seconds:.1} s)",
            summary(counts),
            counted(counts.users, "user")
        ))?;
    }
    Ok(())
}

fn summary(counts: &SlurmSyncCounts) -> String {
    let SlurmSyncCounts { added, unchanged, roles_added, roles_removed, .. } = counts;
    let SlurmSyncCounts { projects_added, projects_removed, rights_changed, .. } = counts;
    let mut line = format!("{added} added, {unchanged} unchanged");
    if *rights_changed > 0 {
        line.push_str(&format!(
            "; roles: {roles_added} added, {roles_removed} removed; projects: {projects_added} added, \
             {projects_removed} removed"
        ));
    }
    line
}
