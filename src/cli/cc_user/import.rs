//! `cc-user import`.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde_json::json;

use super::DatabaseOptions;
use super::refusal::named;
use super::report;
use crate::base::fault::Status;
use crate::base::file::{self, FileError};
use crate::base::note::Notes;
use crate::base::quote::quote_path;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::store::{Access, Known, Record, StoreError, Transaction};
use crate::user::exchange::{Entry, LineFault, Problem, read_csv, read_json_lines};
use crate::user::{Role, User};

/// The most that is imported at once, in bytes: several million users.
const IMPORT_LIMIT: u64 = 1 << 30;

/// How many warnings of one kind are shown.
const SHOWN_WARNINGS: usize = 10;

/// How many names that differ by case or blanks only are looked for.
const MOST_COLLISIONS: usize = 1_000;

/// Add many users at once, all of them or none
#[derive(Debug, Args)]
pub(super) struct Import {
    /// CSV with a heading, or JSON lines; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// How the file is written [default: by its name or its first character]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

    /// Change users who exist; what a line does not say stays as it is
    #[arg(long, conflicts_with = "skip_existing")]
    update: bool,

    /// Leave users who exist alone
    #[arg(long)]
    skip_existing: bool,

    /// Check everything and tell what would be done, but do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// How users are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// Comma-separated values with a heading
    Csv,
    /// A JSON object a line
    Jsonl,
}

impl Format {
    /// By a file's name.
    pub(super) fn of_name(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        }
    }

    fn of_content(bytes: &[u8]) -> Self {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes).trim_ascii_start();
        if bytes.starts_with(b"{") { Self::Jsonl } else { Self::Csv }
    }
}

/// What becomes of the users of an import.
#[derive(Default)]
struct Outcome {
    added: Vec<String>,
    changed: Vec<String>,
    skipped: Vec<String>,
}

