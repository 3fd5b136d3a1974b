//! `cc-user import`.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum, ValueHint};
use serde_json::json;

use super::DatabaseOptions;
use super::error::named;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::user::exchange::{
    CsvReader, EntryError, JsonLinesReader, Line, LineError, StoredRow, StoredValue, UserEntry,
};
use crate::user_db::{OpenMode, Transaction, UserDbError, UserSummary};
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, FileError};
use crate::util::note::Notes;
use crate::util::quote::quote_path;

/// The most that is imported at once, in bytes: several million users.
const IMPORT_LIMIT: u64 = 1 << 30;

/// How many warnings of one kind, and how many invalid lines, are shown.
const SHOWN: usize = 10;

/// How many names that differ by case or blanks only are looked for.
const MOST_COLLISIONS: usize = 1_000;

/// Add many users in one transaction
#[derive(Debug, Args)]
pub(super) struct Import {
    /// CSV with a header line, or JSON lines; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// How the file is written [default: by its name or its first character]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ImportFormat>,

    /// Change existing users; columns that a line does not have stay as they are
    #[arg(long, conflicts_with = "skip_existing")]
    update: bool,

    /// Skip existing users
    #[arg(long)]
    skip_existing: bool,

    /// Import the valid lines even if others are invalid
    #[arg(long)]
    keep_going: bool,

    /// Check everything and print what would be done, but change nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

/// How users are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ImportFormat {
    /// Comma-separated values with a header line
    Csv,
    /// A JSON object a line
    Jsonl,
}

impl ImportFormat {
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

/// What becomes of the lines of an import.
#[derive(Default)]
struct Outcome {
    added: Vec<String>,
    changed: Vec<String>,
    unchanged: Vec<String>,
    skipped: Vec<String>,
    invalid: Invalid,
    warnings: Warnings,
    has_passwords: bool,
}

/// The invalid lines. However many there are, only the first of them are held.
#[derive(Default)]
struct Invalid {
    lines: u64,
    shown: Vec<LineError>,
}

impl Invalid {
    fn add(&mut self, place: &str, line: u64, problems: impl IntoIterator<Item = EntryError>) {
        self.lines += 1;
        for problem in problems {
            if self.shown.len() < SHOWN {
                self.shown.push(LineError { file: place.to_owned(), line, error: problem });
            }
        }
    }

    /// Prints how many there are; the failure has the first of them.
    fn into_failure(self, consequence: &str, console: &mut Console) -> Failure {
        let Self { lines, shown } = self;
        let what = if lines == 1 { "1 line is".to_owned() } else { format!("{lines} lines are") };
        let rest = lines.saturating_sub(shown.len() as u64);
        let rest = if rest == 0 { String::new() } else { format!(" ({rest} of them are not shown)") };
        console.note(&format!("{what} invalid: {consequence}{rest}"));
        Failure::several(shown)
    }
}

/// Warnings by their name: the first of each, and how many there are.
#[derive(Default)]
struct Warnings(BTreeMap<&'static str, (u64, Vec<String>)>);

impl Warnings {
    fn add(&mut self, name: &'static str, text: impl FnOnce() -> String) {
        let (count, shown) = self.0.entry(name).or_default();
        *count += 1;
        if shown.len() < SHOWN {
            shown.push(text());
        }
    }

    fn print(self, console: &mut Console) {
        for (name, (count, shown)) in self.0 {
            for text in &shown {
                console.warn(name, text);
            }
            if count > shown.len() as u64 {
                console.warn(name, &format!("{} more of these ({name})", count - shown.len() as u64));
            }
        }
    }
}

pub(super) fn run(
    import: &Import,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let bytes = read(&import.file)?;
    let place =
        if import.file == Path::new("-") { "standard input".to_owned() } else { quote_path(&import.file) };
    let format = import
        .format
        .or_else(|| ImportFormat::of_name(&import.file))
        .unwrap_or_else(|| ImportFormat::of_content(&bytes));
    let lines: Box<dyn Iterator<Item = Line> + '_> = match format {
        ImportFormat::Csv => Box::new(CsvReader::new(&bytes).map_err(|problems| {
            Failure::several(problems.into_iter().take(SHOWN).map(|(line, problem)| LineError {
                file: place.clone(),
                line,
                error: problem,
            }))
        })?),
        ImportFormat::Jsonl => Box::new(JsonLinesReader::new(&bytes)),
    };
    let mut store = database.open(OpenMode::Write, console)?;
    let mut action = store.transaction()?;
    let mut outcome = apply(import, lines, &place, &mut action)?;
    let invalid = std::mem::take(&mut outcome.invalid);
    if invalid.lines > 0 && !import.keep_going {
        return Err(invalid.into_failure("nothing was imported", console));
    }
    collisions(&outcome.added, &action, &mut outcome.warnings)?;
    if import.dry_run {
        drop(action);
    } else {
        action.commit()?;
    }
    if outcome.has_passwords && import.file != Path::new("-") {
        let mut notes = Notes::new();
        file::warn_if_exposed(&import.file, &mut notes);
        console.notes(notes);
    }
    std::mem::take(&mut outcome.warnings).print(console);
    report(&outcome, invalid.lines, import.dry_run, console)?;
    if invalid.lines == 0 {
        return Ok(ExitStatus::Success);
    }
    let failure = invalid.into_failure("their users were not imported", console);
    console.report(&failure);
    Ok(failure.status())
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    if path != Path::new("-") {
        return Ok(file::read(path, IMPORT_LIMIT)?);
    }
    let mut bytes = Vec::new();
    let unreadable = |source| FileError::ReadFailed { path: path.to_owned(), source };
    std::io::stdin().lock().take(IMPORT_LIMIT + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > IMPORT_LIMIT {
        return Err(FileError::TooLarge { path: path.to_owned(), limit: IMPORT_LIMIT }.into());
    }
    Ok(bytes)
}

/// Carries the lines out in the transaction.
fn apply(
    import: &Import,
    lines: impl Iterator<Item = Line>,
    place: &str,
    action: &mut Transaction<'_>,
) -> Result<Outcome, UserDbError> {
    let mut outcome = Outcome::default();
    let mut first_lines: HashMap<String, u64> = HashMap::new();
    for (line, entry) in lines {
        let entry = match entry {
            Ok(entry) => entry,
            Err(problem) => {
                outcome.invalid.add(place, line, [problem]);
                continue;
            }
        };
        if let Some(first) = first_lines.get(&key(&entry.username)) {
            outcome.invalid.add(place, line, [EntryError::Duplicate { first: *first }]);
            continue;
        }
        first_lines.insert(key(&entry.username), line);
        outcome.has_passwords |= entry.has_password();
        match change(import, &entry, action)? {
            Ok((list, row)) => {
                if let Some(row) = row {
                    for (name, text) in row.warnings() {
                        outcome.warnings.add(name, || format!("{place} line {line}: {text}"));
                    }
                }
                let name = entry.username.lossy().unwrap_or_default();
                match list {
                    List::Added => outcome.added.push(name),
                    List::Changed => outcome.changed.push(name),
                    List::Unchanged => outcome.unchanged.push(name),
                    List::Skipped => outcome.skipped.push(name),
                }
            }
            Err(problems) => outcome.invalid.add(place, line, problems),
        }
    }
    Ok(outcome)
}

/// What became of a user.
enum List {
    Added,
    Changed,
    Unchanged,
    Skipped,
}

/// Adds, changes or skips the user of a line; the row is what was written.
#[expect(
    clippy::type_complexity,
    reason = "a result of a result: the store may fail, or the line be invalid"
)]
fn change(
    import: &Import,
    entry: &UserEntry,
    action: &mut Transaction<'_>,
) -> Result<Result<(List, Option<StoredRow>), Vec<EntryError>>, UserDbError> {
    if import.update {
        let Some(there) = action.stored_row(&entry.username)? else { return add(entry, action) };
        return Ok(match entry.updated_row(&there) {
            Err(problems) => Err(problems),
            Ok(row) if row.reads_like(&there) => Ok((List::Unchanged, None)),
            Ok(row) => {
                action.replace_stored(&row)?;
                Ok((List::Changed, Some(row)))
            }
        });
    }
    // A user who is skipped is not checked: the line may be as damaged as the row is.
    match action.contains(&entry.username)? {
        true if import.skip_existing => Ok(Ok((List::Skipped, None))),
        true => Ok(Err(vec![EntryError::Exists])),
        false => add(entry, action),
    }
}

