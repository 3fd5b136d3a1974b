//! The user interface of a login: prompts, instructions, and the URL that the user pastes.

use std::io::{self, IsTerminal as _};
use std::path::PathBuf;
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use url::Url;

use super::browser;
use crate::cli::author::author;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::options::SettingsOptions;
use crate::cli::prompt::{self, PasswordOptions};
use crate::cli::settings;
use crate::config::Settings;
use crate::login::oidc::request::BrowserChoice;
use crate::login::ui::{LoginEnvironment, LoginStep, LoginUi, PasswordPrompt};
use crate::oidc::oauth::DeviceAuthorization;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::monotonic::SystemMonotonicClock;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::Clock;

/// The maximum length of a pasted URL, in bytes.
const PASTE_LIMIT: usize = 64 << 10;

/// An error of reading a pasted URL.
#[derive(Debug, thiserror::Error)]
enum PasteError {
    #[error("no URL was pasted: standard input ended")]
    Missing,
    #[error("cannot read standard input: {0}")]
    Unreadable(String),
}

impl Diagnostic for PasteError {
    fn kind(&self) -> Kind {
        match self {
            Self::Missing => Kind::LoginNoCallbackUrl,
            Self::Unreadable(_) => Kind::InputUnreadable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some(
            "paste the URL of the last page in the browser, or log in with --skip-browser or --device"
                .to_owned(),
        )
    }
}

/// The user interface on a terminal, or with the files and standard input of the options.
pub(super) struct TerminalUi<'run> {
    pub(super) console: &'run mut Console,
    pub(super) settings: &'run SettingsOptions,
    pub(super) password: PasswordOptions,
    pub(super) token_file: Option<PathBuf>,
    pub(super) lines: StdinLines,
}

impl<'run> TerminalUi<'run> {
    /// Creates the user interface of a command that needs neither password nor token.
    pub(super) fn without_secrets(console: &'run mut Console, settings: &'run SettingsOptions) -> Self {
        Self {
            console,
            settings,
            password: PasswordOptions::default(),
            token_file: None,
            lines: StdinLines::default(),
        }
    }

    /// Prints the URL of a login whose response the server receives, after its QR code on a terminal.
    fn show_at_server(&mut self, url: &Url, user_code: Option<&str>, browser: &BrowserChoice) {
        let console = &mut *self.console;
        if !console.is_quiet() && !console.is_json() && *browser == BrowserChoice::Skip {
            for line in browser::qr_code_for_terminal(url, console.colors_errors()) {
                console.instruct(&line);
            }
        }
        console.instruct("Log in with any browser at this URL:");
        console.instruct(&format!("\n    {url}\n"));
        if let Some(code) = user_code {
            console.instruct(&format!("with the code\n\n    {}\n", escape(code)));
        }
        match browser {
            BrowserChoice::Default => browser::open(url, None, console),
            BrowserChoice::Command(command) => browser::open(url, Some(command), console),
            BrowserChoice::Skip => {}
        }
    }

    /// Prints URL and code of a login on another device. On a terminal, a QR code precedes them, so
    /// that the text is still visible on a small terminal while the command waits.
    fn show_device(&mut self, device: &DeviceAuthorization) {
        let console = &mut *self.console;
        let url = device.verification_uri_complete.as_ref().unwrap_or(&device.verification_uri);
        let code = escape(&device.user_code);
        let qr_code = if console.is_quiet() || console.is_json() {
            Vec::new()
        } else {
            browser::qr_code_for_terminal(url, console.colors_errors())
        };
        if !qr_code.is_empty() {
            for line in qr_code {
                console.instruct(&line);
            }
            console.instruct(&format!(
                "Log in on another device at this URL:\n    {}\nwith the code\n    {code}",
                device.verification_uri
            ));
            return;
        }
        console.instruct("Log in on another device at this URL:");
        console.instruct(&format!("\n    {}\n", device.verification_uri));
        console.instruct(&format!("with the code\n\n    {code}\n"));
        if device.verification_uri_complete.is_some() {
            console.instruct(&format!("or at this URL, which contains the code\n\n    {url}\n"));
        }
    }
}

