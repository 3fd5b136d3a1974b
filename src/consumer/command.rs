//! The command after a change, and the marker of a command that has not succeeded yet.
//!
//! The marker is written before the file is replaced and deleted after the command succeeded. So a kill at
//! any moment between them leaves the marker, and the next run repeats the command.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::time::Duration;

use super::error::CommandFailure;
use crate::util::file::{self, Existing, FileError, Location, PRIVATE_MODE, WriteOptions};

/// A command line for the shell that is run after a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCommand {
    /// The command line.
    pub line: String,
    /// The time after which the command is ended.
    pub timeout: Duration,
}

/// Runs commands.
pub trait CommandRunner {
    /// Runs a command to its end.
    ///
    /// # Errors
    /// [`CommandFailure`].
    fn run(&mut self, command: &ChangeCommand) -> Result<(), CommandFailure>;
}

/// The file beside a consumer's file that exists while its command has not succeeded.
#[derive(Debug)]
pub(super) struct PendingMarker(Location);

impl PendingMarker {
    /// The marker of a file: `.NAME.pending`.
    pub(super) fn beside(location: &Location) -> Result<Self, FileError> {
        Ok(Self(location.sibling(&marker_name(location.name()))?))
    }

    pub(super) fn exists(&self) -> bool {
        self.0.found().is_some()
    }

    pub(super) fn create(&self) -> Result<(), FileError> {
        let how = WriteOptions {
            mode: PRIVATE_MODE,
            existing: Existing::Replace,
            keeps_access: false,
            sweeps: false,
        };
        self.0
            .write(b"The command after the change of the file beside this one has not succeeded yet.\n", how)
    }

    pub(super) fn remove(&self) -> Result<(), FileError> {
        file::remove(&self.path()).map(|_| ())
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

fn marker_name(name: &OsStr) -> OsString {
    let mut marker = OsString::from(".");
    marker.push(name);
    marker.push(".pending");
    marker
}
