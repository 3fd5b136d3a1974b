//! The output streams of a program: results go to standard output, everything else to standard
//! error.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};
use std::path::Path;

use anstyle::Style;
use clap::ArgMatches;
use serde::Serialize;
use serde_json::json;

use super::failure::Failure;
use super::logging::{stamp, start_logging, write_error_line};
use super::options::ColorWhen;
use super::style::{self, paint};
use super::wrap::wrap;
use crate::util::diagnostic::{ExitStatus, diagnostics};
use crate::util::environment::Environment;
use crate::util::file::{self, reason};
use crate::util::kind::Kind;
use crate::util::note::{Level, Notes, Warning};
use crate::util::quote::{escape_json, visible};
use crate::util::redact::redact_forms;

/// An error of writing to standard output.
#[derive(Debug, thiserror::Error)]
pub enum StdoutError {
    /// Standard output was closed before the program started, or is `/dev/null`.
    #[error("standard output is closed or /dev/null: the result would be lost")]
    Closed,
    /// The reader has closed the pipe, and the result would be lost.
    #[error("standard output was closed by its reader: the result is lost")]
    BrokenPipe,
    /// Standard output cannot be written, for example because the disk is full.
    #[error("cannot write standard output: {}", reason(.0))]
    Failed(io::Error),
}

diagnostics! { StdoutError:
    Self::Closed | Self::BrokenPipe => Kind::OutputClosed;
    Self::Failed(_) => Kind::OutputUnwritable;
}

/// The width of a terminal that reports none, in columns.
pub(super) const DEFAULT_WIDTH: usize = 80;

/// The output streams of a program and its output options.
#[derive(Debug)]
pub struct Console {
    tool: &'static str,
    out: BufWriter<Stdout>,
    reader_gone: bool,
    quiet: bool,
    verbosity: u8,
    json: bool,
    out_is_terminal: bool,
    color_out: bool,
    color_err: bool,
    environment: Environment,
}

