//! `cc-user export`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::DatabaseOptions;
use super::list::{ListEnd, UserSelection};
use crate::accounts::{self, ExportRequest};
use crate::cli::console::{Console, warn_if_not_owner};
use crate::cli::failure::{Failure, UsageError};
use crate::cli::progress::Progress;

use crate::user::exchange::UserFileFormat;
use crate::util::count::counted;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::quote::quote_path;
use crate::util::secret::SecretBytes;

/// Export users as CSV or JSON lines for import
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: UserSelection,

    /// Format of the output [default: by its name, or csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<UserFileFormat>,

    /// Write to FILE with mode 0600; - is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Export password hashes too; needs --output
    #[arg(long)]
    with_passwords: bool,

    /// Replace an existing file
    #[arg(long)]
    force: bool,
}

pub(super) fn run(
    export: Export,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Export { which, format, output, with_passwords, force } = export;
    if with_passwords && output.is_none() {
        return Err(UsageError::new(
            "--with-passwords needs --output: weak passwords can be guessed from their hashes",
        )
        .hint("name a file, as with --output users.jsonl, or '--output -' for standard output")
        .into());
    }
    let filter = which.filter()?;
    let file = output.filter(|path| path != Path::new("-"));
    let by_name = file.as_deref().and_then(UserFileFormat::of_path);
    let default = if console.is_json() { UserFileFormat::JsonLines } else { UserFileFormat::Csv };
    let format = format.or(by_name).unwrap_or(default);
    let store = database.open(console)?;
    if let Some(path) = file.as_ref().filter(|_| !force) {
        file::check_free(path)?;
    }

    let mut gathered = zeroize::Zeroizing::new(Vec::new());
    let mut progress = match file {
        Some(_) => Progress::new("users", console),
        None => Progress::beside_output("users", console),
    };
    let mut written = 0;
    let request = ExportRequest { filter, format, with_passwords };
    let exported = accounts::export(&store, &request, |line, notes| {
        console.notes(notes);
        written += 1;
        progress.at(written);
        if file.is_some() {
            gathered.extend_from_slice(line.as_bytes());
        } else {
            console.lines(line.as_bytes())?;
        }
        if console.is_reader_gone() { Err(ListEnd::ReaderGone) } else { Ok(()) }
    });
    drop(progress);
    let count = match exported {
        Ok(count) => count,
        Err(ListEnd::ReaderGone) => return Ok(ExitStatus::Success),
        Err(ListEnd::Failure(failure)) => return Err(failure),
    };
    if let Some(path) = file {
        let bytes = SecretBytes::new(std::mem::take(&mut *gathered));
        let existing = if force { Existing::Replace } else { Existing::Reject };
        file::write(&path, bytes.expose(), PRIVATE_MODE, existing)?;
        warn_if_not_owner([path.as_path()], console);
        console.note(&format!("wrote {} to {}", counted(count, "user"), quote_path(&path)));
    }
    Ok(ExitStatus::Success)
}
