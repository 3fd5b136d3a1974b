//! Changed roles and projects, and what Slurm has, in the reports of both synchronizations.

use anstyle::Style;

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::style;
use crate::policy::role_map::Reason;
use crate::sync::slurm::SlurmCheckReport;
use crate::sync::{GivenBy, RightsList};
use crate::util::quote::{escape, visible};

/// The rule and the chain of groups of a reason.
pub(super) fn describe_reason(reason: &Reason) -> String {
    match reason.chain.as_slice() {
        [] => reason.rule.clone(),
        chain => format!(
            "{}: {}",
            reason.rule,
            chain.iter().map(|group| escape(group)).collect::<Vec<_>>().join(" in ")
        ),
    }
}

fn describe_reasons(given: &GivenBy) -> String {
    let reasons: Vec<String> = given.reasons.iter().map(describe_reason).collect();
    format!("{} ({})", escape(&given.name), reasons.join("; "))
}

/// Prints the removed roles and projects, which the limit counts.
pub(super) fn print_removed(
    rights: RightsList<'_>,
    removed: u64,
    console: &mut Console,
) -> Result<(), Failure> {
    if removed == 0 {
        return Ok(());
    }
    for user in rights.iter() {
        for (what, names) in [("role", &user.roles_removed), ("project", &user.projects_removed)] {
            for name in names {
                console.line(&format!("removed   {what} {} of {}", escape(name), escape(user.username)))?;
            }
        }
    }
    Ok(())
}

/// `-v` lists added roles and projects.
pub(super) fn log_rights(rights: RightsList<'_>) {
    if !log::log_enabled!(log::Level::Info) {
        return;
    }
    for user in rights.iter() {
        for (what, given) in [("role", &user.roles_added), ("project", &user.projects_added)] {
            for given in given {
                log::info!("{} gets the {what} {}", user.username, describe_reasons(given));
            }
        }
    }
}

/// Prints a row of a dry run.
pub(super) fn print_row(
    action: &str,
    style: Style,
    name: &str,
    detail: &str,
    console: &mut Console,
) -> Result<(), Failure> {
    let painted = console.paint(style, &format!("{action:<8}"));
    let line = format!("{painted}  {:<16}  {}", escape(name), visible(detail));
    // A table of a million lines ends early if its reader is gone.
    if console.is_reader_gone() { Ok(()) } else { Ok(console.line(line.trim_end())?) }
}

/// Prints a row for each role and project that changes.
pub(super) fn print_rights(rights: RightsList<'_>, console: &mut Console) -> Result<(), Failure> {
    for user in rights.iter() {
        for role in &user.roles_added {
            print_row("+role", style::PASS, user.username, &describe_reasons(role), console)?;
        }
        for role in &user.roles_removed {
            print_row("-role", style::REJECTS, user.username, &escape(role), console)?;
        }
        for project in &user.projects_added {
            print_row("+project", style::PASS, user.username, &describe_reasons(project), console)?;
        }
        for project in &user.projects_removed {
            print_row("-project", style::REJECTS, user.username, &escape(project), console)?;
        }
    }
    Ok(())
}

/// Prints what the output of sacctmgr has.
pub(super) fn print_slurm(report: &SlurmCheckReport, console: &mut Console) -> Result<(), Failure> {
    let SlurmCheckReport { clusters, projects, users, coordinators, operators } = report;
    let clusters: Vec<String> = clusters.iter().map(|name| escape(name)).collect();
    let count = |number: &u64, what: &str| {
        if *number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
    };
    Ok(console.line(&format!(
        "slurm     {}, {}, {}, {} (clusters: {})",
        count(projects, "project"),
        count(users, "user"),
        count(coordinators, "coordinator"),
        count(operators, "operator"),
        clusters.join(", ")
    ))?)
}
