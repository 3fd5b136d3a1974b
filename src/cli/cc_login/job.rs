//! The login of a job for one command, without a stored session.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::login::LoginOptions;
use super::parameters::MethodChoice;
use super::provider::ProviderOptions;
use super::remote::RemoteLoginOptions;
use super::stronghold::StrongholdLoginOptions;
use crate::cli::failure::Failure;
use crate::cli::ldap::LdapConnectionOptions;
use crate::cli::prompt::PasswordOptions;
use crate::login::{CiIdentity, LoginRequest, Method};
use crate::util::environment::Environment;

/// The options of a login with the identity of a job or of a client.
#[derive(Debug, Args)]
#[command(next_help_heading = "Login for this command only, without a session")]
pub(super) struct JobLoginOptions {
    /// Log in with the identity of a CI job: github:AUDIENCE, env:NAME, or file:PATH
    #[arg(long, value_name = "SOURCE")]
    identity: Option<CiIdentity>,

    /// Log in as the client of the OpenID provider, without a user
    #[arg(long)]
    client_credentials: bool,

    /// Login method: token, oidc or stronghold (or vault, openbao) [default: token, or oidc with
    /// --client-credentials]
    #[arg(short, long, value_name = "METHOD", value_parser = parse_method)]
    method: Option<MethodChoice>,

    /// Login role
    #[arg(long, value_name = "NAME")]
    role: Option<String>,

    /// Provider entry in the configuration, or mount of the Stronghold server [default: oidc, or jwt at Stronghold]
    #[arg(long, value_name = "NAME")]
    path: Option<String>,

    /// URL of the Stronghold server [default: $STRONGHOLD_ADDR, $BAO_ADDR or $VAULT_ADDR]
    #[arg(long, value_name = "URL")]
    server: Option<String>,

    /// Namespace of the Stronghold server [default: $STRONGHOLD_NAMESPACE, $BAO_NAMESPACE or
    /// $VAULT_NAMESPACE]
    #[arg(long, value_name = "NAME")]
    namespace: Option<String>,

    /// Additional scope; may be repeated
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    /// Send the bearer token in FILE to the origin of the keys of --role, such as a Kubernetes API server
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bearer_token_file: Option<PathBuf>,

    /// Trust the CA certificates in FILE: besides those of the system, or instead of them for the
    /// Stronghold server [default there: $STRONGHOLD_CACERT, $BAO_CACERT or $VAULT_CACERT, or …_CAPATH]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,
}

/// Parses a method that needs neither a password nor a browser.
fn parse_method(text: &str) -> Result<MethodChoice, String> {
    MethodChoice::parse(text)
        .ok()
        .filter(|choice| {
            matches!(choice, MethodChoice::Only(Method::Token | Method::Oidc | Method::Stronghold))
        })
        .ok_or_else(|| "expected token, oidc or stronghold".to_owned())
}

impl JobLoginOptions {
    /// Returns the request of the login; `None` uses a stored session.
    ///
    /// # Errors
    /// As the request of a login with the same options.
    pub(super) fn request(&self, environment: &Environment) -> Result<Option<LoginRequest>, Failure> {
        if self.identity.is_none() && !self.client_credentials {
            return Ok(None);
        }
        self.login_options().request(environment).map(Some)
    }

    /// Returns the name of the method of the login; `None` uses a stored session.
    pub(super) fn method_name(&self) -> Option<&'static str> {
        let is_login = self.identity.is_some() || self.client_credentials;
        if is_login { self.login_options().method_name() } else { None }
    }

    fn login_options(&self) -> LoginOptions {
        LoginOptions {
            words: Vec::new(),
            method: self.method,
            token_file: None,
            identity: self.identity.clone(),
            bearer_token_file: self.bearer_token_file.clone(),
            password: PasswordOptions::default(),
            provider: ProviderOptions {
                role: self.role.clone(),
                path: self.path.clone(),
                scope: self.scope.clone(),
                client_credentials: self.client_credentials,
                ..ProviderOptions::default()
            },
            remote: RemoteLoginOptions { server: self.server.clone(), ..RemoteLoginOptions::default() },
            stronghold: StrongholdLoginOptions {
                namespace: self.namespace.clone(),
                ..StrongholdLoginOptions::default()
            },
            directory: LdapConnectionOptions {
                starttls: false,
                ca_file: self.ca_file.clone(),
                connect_timeout: "10s".to_owned(),
                timeout: None,
            },
        }
    }
}
