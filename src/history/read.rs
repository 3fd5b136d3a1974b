//! Reading of the journal and of the old journals.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use super::author::RunId;
use super::error::HistoryError;
use super::line::{ChangeLine, DatabaseFile, EndLine, Line, RunEnd};
use super::row::value_in;
use super::{ROTATION_COUNT, SUFFIX};
use crate::user::exchange::StoredValue;
use crate::util::file::{FileError, beside, open_beside, tail};

/// The maximum size in bytes of a line.
const LINE_LIMIT: u64 = 16 << 20;

/// The maximum size in bytes of the last line of a run.
pub(super) const END_LINE: u64 = 4096;

/// The bytes at the end of the journal in which the last change and the last end are searched.
const TAIL: u64 = 64 << 10;

/// A run in the journal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunSummary {
    /// The ID.
    pub run: RunId,
    /// The time, in RFC 3339.
    pub time: String,
    /// The account.
    pub account: String,
    /// The program.
    pub program: String,
    /// The arguments.
    pub command: String,
    /// The end; `None` for a run that is interrupted or has not ended.
    pub end: Option<RunEnd>,
    /// The file of the database at the end of the run.
    pub database: Option<DatabaseFile>,
    /// The number of lines with changes.
    pub changes: u64,
    /// The number of changes by the line with the end of the run, which a damaged journal does not have.
    pub recorded: Option<u64>,
    /// Whether a change of the username that [`Journal::for_each_run`] searches is among them.
    pub has_user: bool,
    /// The index of the file.
    file: usize,
    /// The bytes of the changes in the file.
    begin: u64,
    length: u64,
}

/// The files of the journal, the oldest first.
#[derive(Debug)]
pub struct Journal {
    files: Vec<(PathBuf, File, u64)>,
}

/// The place of a change in the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangePlace {
    file: usize,
    offset: u64,
    length: usize,
}

/// The members of a line that an index of the runs needs.
#[derive(Deserialize)]
struct Heading {
    run: String,
    time: String,
    #[serde(default)]
    account: String,
    #[serde(default)]
    program: String,
    #[serde(default)]
    command: String,
    user: Option<Value>,
    renamed_to: Option<Value>,
    end: Option<RunEnd>,
    changes: Option<u64>,
    database: Option<DatabaseFile>,
}

impl RunSummary {
    /// The number of changes that the run made, as far as the journal shows it.
    #[must_use]
    pub fn made(&self) -> u64 {
        self.changes.max(self.recorded.unwrap_or(0))
    }
}

impl Journal {
    /// Opens the files of the journal of a database; none may exist.
    ///
    /// # Errors
    /// [`HistoryError::File`].
    pub fn open(database: &Path) -> Result<Self, HistoryError> {
        let unreadable = |path: &Path| {
            let path = path.to_owned();
            move |source| HistoryError::File(FileError::ReadFailed { path, source })
        };
        let metadata = std::fs::metadata(database).map_err(unreadable(database))?;
        let mut files = Vec::new();
        let numbers = (1..=ROTATION_COUNT).rev().map(|number| format!("{SUFFIX}.{number}"));
        for suffix in numbers.chain([SUFFIX.to_owned()]) {
            let path = beside(database, &suffix);
            if let Some(file) = open_beside(&path, &metadata)? {
                let length = file.metadata().map_err(unreadable(&path))?.len();
                files.push((path, file, length));
            }
        }
        Ok(Self { files })
    }

