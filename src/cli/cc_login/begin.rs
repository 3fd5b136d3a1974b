//! `cc-login [NAME]`: the login itself.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::no_session::COMMANDS;
use super::oidc::{self, CommonOptions};
use super::parameters::{MethodChoice, Parameters};
use super::provider::{self, ProviderOptions};
use super::remote::{self, RemoteLogin, RemoteLoginOptions};
use super::report;
use super::start::start;
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::ldap::LdapConnectionOptions;
use crate::cli::options::SettingsOptions;
use crate::cli::prompt::{self, PasswordOptions};
use crate::cli::settings;
use crate::cli::suggest;
use crate::config::Settings;
use crate::ldap::LdapOptions;
use crate::login::attempt_limit::Attempt;
use crate::login::{
    Attempts, Credentials, Identity, LoginContext, LoginError, Method, login, paths, session,
};
use crate::user::User;
use crate::user_db::{OpenMode, UserDb};
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::shell;
use crate::util::time::Clock;

/// The arguments of a login.
#[derive(Debug, Args)]
pub(super) struct LoginOptions {
    /// Who logs in [default: the name of the person at the keyboard], and further KEY=VALUE, such
    /// as role=NAME
    #[arg(value_name = "NAME|KEY=VALUE")]
    words: Vec<String>,

    /// How to log in: auto, local, ldap, token, oidc or remote [default: auto]
    #[arg(short, long, value_name = "METHOD", value_parser = MethodChoice::parse)]
    method: Option<MethodChoice>,

    /// Log in with the token in FILE; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["password_stdin", "password_file"])]
    token_file: Option<PathBuf>,

    #[command(flatten)]
    password: PasswordOptions,

    #[command(flatten)]
    provider: ProviderOptions,

    #[command(flatten)]
    remote: RemoteLoginOptions,

    #[command(flatten)]
    directory: LdapConnectionOptions,
}

pub(super) fn run(
    begin: &LoginOptions,
    options: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let parameters = Parameters::parse(&begin.words)?;
    let choice = match (begin.method, parameters.method) {
        (Some(a), Some(b)) if a != b => {
            return Err(UsageError::new("two different methods are given").into());
        }
        (a, b) => a.or(b).unwrap_or(MethodChoice::Auto),
    };
    let choice = begin.imply(choice, &parameters);
    refuse_misplaced(choice, &parameters)?;
    let wishes = begin.directory.options()?;
    if choice == MethodChoice::Only(Method::Remote) {
        return begin.by_server(parameters, &wishes, console);
    }
    let wanted = match choice {
        MethodChoice::Only(Method::Oidc) => {
            Some(begin.provider.request(&parameters.others, begin.directory.timeout.as_deref())?)
        }
        _ => None,
    };
    let settings = settings::load(options, console)?;
    if let Some(wanted) = wanted {
        let shared = CommonOptions {
            name: parameters.name,
            ca_file: wishes.ca_file,
            connect_timeout: Some(wishes.connect_timeout),
        };
        return oidc::run(&wanted, &shared, &settings, console);
    }
    let with = With { begin, settings: &settings, wishes: &wishes };
    let (identity, row) = match choice {
        MethodChoice::Only(Method::Token) => with.by_token(parameters.name, console)?,
        MethodChoice::Auto if begin.token_file.is_some() => with.by_token(parameters.name, console)?,
        MethodChoice::Auto => with.by_password(None, parameters, console)?,
        MethodChoice::Only(method) => with.by_password(Some(method), parameters, console)?,
    };
    save_session(identity, row, &settings, console)
}

impl LoginOptions {
    /// The name of the method that is used; none where the words are wrong.
    pub(super) fn method_name(&self) -> Option<&'static str> {
        let parameters = Parameters::parse(&self.words).ok()?;
        let choice = self.method.or(parameters.method).unwrap_or(MethodChoice::Auto);
        Some(match self.imply(choice, &parameters) {
            MethodChoice::Auto => "auto",
            MethodChoice::Only(method) => method.name(),
        })
    }

    /// The method that the other arguments leave no doubt about, where none was named.
    fn imply(&self, choice: MethodChoice, parameters: &Parameters) -> MethodChoice {
        let has_key = |keys: &[&str]| parameters.others.iter().any(|(key, _)| keys.contains(&key.as_str()));
        if choice != MethodChoice::Auto {
            choice
        } else if self.remote.given().is_some() || has_key(&remote::KEYS) {
            MethodChoice::Only(Method::Remote)
        } else if self.provider.given().is_some() || has_key(&provider::KEYS) {
            MethodChoice::Only(Method::Oidc)
        } else {
            choice
        }
    }

    fn by_server(
        &self,
        parameters: Parameters,
        wishes: &LdapOptions,
        console: &mut Console,
    ) -> Result<ExitStatus, Failure> {
        let options = self.remote.with_keys(&parameters.others)?;
        let name = match parameters.name {
            Some(name) => name,
            None => own_name(console)?,
        };
        let visit = RemoteLogin {
            name: name.clone(),
            ca_file: wishes.ca_file.clone(),
            connect_timeout: Some(wishes.connect_timeout),
            timeout: self.directory.timeout.as_ref().map(|_| wishes.response_timeout),
        };
        let ask = |console: &mut Console| {
            let server = options.server.as_deref().unwrap_or_default();
            self.password.known(&format!("Password of {} at {}", quote(&name), quote(server)), console)
        };
        remote::run(&options, &visit, ask, console)
    }
}

