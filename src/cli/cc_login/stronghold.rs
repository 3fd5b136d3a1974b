//! Parameters of a login at a Stronghold, OpenBao or Vault server.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::provider::{JobToken, ProviderOptions};
use crate::cli::candidates as complete;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::quantity;
use crate::ldap::LdapOptions;
use crate::login::ci_identity::CiIdentity;
use crate::login::oidc::flow::OidcFlow;
use crate::login::session_key::SessionRequest;
use crate::login::stronghold::{JwtSource, ProviderLoginOptions, StrongholdFlow, StrongholdRequest};
use crate::stronghold::{ConnectionOptions, MountPath};
use crate::util::duration::GoDuration;
use crate::util::quote::quote;

/// The options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Stronghold, OpenBao and Vault (--method stronghold)")]
pub(super) struct StrongholdLoginOptions {
    /// Namespace of the server; namespace=NAME [default: $STRONGHOLD_NAMESPACE, $BAO_NAMESPACE or
    /// $VAULT_NAMESPACE]
    #[arg(long, value_name = "NAME")]
    pub(super) namespace: Option<String>,

    /// Log in with the ID token of the session NAME, or its token if it has no ID token
    #[arg(long, value_name = "NAME", add = complete::session_names(),
          conflicts_with_all = ["token_file", "identity", "password_stdin", "password_file"])]
    pub(super) from_session: Option<String>,

    /// Print a wrapping token that can be exchanged once for the token within DURATION; no
    /// session is saved
    #[arg(long, value_name = "DURATION")]
    pub(super) wrap_ttl: Option<String>,
}

/// The keys of such a login, besides those of an OpenID login.
pub(super) const KEYS: [&str; 1] = ["namespace"];

/// The other parameters of the command line.
pub(super) struct LoginParameters<'a> {
    pub(super) username: Option<String>,
    pub(super) keys: &'a [(String, String)],
    pub(super) server: Option<&'a String>,
    pub(super) token_file: Option<&'a PathBuf>,
    pub(super) identity: Option<&'a CiIdentity>,
    pub(super) provider: &'a ProviderOptions,
    pub(super) network: &'a LdapOptions,
    pub(super) time_limit: Option<Duration>,
}

impl StrongholdLoginOptions {
    /// Whether one of the options is set.
    pub(super) const fn is_given(&self) -> bool {
        self.namespace.is_some() || self.from_session.is_some() || self.wrap_ttl.is_some()
    }

    /// Builds the request from options and keys.
    ///
    /// # Errors
    /// [`UsageError`] for an invalid value, or two different values for one parameter.
    pub(super) fn request(&self, login: LoginParameters<'_>) -> Result<StrongholdRequest, Failure> {
        let LoginParameters { username, keys, server, token_file, identity, provider, network, time_limit } =
            login;
        let oidc = provider.request(None, JobToken::default(), keys, network, time_limit)?;
        let mount = oidc.provider.entry.as_deref().map(str::parse::<MountPath>).transpose();
        let jwt = match (&self.from_session, identity) {
            (Some(name), _) => {
                let request = name.parse::<SessionRequest>();
                let error = |error| UsageError::new(format!("--from-session: {error}"));
                Some(JwtSource::Session(request.map_err(error)?))
            }
            (None, Some(identity)) => Some(JwtSource::Identity(identity.clone())),
            (None, None) => token_file.map(|_| JwtSource::Input),
        };
        let wrap_ttl = self.wrap_ttl.as_deref().map(wrap_ttl);
        let is_by_jwt = jwt.is_some();
        let flow = match jwt {
            Some(source) => StrongholdFlow::Jwt(source),
            None => StrongholdFlow::Provider(ProviderLoginOptions {
                manual: oidc.flow == Some(OidcFlow::Manual),
                browser_required: oidc.flow == Some(OidcFlow::Browser),
                listen_address: oidc.listen_address,
                ports: provider.has_port(keys).then_some(oidc.ports),
                redirect: oidc.redirect,
                browser: oidc.browser,
                time_limit,
            }),
        };
        Ok(StrongholdRequest {
            username,
            connection: ConnectionOptions {
                server: one("--server", "server", server, keys)?,
                namespace: one("--namespace", "namespace", self.namespace.as_ref(), keys)?,
                ca_file: network.ca_file.clone(),
                connect_timeout: Some(network.connect_timeout),
                // The time limit of a login through the provider includes the time of the user.
                timeout: is_by_jwt.then_some(time_limit).flatten(),
            },
            mount: mount.map_err(|error| UsageError::new(format!("--path: {error}")))?,
            role: oidc.provider.role,
            flow,
            wrap_ttl: wrap_ttl.transpose()?,
        })
    }
}

/// Parses the lifetime of a wrapping token. The server reads whole seconds, and does not wrap for 0.
fn wrap_ttl(text: &str) -> Result<GoDuration, UsageError> {
    let ttl = quantity::positive_duration("--wrap-ttl", text)?;
    if ttl.seconds() > 0 {
        return Ok(ttl);
    }
    Err(UsageError::new(format!("--wrap-ttl: invalid duration {}: expected at least 1s", quote(text))))
}

/// Returns the value of an option or key.
fn one(
    option: &str,
    name: &str,
    given: Option<&String>,
    keys: &[(String, String)],
) -> Result<Option<String>, UsageError> {
    let mut found = given;
    for (_, value) in keys.iter().filter(|(key, _)| key == name) {
        if let Some(other) = found.filter(|other| *other != value) {
            return Err(UsageError::new(format!(
                "two different values are given for {option}: {} and {name}={}",
                quote(other),
                quote(value)
            )));
        }
        found = Some(value);
    }
    Ok(found.cloned())
}