    /// Calls `visit` with every run, the oldest first, and returns the number of malformed lines. `user` is the
    /// username for [`RunSummary::has_user`].
    ///
    /// # Errors
    /// [`HistoryError::File`], and the errors of `visit`.
    pub fn for_each_run<E: From<HistoryError>>(
        &self,
        user: Option<&StoredValue>,
        mut visit: impl FnMut(RunSummary) -> Result<(), E>,
    ) -> Result<u64, E> {
        let mut malformed = 0;
        for (file, (path, opened, length)) in self.files.iter().enumerate() {
            let mut run: Option<RunSummary> = None;
            let located = |error: io::Error| file_error(path, error);
            let mut visited = Ok(());
            for_each_line(opened, 0, *length, |offset, line| {
                let Ok(heading) = serde_json::from_slice::<Heading>(line) else {
                    malformed += 1;
                    return Ok(());
                };
                let next = offset + line.len() as u64 + 1;
                if run.as_ref().is_some_and(|run| run.run.as_str() != heading.run)
                    && let Some(interrupted) = run.take()
                {
                    visited = visit(interrupted);
                }
                if let Some(end) = heading.end {
                    if let Some(mut ended) = run.take() {
                        (ended.end, ended.database) = (Some(end), heading.database);
                        ended.recorded = heading.changes;
                        visited = std::mem::replace(&mut visited, Ok(())).and_then(|()| visit(ended));
                    }
                } else {
                    add_line(&mut run, heading, user, (file, offset, next));
                }
                // An error of the caller ends the reading.
                if visited.is_err() { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(()) }
            })
            .or_else(|error: io::Error| {
                if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(E::from(located(error))) }
            })?;
            visited?;
            if let Some(interrupted) = run {
                visit(interrupted)?;
            }
        }
        Ok(malformed)
    }

    /// Calls `visit` with every change of a run, in the order in which they were made.
    ///
    /// # Errors
    /// [`HistoryError::File`], and the errors of `visit`.
    pub fn for_each_change<E: From<HistoryError>>(
        &self,
        run: &RunSummary,
        mut visit: impl FnMut(ChangeLine) -> Result<(), E>,
    ) -> Result<(), E> {
        let Some((path, opened, _)) = self.files.get(run.file) else { return Ok(()) };
        let mut visited = Ok(());
        let outcome = for_each_line(opened, run.begin, run.begin + run.length, |_, line| {
            if let Some(Line::Change(change)) = Line::parse(line) {
                visited = visit(*change);
            }
            if visited.is_err() { Err(io::Error::from(io::ErrorKind::Interrupted)) } else { Ok(()) }
        });
        visited?;
        outcome.map_err(|error: io::Error| file_error(path, error).into())
    }

    /// Returns the places of the lines of a run, in the order in which the changes were made.
    ///
    /// # Errors
    /// [`HistoryError::File`].
    pub fn places(&self, run: &RunSummary) -> Result<Vec<ChangePlace>, HistoryError> {
        let Some((path, opened, _)) = self.files.get(run.file) else { return Ok(Vec::new()) };
        let mut places = Vec::new();
        for_each_line(opened, run.begin, run.begin + run.length, |offset, line| {
            places.push(ChangePlace { file: run.file, offset, length: line.len() });
            Ok(())
        })
        .map_err(|error: io::Error| file_error(path, error))?;
        Ok(places)
    }

    /// Reads the change at a place; `None` for a malformed line.
    ///
    /// # Errors
    /// [`HistoryError::File`].
    pub fn change(&self, place: ChangePlace) -> Result<Option<ChangeLine>, HistoryError> {
        let Some((path, opened, _)) = self.files.get(place.file) else { return Ok(None) };
        let mut line = vec![0; place.length];
        opened.read_exact_at(&mut line, place.offset).map_err(|error| file_error(path, error))?;
        Ok(match Line::parse(&line) {
            Some(Line::Change(change)) => Some(*change),
            _ => None,
        })
    }
}

/// Adds a line with a change to its run.
fn add_line(
    run: &mut Option<RunSummary>,
    heading: Heading,
    user: Option<&StoredValue>,
    (file, offset, next): (usize, u64, u64),
) {
    let is_users = user.is_some()
        && [&heading.user, &heading.renamed_to]
            .into_iter()
            .flatten()
            .any(|name| value_in(name).as_ref() == user);
    match run {
        Some(run) => {
            run.changes += 1;
            run.has_user |= is_users;
            run.length = next - run.begin;
        }
        empty => {
            let Heading { run, time, account, program, command, .. } = heading;
            *empty = Some(RunSummary {
                run: RunId::from_text(run),
                time,
                account,
                program,
                command,
                end: None,
                database: None,
                changes: 1,
                recorded: None,
                has_user: is_users,
                file,
                begin: offset,
                length: next - offset,
            });
        }
    }
}

