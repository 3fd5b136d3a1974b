//! Keys from elsewhere: key sets in files and at addresses, discovery, and how careful to be.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::http::{Bearer, Client, HttpOptions, HttpTrust, Proxy, parse_url};
use crate::key::{KeySet, KeyStrength, VerifyingKey};
use crate::oidc::discovery;
use crate::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks};
use crate::util::diagnostic::Diagnostic;
use crate::util::file::{self, FileContents, SETTINGS_LIMIT};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::secret::SecretText;
use crate::util::time::Clock;
use crate::util::xdg;
use crate::verify::login_role_keys::KeyAccess;

/// Where keys are fetched from.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Keys from elsewhere")]
pub(super) struct RemoteKeyOptions {
    /// Verify with the key set (JWKS) in a file or at an address
    #[arg(long, value_name = "FILE|URL", value_hint = ValueHint::FilePath)]
    jwks: Vec<String>,

    /// Verify with the keys that the discovery document of the issuer at URL names
    #[arg(long, value_name = "URL", value_hint = ValueHint::Url)]
    discovery: Vec<String>,

    /// Trust the CA certificates in FILE as well as the system's
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    ca_file: Option<PathBuf>,

    /// Fetch over plain http from other hosts too. Danger: whoever is on the way chooses the keys
    #[arg(long)]
    insecure_http: bool,

    /// Accepted for compatibility: redirects within the origin of the URL are always followed
    #[arg(long, hide = true)]
    follow_redirects: bool,

    /// Send the bearer token in FILE to the origins of the --jwks and --discovery URLs, such as a
    /// Kubernetes API server
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    bearer_token_file: Option<PathBuf>,

    /// Fetch nothing: take what was kept, however old it is
    #[arg(long)]
    offline: bool,

    /// Take RSA keys under 2048 bits and HMAC secrets shorter than the hash. Danger: they can be
    /// broken
    #[arg(long)]
    pub(super) allow_weak: bool,
}

impl RemoteKeyOptions {
    /// Whether keys from elsewhere were asked for.
    pub(super) const fn is_given(&self) -> bool {
        !self.jwks.is_empty() || !self.discovery.is_empty()
    }

    /// The options for one key set in a file or at a URL.
    pub(super) fn of_key_set(place: &str) -> Self {
        Self { jwks: vec![place.to_owned()], ..Self::default() }
    }

    /// Whether any of them is fetched.
    pub(super) fn is_fetched(&self) -> bool {
        !self.discovery.is_empty() || self.jwks.iter().any(|place| is_address(place))
    }

    /// Whether weak keys are taken.
    pub(super) const fn weak(&self) -> KeyStrength {
        if self.allow_weak { KeyStrength::AllowWeak } else { KeyStrength::Enforce }
    }

    /// How keys may be got.
    pub(super) fn access(&self, console: &Console) -> Result<KeyAccess, Failure> {
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
            weak: self.weak(),
        })
    }

    /// Reads and fetches what was asked for.
    pub(super) fn open(&self, console: &mut Console) -> Result<RemoteSets, Failure> {
        let mut sets = RemoteSets::default();
        if !self.is_given() {
            return Ok(sets);
        }
        let access = self.access(console)?;
        let mut notes = Notes::new();
        let now = Clock::System.now();
        let mut origins = Vec::new();
        for place in &self.jwks {
            if is_address(place) {
                origins.push(JwksSource::KeySet(parse_url(place)?));
            } else {
                sets.files.extend(read_set(Path::new(place), self.weak(), &mut notes)?);
            }
        }
        origins.extend(self.discovery.iter().cloned().map(JwksSource::Discovery));
        let token = self.bearer_token(&mut notes)?;
        for origin in origins {
            let mut options = access.options.clone();
            if let Some(token) = &token {
                let url = match &origin {
                    JwksSource::KeySet(url) => url.clone(),
                    JwksSource::Discovery(issuer) => discovery::document_url(issuer)?,
                };
                options.bearer = Some(Bearer { origin: url.origin(), token: token.clone() });
            }
            let client = Client::new(options)?;
            let remote = RemoteJwks::open(client, origin, access.cache.clone(), access.weak, now, &mut notes);
            // What was passed over on the way explains a failure that follows.
            match remote {
                Ok(remote) => sets.remotes.push(remote),
                Err(error) => {
                    console.notes(notes);
                    return Err(error.into());
                }
            }
        }
        if sets.keys().next().is_none() {
            console.notes(notes);
            let from_url = !sets.remotes.is_empty();
            return Err(UnusableSets { from_url }.into());
        }
        super::keys::warn_of_weak(sets.keys(), &mut notes);
        console.notes(notes);
        Ok(sets)
    }
}

