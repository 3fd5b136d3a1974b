//! The users of a running server: options and credentials.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};
use url::Url;

use super::{DatabaseOptions, Verb};
use crate::accounts::error::AccountsError;
use crate::accounts::{ServerLimit, ServerUsers, SessionPolicy, UserStore};
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::prompt::{self, PasswordOptions};
use crate::cli::quantity::{base_url, positive_duration};
use crate::clustercockpit::{self, USERS_LIMIT, UserApi};
use crate::http::{Client, HttpOptions, HttpTrust, Proxy};
use crate::login::session_key::SessionOrigin;
use crate::login::stored;
use crate::token;
use crate::util::file::{self, SETTINGS_LIMIT, shell_word};
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;
use crate::util::time::Clock;

/// The credentials and the connection for verbs that accept a token.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct ServerOptions {
    #[command(flatten)]
    credentials: CredentialOptions,

    #[command(flatten)]
    connection: ConnectionOptions,
}

/// The credentials and the connection for verbs that need a web session.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = HEADING)]
pub(super) struct ServerLoginOptions {
    /// Rejected by this verb
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, hide = true)]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    admin: AdminOptions,

    #[command(flatten)]
    connection: ConnectionOptions,
}

pub(super) const HEADING: &str = "A running server (with --server URL)";

/// A token, or the login of an administrator.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct CredentialOptions {
    /// Use the token in FILE, of a user with the roles admin and api; - is standard input [default: the
    /// token of the session that cc-login has for the server]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "admin")]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    admin: AdminOptions,
}

/// The login of an administrator.
#[derive(Debug, Clone, Default, Args)]
struct AdminOptions {
    /// Log in as the administrator NAME, with a password
    #[arg(long, value_name = "NAME")]
    admin: Option<String>,

    /// Read the password of the administrator from standard input, up to the line's end
    #[arg(long, conflicts_with = "admin_password_file")]
    admin_password_stdin: bool,

    /// Read the password of the administrator from FILE, up to the line's end
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    admin_password_file: Option<PathBuf>,
}

/// The connection to the server.
#[derive(Debug, Clone, Default, Args)]
struct ConnectionOptions {
    /// Trust only the certificates in FILE for TLS
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    #[command(flatten)]
    request: RequestOptions,
}

/// The limit of a request.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct RequestOptions {
    /// Timeout for each request [default: 30s]
    #[arg(long, value_name = "DURATION")]
    request_timeout: Option<String>,
}

impl ServerOptions {
    /// The options of a verb that has an option for CA certificates itself.
    pub(super) const fn with_ca_file(
        credentials: CredentialOptions,
        request: RequestOptions,
        ca_file: Option<PathBuf>,
    ) -> Self {
        Self { credentials, connection: ConnectionOptions { ca_file, request } }
    }
}

impl ServerLoginOptions {
    /// The same options for a function that needs no web session.
    fn options(&self) -> ServerOptions {
        let Self { token_file: _, admin, connection } = self.clone();
        ServerOptions { credentials: CredentialOptions { token_file: None, admin }, connection }
    }
}

impl DatabaseOptions {
    /// Opens the users for a change: in the database, or at the server of `--server`.
    pub(super) fn open_users(
        &self,
        options: &ServerOptions,
        console: &mut Console,
    ) -> Result<UserStore, Failure> {
        match &self.server {
            Some(server) => Ok(UserStore::Server(Box::new(options.open(server, console)?))),
            None => {
                let (db, sessions) = self.open_with_sessions(console)?;
                Ok(UserStore::Database { db: Box::new(db), sessions })
            }
        }
    }

    /// Opens the users for reading: in the database, or at the server of `--server`.
    pub(super) fn open_users_to_read(
        &self,
        options: &ServerOptions,
        console: &mut Console,
    ) -> Result<UserStore, Failure> {
        match &self.server {
            Some(server) => Ok(UserStore::Server(Box::new(options.open(server, console)?))),
            None => {
                let db = self.open(console)?;
                Ok(UserStore::Database { db: Box::new(db), sessions: SessionPolicy::from_settings(None) })
            }
        }
    }

    /// Opens the users as [`Self::open_users`] does, at a server with a web session.
    pub(super) fn open_users_with_login(
        &self,
        options: &ServerLoginOptions,
        console: &mut Console,
    ) -> Result<UserStore, Failure> {
        if self.server.is_some() && options.admin.admin.is_none() {
            return Err(AccountsError::TokenCannotAdd.into());
        }
        self.open_users(&options.options(), console)
    }

    /// Rejects a verb that no request of a running server does.
    pub(super) fn check_verb(&self, verb: &Verb) -> Result<(), Failure> {
        match verb.server_limit().filter(|_| self.server.is_some()) {
            Some(limit) => Err(AccountsError::from(limit).into()),
            None => Ok(()),
        }
    }
}