/// Whether the journal of a database ends without the end of a run: the run was interrupted, or another process
/// is writing.
///
/// # Errors
/// [`HistoryError::File`].
pub fn is_interrupted(database: &Path) -> Result<bool, HistoryError> {
    let path = beside(database, SUFFIX);
    let unreadable = |error| file_error(&path, error);
    let Ok(metadata) = std::fs::metadata(database) else { return Ok(false) };
    let Some(file) = open_beside(&path, &metadata)? else { return Ok(false) };
    let length = file.metadata().map_err(unreadable)?.len();
    let (_, bytes) = tail(&file, length, END_LINE).map_err(unreadable)?;
    Ok(!(bytes.is_empty() || ends_with_end(&bytes)))
}

/// The last run of the journal, if it ended: its last line, and its last change if that is short enough.
#[derive(Debug, Clone, PartialEq)]
pub struct LastRun {
    /// The end.
    pub end: EndLine,
    /// The last change.
    pub change: Option<Box<ChangeLine>>,
}

impl LastRun {
    /// Reads the end of the journal of a database. Without a journal, and for one that does not end with the
    /// end of a run, there is none.
    ///
    /// # Errors
    /// [`HistoryError::File`].
    pub fn read(database: &Path) -> Result<Option<Self>, HistoryError> {
        let path = beside(database, SUFFIX);
        let unreadable = |error| file_error(&path, error);
        let Ok(metadata) = std::fs::metadata(database) else { return Ok(None) };
        let Some(file) = open_beside(&path, &metadata)? else { return Ok(None) };
        let length = file.metadata().map_err(unreadable)?.len();
        let (_, bytes) = tail(&file, length, TAIL).map_err(unreadable)?;
        let Some((b'\n', bytes)) = bytes.split_last() else { return Ok(None) };
        let mut lines = bytes.rsplit(|byte| *byte == b'\n');
        let Some(Line::End(end)) = lines.next().and_then(Line::parse) else { return Ok(None) };
        let change = match lines.next().and_then(Line::parse) {
            Some(Line::Change(change)) => Some(change),
            _ => None,
        };
        Ok(Some(Self { end, change }))
    }
}

/// Whether the last line is the end of a run.
pub(super) fn ends_with_end(tail: &[u8]) -> bool {
    let Some((b'\n', lines)) = tail.split_last() else { return false };
    let last = lines.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
    matches!(Line::parse(last), Some(Line::End(_)))
}

fn file_error(path: &Path, source: io::Error) -> HistoryError {
    HistoryError::File(FileError::ReadFailed { path: path.to_owned(), source })
}

/// Reads at given offsets, so that the descriptor's own offset does not matter.
struct ReaderAt<'file> {
    file: &'file File,
    offset: u64,
}

impl Read for ReaderAt<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read_at(buffer, self.offset)?;
        self.offset += count as u64;
        Ok(count)
    }
}

/// Calls `visit` with the offset and the text of every line between two offsets. A last line without its end
/// is left out.
pub(super) fn for_each_line<E: From<io::Error>>(
    file: &File,
    begin: u64,
    end: u64,
    mut visit: impl FnMut(u64, &[u8]) -> Result<(), E>,
) -> Result<(), E> {
    let mut reader = BufReader::with_capacity(64 << 10, ReaderAt { file, offset: begin }.take(end - begin));
    let mut line = Vec::new();
    let mut offset = begin;
    loop {
        line.clear();
        let count = (&mut reader).take(LINE_LIMIT).read_until(b'\n', &mut line)? as u64;
        if line.pop() != Some(b'\n') {
            return Ok(());
        }
        visit(offset, &line)?;
        offset += count;
    }
}
