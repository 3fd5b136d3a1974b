//! The keys of an issuer: its key set by address or by discovery, kept in a cache folder for as
//! long as the issuer allows, and fetched anew when a token names a key that is not among them.
//!
//! What lies in the cache is believed like what comes over TLS, so it is believed only where
//! nobody else could have written it, and only for the same address and the same trust.

use std::fmt::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use url::Url;

use super::discovery::{self, Discovery, DiscoveryError};
use super::http::{Client, HttpError, Response, Trust, shown};
use crate::base::fault::Fault;
use crate::base::file::{self, Existing, PRIVATE_MODE, SETTINGS_LIMIT};
use crate::base::kind::Kind;
use crate::base::note::Notes;
use crate::base::quote::quote;
use crate::base::time::Timestamp;
use crate::key::{KeyError, KeySet, WeakKeys};

/// How long an answer is kept that says nothing about it, in seconds.
const DEFAULT_FRESH: i64 = 300;

/// The longest an answer is kept whatever it says, in seconds: a day.
const MOST_FRESH: i64 = 86_400;

/// The least time between two refetches after the first, in seconds: a stream of tokens with
/// made-up key names must not become a stream of requests.
const REFETCH_PAUSE: i64 = 60;

/// Why an issuer's keys can't be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteKeysError {
    /// The key set can't be fetched.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The issuer's discovery document is of no use.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// What was fetched is no key set.
    #[error("{}: {error}", quote(.url))]
    Set {
        /// The address.
        url: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// Nothing was kept, and nothing may be fetched.
    #[error("nothing is kept of {}, and nothing may be fetched (--offline)", quote(.url))]
    NotKept {
        /// The address.
        url: String,
    },
}

impl Fault for RemoteKeysError {
    fn kind(&self) -> Kind {
        match self {
            Self::Http(error) => error.kind(),
            Self::Discovery(error) => error.kind(),
            Self::Set { .. } => Kind::KeySetMalformed,
            Self::NotKept { .. } => Kind::KeySetNotCached,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Http(error) => error.hint(),
            Self::Discovery(error) => error.hint(),
            Self::Set { .. } => None,
            Self::NotKept { .. } => Some("run it once without --offline".to_owned()),
        }
    }
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// A key set at this address.
    KeySet(Url),
    /// The key set that the discovery document of this issuer names.
    Discovery(String),
}

/// Where answers are kept, and whether others may be asked for.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// The folder; nothing is kept without one.
    pub folder: Option<PathBuf>,
    /// Fetch nothing, and take what was kept however old it is.
    pub offline: bool,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    url: String,
    trust: String,
    fetched: i64,
    fresh_for: i64,
    body: String,
}

/// The keys of an issuer, and how to get them again.
#[derive(Debug)]
pub struct RemoteKeys {
    client: Client,
    origin: Origin,
    cache: Cache,
    weak: WeakKeys,
    keys: KeySet,
    refetched: Option<Timestamp>,
}