impl RemoteKeyOptions {
    /// The token for fetching, which is a secret like a password.
    fn bearer_token(&self, notes: &mut Notes) -> Result<Option<SecretText>, Failure> {
        let Some(path) = &self.bearer_token_file else { return Ok(None) };
        let text = file::read_named_text(path, SETTINGS_LIMIT, FileContents::Secret, notes)?;
        let text = SecretText::new(text);
        Ok(Some(SecretText::new(text.expose().trim().to_owned())))
    }
}

/// No key of any set can be used: nothing can be said of a token.
#[derive(Debug, thiserror::Error)]
#[error("the key set{} has no usable key", if *from_url { " from the URL" } else { "" })]
struct UnusableSets {
    from_url: bool,
}

impl Diagnostic for UnusableSets {
    fn kind(&self) -> Kind {
        if self.from_url { Kind::RemoteKeySetUnusable } else { Kind::KeySetUnusable }
    }
}

fn is_address(place: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| place.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
}

fn read_set(path: &Path, weak: KeyStrength, notes: &mut Notes) -> Result<Vec<VerifyingKey>, Failure> {
    log::info!("a key set is read from {}", quote_path(path));
    let text = file::read_named_text(path, SETTINGS_LIMIT, FileContents::Public, notes)?;
    let set = KeySet::from_json(&text, weak, notes).map_err(|error| error.at(quote_path(path)))?;
    Ok(set.keys().to_vec())
}

/// Where fetched keys are kept: the user's cache directory (XDG Base Directory).
fn cache_directory(console: &Console) -> Option<PathBuf> {
    Some(xdg::cache_directory(console.environment())?.join("keys"))
}

/// Key sets that were read or fetched.
#[derive(Debug, Default)]
pub(super) struct RemoteSets {
    pub(super) files: Vec<VerifyingKey>,
    pub(super) remotes: Vec<RemoteJwks>,
}

impl RemoteSets {
    /// All keys.
    pub(super) fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.owned().map(|(_, key)| key)
    }

    /// All keys, those found by discovery with the issuer of the document.
    pub(super) fn owned(&self) -> impl Iterator<Item = (Option<&str>, &VerifyingKey)> {
        let fetched = self
            .remotes
            .iter()
            .flat_map(|remote| remote.keys().keys().iter().map(move |key| (remote.issuer(), key)));
        self.files.iter().map(|key| (None, key)).chain(fetched)
    }

    /// Whether any would be fetched again.
    pub(super) fn may_refetch(&self) -> bool {
        let now = Clock::System.now();
        self.remotes.iter().any(|remote| remote.may_refetch(now))
    }

    /// Fetches the fetched ones again, without a word: one that cannot be stays as it was.
    pub(super) fn refetch_quietly(&mut self) {
        for remote in &mut self.remotes {
            if let Err(error) = remote.refetch(Clock::System.now(), &mut Notes::new()) {
                log::info!("the keys stay as they were: {error}");
            }
        }
    }

    /// Fetches the fetched ones again; whether any was.
    pub(super) fn refetch(&mut self, console: &mut Console) -> Result<bool, Failure> {
        let (mut notes, mut anew) = (Notes::new(), false);
        for remote in &mut self.remotes {
            anew |= remote.refetch(Clock::System.now(), &mut notes)?;
        }
        console.notes(notes);
        Ok(anew)
    }
}
