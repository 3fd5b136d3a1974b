//! The effect of a planned change on the tokens in use and on the users.
//!
//! The files are searched once. Each token gets the verdicts of the present and of the planned state, each
//! user the endpoints and login methods of both. The report has only the differences: they are those of two
//! runs of `cc-jwt scan` and `cc-user show`, with the present files and with the planned ones.
//!
//! This module does not print, does not read a clock, and writes nothing.

mod error;
mod items;
mod report;
mod server;
mod users;

use std::io::Read;
use std::path::PathBuf;

pub use error::WhatIfError;
pub use report::{
    ComparedCounts, ItemPlace, KeyChange, Rejection, TokenChange, TokenChangeKind, TokenState, UserAccess,
    UserChange, UserChangeKind, UserLogin, WhatIfReport,
};

use crate::config::{Origin, Settings, Sources, Value};
use crate::scan::{ScanRequest, scan_states};
use crate::user_db::{OpenMode, UserDb};
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// The option that names the changes.
const OPTION: &str = "--what-if";

/// The files and the time that a plan replaces. Everything else is as at present.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannedChanges {
    /// The configuration.
    pub config: Option<PathBuf>,
    /// The environment file.
    pub env_file: Option<PathBuf>,
    /// The database.
    pub db: Option<PathBuf>,
    /// Keys by name; each replaces the present ones of this name.
    pub keys: Vec<(String, PathBuf)>,
    /// The time.
    pub at: Option<Timestamp>,
}

impl PlannedChanges {
    /// Returns the sources of the planned settings.
    #[must_use]
    pub fn sources(&self, present: &Sources) -> Sources {
        let planned =
            |path: &Option<PathBuf>| path.as_ref().map(|path| Value::new(path.clone(), Origin::Flag(OPTION)));
        Sources {
            config: planned(&self.config).or_else(|| present.config.clone()),
            env_file: planned(&self.env_file).or_else(|| present.env_file.clone()),
            db: planned(&self.db).or_else(|| present.db.clone()),
            environment: present.environment.clone(),
        }
    }

    /// Returns the scan of the planned state.
    #[must_use]
    pub fn request(&self, present: &ScanRequest) -> ScanRequest {
        let is_replaced = |name: &str| self.keys.iter().any(|(planned, _)| planned == name);
        let others = present.keys.iter().filter(|(name, _)| !is_replaced(name));
        ScanRequest {
            keys: others.chain(&self.keys).cloned().collect(),
            now: self.at.unwrap_or(present.now),
            ..present.clone()
        }
    }
}

/// The scans and the settings of both states.
#[derive(Debug)]
pub struct WhatIfRequest<'a> {
    /// The scan of the present state.
    pub present: &'a ScanRequest,
    /// The present settings.
    pub present_settings: &'a Settings,
    /// What changes.
    pub changes: &'a PlannedChanges,
    /// The settings of [`PlannedChanges::sources`].
    pub planned_settings: &'a Settings,
}

/// Compares the present and the planned state. `is_over` returns whether the time limit is reached.
///
/// # Errors
/// [`WhatIfError`].
pub fn what_if(
    request: &WhatIfRequest<'_>,
    stdin: &mut dyn Read,
    is_over: &(dyn Fn() -> bool + Sync),
    notes: &mut Notes,
) -> Result<WhatIfReport, WhatIfError> {
    let WhatIfRequest { present, present_settings, changes, planned_settings } = *request;
    if let Some(path) = &changes.db {
        UserDb::open(path, OpenMode::ReadOnly)?;
    }
    let planned = changes.request(present);
    let states = [(present, present_settings), (&planned, planned_settings)];
    let [before, after] = scan_states(states, stdin, is_over, notes)?;
    let settings = present_settings.differences(planned_settings);
    let server = server::new_failures(present_settings, planned_settings);
    let over_max_age = items::over_max_age(&before, present_settings, planned_settings);
    let mut compared = ComparedCounts::of_items(&before, &after);
    let (files, complete, warnings) = (before.files, before.complete, before.warnings.clone());
    let (tokens, keys) = items::changes(before.occurrences, after.occurrences);
    let users = users::changes([present_settings, planned_settings], &mut compared, notes)?;
    if changes.db.is_none() && present_settings.differs_in_ldap(planned_settings) {
        note_synchronization(notes);
    }
    Ok(WhatIfReport {
        complete,
        settings,
        server,
        tokens,
        keys,
        users,
        over_max_age,
        compared,
        files,
        warnings,
    })
}

/// The role map acts when users are synchronized, so its effect is that on a copy of the database.
fn note_synchronization(notes: &mut Notes) {
    notes.warn_with(
        "ldap-not-synchronized",
        "auth.ldap changes: its effect on roles, projects and users is not included, because cc-user sync-ldap \
         writes them to the database",
        "synchronize a copy of the database with the planned configuration, and compare with \
         --what-if db=COPY",
    );
}