impl RemoteKeys {
    /// Gets the keys: out of the cache while they are fresh, else over the network. `now` is the
    /// time on the system's clock. The notes tell which keys were passed over, and how old they
    /// are when they are taken beyond their time.
    ///
    /// # Errors
    /// [`RemoteKeysError`].
    pub fn open(
        client: Client,
        origin: Origin,
        cache: Cache,
        weak: WeakKeys,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, RemoteKeysError> {
        let mut remote = Self { client, origin, cache, weak, keys: KeySet::new(), refetched: None };
        remote.keys = remote.read(false, now, notes)?;
        Ok(remote)
    }

    /// The keys.
    #[must_use]
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// The address they are known by, for messages.
    #[must_use]
    pub fn place(&self) -> String {
        match &self.origin {
            Origin::KeySet(url) => shown(url),
            Origin::Discovery(issuer) => issuer.clone(),
        }
    }

    /// Fetches the key set anew, past the cache, since a token names a key that is not in it or
    /// its signature fits none: the issuer may have changed its keys. `false` when it was not
    /// done: offline, or done less than a minute ago.
    ///
    /// # Errors
    /// [`RemoteKeysError`]; the keys that were there stay.
    pub fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<bool, RemoteKeysError> {
        if !self.may_refetch(now) {
            return Ok(false);
        }
        self.refetched = Some(now);
        log::info!("asking {} again for its keys", quote(&self.place()));
        self.keys = self.read(true, now, notes)?;
        Ok(true)
    }

    /// Whether [`RemoteKeys::refetch`] would ask again.
    #[must_use]
    pub fn may_refetch(&self, now: Timestamp) -> bool {
        !self.cache.offline && self.refetched.is_none_or(|last| now.since(last).abs() >= REFETCH_PAUSE)
    }

    fn read(&self, anew: bool, now: Timestamp, notes: &mut Notes) -> Result<KeySet, RemoteKeysError> {
        let shelf = Shelf { client: &self.client, cache: &self.cache };
        let url = match &self.origin {
            Origin::KeySet(url) => {
                self.client.check(url)?;
                url.clone()
            }
            Origin::Discovery(issuer) => shelf.discover(issuer, anew, now, notes)?.jwks_uri,
        };
        let parse = |text: &str, notes: &mut Notes| {
            KeySet::from_json(text, self.weak, notes)
                .map_err(|error| RemoteKeysError::Set { url: shown(&url), error })
        };
        if let Some(kept) = shelf.kept(&url, anew, now, notes)? {
            return parse(&kept, notes);
        }
        let accept = "application/jwk-set+json, application/json";
        let answer = self.client.get(&url, &[("accept", accept)]).and_then(Response::success)?;
        let text = text_of(&answer)?;
        let keys = parse(&text, notes)?;
        shelf.keep(&url, &answer, text, now, notes);
        Ok(keys)
    }
}

/// What the provider at this address says about itself: out of the cache while that is fresh and
/// `anew` is not asked for, else over the network. Checked either way.
///
/// # Errors
/// [`RemoteKeysError`].
pub fn discover(
    client: &Client,
    cache: &Cache,
    issuer: &str,
    anew: bool,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Discovery, RemoteKeysError> {
    Shelf { client, cache }.discover(issuer, anew, now, notes)
}

/// A cache as one client uses it.
#[derive(Debug, Clone, Copy)]
struct Shelf<'a> {
    client: &'a Client,
    cache: &'a Cache,
}

impl Shelf<'_> {
    fn discover(
        &self,
        issuer: &str,
        anew: bool,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Discovery, RemoteKeysError> {
        let url = discovery::address(issuer)?;
        if let Some(text) = self.kept(&url, anew, now, notes)?
            && let Ok(document) = serde_json::from_str::<Discovery>(&text)
        {
            document.check(self.client, issuer)?;
            return Ok(document);
        }
        let answer = self.client.get(&url, &[("accept", "application/json")]).and_then(Response::success)?;
        let document: Discovery = answer.json()?;
        document.check(self.client, issuer)?;
        let text = text_of(&answer)?;
        self.keep(&url, &answer, text, now, notes);
        Ok(document)
    }

    /// What is kept of an address, if it may be taken: while it is fresh, or offline at any age.
    fn kept(
        &self,
        url: &Url,
        anew: bool,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Option<String>, RemoteKeysError> {
        let found = if anew { None } else { self.read_kept(url, notes) };
        let Some(kept) = found else {
            return if self.cache.offline {
                Err(RemoteKeysError::NotKept { url: shown(url) })
            } else {
                Ok(None)
            };
        };
        let fetched = Timestamp(kept.fetched);
        // An answer out of the future is as good as none: the clock was wrong then, or is now.
        let is_fresh = (0..kept.fresh_for.min(MOST_FRESH)).contains(&now.since(fetched));
        if is_fresh {
            log::info!("{} out of the cache, fetched {}", quote(&shown(url)), fetched.relative_to(now));
            return Ok(Some(kept.body));
        }
        if self.cache.offline {
            let age = fetched.relative_to(now);
            notes.warn(format!("{} was fetched {age}, and is used since nothing may be fetched", shown(url)));
            return Ok(Some(kept.body));
        }
        Ok(None)
    }

    fn read_kept(&self, url: &Url, notes: &mut Notes) -> Option<Kept> {
        let path = self.kept_at(url)?;
        let bytes = file::read(&path, SETTINGS_LIMIT).ok()?;
        if let Err(why) = judge_owner(&path) {
            notes.warn(format!("{} is not used: {why}", file::shell_word(&path.to_string_lossy())));
            return None;
        }
        let kept: Kept = serde_json::from_slice(&bytes).ok()?;
        (kept.url == url.as_str() && kept.trust == self.trust()).then_some(kept)
    }

    /// Keeps an answer, unless it says not to. That it can't be kept is no fault of the answer.
    fn keep(&self, url: &Url, answer: &Response, body: String, now: Timestamp, notes: &mut Notes) {
        let Some(path) = self.kept_at(url) else { return };
        let Some(fresh_for) = freshness(answer) else { return };
        let kept = Kept { url: url.to_string(), trust: self.trust(), fetched: now.0, fresh_for, body };
        let Ok(text) = serde_json::to_vec(&kept) else { return };
        let folder = path.parent().unwrap_or(&path);
        let written = file::create_private_folder(folder)
            .and_then(|()| file::write(&path, &text, PRIVATE_MODE, Existing::Replace));
        if let Err(error) = written {
            notes.note(format!("the keys are not kept for next time: {error}"));
        }
    }

    fn kept_at(&self, url: &Url) -> Option<PathBuf> {
        let folder = self.cache.folder.as_deref()?;
        Some(folder.join(format!("{}.json", hexadecimal(&format!("{}\n{url}", self.trust())))))
    }

    /// Under which trust an answer was fetched, so that one fetched with a CA of its own, or in
    /// plain, is not taken for one that the system vouches for.
    fn trust(&self) -> String {
        let options = self.client.options();
        let certificates = match &options.trust {
            Trust::System => "system".to_owned(),
            Trust::SystemAnd(pem) => format!("system and {}", hexadecimal(&String::from_utf8_lossy(pem))),
            Trust::Only(pem) => format!("only {}", hexadecimal(&String::from_utf8_lossy(pem))),
        };
        if options.allow_plain { format!("{certificates}, plain allowed") } else { certificates }
    }
}

fn text_of(answer: &Response) -> Result<String, HttpError> {
    // As JSON first, so that the error tells what came instead.
    answer.json::<serde::de::IgnoredAny>()?;
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

fn hexadecimal(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// Whether only this user could have written a kept answer.
fn judge_owner(path: &Path) -> Result<(), String> {
    let metadata = std::fs::metadata(path).map_err(|error| file::reason(&error))?;
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err("it belongs to somebody else".to_owned());
    }
    if metadata.mode() & 0o022 != 0 {
        return Err("others may write to it".to_owned());
    }
    Ok(())
}

/// How many seconds an answer may be kept (RFC 9111 5.2.2): as it says, at most a day; five
/// minutes where it says nothing; `None` when it must not be kept at all.
fn freshness(answer: &Response) -> Option<i64> {
    let mut fresh_for = DEFAULT_FRESH;
    for directive in answer.headers("cache-control").flat_map(|value| value.split(',')) {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        match name.trim().to_ascii_lowercase().as_str() {
            "no-store" => return None,
            "no-cache" => fresh_for = 0,
            "max-age" => fresh_for = value.trim().trim_matches('"').parse().unwrap_or(0),
            _ => {}
        }
    }
    let age: i64 = answer.header("age").and_then(|age| age.trim().parse().ok()).unwrap_or(0);
    Some(fresh_for.saturating_sub(age).clamp(0, MOST_FRESH))
}