/// Who logged in, and the user as the user table has it after the login.
type Found = (Identity, Option<User>);

/// Rejects a name that is near a command and not in the user table: nobody is asked for a password
/// because of a typing error.
fn refuse_mistyped_command(name: &str, store: &UserDb) -> Result<(), Failure> {
    let Some(command) = suggest::command(name, COMMANDS) else { return Ok(()) };
    if store.record(name)?.is_some() {
        return Ok(());
    }
    let shown = quote(name);
    Err(UsageError::new(format!("{shown} is neither a command nor a user in the user table"))
        .hint(format!(
            "did you mean 'cc-login {command}'? To log in under this name: cc-login username={}",
            shell::word(name)
        ))
        .into())
}

/// Rejects a key that the method does not use. Options are checked by the table of options.
fn refuse_misplaced(choice: MethodChoice, parameters: &Parameters) -> Result<(), UsageError> {
    for (key, _) in &parameters.others {
        for (keys, method) in [(&provider::KEYS[..], Method::Oidc), (&remote::KEYS[..], Method::Remote)] {
            if keys.contains(&key.as_str()) && choice != MethodChoice::Only(method) {
                return Err(UsageError::new(format!("{key}= requires --method {}", method.name())));
            }
        }
    }
    Ok(())
}

/// What every method works with.
struct With<'run> {
    begin: &'run LoginOptions,
    settings: &'run Settings,
    wishes: &'run LdapOptions,
}

impl With<'_> {
    fn by_token(&self, wanted: Option<String>, console: &mut Console) -> Result<Found, Failure> {
        let token = match self.begin.token_file.as_deref() {
            Some(path) if path.as_os_str() != "-" => prompt::from_file(path, "token", console)?,
            Some(_) => prompt::from_stdin("token")?,
            None => prompt::ask("Token", "token", "--token-file FILE, or - for standard input")?,
        };
        let mut store = self.open()?;
        let presented = Credentials { token: Some(token), ..Credentials::default() };
        let found = self.ask(Some(Method::Token), &presented, &mut store, None, console)?;
        match wanted {
            Some(wanted) if wanted != found.0.user.username => {
                Err(LoginError::OtherSubject { found: found.0.user.username, expected: wanted }.into())
            }
            _ => Ok(found),
        }
    }

    fn by_password(
        &self,
        only: Option<Method>,
        parameters: Parameters,
        console: &mut Console,
    ) -> Result<Found, Failure> {
        let name = match parameters.name {
            Some(name) => name,
            None => own_name(console)?,
        };
        // What would spoil the login anyway is told before the password is asked for.
        let mut store = self.open()?;
        if parameters.is_bare_name {
            refuse_mistyped_command(&name, &store)?;
        }
        let attempts = Attempts::new(&paths::state_directory(console.environment())?);
        let password = self.begin.password.known(&format!("Password for {}", quote(&name)), console)?;
        let mut attempt = attempts.begin(&name, Clock::System.now())?;
        let presented = Credentials { name: Some(name), password: Some(password), token: None };
        match self.ask(only, &presented, &mut store, Some(&mut attempt), console) {
            Ok(found) => {
                attempt.succeeded()?;
                Ok(found)
            }
            Err(error @ LoginError::Rejected(_)) => {
                attempt.failed();
                Err(error.into())
            }
            Err(error) => {
                attempt.cancel()?;
                Err(error.into())
            }
        }
    }

    fn ask(
        &self,
        only: Option<Method>,
        presented: &Credentials,
        store: &mut UserDb,
        attempt: Option<&mut Attempt<'_>>,
        console: &mut Console,
    ) -> Result<Found, LoginError> {
        let mut notes = Notes::new();
        let context =
            LoginContext { settings: self.settings, ldap_options: self.wishes, now: Clock::System.now() };
        let outcome = login(only, presented, &context, store, attempt, &mut notes);
        console.notes(notes);
        let identity = outcome?;
        let row = store.find(&identity.user.username)?;
        Ok((identity, row))
    }

    fn open(&self) -> Result<UserDb, Failure> {
        Ok(UserDb::open(self.settings.database()?, OpenMode::Write)?)
    }
}

fn own_name(console: &Console) -> Result<String, UsageError> {
    let environment = console.environment();
    environment
        .non_empty("USER")
        .or_else(|| environment.non_empty("LOGNAME"))
        .map(str::to_owned)
        .ok_or_else(|| UsageError::new("no name is given").hint("cc-login NAME"))
}

/// Keeps the session and reports it.
fn save_session(
    identity: Identity,
    row: Option<User>,
    settings: &Settings,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let (session, path) = start(identity, row, None, settings, console)?;
    session::SessionLock::acquire(&path)?.save(&session)?;
    report::logged_in(&session, session.issued_at, console)?;
    Ok(ExitStatus::Success)
}