#[expect(clippy::type_complexity, reason = "as of `change`")]
fn add(
    entry: &UserEntry,
    action: &mut Transaction<'_>,
) -> Result<Result<(List, Option<StoredRow>), Vec<EntryError>>, UserDbError> {
    Ok(match entry.new_row() {
        Err(problems) => Err(problems),
        Ok(row) => {
            action.insert_stored(&row)?;
            Ok((List::Added, Some(row)))
        }
    })
}

/// What distinguishes usernames: text and bytes are different names to SQLite.
fn key(username: &StoredValue) -> String {
    match username {
        StoredValue::Text(_) => {
            username.as_text().map_or_else(|| username.to_exact(), |text| format!("t{text}"))
        }
        _ => username.to_exact(),
    }
}

/// Warns of new names that differ from others by case or blanks only.
fn collisions(
    added: &[String],
    action: &Transaction<'_>,
    warnings: &mut Warnings,
) -> Result<(), UserDbError> {
    if added.is_empty() {
        return Ok(());
    }
    let mut warn = |new: &str, there: &str| {
        warnings.add("similar-usernames", || {
            format!(
                "{} and {} differ only by case or blanks; an LDAP directory does not distinguish them",
                named(new),
                named(there)
            )
        });
    };
    let plain = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let mut new: HashMap<String, &str> = HashMap::with_capacity(added.len());
    let mut told: HashSet<&str> = HashSet::new();
    for name in added {
        if let Some(other) = new.insert(plain(name), name) {
            warn(name, other);
            told.extend([name.as_str(), other]);
        }
    }
    let mut count = 0;
    action.scan(|known: UserSummary<'_>| {
        if count < MOST_COLLISIONS
            && let Some(name) = new.get(&plain(known.username))
            && *name != known.username
            && !told.contains(name)
            && !told.contains(known.username)
        {
            warn(name, known.username);
            count += 1;
        }
        Ok::<(), UserDbError>(())
    })
}

fn report(outcome: &Outcome, invalid: u64, dry_run: bool, console: &mut Console) -> Result<(), Failure> {
    let Outcome { added, changed, unchanged, skipped, .. } = outcome;
    let begin = if dry_run { "dry run, nothing was changed: would be " } else { "" };
    console.note(&format!(
        "{begin}added {}, changed {}, unchanged {}, skipped {}",
        added.len(),
        changed.len(),
        unchanged.len(),
        skipped.len()
    ));
    if console.is_json() {
        console.json(&json!({
            "added": added, "changed": changed, "unchanged": unchanged, "skipped": skipped,
            "invalid_lines": invalid, "dry_run": dry_run,
        }))?;
    }
    Ok(())
}