impl Console {
    /// Creates the console of a program before its arguments are parsed.
    pub(super) fn new(tool: &'static str) -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self {
            tool,
            out: BufWriter::with_capacity(64 << 10, io::stdout()),
            reader_gone: false,
            quiet: false,
            verbosity: 0,
            json: false,
            out_is_terminal: io::stdout().is_terminal(),
            color_out: false,
            color_err: false,
            environment,
        }
    }

    /// Applies the common output options.
    pub(super) fn configure(&mut self, matches: &ArgMatches) {
        self.quiet = flag(matches, "quiet");
        self.json = flag(matches, "json");
        self.verbosity = matches.try_get_one::<u8>("verbose").ok().flatten().copied().unwrap_or(0);
        let when = matches.try_get_one("color").ok().flatten().copied().unwrap_or(ColorWhen::Auto);
        self.color_out = self.uses_color(when, io::stdout().is_terminal());
        self.color_err = self.uses_color(when, io::stderr().is_terminal());
        start_logging(self.tool, self.verbosity, self.json);
    }

    fn uses_color(&self, when: ColorWhen, terminal: bool) -> bool {
        match when {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto if self.environment.non_empty("CLICOLOR_FORCE").is_some_and(|v| v != "0") => true,
            ColorWhen::Auto => {
                terminal
                    && self.environment.non_empty("NO_COLOR").is_none()
                    && self.environment.get("TERM") != Some("dumb")
            }
        }
    }

    /// The process environment.
    #[must_use]
    pub const fn environment(&self) -> &Environment {
        &self.environment
    }

    /// Whether the report is JSON.
    #[must_use]
    pub const fn is_json(&self) -> bool {
        self.json
    }

    pub(super) const fn set_json(&mut self) {
        self.json = true;
    }

    /// Whether only the result and errors are printed.
    #[must_use]
    pub const fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// The number of `-v` options.
    #[must_use]
    pub const fn verbosity(&self) -> u8 {
        self.verbosity
    }

    /// Whether progress is shown: standard error is a terminal, without `--quiet` and `--json`.
    #[must_use]
    pub fn shows_progress(&self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// Whether progress is shown beside a result that is written at the same time: as
    /// [`Console::shows_progress`], if the result does not go to the same terminal.
    #[must_use]
    pub fn shows_progress_beside_output(&self) -> bool {
        self.shows_progress() && !self.out_is_terminal
    }

    /// Whether the reader of standard output has closed it, so a long report can end early.
    #[must_use]
    pub const fn is_reader_gone(&self) -> bool {
        self.reader_gone
    }

    /// The width of the terminal of standard output in columns; `None` if standard output is not a
    /// terminal. A terminal that does not report its width has that of `COLUMNS`, or else 80.
    #[must_use]
    pub fn terminal_width(&self) -> Option<usize> {
        if !self.out_is_terminal {
            return None;
        }
        let reported = rustix::termios::tcgetwinsize(rustix::stdio::stdout()).map_or(0, |size| size.ws_col);
        let columns = || self.environment.get("COLUMNS").and_then(|text| text.parse().ok());
        Some(match reported {
            0 => columns().filter(|width| *width > 0).unwrap_or(DEFAULT_WIDTH),
            width => usize::from(width),
        })
    }

    /// Returns text for standard output in a style, or unchanged without color.
    #[must_use]
    pub fn paint(&self, style: Style, text: &str) -> String {
        paint(self.color_out, style, text)
    }

    /// Writes a line of the result. A closed pipe is not an error.
    ///
    /// # Errors
    /// [`StdoutError`] if standard output cannot be written.
    pub fn line(&mut self, text: &str) -> Result<(), StdoutError> {
        if !self.json {
            self.bytes(stamp().as_bytes())?;
        }
        self.bytes(text.as_bytes())?;
        self.bytes(b"\n")
    }

    /// Writes a line of the result: a label of this width in columns and text. On a terminal the text is
    /// wrapped at words under its column.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn wrapped(&mut self, label: &str, width: usize, text: &str) -> Result<(), StdoutError> {
        let Some(terminal) = self.terminal_width() else { return self.line(&format!("{label}{text}")) };
        for (index, part) in wrap(text, width, terminal).iter().enumerate() {
            self.line(&if index == 0 { format!("{label}{part}") } else { format!("{:width$}{part}", "") })?;
        }
        Ok(())
    }

    /// Writes text of the result unchanged.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn text(&mut self, text: &str) -> Result<(), StdoutError> {
        self.bytes(text.as_bytes())
    }

    /// Writes bytes of the result.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn bytes(&mut self, bytes: &[u8]) -> Result<(), StdoutError> {
        if self.reader_gone {
            return Ok(());
        }
        let written = self.out.write_all(bytes);
        self.check_write(written)
    }

    fn check_write(&mut self, written: io::Result<()>) -> Result<(), StdoutError> {
        match written {
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => {
                self.reader_gone = true;
                Ok(())
            }
            Err(error) => Err(StdoutError::Failed(error)),
            Ok(()) => Ok(()),
        }
    }

    /// Writes a JSON document and a line end, indented on a terminal, otherwise on one line.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn json(&mut self, document: &impl Serialize) -> Result<(), StdoutError> {
        let text = if self.out_is_terminal {
            serde_json::to_string_pretty(document)
        } else {
            serde_json::to_string(document)
        };
        let text = text.map_err(|error| StdoutError::Failed(error.into()))?;
        self.line(&escape_json(&text))
    }

    /// Writes a JSON document that is already serialized, formatted as by [`Console::json`].
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn json_text(&mut self, text: &str) -> Result<(), StdoutError> {
        if self.out_is_terminal {
            self.line(&escape_json(&crate::util::json_text::indented(text)))
        } else {
            self.line(&escape_json(text))
        }
    }

    /// Writes one item of a JSON document that is written in parts, on one line without a line end.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn json_item(&mut self, item: &impl Serialize) -> Result<(), StdoutError> {
        let text = serde_json::to_string(item).map_err(|error| StdoutError::Failed(error.into()))?;
        self.text(&escape_json(&text))
    }

    /// Writes a line of a report about what was done or found. A report is not read by other
    /// programs, so `-q` suppresses it.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn report_line(&mut self, text: &str) -> Result<(), StdoutError> {
        if self.quiet { Ok(()) } else { self.line(text) }
    }

    /// Writes complete lines of the result: CSV, JSON or escaped text. On a terminal, control
    /// characters are escaped.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn lines(&mut self, lines: &[u8]) -> Result<(), StdoutError> {
        if self.out_is_terminal {
            self.text(&escape_json(&String::from_utf8_lossy(lines)))
        } else {
            self.bytes(lines)
        }
    }

    /// Flushes standard output.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn flush(&mut self) -> Result<(), StdoutError> {
        if self.reader_gone {
            return Ok(());
        }
        let flushed = self.out.flush();
        self.check_write(flushed)
    }

    /// Writes a new private key, which is stored nowhere else. Losing it is an error, even if
    /// standard output was closed.
    ///
    /// # Errors
    /// [`StdoutError`] if standard output is closed, has no reader, or cannot be written.
    pub fn deliver_new_key(&mut self, text: &str) -> Result<(), StdoutError> {
        if was_closed() {
            return Err(StdoutError::Closed);
        }
        self.deliver(text)
    }

    /// Writes a result and fails if the pipe has no reader. A null device is a deliberate choice of
    /// the caller.
    ///
    /// # Errors
    /// [`StdoutError`] if standard output has no reader or cannot be written.
    pub fn deliver(&mut self, text: &str) -> Result<(), StdoutError> {
        self.text(text)?;
        self.flush()?;
        if self.reader_gone { Err(StdoutError::BrokenPipe) } else { Ok(()) }
    }

    /// Prints a note, unless quiet. With JSON, the report contains it instead.
    pub fn note(&mut self, text: &str) {
        if !self.quiet && !self.json {
            self.diagnostic("note", style::NOTE, text, None);
        }
    }

    /// Prints the next step for the user, such as a URL to open, even when quiet.
    pub fn instruct(&mut self, text: &str) {
        if self.json {
            self.json_error_line(&json!({"instruction": {"message": text.trim()}}));
        } else {
            write_error_line(text);
        }
    }

    /// Whether standard error is shown in color.
    #[must_use]
    pub const fn colors_errors(&self) -> bool {
        self.color_err
    }

    /// Prints a warning, unless quiet; `check` is its name in [`crate::util::check`].
    pub fn warn(&mut self, check: &'static str, text: &str) {
        if !self.quiet {
            self.warning(check, text, None);
        }
    }

    /// Prints a [`Level::Danger`] warning, even when quiet.
    pub fn warn_of_danger(&mut self, check: &'static str, text: &str) {
        self.warning(check, text, None);
    }

    /// Prints the warnings of a report in text. If they are a reason of the exit status, they are printed even when
    /// quiet.
    pub fn warn_all(&mut self, warnings: &[Warning], is_reason: bool) {
        if is_reason || !self.quiet {
            warnings.iter().for_each(|warning| self.warning(warning.check, &warning.message, None));
        }
    }

    /// Prints the notes and warnings of the library; when quiet, only dangers.
    pub fn notes(&mut self, notes: Notes) {
        let mut notes = notes.into_iter().collect::<Vec<_>>();
        let hints: Vec<_> = notes.iter().map(|note| note.hint.clone()).collect();
        if !self.json {
            notes
                .iter_mut()
                .enumerate()
                .filter(|(index, _)| is_repeated(&hints, *index))
                .for_each(|(_, note)| note.hint = None);
        }
        for note in notes {
            match note.level {
                Level::Note => self.note(&note.text),
                Level::Warning if self.quiet => {}
                Level::Warning | Level::Danger => {
                    self.warning(note.check.unwrap_or_default(), &note.text, note.hint.as_deref());
                }
            }
        }
    }

    fn warning(&mut self, check: &str, text: &str, hint: Option<&str>) {
        if self.json {
            let message = redact_forms(text);
            self.json_error_line(&json!({"warning": {"check": check, "message": message, "hint": hint}}));
        } else {
            self.diagnostic("warning", style::WARNING, text, hint);
        }
    }

    fn json_error_line(&mut self, object: &serde_json::Value) {
        write_error_line(&escape_json(&object.to_string()));
    }

    fn diagnostic(&mut self, label: &str, style: Style, text: &str, hint: Option<&str>) {
        let label = paint(self.color_err, style, &format!("{label}:"));
        write_error_line(&format!("{}: {label} {}", self.tool, visible(text)));
        if let Some(hint) = hint {
            write_error_line(&format!("  hint: {}", visible(hint)));
        }
    }

    /// Flushes the result, prints a failure, and returns the exit status.
    pub(super) fn end(&mut self, outcome: Result<ExitStatus, Failure>) -> ExitStatus {
        let flushed = self.flush().map_err(Failure::from);
        match outcome.and_then(|status| flushed.map(|()| status)) {
            Ok(status) => status,
            Err(failure) => {
                self.report(&failure);
                failure.status()
            }
        }
    }

    /// Prints the errors of a failure, for callers that continue afterwards.
    pub fn report(&mut self, failure: &Failure) {
        let hints: Vec<_> = failure.errors().iter().map(|error| error.hint()).collect();
        for (index, error) in failure.errors().iter().enumerate() {
            if self.json {
                let object = json!({"error": {
                    "kind": error.kind().name(),
                    "message": redact_forms(&error.to_string()),
                    "hint": error.hint(),
                }});
                self.json_error_line(&object);
            } else {
                let label = paint(self.color_err, style::ERROR, self.tool);
                write_error_line(&format!("{label}: {}", visible(&error.to_string())));
                if let Some(hint) = error.hint().filter(|_| !is_repeated(&hints, index)) {
                    write_error_line(&format!("hint: {}", visible(&hint)));
                }
            }
        }
    }
}

