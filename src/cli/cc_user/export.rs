//! `cc-user export`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::DatabaseOptions;
use super::error::named;
use super::import::ImportFormat;
use super::list::{ListEnd, UserSelection};
use crate::cli::console::Console;
use crate::cli::console::warn_if_not_owner;
use crate::cli::failure::{Failure, UsageError};
use crate::user::exchange::{csv_header, csv_line, json_line};
use crate::user_db::OpenMode;
use crate::util::diagnostic::ExitStatus;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::quote::quote_path;
use crate::util::secret::SecretBytes;

/// Write users as CSV or JSON lines, as import reads them
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: UserSelection,

    /// How to write them [default: by the name of the output, or csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<ImportFormat>,

    /// Write to FILE with mode 0600; - is standard output
    #[arg(short, long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,

    /// Write the hashes of the passwords too; needs --output
    #[arg(long)]
    with_passwords: bool,

    /// Replace an output that exists
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
            "--with-passwords writes what passwords can be guessed from: it needs --output",
        )
        .hint("name a file, as with --output users.jsonl, or '--output -' for standard output")
        .into());
    }
    let filter = which.filter()?;
    let file = output.filter(|path| path != Path::new("-"));
    let by_name = file.as_deref().and_then(ImportFormat::of_name);
    let default = if console.is_json() { ImportFormat::Jsonl } else { ImportFormat::Csv };
    let format = format.or(by_name).unwrap_or(default);
    let store = database.open(OpenMode::Read, console)?;
    if let Some(path) = file.as_ref().filter(|_| !force) {
        file::check_free(path)?;
    }

    let mut gathered = zeroize::Zeroizing::new(Vec::new());
    let mut count = 0_u64;
    let mut put = |text: &str, console: &mut Console| -> Result<(), Failure> {
        if file.is_some() {
            gathered.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        Ok(console.lines(text.as_bytes())?)
    };
    if format == ImportFormat::Csv {
        put(&csv_header(with_passwords), console)?;
    }
    let visited = store.for_each_stored(&filter, |record, row| {
        if !record.invalid_columns.is_empty() {
            let broken: Vec<String> = record.invalid_columns.iter().map(ToString::to_string).collect();
            console.warn(
                "user-row-damaged",
                &format!(
                    "the row of {} is damaged and was exported unchanged: {}",
                    named(&record.user.username),
                    broken.join("; ")
                ),
            );
        }
        let line = match format {
            ImportFormat::Csv => csv_line(&row, with_passwords),
            ImportFormat::Jsonl => json_line(&row, with_passwords) + "\n",
        };
        put(&line, console)?;
        count += 1;
        if console.is_reader_gone() { Err(ListEnd::ReaderGone) } else { Ok(()) }
    });
    if let Err(ListEnd::Failure(failure)) = visited {
        return Err(failure);
    }
    if let Some(path) = file {
        let bytes = SecretBytes::new(std::mem::take(&mut *gathered));
        let existing = if force { Existing::Replace } else { Existing::Reject };
        file::write(&path, bytes.expose(), PRIVATE_MODE, existing)?;
        warn_if_not_owner([path.as_path()], console);
        console.note(&format!("wrote {count} users to {}", quote_path(&path)));
    }
    Ok(ExitStatus::Success)
}
