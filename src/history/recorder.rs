//! The recorder of a run: it writes the lines of the journal in the order that the module describes.

use std::fs::Metadata;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::author::{Author, RunId};
use super::change::{StateChange, UserChange};
use super::disabled::{DisabledEntry, DisabledUsers};
use super::error::HistoryError;
use super::given::{GivenState, UserRights};
use super::line::{ChangeLine, DatabaseFile, EndLine, Line, RunEnd, add_change, begin_of_lines};
use super::read::{END_LINE, ends_with_end, for_each_line};
use super::row::RowImage;
use super::{ROTATION_COUNT, ROTATION_SIZE, SUFFIX};
use crate::user::exchange::{StoredRow, StoredValue};
use crate::util::file::{AppendFile, FileError, beside};

/// The bytes of a run that are kept in memory; more are written to the journal during the run.
const BUFFER: usize = 4 << 20;

/// The member of the last line of a run that no other line has.
const END_MEMBER: &[u8] = b"\"end\":\"";

/// The bytes of a line in which this member begins.
const END_PLACE: usize = 128;

/// The recorder of one run, which is one transaction of the database.
#[derive(Debug)]
pub struct Recorder {
    database: PathBuf,
    metadata: Metadata,
    author: Author,
    run: RunId,
    /// The start of each line.
    begin: String,
    lines: Vec<u8>,
    changes: u64,
    file: Option<AppendFile>,
    /// The length of the journal before the first line of the run, once there is one in the file.
    start: Option<u64>,
    is_committed: bool,
    disabled: Option<Loaded<DisabledUsers>>,
    given: Option<Loaded<GivenState>>,
}

/// A file of the state with the changes of the run.
#[derive(Debug)]
struct Loaded<T> {
    state: T,
    is_changed: bool,
}

impl<T> Loaded<T> {
    const fn new(state: T) -> Self {
        Self { state, is_changed: false }
    }
}

impl Recorder {
    /// Opens and locks the journal of a database. The caller has the write lock of the database.
    ///
    /// # Errors
    /// [`HistoryError::NotRecorded`].
    pub fn begin(database: &Path, author: &Author, seconds: u32) -> Result<Self, HistoryError> {
        let unreadable =
            |source| HistoryError::NotRecorded(FileError::ReadFailed { path: database.to_owned(), source });
        let metadata = std::fs::metadata(database).map_err(unreadable)?;
        let file = AppendFile::open(&beside(database, SUFFIX), &metadata, seconds)
            .map_err(HistoryError::NotRecorded)?;
        let run = RunId::new(author.clock.now());
        let begin = begin_of_lines(&run, author);
        Ok(Self {
            database: database.to_owned(),
            metadata,
            author: author.clone(),
            run,
            begin,
            lines: Vec::new(),
            changes: 0,
            file,
            start: None,
            is_committed: false,
            disabled: None,
            given: None,
        })
    }

    /// The run.
    #[must_use]
    pub const fn run(&self) -> &RunId {
        &self.run
    }

