//! The directories and files that the threads of a scan share.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A file to read.
#[derive(Debug)]
pub(super) struct FilePath {
    pub(super) path: PathBuf,
    /// Whether a symbolic link is followed.
    pub(super) is_named: bool,
}

/// What remains to be done.
#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) directories: Vec<PathBuf>,
    pub(super) files: Vec<FilePath>,
    /// The threads that may add to it.
    busy: usize,
    is_stopped: bool,
    /// The devices and inodes of the directories so far.
    listed: HashSet<(u64, u64)>,
}

pub(super) enum Work {
    Directory(PathBuf),
    Files(Vec<FilePath>),
}

/// The work that the threads share.
pub(super) struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// Stops the queue when its thread panics, so that the others do not wait for this thread.
pub(super) struct StopOnPanic<'a>(pub(super) &'a Queue);

impl Drop for StopOnPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.stop();
        }
    }
}

/// The files that a thread takes at once.
const BATCH: usize = 32;

impl Queue {
    pub(super) fn new(state: State) -> Self {
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work; `None` if none is left. Files come first, so that few names are in memory.
    pub(super) fn next(&self) -> Option<Work> {
        let mut state = self.lock();
        loop {
            if state.is_stopped {
                return None;
            }
            if !state.files.is_empty() {
                let rest = state.files.len().saturating_sub(BATCH);
                let files = state.files.split_off(rest);
                state.busy += 1;
                return Some(Work::Files(files));
            }
            if let Some(directory) = state.directories.pop() {
                state.busy += 1;
                return Some(Work::Directory(directory));
            }
            if state.busy == 0 {
                self.changed.notify_all();
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// Ends a piece of work that found more.
    pub(super) fn done(&self, found: State) {
        let mut state = self.lock();
        state.directories.extend(found.directories);
        state.files.extend(found.files);
        state.busy -= 1;
        self.changed.notify_all();
    }

    pub(super) fn stop(&self) {
        self.lock().is_stopped = true;
        self.changed.notify_all();
    }

    /// Returns whether a directory was not listed before: a link or a mount can lead to it again.
    pub(super) fn is_first(&self, directory: &Metadata) -> bool {
        self.lock().listed.insert((directory.dev(), directory.ino()))
    }
}
