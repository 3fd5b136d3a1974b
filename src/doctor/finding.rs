//! Findings, and the report of an examination.

use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::policy::CheckState;
use crate::util::diagnostic::Diagnostic;
use crate::util::note::{Level, Note, Notes};

/// A part of an installation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub enum Area {
    /// The environment file and the configuration of the server.
    Settings,
    /// Access to the files that contain secrets.
    Files,
    /// The user database.
    Database,
    /// The LDAP directory.
    Ldap,
    /// Slurm accounting.
    Slurm,
    /// The OpenID providers.
    Openid,
    /// A running server, and its clock.
    Server,
    /// Tokens and keys in files.
    Tokens,
}

impl Area {
    /// Returns the name in reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Files => "files",
            Self::Database => "database",
            Self::Ldap => "ldap",
            Self::Slurm => "slurm",
            Self::Openid => "openid",
            Self::Server => "server",
            Self::Tokens => "tokens",
        }
    }
}

/// The result of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoctorFinding {
    /// The part of the installation
    pub area: Area,
    /// The check, or the kind of the error; a stable name
    pub check: &'static str,
    /// pass, warn, fail, or skipped
    pub state: &'static str,
    /// What was read: a file, a database, a URL
    pub source: String,
    /// The condition, in one line
    pub message: String,
    /// The remedy
    pub hint: Option<String>,
    #[serde(skip)]
    #[cfg_attr(test, schemars(skip))]
    check_state: CheckState,
}

impl DoctorFinding {
    /// Returns the state of the check.
    #[must_use]
    pub const fn check_state(&self) -> CheckState {
        self.check_state
    }
}

/// The report of an examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DoctorReport {
    /// Whether no check failed
    pub healthy: bool,
    /// The number of checks that failed
    pub failed: usize,
    /// The number of checks with a warning
    pub warnings: usize,
    /// The files whose mode `--fix` changed
    pub fixed_files: Vec<String>,
    /// All checks, in order
    pub findings: Vec<DoctorFinding>,
}

/// The findings of an examination in progress.
#[derive(Debug, Default)]
pub(super) struct Findings {
    list: Vec<DoctorFinding>,
    fixed: Vec<PathBuf>,
}

/// Adds findings about one source to a list.
pub(super) struct SourceFindings<'list> {
    area: Area,
    source: String,
    findings: &'list mut Findings,
}

impl Findings {
    /// Selects the part of the installation and the source of the next findings.
    pub(super) fn of(&mut self, area: Area, source: impl Into<String>) -> SourceFindings<'_> {
        SourceFindings { area, source: source.into(), findings: self }
    }

    /// Records a file whose mode was changed.
    pub(super) fn add_fixed(&mut self, path: &Path) {
        if !self.fixed.iter().any(|fixed| fixed == path) {
            self.fixed.push(path.to_owned());
        }
    }

    /// Returns whether a check of this part of the installation failed or has a warning.
    pub(super) fn has_problem(&self, area: Area) -> bool {
        self.list.iter().any(|finding| {
            finding.area == area && matches!(finding.check_state, CheckState::Fail | CheckState::Warn)
        })
    }

    /// Completes the report.
    pub(super) fn into_report(self) -> DoctorReport {
        let count =
            |state| self.list.iter().filter(|finding: &&DoctorFinding| finding.check_state == state).count();
        let (failed, warnings) = (count(CheckState::Fail), count(CheckState::Warn));
        DoctorReport {
            healthy: failed == 0,
            failed,
            warnings,
            fixed_files: self.fixed.iter().map(|path| path.to_string_lossy().into_owned()).collect(),
            findings: self.list,
        }
    }
}

impl SourceFindings<'_> {
    /// Adds a check that passed.
    pub(super) fn pass(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(CheckState::Pass, check, message, None);
    }

    /// Adds a warning.
    pub(super) fn warn(&mut self, check: &'static str, message: impl Into<String>, hint: Option<String>) {
        self.add(CheckState::Warn, check, message, hint);
    }

    /// Adds a check that failed.
    pub(super) fn fail(&mut self, check: &'static str, message: impl Into<String>, hint: Option<String>) {
        self.add(CheckState::Fail, check, message, hint);
    }

    /// Adds a check that could not be made.
    pub(super) fn skip(&mut self, check: &'static str, message: impl Into<String>) {
        self.add(CheckState::Skipped, check, message, None);
    }

    /// Adds an error under the name of its kind.
    pub(super) fn error(&mut self, error: &dyn Diagnostic) {
        self.fail(error.kind().name(), error.to_string(), error.hint());
    }

    /// Adds warnings. A warning about disclosed secrets counts as a failed check.
    pub(super) fn notes(&mut self, notes: Notes) {
        for Note { level, check, text, hint } in notes {
            match (level, check) {
                (Level::Danger, Some(check)) => self.fail(check, text, hint),
                (Level::Warning, Some(check)) => self.warn(check, text, hint),
                _ => {}
            }
        }
    }

    fn add(
        &mut self,
        check_state: CheckState,
        check: &'static str,
        message: impl Into<String>,
        hint: Option<String>,
    ) {
        let finding = DoctorFinding {
            area: self.area,
            check,
            state: check_state.name(),
            source: self.source.clone(),
            message: message.into(),
            hint: hint.filter(|hint| !hint.is_empty()),
            check_state,
        };
        // The environment file and the configuration can cause the same warning.
        if !self.findings.list.contains(&finding) {
            self.findings.list.push(finding);
        }
    }
}