    /// Ends an earlier run that was interrupted, if there is one. `current` returns the row with a username.
    ///
    /// # Errors
    /// [`HistoryError::NotRecorded`], and the errors of `current`.
    pub fn complete_interrupted<E: From<HistoryError>>(
        &mut self,
        current: &mut dyn FnMut(&StoredValue) -> Result<Option<StoredRow>, E>,
    ) -> Result<(), E> {
        let Some(file) = &mut self.file else { return Ok(()) };
        let (_, tail) = file.tail(END_LINE).map_err(HistoryError::NotRecorded)?;
        if tail.is_empty() || ends_with_end(&tail) {
            return Ok(());
        }
        // A line without its end was never on disk before a commit.
        let partial = tail.len() - tail.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1);
        let mut whole = file.length() - partial as u64;
        if partial as u64 == END_LINE {
            whole = whole_lines(file)?;
        }
        if whole < file.length() {
            file.truncate(whole).map_err(HistoryError::NotRecorded)?;
        }
        let changes = interrupted_changes(file)?;
        let (Some(first), count) = (changes.first(), changes.len() as u64) else { return Ok(()) };
        let end = decide(&changes, current)?;
        let line = EndLine {
            run: first.run.clone(),
            time: self.author.clock.now().rfc3339(),
            end,
            changes: count,
            database: DatabaseFile::of(&self.metadata),
        };
        if end == RunEnd::Committed {
            self.repeat_state(&changes)?;
        }
        if let Some(file) = &mut self.file {
            file.append(&line.to_line()).map_err(HistoryError::NotRecorded)?;
        }
        Ok(())
    }

    /// Writes the state as an interrupted run left it.
    fn repeat_state(&self, changes: &[ChangeLine]) -> Result<(), HistoryError> {
        let mode = self.metadata.mode();
        if changes.iter().any(|change| change.disabled.is_some()) {
            let mut disabled = DisabledUsers::load(&self.database)?;
            for change in changes {
                if let Some(state) = &change.disabled {
                    disabled.set(&change.username(), state.after.clone());
                }
            }
            disabled.save(&self.database, mode)?;
        }
        if changes.iter().any(|change| change.given.is_some()) {
            let mut given = GivenState::load(&self.database)?;
            for change in changes {
                if let Some(state) = &change.given {
                    given.set_user(&change.username(), state.after.clone());
                }
            }
            given.save(&self.database, mode)?;
        }
        Ok(())
    }

    /// Adds the change of a user; an empty change is ignored.
    ///
    /// # Errors
    /// [`HistoryError::NotRecorded`].
    pub fn add(&mut self, change: &UserChange<'_>) -> Result<(), HistoryError> {
        if change.is_empty() {
            return Ok(());
        }
        add_change(&self.begin, change, &mut self.lines);
        self.changes += 1;
        if self.lines.len() < BUFFER { Ok(()) } else { self.write() }
    }

    /// Replaces or removes the entry of a disabled user; `None` if this is not a change. The caller adds the
    /// change with [`Recorder::add`].
    ///
    /// # Errors
    /// The errors of [`DisabledUsers::load`].
    pub fn set_disabled(
        &mut self,
        username: &str,
        after: Option<DisabledEntry>,
    ) -> Result<Option<StateChange<Option<DisabledEntry>>>, HistoryError> {
        let loaded = match &mut self.disabled {
            Some(loaded) => loaded,
            empty => empty.insert(Loaded::new(DisabledUsers::load(&self.database)?)),
        };
        let before = loaded.state.entry(username).cloned();
        if before == after {
            return Ok(None);
        }
        loaded.is_changed = true;
        loaded.state.set(username, after.clone());
        Ok(Some(StateChange { before, after }))
    }

    /// Replaces what syncs gave to a user; `None` if this is not a change. The caller adds the change with
    /// [`Recorder::add`].
    ///
    /// # Errors
    /// The errors of [`GivenState::load`].
    pub fn set_given(
        &mut self,
        username: &str,
        change: impl FnOnce(&mut UserRights),
    ) -> Result<Option<StateChange<UserRights>>, HistoryError> {
        let loaded = match &mut self.given {
            Some(loaded) => loaded,
            empty => empty.insert(Loaded::new(GivenState::load(&self.database)?)),
        };
        let before = loaded.state.user(username).unwrap_or_default();
        let mut after = before.clone();
        change(&mut after);
        after.retain(|_, rights| !rights.is_empty());
        if before == after {
            return Ok(None);
        }
        loaded.is_changed = true;
        loaded.state.set_user(username, after.clone());
        Ok(Some(StateChange { before, after }))
    }

    /// The disabled users with the changes of this run.
    ///
    /// # Errors
    /// The errors of [`DisabledUsers::load`].
    pub fn disabled(&self) -> Result<DisabledUsers, HistoryError> {
        match &self.disabled {
            Some(loaded) => Ok(loaded.state.clone()),
            None => DisabledUsers::load(&self.database),
        }
    }

    /// What syncs gave to users with the changes of this run.
    ///
    /// # Errors
    /// The errors of [`GivenState::load`].
    pub fn given(&self) -> Result<GivenState, HistoryError> {
        match &self.given {
            Some(loaded) => Ok(loaded.state.clone()),
            None => GivenState::load(&self.database),
        }
    }

    /// Writes all changes to disk, before the database is committed.
    ///
    /// # Errors
    /// [`HistoryError::NotRecorded`].
    pub fn prepare(&mut self) -> Result<(), HistoryError> {
        if self.changes == 0 {
            return Ok(());
        }
        self.write()?;
        match &self.file {
            Some(file) => file.sync().map_err(HistoryError::NotRecorded),
            None => Ok(()),
        }
    }

    /// Leaves the changes in the journal as those of an interrupted run: it is not known whether the database
    /// has them.
    pub fn leave(mut self) {
        self.is_committed = true;
    }

    /// Writes the state and the end of the run, after the database was committed.
    ///
    /// # Errors
    /// [`HistoryError::StateNotWritten`]: the next run writes the state and the end.
    pub fn finish(mut self) -> Result<(), HistoryError> {
        self.is_committed = true;
        if self.changes == 0 {
            return Ok(());
        }
        let mode = self.metadata.mode();
        if let Some(disabled) = self.disabled.as_ref().filter(|loaded| loaded.is_changed) {
            disabled.state.save(&self.database, mode)?;
        }
        if let Some(given) = self.given.as_ref().filter(|loaded| loaded.is_changed) {
            given.state.save(&self.database, mode)?;
        }
        let line = EndLine {
            run: self.run.as_str().to_owned(),
            time: self.author.clock.now().rfc3339(),
            end: RunEnd::Committed,
            changes: self.changes,
            database: DatabaseFile::of(&self.metadata),
        };
        if let Some(file) = &mut self.file {
            // Without the line, the next run compares the rows and writes it.
            let _ = file.append(&line.to_line());
        }
        Ok(())
    }

    /// Writes the lines of the memory to the file.
    fn write(&mut self) -> Result<(), HistoryError> {
        let failed = HistoryError::NotRecorded;
        let mut file = match self.file.take() {
            None => AppendFile::start(&beside(&self.database, SUFFIX), &self.metadata).map_err(failed)?,
            Some(file) if self.start.is_none() && file.length() > ROTATION_SIZE => {
                file.rotate(ROTATION_COUNT, &self.metadata).map_err(failed)?
            }
            Some(file) => file,
        };
        self.start.get_or_insert(file.length());
        let outcome = file.append(&self.lines).map_err(failed);
        self.file = Some(file);
        self.lines.clear();
        outcome
    }
}

