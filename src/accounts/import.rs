//! Importing users from a file in one transaction.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use crate::user::exchange::{
    CsvReader, EntryError, JsonLinesReader, Line, LineError, StoredRow, StoredValue, UserEntry,
    UserFileFormat,
};
use crate::user_db::{Transaction, UserDb, UserDbError, UserSummary};
use crate::util::count::counted;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// How many warnings of one kind, and how many errors, a report has.
pub const SHOWN: usize = 10;

/// How many usernames that differ only by case or spaces are searched for.
const MAX_SIMILAR: usize = 1_000;

/// A file to import.
#[derive(Debug)]
pub struct ImportRequest<'bytes> {
    /// The content.
    pub bytes: &'bytes [u8],
    /// The format.
    pub format: UserFileFormat,
    /// The name of the file in messages, quoted.
    pub file: String,
    /// What happens to users who exist.
    pub existing: ExistingUsers,
    /// Import the valid lines even if others are invalid.
    pub keep_going: bool,
    /// Check everything and change nothing.
    pub dry_run: bool,
}

/// What an import does with a user who exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExistingUsers {
    /// The line is an error.
    Reject,
    /// The columns of the line are written.
    Update,
    /// The line is skipped.
    Skip,
}

/// What an import did, or would do in a dry run.
#[derive(Debug, Default, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ImportReport {
    /// The usernames of new users.
    pub added: Vec<String>,
    /// The usernames of users that --update changed.
    pub changed: Vec<String>,
    /// The usernames of users that --update did not change.
    pub unchanged: Vec<String>,
    /// The usernames of existing users that --skip-existing skipped.
    pub skipped: Vec<String>,
    /// The number of invalid lines, which --keep-going leaves out.
    pub invalid_lines: u64,
    /// Whether this was a dry run.
    pub dry_run: bool,
    /// The errors of the first invalid lines.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub errors: Vec<LineError>,
    /// Whether the file has password hashes.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub has_passwords: bool,
    /// Notes and warnings.
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    pub notes: Notes,
}

/// Why nothing was imported.
#[derive(Debug)]
pub enum ImportError {
    /// Lines are invalid.
    InvalidLines {
        /// How many; none if the header line is invalid.
        lines: u64,
        /// The errors of the first of them.
        errors: Vec<LineError>,
    },
    /// The user table.
    UserDb(UserDbError),
}

impl From<UserDbError> for ImportError {
    fn from(error: UserDbError) -> Self {
        Self::UserDb(error)
    }
}

/// Imports the users of a file. The header line is read before the database is opened by `open`;
/// `progress` receives the number of lines that were read.
///
/// # Errors
/// [`ImportError::InvalidLines`] if a line is invalid and the request does not keep going; the
/// errors of the database.
pub fn import<E: From<ImportError>>(
    request: &ImportRequest<'_>,
    open: impl FnOnce() -> Result<UserDb, E>,
    progress: &mut dyn FnMut(u64),
) -> Result<ImportReport, E> {
    let lines: Box<dyn Iterator<Item = Line> + '_> = match request.format {
        UserFileFormat::Csv => Box::new(CsvReader::new(request.bytes).map_err(|errors| {
            let located = |(line, error)| LineError { file: request.file.clone(), line, error };
            ImportError::InvalidLines {
                lines: 0,
                errors: errors.into_iter().take(SHOWN).map(located).collect(),
            }
        })?),
        UserFileFormat::JsonLines => Box::new(JsonLinesReader::new(request.bytes)),
    };
    let mut db = open()?;
    let counted = (1..).zip(lines).map(|(count, line)| {
        progress(count);
        line
    });
    Ok(import_lines(&mut db, request, counted)?)
}

fn import_lines(
    db: &mut UserDb,
    request: &ImportRequest<'_>,
    lines: impl Iterator<Item = Line>,
) -> Result<ImportReport, ImportError> {
    let mut transaction = if request.dry_run { db.dry_run_transaction()? } else { db.transaction()? };
    let mut run = Run { request, report: ImportReport::default(), warnings: Warnings::default() };
    run.report.dry_run = request.dry_run;
    run.lines(lines, &mut transaction)?;
    if run.report.invalid_lines > 0 && !request.keep_going {
        let ImportReport { invalid_lines: lines, errors, .. } = run.report;
        return Err(ImportError::InvalidLines { lines, errors });
    }
    warn_of_similar_usernames(&run.report.added, &transaction, &mut run.warnings)?;
    if request.dry_run {
        drop(transaction);
    } else {
        transaction.commit()?;
    }
    let Run { mut report, warnings, .. } = run;
    warnings.into_notes(&mut report.notes);
    Ok(report)
}

/// Warnings by check: the first of each, and how many there are.
#[derive(Default)]
struct Warnings(BTreeMap<&'static str, (u64, Vec<String>)>);

impl Warnings {
    fn add(&mut self, check: &'static str, text: impl FnOnce() -> String) {
        let (count, shown) = self.0.entry(check).or_default();
        *count += 1;
        if shown.len() < SHOWN {
            shown.push(text());
        }
    }

    fn into_notes(self, notes: &mut Notes) {
        for (check, (count, shown)) in self.0 {
            let more = count - shown.len() as u64;
            for text in shown {
                notes.warn(check, text);
            }
            if more > 0 {
                notes.warn(check, format!("{} of this kind ({check})", counted(more, "more warning")));
            }
        }
    }
}

/// An import that runs.
struct Run<'request> {
    request: &'request ImportRequest<'request>,
    report: ImportReport,
    warnings: Warnings,
}

