//! The report of `cc-user sync-ldap` as text and JSON.

use crate::accounts::report::list;
use crate::cli::cc_user::rights::{log_rights, print_removed, print_rights, print_row, print_slurm};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::style;
use crate::sync::{CheckReport, RuleReport, SyncCounts, SyncReport, UserInGrace};
use crate::util::count::counted;
use crate::util::quote::{escape, quote};
use crate::util::time::{Clock, Timestamp};

/// Prints what was changed, or in a dry run each change.
pub(super) fn print(report: &SyncReport<'_>, console: &mut Console) -> Result<(), Failure> {
    if !report.dry_run {
        log_changes(report);
    }
    if console.is_json() {
        console.json(report)?;
    } else if report.dry_run {
        print_changes(report, console)?;
        let counts = &report.counts;
        console.line(&format!("would be: {} ({})", summary(counts), counted(counts.entries, "entry")))?;
    } else if !console.is_quiet() {
        // The log of a nightly sync must contain the deleted users.
        for username in report.deleted {
            console.line(&format!("deleted   {}", escape(username)))?;
        }
        for user in &report.disabled {
            console.line(&format!("disabled  {}", escape(&user.username)))?;
        }
        for user in &report.returned {
            console.line(&format!("enabled   {}", escape(user.username)))?;
        }
        print_removed(report.rights, counts_removed(report), console)?;
        let counts = &report.counts;
        let seconds = report.seconds.unwrap_or_default();
        console.line(&format!(
            "{} ({} in {seconds:.1} s)",
            summary(counts),
            counted(counts.entries, "entry")
        ))?;
    }
    Ok(())
}

fn summary(counts: &SyncCounts) -> String {
    let SyncCounts { added, renamed, deleted, unchanged, conflicts, skipped, .. } = counts;
    let mut line = format!("{added} added, {renamed} renamed, {deleted} deleted, {unchanged} unchanged");
    for (count, what) in [
        (counts.disabled, "disabled"),
        (counts.returned, "enabled"),
        (counts.in_grace, "in the grace period"),
    ] {
        if count > 0 {
            line.push_str(&format!(", {count} {what}"));
        }
    }
    for (count, one, many) in [(conflicts, "conflict", "conflicts"), (skipped, "skipped", "skipped")] {
        match count {
            0 => {}
            1 => line.push_str(&format!(", 1 {one}")),
            _ => line.push_str(&format!(", {count} {many}")),
        }
    }
    if counts.rights_changed > 0 {
        let SyncCounts { roles_added, roles_removed, projects_added, projects_removed, .. } = counts;
        line.push_str(&format!(
            "; roles: {roles_added} added, {roles_removed} removed; projects: {projects_added} added, \
             {projects_removed} removed"
        ));
    }
    line
}

/// Prints what each rule selects.
pub(super) fn print_check(report: &CheckReport, console: &mut Console) -> Result<(), Failure> {
    if console.is_json() {
        return Ok(console.json(report)?);
    }
    if console.is_quiet() {
        return Ok(());
    }
    for RuleReport { rule, selector, groups, users } in &report.rules {
        let groups = match groups {
            None => "attribute".to_owned(),
            Some(count) => counted(*count, "group"),
        };
        let users = counted(*users, "user");
        console.line(&format!("{rule:<9} {groups:<10} {users:<11} {}", escape(selector)))?;
    }
    if let Some(slurm) = &report.slurm {
        print_slurm(slurm, console)?;
    }
    console.line(&format!("{}, {}", counted(report.users, "user entry"), counted(report.groups, "group")))?;
    Ok(())
}

const fn counts_removed(report: &SyncReport<'_>) -> u64 {
    report.counts.roles_removed + report.counts.projects_removed
}

/// When a user is deleted.
fn deletion(user: &UserInGrace, now: Timestamp) -> String {
    match user.delete_at {
        Some(time) => format!("to be deleted {}", time.human(now)),
        None => "not deleted without a grace period".to_owned(),
    }
}

/// `-v` lists changed full names, `-vv` new users as well.
fn log_changes(report: &SyncReport<'_>) {
    for user in &report.renamed {
        let (before, after) = (user.before.unwrap_or_default(), user.after.unwrap_or_default());
        log::info!("renamed {}: {before} is now {after}", user.username);
    }
    for user in &report.added {
        log::debug!("added {}", user.username);
    }
    if report.counts.rights_changed > 0 {
        log_rights(report.rights);
    }
}

/// Prints a table with one row for each user and each skipped entry.
fn print_changes(report: &SyncReport<'_>, console: &mut Console) -> Result<(), Failure> {
    for user in &report.added {
        print_row("add", style::PASS, user.username, &escape(user.name.unwrap_or_default()), console)?;
    }
    for user in &report.renamed {
        let (before, after) = (user.before.unwrap_or_default(), user.after.unwrap_or_default());
        print_row(
            "rename",
            style::WARNING,
            user.username,
            &format!("{} is now {}", quote(before), quote(after)),
            console,
        )?;
    }
    for username in report.deleted {
        print_row("delete", style::REJECTS, username, "not in the LDAP directory", console)?;
    }
    let now = Clock::System.now();
    for user in &report.disabled {
        let detail = format!("not in the LDAP directory, {}", deletion(user, now));
        print_row("disable", style::REJECTS, &user.username, &detail, console)?;
    }
    for user in &report.returned {
        let detail = format!("in the LDAP directory again: {}", list(user.roles));
        print_row("enable", style::PASS, user.username, &detail, console)?;
    }
    print_rights(report.rights, console)?;
    for user in &report.set_by_hand {
        let rights =
            user.roles.iter().chain(user.projects).map(|name| escape(name)).collect::<Vec<_>>().join(", ");
        let detail = format!("{rights} (set by hand; authoritative would remove this)");
        print_row("by hand", style::NOTE, user.username, &detail, console)?;
    }
    for username in report.protected_admins {
        print_row("protect", style::NOTE, username, "administrator, not in the LDAP directory", console)?;
    }
    for user in report.in_grace {
        let detail = format!("disabled since {}, {}", user.missing_since.human(now), deletion(user, now));
        print_row("grace", style::NOTE, &user.username, &detail, console)?;
    }
    for username in report.protected_disabled {
        print_row("protect", style::NOTE, username, "disabled, not in the LDAP directory", console)?;
    }
    for conflict in &report.conflicts {
        let detail = format!("auth source {}, not changed", conflict.source);
        print_row("conflict", style::NOTE, conflict.username, &detail, console)?;
    }
    for skipped in report.skipped {
        print_row("skip", style::NOTE, &skipped.entry, &skipped.reason, console)?;
    }
    let more = report.counts.skipped.saturating_sub(report.skipped.len() as u64);
    if more > 0 {
        print_row("skip", style::NOTE, &format!("{more} more"), "", console)?;
    }
    Ok(())
}
