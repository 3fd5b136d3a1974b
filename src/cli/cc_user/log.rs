//! `cc-user log`.

use clap::Args;
use clap::builder::NonEmptyStringValueParser;

use super::{DatabaseOptions, complete};
use crate::accounts::{self, LogRequest, RunReport};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::quantity::{self, whole_number};
use crate::history::{RunEnd, RunId};
use crate::util::count::{counted, one_or};
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::escape;
use crate::util::time::Clock;

/// Print the runs that changed users
#[derive(Debug, Args)]
pub(super) struct Log {
    /// Print only runs that changed this user, with the changes
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: Option<String>,

    /// Print only the runs whose ID begins with RUN, with all changes
    #[arg(long, value_name = "RUN")]
    run: Option<RunId>,

    /// Print only runs whose program and arguments contain these words, such as sync-ldap or 'role add'
    #[arg(long, value_name = "WORDS", value_parser = NonEmptyStringValueParser::new())]
    command: Option<String>,

    /// Print only runs since this time, such as 2026-11-21 or -2d
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    since: Option<String>,

    /// Maximum number of runs, the latest ones; 0 prints all runs
    #[arg(long, value_name = "NUMBER", default_value = "20",
          value_parser = whole_number::<u64>(0..=u64::MAX))]
    limit: u64,
}

pub(super) fn run(
    arguments: Log,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Log { name, run, command, since, limit } = arguments;
    let since = since.map(|text| quantity::time("--since", &text, Clock::System.now())).transpose()?;
    let db = database.open(console)?;
    let request = LogRequest {
        username: name,
        run: run.map(|run| run.to_string()),
        command,
        since,
        limit: (limit > 0).then(|| usize::try_from(limit).unwrap_or(usize::MAX)),
    };
    let mut is_empty = true;
    let count = accounts::log(&db, &request, |report| {
        is_empty = false;
        if console.is_reader_gone() {
            return Ok(());
        }
        if console.is_json() { Ok(console.json(&report)?) } else { print(&report, console) }
    })?;
    console.flush()?;
    if count.malformed > 0 {
        console.warn(
            "journal-line-malformed",
            &format!(
                "{} of the journal {} malformed",
                counted(count.malformed, "line"),
                one_or(count.malformed, "is", "are")
            ),
        );
    }
    if is_empty {
        console.note("no runs found");
    } else if count.older > 0 {
        console.note(&format!(
            "{} {} not shown: --limit 0 prints all",
            counted(count.older, "older run"),
            one_or(count.older, "is", "are")
        ));
    }
    Ok(ExitStatus::Success)
}

fn print(report: &RunReport, console: &mut Console) -> Result<(), Failure> {
    let RunReport { run, time, account, program, command, end, changes, missing_changes, users } = report;
    let changed = counted(*changes, "change");
    let mut changed = match end {
        Some(RunEnd::Committed) => changed,
        Some(RunEnd::RolledBack) => "no changes  (interrupted)".to_owned(),
        Some(RunEnd::Unknown) => format!("{changed}  (interrupted, changes unknown)"),
        None => format!("{changed}  (interrupted or running)"),
    };
    if *missing_changes > 0 {
        changed.push_str(&format!("  ({missing_changes} missing in the journal)"));
    }
    console.line(&format!(
        "{}  {}  {}  {} {}  {changed}",
        escape(run),
        escape(time),
        escape(account),
        escape(program),
        escape(command)
    ))?;
    for change in users.iter().flatten() {
        if console.is_reader_gone() {
            return Ok(());
        }
        let values: Vec<String> = change
            .values
            .iter()
            .map(|value| {
                let text = |text: &Option<String>| match text.as_deref() {
                    None | Some("") => "-".to_owned(),
                    Some(text) => escape(text),
                };
                format!("{}: {} -> {}", value.value, text(&value.before), text(&value.after))
            })
            .collect();
        console.line(&format!(
            "    {:<6}  {}  {}",
            change.action,
            escape(&change.username),
            values.join("; ")
        ))?;
    }
    Ok(())
}
