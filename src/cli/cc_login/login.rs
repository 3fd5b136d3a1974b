//! `cc-login [NAME]`: the arguments of a login and their request.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};

use super::parameters::{MethodChoice, Parameters};
use super::provider::{self, JobToken, ProviderOptions};
use super::remote::{self, RemoteLoginOptions};
use super::report;
use super::stronghold::{self, LoginParameters, StrongholdLoginOptions};
use super::ui::{TerminalUi, with_environment};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::ldap::LdapConnectionOptions;
use crate::cli::options::SettingsOptions;
use crate::cli::prompt::PasswordOptions;
use crate::cli::suggest;
use crate::ldap::LdapOptions;
use crate::login::flow::{PasswordRequest, TokenRequest};
use crate::login::session_error::COMMANDS;
use crate::login::{
    CiIdentity, LoginOutcome, LoginRequest, Method, NetworkOptions, SessionPlace, SessionSelection, log_in,
};
use crate::util::diagnostic::ExitStatus;
use crate::util::environment::Environment;

/// The arguments of a login.
#[derive(Debug, Args)]
pub(super) struct LoginOptions {
    /// Username [default: $USER], and parameters as KEY=VALUE, such as role=NAME
    #[arg(value_name = "NAME|KEY=VALUE")]
    pub(super) words: Vec<String>,

    /// Login method: auto, local, ldap, token, oidc, remote or stronghold (or vault, openbao) [default: auto]
    #[arg(short, long, value_name = "METHOD", value_parser = MethodChoice::parse,
          add = super::complete::login_methods())]
    pub(super) method: Option<MethodChoice>,

    /// Log in with the token in FILE; - is standard input
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath,
          conflicts_with_all = ["password_stdin", "password_file"])]
    pub(super) token_file: Option<PathBuf>,

    /// Log in with the identity of a CI job: github:AUDIENCE, env:NAME, or file:PATH
    #[arg(long, value_name = "SOURCE", conflicts_with_all = ["token_file", "password_stdin", "password_file"])]
    pub(super) identity: Option<CiIdentity>,

    /// Send the bearer token in FILE to the origin of the keys of --role, such as a Kubernetes API server
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) bearer_token_file: Option<PathBuf>,

    #[command(flatten)]
    pub(super) password: PasswordOptions,

    #[command(flatten)]
    pub(super) provider: ProviderOptions,

    #[command(flatten)]
    pub(super) remote: RemoteLoginOptions,

    #[command(flatten)]
    pub(super) stronghold: StrongholdLoginOptions,

    #[command(flatten)]
    pub(super) directory: LdapConnectionOptions,
}

pub(super) fn run(
    options: &LoginOptions,
    selection: &SessionSelection,
    settings: &SettingsOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let request = options.request(console.environment())?;
    let outcome = with_environment(console, |environment, console| {
        let mut ui = TerminalUi {
            password: options.password.clone(),
            token_file: options.token_file.clone(),
            ..TerminalUi::without_secrets(console, settings)
        };
        log_in(&request, SessionPlace::Stored(selection), environment, &mut ui)
    })?;
    match outcome {
        LoginOutcome::Session(session) => report::logged_in(&session, session.issued_at, console)?,
        LoginOutcome::Wrapped(wrapped) => report::wrapped(&wrapped, console)?,
    }
    Ok(ExitStatus::Success)
}