impl Verb {
    /// What no request of a running server does; `None` for a verb that `--server` has.
    const fn server_limit(&self) -> Option<ServerLimit> {
        match self {
            Self::Add(_)
            | Self::Set(_)
            | Self::Del(_)
            | Self::List(_)
            | Self::Show(_)
            | Self::Role(_)
            | Self::Project(_)
            | Self::Doctor(_)
            | Self::Completion(_) => None,
            Self::Init(_) => Some(ServerLimit::Init),
            Self::Rename(_) => Some(ServerLimit::Rename),
            Self::Disable(_) | Self::Enable(_) => Some(ServerLimit::Disable),
            Self::Passwd(_) => Some(ServerLimit::Password),
            Self::Import(_) => Some(ServerLimit::Import),
            Self::Export(_) => Some(ServerLimit::Export),
            Self::Log(_) | Self::Undo(_) => Some(ServerLimit::Journal),
            Self::SyncLdap(_) => Some(ServerLimit::SyncLdap),
            Self::SyncSlurm(_) => Some(ServerLimit::SyncSlurm),
        }
    }
}

impl ServerOptions {
    /// Connects to the server with the credentials of the options.
    pub(super) fn open(&self, server: &str, console: &mut Console) -> Result<ServerUsers, Failure> {
        let url = base_url("--server", server)?;
        let client = self.client(console)?;
        // Check before a prompt whether credentials may be sent to this URL.
        client.check(&url)?;
        let api = match &self.credentials.admin.admin {
            Some(name) => {
                let password = self.credentials.admin.password(name, server, console)?;
                UserApi::Session(clustercockpit::log_in(&client, &url, name, &password)?)
            }
            None => UserApi::Token { token: self.credentials.token(&url, console)?, client, server: url },
        };
        Ok(ServerUsers::new(api, self.command_options(server)))
    }

    /// The options of this server and these credentials, for commands in hints.
    fn command_options(&self, server: &str) -> String {
        let CredentialOptions { token_file, admin } = &self.credentials;
        let AdminOptions { admin, admin_password_stdin: _, admin_password_file } = admin;
        let path = |path: &Path| shell_word(&path.to_string_lossy()).to_string();
        let mut text = format!(" --server {}", shell_word(server));
        for (option, value) in [
            ("token-file", token_file.as_deref().map(path)),
            ("admin", admin.as_deref().map(|name| shell_word(name).to_string())),
            ("admin-password-file", admin_password_file.as_deref().map(path)),
            ("ca-file", self.connection.ca_file.as_deref().map(path)),
        ] {
            if let Some(value) = value {
                text.push_str(&format!(" --{option} {value}"));
            }
        }
        text
    }

    fn client(&self, console: &Console) -> Result<Client, Failure> {
        let ConnectionOptions { ca_file, request } = &self.connection;
        let defaults = HttpOptions::default();
        let timeout = match &request.request_timeout {
            Some(text) => positive_duration("--request-timeout", text)?.to_std(),
            None => defaults.timeout,
        };
        Ok(Client::new(HttpOptions {
            proxy: Proxy::from_environment(console.environment()),
            trust: match ca_file {
                Some(path) => HttpTrust::Only(file::read(path, SETTINGS_LIMIT)?),
                None => HttpTrust::System,
            },
            timeout,
            body_limit: USERS_LIMIT,
            ..defaults
        })?)
    }
}

impl CredentialOptions {
    /// The token of the file, otherwise that of the session of 'cc-login' for the server.
    fn token(&self, server: &Url, console: &mut Console) -> Result<SecretText, Failure> {
        let Some(path) = &self.token_file else {
            let mut notes = Notes::new();
            let now = Clock::System.now();
            let token =
                stored::server_token(&SessionOrigin::server(server), now, console.environment(), &mut notes);
            console.notes(notes);
            return Ok(token?);
        };
        let token = if path == Path::new("-") {
            let text = prompt::from_stdin("token")?;
            SecretText::new(token::text::one(text.expose())?.token.into_owned())
        } else {
            let text = prompt::from_file(path, "token", console)?;
            SecretText::new(token::text::one_of_file(path, text.expose())?.token.into_owned())
        };
        // Another secret in the file must not be sent.
        match token::inspect(token.expose()).refusal {
            Some(error) => Err(error.into()),
            None => Ok(token),
        }
    }
}

impl AdminOptions {
    fn password(&self, name: &str, server: &str, console: &mut Console) -> Result<SecretText, Failure> {
        let options = PasswordOptions {
            password_stdin: self.admin_password_stdin,
            password_file: self.admin_password_file.clone(),
        };
        let prompt = format!("Password of {} at {}", quote(name), quote(server));
        match options.read(console)? {
            Some(password) => Ok(password),
            None => Ok(prompt::ask(&prompt, "password", ADMIN_PASSWORD_OPTIONS)?),
        }
    }
}

/// The options that replace the prompt for the password of the administrator.
const ADMIN_PASSWORD_OPTIONS: &str = "--admin-password-stdin or --admin-password-file FILE";
