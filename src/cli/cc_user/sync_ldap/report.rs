//! The report of `cc-user sync-ldap` as text and JSON.

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::style;
use crate::sync::{SyncCounts, SyncReport};
use crate::util::quote::{escape, quote, visible};
use anstyle::Style;

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
        console.line(&format!("would be: {} ({} entries)", summary(counts), counts.entries))?;
    } else if !console.is_quiet() {
        // The log of a nightly sync must contain the deleted users.
        for username in report.deleted {
            console.line(&format!("deleted   {}", escape(username)))?;
        }
        let counts = &report.counts;
        let seconds = report.seconds.unwrap_or_default();
        console.line(&format!("{} ({} entries in {seconds:.1} s)", summary(counts), counts.entries))?;
    }
    Ok(())
}

fn summary(counts: &SyncCounts) -> String {
    let SyncCounts { added, renamed, deleted, unchanged, conflicts, skipped, .. } = counts;
    let mut line = format!("{added} added, {renamed} renamed, {deleted} deleted, {unchanged} unchanged");
    for (count, one, many) in [(conflicts, "conflict", "conflicts"), (skipped, "skipped", "skipped")] {
        match count {
            0 => {}
            1 => line.push_str(&format!(", 1 {one}")),
            _ => line.push_str(&format!(", {count} {many}")),
        }
    }
    line
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
}

/// Prints a table with one row for each user and each skipped entry.
fn print_changes(report: &SyncReport<'_>, console: &mut Console) -> Result<(), Failure> {
    let mut row = |action: &str, style: Style, name: &str, detail: &str| {
        let painted = console.paint(style, &format!("{action:<8}"));
        let line = format!("{painted}  {:<16}  {}", escape(name), visible(detail));
        // A table of a million lines ends early if its reader is gone.
        if console.is_reader_gone() { Ok(()) } else { console.line(line.trim_end()) }
    };
    for user in &report.added {
        row("add", style::PASS, user.username, &escape(user.name.unwrap_or_default()))?;
    }
    for user in &report.renamed {
        let (before, after) = (user.before.unwrap_or_default(), user.after.unwrap_or_default());
        row("rename", style::WARNING, user.username, &format!("{} is now {}", quote(before), quote(after)))?;
    }
    for username in report.deleted {
        row("delete", style::REJECTS, username, "not in the LDAP directory")?;
    }
    for username in report.protected_admins {
        row("protect", style::NOTE, username, "administrator, not in the LDAP directory")?;
    }
    for username in report.protected_disabled {
        row("protect", style::NOTE, username, "disabled, not in the LDAP directory")?;
    }
    for conflict in &report.conflicts {
        let detail = format!("auth source {}, not changed", conflict.source);
        row("conflict", style::NOTE, conflict.username, &detail)?;
    }
    for skipped in report.skipped {
        row("skip", style::NOTE, &skipped.entry, &skipped.reason)?;
    }
    let more = report.counts.skipped.saturating_sub(report.skipped.len() as u64);
    if more > 0 {
        row("skip", style::NOTE, &format!("{more} more"), "")?;
    }
    Ok(())
}