pub(super) fn run(
    import: &Import,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<Status, Failure> {
    let bytes = read(&import.file)?;
    let place =
        if import.file == Path::new("-") { "standard input".to_owned() } else { quote_path(&import.file) };
    let format =
        import.format.or_else(|| Format::of_name(&import.file)).unwrap_or_else(|| Format::of_content(&bytes));
    let entries = match format {
        Format::Csv => read_csv(&bytes, &place, import.update),
        Format::Jsonl => read_json_lines(&bytes, &place, import.update),
    };
    let entries = entries.map_err(|faults| refuse(faults, console))?;
    drop(bytes);
    if entries.iter().any(|entry| matches!(entry.password, Some(Some(_)))) && import.file != Path::new("-") {
        let mut notes = Notes::new();
        file::warn_if_exposed(&import.file, &mut notes);
        console.notes(notes);
    }

    let mut store = database.open(Access::Write, console)?;
    let mut action = store.transaction()?;
    let (outcome, managers) = apply(import, &entries, &place, &mut action, console)?;
    let collisions = collisions(&outcome.added, &action)?;
    if import.dry_run {
        drop(action);
    } else {
        action.commit()?;
    }
    warn_of(&collisions, console, |(new, there)| {
        format!(
            "{} and {} differ only by case or blanks, which a directory takes for the same",
            named(new),
            named(there)
        )
    });
    warn_of(&managers, console, |name| format!("the manager {} has no project", named(name)));
    tell(&outcome, import.dry_run, console)
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new("-") {
        return Ok(file::read(path, IMPORT_LIMIT)?);
    }
    let mut bytes = Vec::new();
    let unreadable = |source| FileError::Unreadable { path: path.to_owned(), source };
    std::io::stdin().lock().take(IMPORT_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > IMPORT_LIMIT {
        return Err(FileError::TooLarge { path: path.to_owned(), limit: IMPORT_LIMIT }.into());
    }
    Ok(bytes)
}

fn refuse(faults: Vec<LineFault>, console: &mut Console) -> Failure {
    let mut lines: Vec<u64> = faults.iter().map(|fault| fault.line).collect();
    lines.dedup();
    let count = lines.len();
    console.note(&format!(
        "{count} {} bad: nothing was imported",
        if count == 1 { "line is" } else { "lines are" }
    ));
    Failure::several(faults)
}

/// Carries the entries out in the transaction. Besides the outcome, the managers without project.
fn apply(
    import: &Import,
    entries: &[Entry],
    place: &str,
    action: &mut Transaction<'_>,
    console: &mut Console,
) -> Result<(Outcome, Vec<String>), Failure> {
    let mut outcome = Outcome::default();
    let mut managers = Vec::new();
    let mut faults = Vec::new();
    for entry in entries {
        let name = entry.username.clone();
        let mut wrong =
            |problem| faults.push(LineFault { place: place.to_owned(), line: entry.line, problem });
        let user = match action.record(&name)? {
            None => match entry.to_new() {
                Ok(user) => {
                    action.add(&user, entry.password.as_ref().and_then(Option::as_ref))?;
                    outcome.added.push(name);
                    user
                }
                Err(errors) => {
                    errors.into_iter().for_each(|error| wrong(error.into()));
                    continue;
                }
            },
            Some(_) if import.skip_existing => {
                outcome.skipped.push(name);
                continue;
            }
            Some(_) if !import.update => {
                wrong(Problem::Exists(name));
                continue;
            }
            Some(record) => match changed(entry, &record) {
                Ok(user) => {
                    action.update(&user)?;
                    if let Some(password) = &entry.password {
                        action.set_password(&name, password.as_ref())?;
                    }
                    outcome.changed.push(name);
                    user
                }
                Err(problems) => {
                    problems.into_iter().for_each(wrong);
                    continue;
                }
            },
        };
        if user.has(Role::Manager) && user.projects.is_empty() {
            managers.push(user.username);
        }
    }
    if faults.is_empty() { Ok((outcome, managers)) } else { Err(refuse(faults, console)) }
}

fn changed(entry: &Entry, record: &Record) -> Result<User, Vec<Problem>> {
    let there = &record.user;
    // What can't be read can only be written anew, not kept.
    let says = |column| if column == "roles" { entry.roles.is_some() } else { entry.projects.is_some() };
    if let Some(broken) = record.broken.iter().find(|broken| !says(broken.column)) {
        return Err(vec![Problem::Broken { name: entry.username.clone(), column: broken.column }]);
    }
    if let Some(given) = entry.source
        && there.source != Ok(given)
    {
        let there = report::source(there);
        return Err(vec![Problem::OtherSource { name: entry.username.clone(), there, given }]);
    }
    entry.to_changed(there).map_err(|errors| errors.into_iter().map(Problem::from).collect())
}

/// New names that differ from others by case or blanks only.
fn collisions(added: &[String], action: &Transaction<'_>) -> Result<Vec<(String, String)>, Failure> {
    if added.is_empty() {
        return Ok(Vec::new());
    }
    let plain = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let mut new: HashMap<String, &str> = HashMap::with_capacity(added.len());
    let mut found = Vec::new();
    for name in added {
        if let Some(other) = new.insert(plain(name), name) {
            found.push((name.clone(), other.to_owned()));
        }
    }
    action.scan(|known: Known<'_>| {
        if found.len() < MOST_COLLISIONS
            && let Some(name) = new.get(&plain(known.username))
            && *name != known.username
            && !found.iter().any(|(new, _)| new == name || new == known.username)
        {
            found.push(((*name).to_owned(), known.username.to_owned()));
        }
        Ok::<(), StoreError>(())
    })?;
    Ok(found)
}

fn warn_of<T>(what: &[T], console: &mut Console, text: impl Fn(&T) -> String) {
    for one in what.iter().take(SHOWN_WARNINGS) {
        console.warn(&text(one));
    }
    if what.len() > SHOWN_WARNINGS {
        console.warn(&format!("and {} more of these", what.len() - SHOWN_WARNINGS));
    }
}

fn tell(outcome: &Outcome, dry_run: bool, console: &mut Console) -> Result<Status, Failure> {
    let Outcome { added, changed, skipped } = outcome;
    let begin = if dry_run { "nothing was done; would be " } else { "" };
    console.note(&format!(
        "{begin}added {}, changed {}, skipped {}",
        added.len(),
        changed.len(),
        skipped.len()
    ));
    if console.is_json() {
        console.json(&json!({"added": added, "changed": changed, "skipped": skipped, "dry_run": dry_run}))?;
    }
    Ok(Status::Done)
}