/// Whether a later message has the same hint, which is then printed once, below the last of them.
fn is_repeated(hints: &[Option<String>], index: usize) -> bool {
    let (hint, later) = (hints.get(index), hints.get(index + 1..).unwrap_or_default());
    hint.is_some_and(|hint| hint.is_some() && later.contains(hint))
}

/// Warns about output files that root wrote and the account of their directory cannot read.
pub(super) fn warn_if_not_owner<'a>(paths: impl IntoIterator<Item = &'a Path>, console: &mut Console) {
    let mut notes = Notes::new();
    for path in paths {
        file::warn_if_not_owner(path, &mut notes);
    }
    console.notes(notes);
}

/// Whether standard output was closed when the process started. Before `main`, the runtime replaces
/// it by `/dev/null`, opened for reading and writing; the shell's `>/dev/null` opens it only for
/// writing. Programs that start children with `/dev/null` opened both ways (Python's `DEVNULL`)
/// cannot be distinguished from a closed output, so only a new key, which would be lost, is an
/// error.
fn was_closed() -> bool {
    use rustix::fs::{OFlags, fcntl_getfl, fstat};
    let stdout = rustix::stdio::stdout();
    let null = fstat(stdout).is_ok_and(|stat| stat.st_rdev == rustix::fs::makedev(1, 3));
    null && fcntl_getfl(stdout).is_ok_and(|flags| flags & OFlags::RWMODE == OFlags::RDWR)
}

fn flag(matches: &ArgMatches, name: &str) -> bool {
    matches.try_get_one::<bool>(name).ok().flatten().copied().unwrap_or(false)
}
