//! Options for key sets: in files, at URLs, by discovery, and how they are fetched.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::quantity::{base_url, url};
use crate::http::{HttpOptions, HttpTrust, Proxy};
use crate::key::KeyStrength;
use crate::oidc::discovery;
use crate::oidc::jwks_cache::{Cache, JwksSource};
use crate::util::file::{self, SETTINGS_LIMIT};
use crate::util::xdg;
use crate::verify::{GivenKeys, KeyAccess, KeySetSource};

/// The key sets, and how they are fetched.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Keys of other issuers")]
pub(super) struct RemoteKeyOptions {
    /// Verify with the JWKS in a file or at a URL; may be repeated
    #[arg(long, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    jwks: Vec<String>,

    /// Verify with the keys in the discovery document of the issuer at URL; may be repeated
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    discovery: Vec<String>,

    /// Trust the CA certificates in FILE besides those of the system
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Permit plain http to other hosts. Danger: an on-path attacker chooses the keys
    #[arg(long)]
    insecure_http: bool,

    /// Accepted for compatibility: redirects within the origin of the URL are always followed
    #[arg(long, hide = true)]
    follow_redirects: bool,

    /// Send the bearer token in FILE to the origins of the --jwks and --discovery URLs, such as a
    /// Kubernetes API server
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bearer_token_file: Option<PathBuf>,

    /// Fetch nothing and use cached keys of any age
    #[arg(long)]
    offline: bool,

    /// Accept RSA keys under 2048 bits and HMAC secrets shorter than the hash. Danger: an attacker
    /// can sign tokens
    #[arg(long)]
    allow_weak: bool,
}

impl RemoteKeyOptions {
    /// Whether a key set is given.
    pub(super) const fn is_given(&self) -> bool {
        !self.jwks.is_empty() || !self.discovery.is_empty()
    }

    /// The options for one key set in a file or at a URL.
    pub(super) fn of_key_set(source: &str) -> Self {
        Self { jwks: vec![source.to_owned()], ..Self::default() }
    }

    /// Whether a key set is fetched.
    pub(super) fn is_fetched(&self) -> bool {
        !self.discovery.is_empty() || self.jwks.iter().any(|source| is_url(source))
    }

    /// The given keys, with how they are fetched. `option` is the one of the key sets, for messages.
    pub(super) fn given_keys(
        &self,
        option: &str,
        files: Vec<PathBuf>,
        hmac_secret: Option<PathBuf>,
        console: &Console,
    ) -> Result<GivenKeys, Failure> {
        let mut sets = Vec::new();
        let mut urls = Vec::new();
        for source in &self.jwks {
            if is_url(source) {
                urls.push(KeySetSource::Remote(JwksSource::KeySet(url(option, source)?)));
            } else {
                sets.push(KeySetSource::File(PathBuf::from(source)));
            }
        }
        sets.append(&mut urls);
        for issuer in &self.discovery {
            base_url("--discovery", issuer)?;
            let issuer = discovery::issuer_of(issuer).to_owned();
            sets.push(KeySetSource::Remote(JwksSource::Discovery(issuer)));
        }
        Ok(GivenKeys {
            files,
            hmac_secret,
            sets,
            bearer_token: self.bearer_token_file.clone(),
            access: self.access(console)?,
        })
    }

    fn access(&self, console: &Console) -> Result<KeyAccess, Failure> {
        let trust = match &self.ca_file {
            Some(path) => HttpTrust::SystemPlus(file::read(path, SETTINGS_LIMIT)?),
            None => HttpTrust::System,
        };
        if self.follow_redirects {
            log::debug!("--follow-redirects has no effect: redirects within an origin are always followed");
        }
        let proxy = Proxy::from_environment(console.environment());
        Ok(KeyAccess {
            options: HttpOptions { trust, proxy, allow_plain: self.insecure_http, ..HttpOptions::default() },
            cache: Cache { directory: cache_directory(console), offline: self.offline },
            strength: if self.allow_weak { KeyStrength::AllowWeak } else { KeyStrength::Enforce },
        })
    }
}

fn is_url(source: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| source.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

/// The user's cache directory for fetched keys (XDG Base Directory).
fn cache_directory(console: &Console) -> Option<PathBuf> {
    Some(xdg::cache_directory(console.environment())?.join("keys"))
}
