//! `cc-user import`.

use std::path::{Path, PathBuf};

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum, ValueHint};
use zeroize::Zeroizing;

use super::DatabaseOptions;
use super::error::{import_failure, note_invalid_lines};
use crate::accounts::{self, ExistingUsers, ImportError, ImportReport, ImportRequest};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::progress::Progress;
use crate::cli::stdin;
use crate::user::exchange::UserFileFormat;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, FileError};
use crate::util::note::Notes;
use crate::util::quote::quote_path;

/// The most that is imported at once, in bytes: several million users.
const IMPORT_LIMIT: u64 = 1 << 30;

/// Add many users in one transaction
#[derive(Debug, Args)]
pub(super) struct Import {
    /// CSV with a header line, or JSON lines; - is standard input
    #[arg(value_name = "FILE", value_hint = ValueHint::FilePath)]
    file: PathBuf,

    /// Format of the file [default: by its name or its first character]
    #[arg(long, value_name = "FORMAT")]
    format: Option<UserFileFormat>,

    /// Change existing users; columns that a line does not have stay as they are
    #[arg(long, conflicts_with = "skip_existing")]
    update: bool,

    /// Skip existing users
    #[arg(long)]
    skip_existing: bool,

    /// Import the valid lines even if others are invalid
    #[arg(long)]
    keep_going: bool,

    /// Check the file and print the result without changing users
    #[arg(short = 'n', long)]
    dry_run: bool,
}

impl ValueEnum for UserFileFormat {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Csv, Self::JsonLines]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(match self {
            Self::Csv => PossibleValue::new("csv").help("Comma-separated values with a header line"),
            Self::JsonLines => PossibleValue::new("jsonl").help("One JSON object per line"),
        })
    }
}

/// Why an import ends early.
enum ImportEnd {
    Rejected(ImportError),
    Failure(Failure),
}

impl From<ImportError> for ImportEnd {
    fn from(error: ImportError) -> Self {
        Self::Rejected(error)
    }
}

pub(super) fn run(
    import: &Import,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let bytes = read(&import.file)?;
    let is_stdin = import.file == Path::new("-");
    let request = ImportRequest {
        bytes: &bytes,
        format: import
            .format
            .or_else(|| UserFileFormat::of_path(&import.file))
            .unwrap_or_else(|| UserFileFormat::of_content(&bytes)),
        file: if is_stdin { "standard input".to_owned() } else { quote_path(&import.file) },
        existing: match (import.update, import.skip_existing) {
            (true, _) => ExistingUsers::Update,
            (false, true) => ExistingUsers::Skip,
            (false, false) => ExistingUsers::Reject,
        },
        keep_going: import.keep_going,
        dry_run: import.dry_run,
    };
    let mut progress = Progress::new("lines", console);
    let open = || database.open_for_change(console).map_err(ImportEnd::Failure);
    let report = match accounts::import(&request, open, &mut |lines| progress.at(lines)) {
        Ok(report) => report,
        Err(ImportEnd::Failure(failure)) => return Err(failure),
        Err(ImportEnd::Rejected(error)) => return Err(import_failure(error, console)),
    };
    drop(progress);
    print(&report, if is_stdin { None } else { Some(&import.file) }, console)?;
    if report.invalid_lines == 0 {
        return Ok(ExitStatus::Success);
    }
    note_invalid_lines(report.invalid_lines, report.errors.len(), "their users were not imported", console);
    let failure = Failure::several(report.errors);
    console.report(&failure);
    Ok(failure.status())
}

fn print(report: &ImportReport, file: Option<&Path>, console: &mut Console) -> Result<(), Failure> {
    if let Some(file) = file.filter(|_| report.has_passwords) {
        let mut notes = Notes::new();
        file::warn_if_exposed(file, &mut notes);
        console.notes(notes);
    }
    console.notes(report.notes.clone());
    let ImportReport { added, changed, unchanged, skipped, dry_run, .. } = report;
    let begin = if *dry_run { "dry run, nothing was changed: would be " } else { "" };
    console.note(&format!(
        "{begin}added {}, changed {}, unchanged {}, skipped {}",
        added.len(),
        changed.len(),
        unchanged.len(),
        skipped.len()
    ));
    if console.is_json() {
        console.json(report)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    if path == Path::new("-") {
        stdin::read(IMPORT_LIMIT)
    } else {
        file::read(path, IMPORT_LIMIT).map(Zeroizing::new)
    }
}