impl Drop for Recorder {
    /// Removes the lines of a run that was not committed.
    fn drop(&mut self) {
        if let (false, Some(file), Some(start)) = (self.is_committed, &mut self.file, self.start) {
            // Lines that remain are those of an interrupted run.
            let _ = file.truncate(start);
        }
    }
}

/// The length of the file without a last line that has no end.
fn whole_lines(file: &AppendFile) -> Result<u64, HistoryError> {
    let mut whole = 0;
    each_line(file, 0, |offset, line| whole = offset + line.len() as u64 + 1)?;
    Ok(whole)
}

/// The changes after the last end of a run.
fn interrupted_changes(file: &AppendFile) -> Result<Vec<ChangeLine>, HistoryError> {
    let mut begin = 0;
    each_line(file, 0, |offset, line| {
        // The text of other members has escaped quotation marks.
        if line.windows(END_MEMBER.len()).take(END_PLACE).any(|part| part == END_MEMBER) {
            begin = offset + line.len() as u64 + 1;
        }
    })?;
    let mut changes = Vec::new();
    each_line(file, begin, |_, line| {
        if let Some(Line::Change(change)) = Line::parse(line) {
            changes.push(*change);
        }
    })?;
    Ok(changes)
}

fn each_line(file: &AppendFile, begin: u64, mut visit: impl FnMut(u64, &[u8])) -> Result<(), HistoryError> {
    let read = for_each_line(&file.reader()?, begin, file.length(), |offset, line| {
        visit(offset, line);
        Ok::<_, io::Error>(())
    });
    let path = file.path().to_owned();
    read.map_err(|source| HistoryError::NotRecorded(FileError::ReadFailed { path, source }))
}

/// The end of an interrupted run by the current rows.
fn decide<E>(
    changes: &[ChangeLine],
    current: &mut dyn FnMut(&StoredValue) -> Result<Option<StoredRow>, E>,
) -> Result<RunEnd, E> {
    for change in changes {
        let before = matches(change.before.as_ref(), current(&change.user)?.as_ref());
        let after = match &change.renamed_to {
            Some(new) => !before && matches(change.after.as_ref(), current(new)?.as_ref()),
            None => matches(change.after.as_ref(), current(&change.user)?.as_ref()),
        };
        match (before, after) {
            (false, true) => return Ok(RunEnd::Committed),
            (true, false) => return Ok(RunEnd::RolledBack),
            _ => {}
        }
    }
    let is_state_alone =
        changes.iter().all(|change| change.before == change.after && !change.password_changed);
    Ok(if is_state_alone { RunEnd::Committed } else { RunEnd::Unknown })
}

fn matches(image: Option<&RowImage>, row: Option<&StoredRow>) -> bool {
    match (image, row) {
        (None, None) => true,
        (Some(image), Some(row)) => image.reads_like(row),
        _ => false,
    }
}
