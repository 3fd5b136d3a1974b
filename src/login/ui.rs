//! The interface between a login and the program that runs it: settings, secrets that the user
//! enters, instructions and messages.
//!
//! The library selects the method and the steps. A [`LoginUi`] only prompts and prints.

use std::time::Instant;

use url::Url;

use super::error::LoginError;
use super::oidc::request::BrowserChoice;
use crate::config::Settings;
use crate::history::Author;
use crate::oidc::oauth::DeviceAuthorization;
use crate::util::environment::Environment;
use crate::util::monotonic::MonotonicClock;
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Clock;

/// The environment in which a login runs.
#[derive(Debug, Clone, Copy)]
pub struct LoginEnvironment<'run> {
    /// The variables: XDG directories and the proxy.
    pub variables: &'run Environment,
    /// The clock.
    pub clock: Clock,
    /// Returns the author of changes of the user table.
    pub author: fn() -> Author,
    /// The clock of timeouts and pauses.
    pub monotonic: &'run dyn MonotonicClock,
    /// Whether a browser can be opened on this computer.
    pub has_display: bool,
    /// Whether standard input is a terminal, so the user can correct an input.
    pub is_interactive: bool,
    /// The user IDs whose browsers may take part in a login, in addition to root.
    pub browser_uids: &'run [u32],
}

/// The password to prompt for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PasswordPrompt<'a> {
    /// The username.
    pub username: &'a str,
    /// The URL of the server that receives the password; `None` for the settings of this computer.
    pub server: Option<&'a str>,
}

/// The next step for the user.
#[derive(Debug, Clone, Copy)]
pub enum LoginStep<'a> {
    /// Log in with a browser on this computer at this URL.
    Browser {
        /// The URL, which works in one browser, once.
        start_url: &'a Url,
        /// The browser to open.
        browser: &'a BrowserChoice,
    },
    /// Log in with any browser at this URL, and paste the URL of the last page.
    Manual {
        /// The URL of the provider.
        url: &'a Url,
        /// The prefix of the URL of the last page.
        redirect_uri: &'a str,
    },
    /// Paste the URL again: the last one was rejected.
    PasteAgain,
    /// Log in on another device with this code.
    Device(&'a DeviceAuthorization),
    /// Log in with any browser at this URL; the server receives the response of the provider.
    AtServer {
        /// The URL of the provider.
        url: &'a Url,
        /// The code to enter, if the URL does not contain it.
        user_code: Option<&'a str>,
        /// The browser to open.
        browser: &'a BrowserChoice,
    },
}

/// The user interface of a login.
pub trait LoginUi {
    /// An error of the login or of the user interface.
    type Error: From<LoginError>;

    /// Loads the settings. Called only by logins that need them.
    ///
    /// # Errors
    /// The settings are invalid.
    fn settings(&mut self) -> Result<Settings, Self::Error>;

    /// Prints notes and warnings.
    fn notes(&mut self, notes: Notes);

    /// Prints the next step for the user.
    fn show(&mut self, step: LoginStep<'_>);

    /// Reads a password.
    ///
    /// # Errors
    /// No password is available.
    fn password(&mut self, prompt: PasswordPrompt<'_>) -> Result<SecretText, Self::Error>;

    /// Reads a token.
    ///
    /// # Errors
    /// No token is available.
    fn token(&mut self) -> Result<SecretText, Self::Error>;

    /// Reads the passcode of a second factor with this type, such as `totp`, and this name.
    ///
    /// # Errors
    /// No passcode is available.
    fn passcode(&mut self, kind: &str, name: &str) -> Result<SecretText, Self::Error>;

    /// Reads the URL that the user pastes; returns `None` after the deadline.
    ///
    /// # Errors
    /// Standard input ended or cannot be read.
    fn pasted_url(&mut self, deadline: Instant) -> Result<Option<SecretText>, Self::Error>;
}
