//! `cc-user export`.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use super::DatabaseOptions;
use super::import::Format;
use super::list::{Stop, Which};
use super::refusal::named;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageFault};
use crate::cli::output_owner::warn_if_not_owner;
use crate::user::exchange::{write_csv, write_csv_heading, write_json_line};
use crate::user_db::Access;
use crate::util::diagnostic::Status;
use crate::util::file::{self, Existing, PRIVATE_MODE};
use crate::util::quote::quote_path;
use crate::util::secret::SecretBytes;

/// Write users as CSV or JSON lines, as import reads them
#[derive(Debug, Args)]
pub(super) struct Export {
    #[command(flatten)]
    which: Which,

    /// How to write them [default: by the name of the output, or csv]
    #[arg(long, value_name = "FORMAT")]
    format: Option<Format>,

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
) -> Result<Status, Failure> {
    let Export { which, format, output, with_passwords, force } = export;
    if with_passwords && output.is_none() {
        return Err(UsageFault::new(
            "--with-passwords writes what passwords can be guessed from: it needs --output",
        )
        .hint("name a file, as with --output users.jsonl, or '--output -' for standard output")
        .into());
    }
    let filter = which.filter()?;
    let file = output.filter(|path| path != Path::new("-"));
    let by_name = file.as_deref().and_then(Format::of_name);
    let default = if console.is_json() { Format::Jsonl } else { Format::Csv };
    let format = format.or(by_name).unwrap_or(default);
    let store = database.open(Access::Read, console)?;
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
    if format == Format::Csv {
        put(&write_csv_heading(with_passwords), console)?;
    }
    let visited = store.each_stored(&filter, |record, row| {
        if !record.broken.is_empty() {
            let broken: Vec<String> = record.broken.iter().map(ToString::to_string).collect();
            console.warn(&format!(
                "the row of {} is damaged and was exported unchanged: {}",
                named(&record.user.username),
                broken.join("; ")
            ));
        }
        let line = match format {
            Format::Csv => write_csv(&row, with_passwords),
            Format::Jsonl => write_json_line(&row, with_passwords) + "\n",
        };
        put(&line, console)?;
        count += 1;
        if console.is_reader_gone() { Err(Stop::ReaderGone) } else { Ok(()) }
    });
    if let Err(Stop::Failure(failure)) = visited {
        return Err(failure);
    }
    if let Some(path) = file {
        let bytes = SecretBytes::new(std::mem::take(&mut *gathered));
        let existing = if force { Existing::Replace } else { Existing::Refuse };
        file::write(&path, bytes.expose(), PRIVATE_MODE, existing)?;
        warn_if_not_owner([path.as_path()], console);
        console.note(&format!("wrote {count} users to {}", quote_path(&path)));
    }
    Ok(Status::Done)
}