/// The result of a valid line.
enum Change {
    Added(StoredRow),
    Changed(StoredRow),
    Unchanged,
    Skipped,
}

/// The result of a line, or the reasons why it is invalid.
type LineResult = Result<Change, Vec<EntryError>>;

impl Run<'_> {
    fn lines(
        &mut self,
        lines: impl Iterator<Item = Line>,
        transaction: &mut Transaction<'_>,
    ) -> Result<(), UserDbError> {
        let mut first_lines: HashMap<String, u64> = HashMap::new();
        for (line, entry) in lines {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    self.reject(line, [error]);
                    continue;
                }
            };
            if let Some(first) = first_lines.get(&key(&entry.username)) {
                self.reject(line, [EntryError::Duplicate { first: *first }]);
                continue;
            }
            first_lines.insert(key(&entry.username), line);
            self.report.has_passwords |= entry.has_password();
            let change = match apply(self.request.existing, &entry, transaction)? {
                Ok(change) => change,
                Err(errors) => {
                    self.reject(line, errors);
                    continue;
                }
            };
            if let Change::Added(row) | Change::Changed(row) = &change {
                for (check, text) in row.warnings() {
                    self.warnings.add(check, || format!("{} line {line}: {text}", self.request.file));
                }
            }
            let list = match change {
                Change::Added(_) => &mut self.report.added,
                Change::Changed(_) => &mut self.report.changed,
                Change::Unchanged => &mut self.report.unchanged,
                Change::Skipped => &mut self.report.skipped,
            };
            list.push(entry.username.lossy().unwrap_or_default());
        }
        Ok(())
    }

    fn reject(&mut self, line: u64, errors: impl IntoIterator<Item = EntryError>) {
        self.report.invalid_lines += 1;
        for error in errors {
            if self.report.errors.len() < SHOWN {
                self.report.errors.push(LineError { file: self.request.file.clone(), line, error });
            }
        }
    }
}

/// Adds, changes or skips the user of a line.
fn apply(
    existing: ExistingUsers,
    entry: &UserEntry,
    transaction: &mut Transaction<'_>,
) -> Result<LineResult, UserDbError> {
    if existing == ExistingUsers::Update {
        let Some(stored) = transaction.stored_row(&entry.username)? else { return add(entry, transaction) };
        return Ok(match entry.updated_row(&stored) {
            Err(errors) => Err(errors),
            Ok(row) if row.reads_like(&stored) => Ok(Change::Unchanged),
            Ok(row) => {
                transaction.replace_stored(&row)?;
                Ok(Change::Changed(row))
            }
        });
    }
    // A line that is skipped is not checked: it may be as damaged as the row is.
    match transaction.contains(&entry.username)? {
        true if existing == ExistingUsers::Skip => Ok(Ok(Change::Skipped)),
        true => Ok(Err(vec![EntryError::Exists])),
        false => add(entry, transaction),
    }
}

fn add(entry: &UserEntry, transaction: &mut Transaction<'_>) -> Result<LineResult, UserDbError> {
    Ok(match entry.new_row() {
        Err(errors) => Err(errors),
        Ok(row) => {
            transaction.insert_stored(&row)?;
            Ok(Change::Added(row))
        }
    })
}

/// What distinguishes usernames: text and bytes are different values to SQLite.
fn key(username: &StoredValue) -> String {
    match username {
        StoredValue::Text(_) => {
            username.as_text().map_or_else(|| username.to_exact(), |text| format!("t{text}"))
        }
        _ => username.to_exact(),
    }
}

/// Warns of new usernames that differ from others only by case or spaces.
fn warn_of_similar_usernames(
    added: &[String],
    transaction: &Transaction<'_>,
    warnings: &mut Warnings,
) -> Result<(), UserDbError> {
    if added.is_empty() {
        return Ok(());
    }
    let mut warn = |new: &str, other: &str| {
        warnings.add("similar-usernames", || {
            format!(
                "{} and {} differ only by case or spaces; an LDAP directory does not distinguish them",
                quote(new),
                quote(other)
            )
        });
    };
    let normalized = |name: &str| name.split_whitespace().collect::<String>().to_lowercase();
    let mut new: HashMap<String, &str> = HashMap::with_capacity(added.len());
    let mut warned: HashSet<&str> = HashSet::new();
    for name in added {
        if let Some(other) = new.insert(normalized(name), name) {
            warn(name, other);
            warned.extend([name.as_str(), other]);
        }
    }
    let mut count = 0;
    transaction.scan(|user: UserSummary<'_>| {
        if count < MAX_SIMILAR
            && let Some(name) = new.get(&normalized(user.username))
            && *name != user.username
            && !warned.contains(name)
            && !warned.contains(user.username)
        {
            warn(name, user.username);
            count += 1;
        }
        Ok::<(), UserDbError>(())
    })
}