/// Calls a function with the environment of a login.
pub(super) fn with_environment<T>(
    console: &mut Console,
    run: impl FnOnce(&LoginEnvironment<'_>, &mut Console) -> T,
) -> T {
    let variables = console.environment().clone();
    let environment = LoginEnvironment {
        variables: &variables,
        clock: Clock::System,
        author: || author("cc-login"),
        monotonic: &SystemMonotonicClock,
        has_display: browser::can_show(&variables),
        is_interactive: io::stdin().is_terminal(),
        browser_uids: &browser::accounts(&variables),
    };
    run(&environment, console)
}

impl LoginUi for TerminalUi<'_> {
    type Error = Failure;

    fn settings(&mut self) -> Result<Settings, Failure> {
        settings::load(self.settings, self.console)
    }

    fn notes(&mut self, notes: Notes) {
        self.console.notes(notes);
    }

    fn show(&mut self, step: LoginStep<'_>) {
        match step {
            LoginStep::Browser { start_url, browser } => {
                self.console.instruct(
                    "Log in with a browser on this computer at this URL (it works in one browser, once):",
                );
                self.console.instruct(&format!("\n    {start_url}\n"));
                match browser {
                    BrowserChoice::Default => browser::open(start_url, None, self.console),
                    BrowserChoice::Command(command) => browser::open(start_url, Some(command), self.console),
                    BrowserChoice::Skip => {}
                }
            }
            LoginStep::Manual { url, redirect_uri } => {
                self.console.instruct("Log in with any browser at this URL:");
                self.console.instruct(&format!("\n    {url}\n"));
                self.console.instruct(&format!(
                    "The browser cannot load the last page. Copy the URL of that page, which begins with\n\
                     {redirect_uri}, and paste it here:"
                ));
            }
            LoginStep::PasteAgain => self.console.instruct("Paste the URL again:"),
            LoginStep::Device(device) => self.show_device(device),
            LoginStep::AtServer { url, user_code, browser } => self.show_at_server(url, user_code, browser),
        }
    }

    fn password(&mut self, prompt: PasswordPrompt<'_>) -> Result<SecretText, Failure> {
        let username = quote(prompt.username);
        let text = match prompt.server {
            Some(server) => format!("Password of {username} at {}", quote(server)),
            None => format!("Password for {username}"),
        };
        self.password.known(&text, self.console)
    }

    fn token(&mut self) -> Result<SecretText, Failure> {
        Ok(match self.token_file.as_deref() {
            Some(path) if path.as_os_str() != "-" => prompt::from_file(path, "token", self.console)?,
            Some(_) => prompt::from_stdin("token")?,
            None => prompt::ask("Token", "token", "--token-file FILE, or - for standard input")?,
        })
    }

    fn passcode(&mut self, kind: &str, name: &str) -> Result<SecretText, Failure> {
        let text = format!("Passcode of {} {}", escape(kind), quote(name));
        Ok(prompt::ask(&text, "passcode", "a terminal: a passcode is valid only for seconds")?)
    }

    fn pasted_url(&mut self, deadline: Instant) -> Result<Option<SecretText>, Failure> {
        Ok(self.lines.next(deadline)?)
    }
}

/// The lines of standard input.
#[derive(Default)]
pub(super) struct StdinLines {
    pending: zeroize::Zeroizing<Vec<u8>>,
}

impl StdinLines {
    /// Returns the next line, or `None` after the deadline.
    fn next(&mut self, deadline: Instant) -> Result<Option<SecretText>, PasteError> {
        let stdin = io::stdin();
        let unreadable = |error: rustix::io::Errno| {
            PasteError::Unreadable(crate::util::file::reason(&io::Error::from(error)))
        };
        let mut buffer = zeroize::Zeroizing::new([0_u8; 4096]);
        loop {
            if let Some(end) = self.pending.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.pending.drain(..=end).collect();
                return Ok(Some(SecretText::new(String::from_utf8_lossy(&line).into_owned())));
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            let timeout = Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(left.subsec_nanos()),
            };
            match poll(&mut [PollFd::new(&stdin, PollFlags::IN)], Some(&timeout)) {
                Ok(0) => return Ok(None),
                Ok(_) => {}
                Err(rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(unreadable(error)),
            }
            match rustix::io::read(&stdin, buffer.as_mut_slice()) {
                Ok(0) if self.pending.is_empty() => return Err(PasteError::Missing),
                Ok(0) => self.pending.push(b'\n'),
                Ok(count) => self.pending.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(unreadable(error)),
            }
            if self.pending.len() > PASTE_LIMIT {
                return Err(PasteError::Unreadable(format!("the line has more than {PASTE_LIMIT} bytes")));
            }
        }
    }
}
