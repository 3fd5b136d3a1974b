//! Parameters of a login at a running server.

use std::time::Duration;

use clap::Args;

use crate::cli::failure::{Failure, UsageError};
use crate::cli::quantity::base_url;
use crate::ldap::LdapOptions;
use crate::login::remote::RemoteRequest;

/// The options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "A running server (--method remote or stronghold)")]
pub(super) struct RemoteLoginOptions {
    /// URL of the server's web interface, or of the Stronghold server; server=URL [default for Stronghold:
    /// $STRONGHOLD_ADDR, $BAO_ADDR or $VAULT_ADDR]
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,

    /// Request the token of another user, which requires the role admin; for=NAME
    #[arg(long = "for", value_name = "NAME")]
    pub(super) for_name: Option<String>,
}

/// The keys of a login at a server.
pub(super) const KEYS: [&str; 2] = ["server", "for"];

impl RemoteLoginOptions {
    /// Whether one of the options is set.
    pub(super) const fn is_given(&self) -> bool {
        self.server.is_some() || self.for_name.is_some()
    }

    /// Builds the request from options and keys.
    ///
    /// # Errors
    /// [`UsageError`] for a missing or invalid URL, or two different values for one parameter.
    pub(super) fn request(
        &self,
        username: String,
        keys: &[(String, String)],
        ldap: LdapOptions,
        timeout: Option<Duration>,
    ) -> Result<RemoteRequest, Failure> {
        let value = |option: &str, name: &str, given: &Option<String>| {
            let mut found = given.clone();
            for (_, value) in keys.iter().filter(|(key, _)| key == name) {
                if found.as_ref().is_some_and(|other| other != value) {
                    return Err(UsageError::new(format!("two different values are given for {option}")));
                }
                found = Some(value.clone());
            }
            Ok(found)
        };
        let server = value("--server", "server", &self.server)?;
        let subject = value("--for", "for", &self.for_name)?;
        let Some(server_text) = server else {
            return Err(UsageError::new("--method remote requires --server URL")
                .hint("cc-login --method remote --server https://cc.example.org")
                .into());
        };
        Ok(RemoteRequest {
            username,
            server: base_url("--server", &server_text)?,
            server_text,
            subject,
            ca_file: ldap.ca_file,
            connect_timeout: ldap.connect_timeout,
            timeout,
        })
    }
}
