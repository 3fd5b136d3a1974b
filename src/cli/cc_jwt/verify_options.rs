//! The arguments of `cc-jwt verify`.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::complete;
use super::osdf::OsdfOptions;
use super::remote::RemoteKeyOptions;
use super::source::TokenOptions;
use super::stream::StreamOptions;
use crate::cli::options::AtOption;

/// Above the options of login roles in the help.
const ROLES: &str = "Login roles";

/// Verify a token: signature, times, issuer, user, roles, endpoint
///
/// Each check is a line with its result, the reason and what to do; the exit status is 0 when all
/// checks pass and 1 when one fails.
#[derive(Debug, Args)]
pub(super) struct Verify {
    #[command(flatten)]
    pub(super) token: TokenOptions,

    /// Check whether this endpoint accepts the token; may be repeated: all must accept it
    #[arg(long, short, value_name = "ENDPOINT", value_delimiter = ',', add = complete::endpoints())]
    pub(super) endpoint: Vec<String>,

    /// Require this role among the roles that count; may be repeated: all are required
    #[arg(long, value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    pub(super) require_role: Vec<String>,

    /// Require this issuer
    #[arg(long, value_name = "ISSUER")]
    pub(super) issuer: Option<String>,

    /// Require this audience
    #[arg(long, value_name = "AUDIENCE")]
    pub(super) audience: Option<String>,

    /// Check main.api-allowed-ips for a request from ADDRESS (endpoint api)
    #[arg(long, value_name = "ADDRESS")]
    pub(super) from: Option<String>,

    #[command(flatten)]
    pub(super) at: AtOption,

    /// Verify with the public key in FILE (PEM, certificate, JWK, JWKS, OpenSSH, base64) instead
    /// of the server's; may be repeated
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) key: Vec<PathBuf>,

    /// Verify with the HMAC secret in FILE (base64, as in the server's variable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(super) hmac_secret_file: Option<PathBuf>,

    /// Do not read the user table
    #[arg(long)]
    pub(super) no_db: bool,

    #[command(flatten)]
    pub(super) osdf: OsdfOptions,

    /// Check whether a login role of Stronghold, Vault or OpenBao accepts the token: a file, or a
    /// name in auth.jwt-roles
    #[arg(long, value_name = "FILE|NAME", value_hint = ValueHint::FilePath, help_heading = ROLES)]
    pub(super) login_role: Option<String>,

    /// Check the login role that default_role names in the configuration of login roles
    #[arg(long, conflicts_with = "login_role", help_heading = ROLES)]
    pub(super) default_login_role: bool,

    /// Read the configuration of login roles from FILE instead of auth.jwt-config
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = ROLES)]
    pub(super) role_config: Option<PathBuf>,

    /// Show all checks, the skipped ones as well
    #[arg(long, help_heading = ROLES)]
    pub(super) explain: bool,

    #[command(flatten)]
    pub(super) remote: RemoteKeyOptions,

    #[command(flatten)]
    pub(super) many: StreamOptions,
}

impl Verify {
    /// Whether a login role is checked and not an endpoint of the server. A configuration of login roles
    /// alone stands for its default role.
    pub(super) const fn checks_login_role(&self) -> bool {
        self.login_role.is_some() || self.default_login_role || self.role_config.is_some()
    }

    /// Whether keys may have to be fetched: a login role without given keys names its own sources.
    pub(super) fn may_fetch_keys(&self) -> bool {
        let by_role = self.checks_login_role() && !self.has_given_keys();
        by_role || self.remote.is_fetched()
    }

    /// Whether keys were given as options.
    pub(super) const fn has_given_keys(&self) -> bool {
        !self.key.is_empty() || self.hmac_secret_file.is_some() || self.remote.is_given()
    }
}
