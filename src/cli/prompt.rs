//! Input of secrets: a prompt without echo, standard input, a file, a variable.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, Once, PoisonError};

use clap::{Args, ValueHint};
use rustix::termios::{OptionalActions, Termios};

use super::console::Console;
use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, FileContents, reason};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The maximum size of a secret from a stream or file, in bytes.
const SECRET_LIMIT: u64 = 64 << 10;

/// An error of reading a secret.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// There is no terminal for a prompt.
    #[error("no terminal to ask for the {what} on")]
    NoTerminal {
        /// The requested secret.
        what: String,
        /// The options that work without a terminal.
        options: &'static str,
    },
    /// The entered secret is empty.
    #[error("no {0} given")]
    Empty(String),
    /// The two entries differ.
    #[error("the two entries of the {0} differ: nothing was changed")]
    Mismatch(String),
    /// Standard input or the terminal failed.
    #[error("the {what} cannot be read: {}", reason(.source))]
    Unreadable {
        /// The requested secret.
        what: String,
        /// The system error.
        source: io::Error,
    },
    /// The input is longer than any secret.
    #[error("the {0} is longer than {SECRET_LIMIT} bytes")]
    TooLong(String),
    /// The input is not UTF-8.
    #[error("the {0} is not UTF-8")]
    NotText(String),
}

diagnostics! { PromptError:
    Self::NoTerminal { options, .. } => Kind::NoTerminal, format!("give it with {options}");
    Self::Empty(_) => Kind::SecretEmpty;
    Self::Mismatch(_) => Kind::SecretMismatch;
    Self::Unreadable { .. } => Kind::SecretUnreadable;
    Self::TooLong(_) => Kind::SecretTooLong;
    Self::NotText(_) => Kind::SecretNotText;
}

/// Options that replace a password prompt.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Password")]
pub struct PasswordOptions {
    /// Read the password from standard input, up to the line's end
    #[arg(long, conflicts_with = "password_file")]
    pub password_stdin: bool,

    /// Read the password from FILE, up to the line's end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

/// The options that replace a password prompt.
const PASSWORD_OPTIONS: &str = "--password-stdin or --password-file FILE";

impl PasswordOptions {
    /// Reads the password of an option; returns `None` without an option.
    ///
    /// # Errors
    /// [`PromptError`], and [`crate::util::file::FileError`] for the file.
    pub fn read(&self, console: &mut Console) -> Result<Option<SecretText>, super::failure::Failure> {
        if self.password_stdin {
            return Ok(Some(from_stdin("password")?));
        }
        match &self.password_file {
            Some(path) => Ok(Some(from_file(path, "password", console)?)),
            None => Ok(None),
        }
    }

    /// Reads an existing password from an option, or prompts once.
    ///
    /// # Errors
    /// The errors of [`PasswordOptions::read`].
    pub fn known(&self, prompt: &str, console: &mut Console) -> Result<SecretText, super::failure::Failure> {
        match self.read(console)? {
            Some(password) => Ok(password),
            None => Ok(ask(prompt, "password", PASSWORD_OPTIONS)?),
        }
    }

