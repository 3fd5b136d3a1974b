//! `cc-jwt scan`.

use std::io;
use std::path::PathBuf;
use std::thread;

use clap::{Args, ValueHint};

use super::keys::named_key;
use super::what_if;
use crate::cli::console::{Console, StdoutError};
use crate::cli::failure::Failure;
use crate::cli::options::{AtOption, SettingsOptions};
use crate::cli::quantity::{positive_duration, whole_number};
use crate::cli::settings;
use crate::cli::style;
use crate::cli::table::{Shrink, Table, TableColumn};
use crate::scan::{
    NagiosState, Occurrence, ScanError, ScanReport, ScanRequest, nagios_line, scan, write_metrics,
};
use crate::util::count::counted;
use crate::util::diagnostic::ExitStatus;
use crate::util::monotonic::{MonotonicClock as _, SystemMonotonicClock};
use crate::util::note::Notes;
use crate::util::quote::escape;

/// Find tokens and keys in files, and report which are expired or have another problem
///
/// Reads files of any format, directories, tar streams and standard input. Tokens and keys are found by
/// their form. The report has their fingerprints, never their content.
#[derive(Debug, Args)]
pub(super) struct Scan {
    /// Files and directories; - is standard input
    #[arg(value_name = "PATH", required = true, value_hint = ValueHint::AnyPath)]
    paths: Vec<PathBuf>,

    /// Add the key in FILE to the known keys, as NAME; the names own and cross-login replace the server's
    /// keys; may be repeated
    #[arg(long, value_name = "NAME=FILE")]
    key: Vec<String>,

    /// Report only the tokens that the key in FILE signed, and the copies of this key
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    depends_on: Option<PathBuf>,

    /// Exit with status 1 if a token expires within DURATION, such as 14d, or has another problem, or if not
    /// everything was searched
    #[arg(long, value_name = "DURATION")]
    expiring: Option<String>,

    /// Exit with status 1 if a token was issued more than DURATION ago, or has another problem, or if not
    /// everything was searched
    #[arg(long, value_name = "DURATION")]
    max_age: Option<String>,

    /// Print one line for Nagios or Icinga, and exit with its status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN
    #[arg(long, conflicts_with = "json")]
    nagios: bool,

    /// Write metrics to FILE for the textfile collector of Prometheus' node exporter
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    metrics_file: Option<PathBuf>,

    /// Follow symbolic links in directories
    #[arg(long)]
    follow_symlinks: bool,

    /// Read at most SIZE of each file, in bytes or with the unit K, M or G
    #[arg(long, value_name = "SIZE", default_value = "1G", value_parser = parse_size)]
    max_size: u64,

    /// End the scan after DURATION
    #[arg(long, value_name = "DURATION", default_value = "10m")]
    timeout: String,

    /// Print a table whose values are not cut, also on a narrow terminal
    #[arg(long, conflicts_with_all = ["json", "nagios", "what_if"])]
    wide: bool,

    /// Use N threads [default: one for each core]
    #[arg(short = 'j', long, value_name = "N",
          value_parser = whole_number::<u16>(1..=512))]
    jobs: Option<u16>,

    /// Print only the differences after a planned change: config=FILE, env-file=FILE, db=FILE, key=NAME=FILE,
    /// or at=TIME, or without CHANGE the time of --at; may be repeated
    #[arg(long, value_name = "CHANGE", num_args = 0..=1, default_missing_value = "",
          conflicts_with_all = ["nagios", "metrics_file"])]
    what_if: Vec<String>,

    #[command(flatten)]
    at: AtOption,
}

/// Parses a size in bytes, with an optional binary unit.
fn parse_size(text: &str) -> Result<u64, String> {
    let invalid = || "expected a number of bytes over 0, or a number and K, M or G, such as 64M".to_owned();
    let digits = text.trim_end_matches(['K', 'M', 'G']);
    let shift = match text.get(digits.len()..) {
        Some("") => 0,
        Some("K") => 10,
        Some("M") => 20,
        Some("G") => 30,
        _ => return Err(invalid()),
    };
    let number = whole_number::<u64>(1..=u64::MAX)(digits).map_err(|_| invalid())?;
    number.checked_mul(1 << shift).ok_or_else(invalid)
}