impl LoginOptions {
    /// Returns the name of the method, or `None` if the arguments are invalid.
    pub(super) fn method_name(&self) -> Option<&'static str> {
        let parameters = Parameters::parse(&self.words).ok()?;
        Some(match self.implied_method(self.method.or(parameters.method), &parameters) {
            MethodChoice::Auto => "auto",
            MethodChoice::Only(method) => method.name(),
        })
    }

    /// Returns the method of the arguments, or the one that the other arguments require.
    fn implied_method(&self, named: Option<MethodChoice>, parameters: &Parameters) -> MethodChoice {
        let has_key = |keys: &[&str]| parameters.others.iter().any(|(key, _)| keys.contains(&key.as_str()));
        match named {
            Some(choice @ MethodChoice::Only(_)) => choice,
            _ if self.provider.client_credentials => MethodChoice::Only(Method::Oidc),
            _ if self.stronghold.is_given() || has_key(&stronghold::KEYS) => {
                MethodChoice::Only(Method::Stronghold)
            }
            _ if self.identity.is_some() || self.token_file.is_some() => MethodChoice::Only(Method::Token),
            _ if self.remote.is_given() || has_key(&remote::KEYS) => MethodChoice::Only(Method::Remote),
            _ if self.provider.is_given() || has_key(&provider::KEYS) => MethodChoice::Only(Method::Oidc),
            _ => MethodChoice::Auto,
        }
    }

    /// Builds the request of the arguments.
    pub(super) fn request(&self, environment: &Environment) -> Result<LoginRequest, Failure> {
        let parameters = Parameters::parse(&self.words)?;
        let named = match (self.method, parameters.method) {
            (Some(a), Some(b)) if a != b => {
                return Err(UsageError::new("two different methods are given").into());
            }
            (a, b) => a.or(b),
        };
        let choice = self.implied_method(named, &parameters);
        reject_unused_keys(choice, &parameters)?;
        let ldap = self.directory.options()?;
        let timeout = self.directory.timeout.as_ref().map(|_| ldap.response_timeout);
        Ok(match choice {
            MethodChoice::Only(Method::Oidc) => LoginRequest::Oidc(self.provider.request(
                parameters.name,
                JobToken {
                    is_given: self.identity.is_some() || self.token_file.is_some(),
                    identity: self.identity.clone(),
                },
                &parameters.others,
                &ldap,
                timeout,
            )?),
            MethodChoice::Only(Method::Remote) => {
                let username = username(parameters.name, environment)?;
                LoginRequest::Remote(self.remote.request(username, &parameters.others, ldap, timeout)?)
            }
            MethodChoice::Only(Method::Stronghold) => {
                let request = self.stronghold.request(LoginParameters {
                    username: parameters.name,
                    keys: &parameters.others,
                    server: self.remote.server.as_ref(),
                    token_file: self.token_file.as_ref(),
                    identity: self.identity.as_ref(),
                    provider: &self.provider,
                    network: &ldap,
                    time_limit: timeout,
                });
                LoginRequest::Stronghold(Box::new(request?))
            }
            MethodChoice::Only(Method::Token) => {
                LoginRequest::Token(self.token_request(&parameters, &ldap, timeout)?)
            }
            choice => {
                let is_bare_name = parameters.is_bare_name;
                let username = username(parameters.name, environment)?;
                LoginRequest::Password(PasswordRequest {
                    similar_command: is_bare_name.then(|| suggest::command(&username, COMMANDS)).flatten(),
                    username,
                    method: match choice {
                        MethodChoice::Auto => None,
                        MethodChoice::Only(method) => Some(method),
                    },
                    ldap,
                })
            }
        })
    }

    /// Builds the request of a login with a token.
    fn token_request(
        &self,
        parameters: &Parameters,
        ldap: &LdapOptions,
        timeout: Option<Duration>,
    ) -> Result<TokenRequest, UsageError> {
        Ok(TokenRequest {
            username: parameters.name.clone(),
            identity: self.identity.clone(),
            role: self.provider.role(&parameters.others)?,
            bearer_token: self.bearer_token_file.clone(),
            network: NetworkOptions {
                ca_file: ldap.ca_file.clone(),
                connect_timeout: Some(ldap.connect_timeout),
                timeout,
            },
        })
    }
}

/// Rejects a key that the method does not use. Options are checked by the table of rules.
fn reject_unused_keys(choice: MethodChoice, parameters: &Parameters) -> Result<(), UsageError> {
    for (key, _) in &parameters.others {
        let methods: &[Method] = match key.as_str() {
            "scope" => &[Method::Oidc],
            "role" => &[Method::Oidc, Method::Stronghold, Method::Token],
            "server" => &[Method::Remote, Method::Stronghold],
            key if provider::KEYS.contains(&key) => &[Method::Oidc, Method::Stronghold],
            key if remote::KEYS.contains(&key) => &[Method::Remote],
            _ => &[Method::Stronghold],
        };
        if !methods.iter().any(|method| choice == MethodChoice::Only(*method)) {
            let names: Vec<&str> = methods.iter().map(|method| method.name()).collect();
            return Err(UsageError::new(format!("{key}= requires --method {}", names.join(" or "))));
        }
    }
    Ok(())
}

fn username(named: Option<String>, environment: &Environment) -> Result<String, UsageError> {
    named
        .or_else(|| environment.non_empty("USER").map(str::to_owned))
        .or_else(|| environment.non_empty("LOGNAME").map(str::to_owned))
        .ok_or_else(|| UsageError::new("no username is given").hint("cc-login NAME"))
}