    /// Reads a new password from an option, or prompts twice.
    ///
    /// # Errors
    /// The errors of [`PasswordOptions::read`], and [`PromptError::Mismatch`].
    pub fn new_one(
        &self,
        prompt: &str,
        console: &mut Console,
    ) -> Result<SecretText, super::failure::Failure> {
        match self.read(console)? {
            Some(password) => Ok(password),
            None => Ok(ask_twice(prompt, "password", PASSWORD_OPTIONS)?),
        }
    }
}

/// Opens the terminal of this process.
///
/// # Errors
/// There is no terminal.
pub(super) fn terminal() -> io::Result<File> {
    std::fs::OpenOptions::new().read(true).write(true).open("/dev/tty")
}

/// Prompts on the terminal, without echo.
///
/// # Errors
/// [`PromptError`]; empty input is an error.
pub fn ask(prompt: &str, what: &str, options: &'static str) -> Result<SecretText, PromptError> {
    let terminal = terminal().map_err(|_| PromptError::NoTerminal { what: what.to_owned(), options })?;
    let _guard = EchoGuard::new(terminal);
    let answer = rpassword::prompt_password(format!("{prompt}: "))
        .inspect_err(|error| {
            // On Ctrl-C, rpassword raises the signal and continues. The signal thread then ends the
            // process with the signal's own status, as shells expect.
            if error.kind() == io::ErrorKind::Interrupted {
                std::thread::sleep(std::time::Duration::from_secs(5));
            }
        })
        .map(SecretText::new)
        .map_err(|source| PromptError::Unreadable { what: what.to_owned(), source })?;
    if answer.is_empty() { Err(PromptError::Empty(what.to_owned())) } else { Ok(answer) }
}

/// Prompts twice and compares the entries.
///
/// # Errors
/// The errors of [`ask`], and [`PromptError::Mismatch`].
pub fn ask_twice(prompt: &str, what: &str, options: &'static str) -> Result<SecretText, PromptError> {
    let first = ask(prompt, what, options)?;
    let second = ask(&format!("{prompt} (again)"), what, options)?;
    if first == second { Ok(first) } else { Err(PromptError::Mismatch(what.to_owned())) }
}

/// Reads a secret from standard input, without the line end.
///
/// # Errors
/// [`PromptError`]; empty input is an error.
pub fn from_stdin(what: &str) -> Result<SecretText, PromptError> {
    let mut bytes = zeroize::Zeroizing::new(Vec::new());
    io::stdin()
        .lock()
        .take(SECRET_LIMIT + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| PromptError::Unreadable { what: what.to_owned(), source })?;
    if bytes.len() as u64 > SECRET_LIMIT {
        return Err(PromptError::TooLong(what.to_owned()));
    }
    first_line(&bytes, what)
}

/// Reads a secret from a file, without the line end; warns if other accounts can read the file.
///
/// # Errors
/// [`PromptError`] and [`crate::util::file::FileError`].
pub fn from_file(
    path: &Path,
    what: &str,
    console: &mut Console,
) -> Result<SecretText, super::failure::Failure> {
    let mut notes = Notes::new();
    let read = file::read_named(path, SECRET_LIMIT, FileContents::Secret, &mut notes);
    console.notes(notes);
    let bytes = zeroize::Zeroizing::new(read?);
    Ok(first_line(&bytes, &format!("{what} in {}", quote(&path.to_string_lossy())))?)
}

fn first_line(bytes: &[u8], what: &str) -> Result<SecretText, PromptError> {
    // Remove the byte order mark that some editors write.
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    if line.is_empty() {
        return Err(PromptError::Empty(what.to_owned()));
    }
    let text = std::str::from_utf8(line).map_err(|_| PromptError::NotText(what.to_owned()))?;
    Ok(SecretText::new(text.to_owned()))
}

/// The terminal and its settings before echo was turned off; `None` while echo is on.
static BEFORE: Mutex<Option<(File, Termios)>> = Mutex::new(None);

/// Restores the terminal settings if a signal ends the process while echo is off.
struct EchoGuard;

impl EchoGuard {
    fn new(terminal: File) -> Self {
        static WATCH: Once = Once::new();
        WATCH.call_once(watch_signals);
        if let Ok(termios) = rustix::termios::tcgetattr(&terminal) {
            *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some((terminal, termios));
        }
        Self
    }
}

impl Drop for EchoGuard {
    fn drop(&mut self) {
        BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    }
}

/// Restores the terminal settings before a signal ends the process. The thread runs until the end
/// of the process, because removing the handler would leave the signal ignored.
fn watch_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
    let (ready, wait) = std::sync::mpsc::sync_channel(1);
    let watch = move || {
        let signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP, SIGQUIT]);
        let _ = ready.send(());
        let Ok(mut signals) = signals else { return };
        for signal in signals.forever() {
            let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
            if let Some((terminal, termios)) = before {
                let _ = rustix::termios::tcsetattr(&terminal, OptionalActions::Now, &termios);
                let _ = rustix::io::write(&terminal, b"\n");
            }
            let _ = signal_hook::low_level::emulate_default_handler(signal);
        }
    };
    // If no thread can be started, the signals have their default effect.
    if std::thread::Builder::new().name("signals".to_owned()).stack_size(64 << 10).spawn(watch).is_ok() {
        let _ = wait.recv();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_line_removes_byte_order_mark_and_line_end() {
        for text in ["\u{feff}pass word\n", "pass word\r\n", "pass word"] {
            let secret = first_line(text.as_bytes(), "password").ok();
            assert_eq!(secret.as_ref().map(SecretText::expose), Some("pass word"), "{text:?}");
        }
        assert!(first_line("\u{feff}\n".as_bytes(), "password").is_err());
    }
}