/// Arguments to a request, one call, one report.
pub(super) fn run(
    arguments: &Scan,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let result = scan_and_report(arguments, options, console);
    if !arguments.nagios {
        return result;
    }
    result.or_else(|failure| report_unknown_state(&failure, console))
}

/// Prints a failure with `--nagios`, also one of the command line: a plugin reports its own failure as an unknown
/// state on standard output.
pub(in crate::cli) fn report_unknown_state(
    failure: &Failure,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let reason = failure.errors().first().map_or_else(String::new, ToString::to_string);
    console.line(&format!("TOKENS UNKNOWN - {}", escape(&reason).replace('|', "/")))?;
    Ok(ExitStatus::Nagios(NagiosState::Unknown as u8))
}

fn scan_and_report(
    arguments: &Scan,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let mut request = request(arguments)?;
    let timeout = positive_duration("--timeout", &arguments.timeout)?.to_std();
    if !arguments.what_if.is_empty() {
        let (changes, now) = what_if::planned_changes(&arguments.what_if, &arguments.at)?;
        request.now = now;
        return what_if::run(&request, &changes, timeout, options, console);
    }
    let report = run_scan(&request, timeout, options, console)?;
    finish(arguments, &request, &report, console)
}

fn run_scan(
    request: &ScanRequest,
    timeout: std::time::Duration,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ScanReport, Failure> {
    let settings = settings::load(options, console)?;
    let clock = SystemMonotonicClock;
    let begin = clock.now();
    let is_over = || clock.now().duration_since(begin) >= timeout;
    let mut notes = Notes::new();
    let report = scan(request, &settings, &mut io::stdin().lock(), &is_over, &mut notes);
    console.notes(notes);
    let report = report?;
    let files = &report.files;
    log::info!(
        "{} searched; skipped: {} binary, {} compressed, {} links and special files, {} unreadable",
        counted(files.searched, "file"),
        files.binary,
        files.compressed,
        files.special,
        files.unreadable
    );
    Ok(report)
}

/// Writes the metrics and the report.
fn finish(
    arguments: &Scan,
    request: &ScanRequest,
    report: &ScanReport,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    if let Some(path) = &arguments.metrics_file {
        write_metrics(path, report, request.now).map_err(ScanError::from)?;
    }
    if arguments.nagios {
        console.line(&escape(&nagios_line(report, request)))?;
        return Ok(ExitStatus::Nagios(NagiosState::of(report) as u8));
    }
    let is_check = request.expiring.is_some() || request.max_age.is_some();
    if console.is_json() {
        console.json(report)?;
    } else {
        console.warn_all(&report.warnings, is_check);
        show(report, arguments.wide, console)?;
    }
    let has_problem = report.problems() > 0 || !report.complete;
    Ok(if is_check && has_problem { ExitStatus::Negative } else { ExitStatus::Success })
}

fn request(arguments: &Scan) -> Result<ScanRequest, Failure> {
    let span = |name: &str, text: &Option<String>| {
        text.as_deref().map(|text| positive_duration(name, text)).transpose()
    };
    let cores = || thread::available_parallelism().map_or(1, std::num::NonZero::get);
    Ok(ScanRequest {
        paths: arguments.paths.clone(),
        keys: arguments.key.iter().map(|text| named_key("--key", text)).collect::<Result<_, _>>()?,
        depends_on: arguments.depends_on.clone(),
        expiring: span("--expiring", &arguments.expiring)?,
        max_age: span("--max-age", &arguments.max_age)?,
        follows_links: arguments.follow_symlinks,
        max_bytes: arguments.max_size,
        threads: arguments.jobs.map_or_else(cores, usize::from),
        now: arguments.at.clock()?.now(),
        explains: false,
    })
}

/// The columns. A narrow terminal has no space for the last ones.
fn columns() -> Vec<TableColumn> {
    let shrink = |order, comfortable, min| Some(Shrink { order, comfortable, min });
    [
        ("PLACE", shrink(4, 40, 24)),
        ("FINGERPRINT", None),
        ("DAYS", None),
        ("SUBJECT", shrink(3, 12, 8)),
        ("KEY", shrink(2, 11, 8)),
        ("KIND", None),
        ("EXPIRES", None),
        ("ROLES", shrink(1, 12, 8)),
        ("ACCEPTED BY", shrink(0, 20, 11)),
        ("ISSUED", None),
        ("ISSUER", shrink(1, 20, 8)),
    ]
    .map(|(heading, shrink)| TableColumn { heading, shrink })
    .to_vec()
}

/// The columns before the text of a problem.
const PROBLEM_INDENT: usize = 8;

/// Prints the table. Each problem is a line below its token or key.
fn show(report: &ScanReport, is_wide: bool, console: &mut Console) -> Result<(), StdoutError> {
    if report.occurrences.is_empty() {
        console.note("no tokens or keys found");
        return Ok(());
    }
    let width = if is_wide { None } else { console.terminal_width() };
    let mut table = Table::new(columns(), width);
    let mut lines = Vec::new();
    for occurrence in &report.occurrences {
        lines.extend(table.row(&cells(occurrence).each_ref().map(String::as_str)));
    }
    lines.extend(table.finish());
    let mut lines = lines.into_iter();
    let heading = console.paint(style::HEADING, &lines.next().unwrap_or_default());
    console.line(&heading)?;
    for (line, occurrence) in lines.zip(&report.occurrences) {
        console.line(&line)?;
        for problem in &occurrence.problems {
            let is_severe = matches!(problem.check, "expired" | "key-compromised");
            let style = if is_severe { style::ERROR } else { style::WARNING };
            let warn = console.paint(style, "warn");
            let text = format!("{}: {}", problem.check, escape(&problem.message));
            console.wrapped(&format!("  {warn}  "), PROBLEM_INDENT, &text)?;
        }
    }
    if let Some(note) = table.note() {
        console.flush()?;
        console.note(&note);
    }
    let tokens = report.occurrences.iter().filter(|one| one.kind.is_token()).count();
    let keys = report.occurrences.len() - tokens;
    console.note(&format!(
        "{}, {}, {}",
        counted(tokens, "token"),
        counted(keys, "key"),
        counted(report.problems(), "problem")
    ));
    Ok(())
}

fn cells(occurrence: &Occurrence) -> [String; 11] {
    let or_dash = |text: Option<&str>| text.filter(|text| !text.is_empty()).unwrap_or("-").to_owned();
    let day = |time: &Option<String>| time.as_deref().map(|time| time.get(..10).unwrap_or(time).to_owned());
    let accepted = occurrence.accepted_by.as_ref().map(|endpoints| match endpoints.as_slice() {
        [] => "none".to_owned(),
        endpoints => endpoints.join(","),
    });
    let expires = match day(&occurrence.expires_at) {
        None if occurrence.never_expires => Some("never".to_owned()),
        other => other,
    };
    [
        occurrence.place(),
        occurrence.fingerprint.clone(),
        or_dash(occurrence.days_left.map(|days| days.to_string()).as_deref()),
        or_dash(occurrence.subject.as_deref()),
        or_dash(occurrence.signed_by.as_deref()),
        occurrence.kind.name().to_owned(),
        or_dash(expires.as_deref()),
        or_dash(Some(&occurrence.roles.join(","))),
        or_dash(accepted.as_deref()),
        or_dash(day(&occurrence.issued_at).as_deref()),
        or_dash(occurrence.issuer.as_deref()),
    ]
}
