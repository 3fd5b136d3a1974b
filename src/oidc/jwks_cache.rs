//! The keys of an issuer: its key set by address or by discovery, kept in a cache directory for as
//! long as the issuer allows, and fetched anew when a token names a key that is not among them.
//!
//! What lies in the cache is believed like what comes over TLS, so it is believed only where
//! no other account could have written it, and only for the same address and the same trust.

use std::fmt::Write as _;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use aws_lc_rs::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use url::Url;

use super::discovery::{self, Discovery, DiscoveryError, ProviderEndpoint};
use crate::http::freshness;
use crate::http::{Client, HttpError, HttpTrust, Response, display_url};
use crate::key::{KeyError, KeySet, KeyStrength};
use crate::util::diagnostic::diagnostics;
use crate::util::file::{self, Existing, FileError, PRIVATE_MODE, SETTINGS_LIMIT};
use crate::util::json;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// The least time between two refetches after the first, in seconds: tokens with invented key IDs
/// must not become requests. With a cache directory it holds for all processes together.
const REFETCH_PAUSE: i64 = 60;

/// The longest that a request takes with all its redirects, in seconds. A cached answer that is
/// newer by more is from before the clock was set back, and is replaced.
const LONGEST_REQUEST: i64 = 120;

/// When there was no refetch yet: far from every present.
const NEVER: i64 = i64::MIN / 2;

/// Why an issuer's keys cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteJwksError {
    /// The key set cannot be fetched.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The issuer's discovery document is of no use.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// What was fetched is not a key set.
    #[error("{}: {error}", quote(.url))]
    Set {
        /// The address.
        url: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// Nothing was kept, and nothing may be fetched.
    #[error("no cached keys of {}, and --offline permits no request", quote(.url))]
    NotCached {
        /// The address.
        url: String,
    },
}

diagnostics! { RemoteJwksError:
    Self::Http(error) => error.kind(), error.hint();
    Self::Discovery(error) => error.kind(), error.hint();
    Self::Set { .. } => Kind::KeySetMalformed;
    Self::NotCached { .. } => Kind::KeySetNotCached, "run it once without --offline";
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// A key set at this address.
    KeySet(Url),
    /// The key set that the discovery document of this issuer names.
    Discovery(String),
}

/// Where answers are kept, and whether others may be asked for.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// The directory; nothing is kept without one.
    pub directory: Option<PathBuf>,
    /// Fetch nothing, and take what was kept however old it is.
    pub offline: bool,
}

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct CacheEntry {
    url: String,
    trust: String,
    fetched: i64,
    fresh_for: i64,
    body: String,
}

/// The keys of an issuer, and how to get them again.
#[derive(Debug)]
pub struct RemoteJwks {
    client: Client,
    origin: JwksSource,
    cache: Cache,
    weak: KeyStrength,
    keys: KeySet,
    /// The time of the last refetch that is known of, by this process or another one.
    refetched: AtomicI64,
}

impl RemoteJwks {
    /// Gets the keys: out of the cache while they are fresh, else over the network. `now` is the
    /// time on the system's clock. The notes name the keys that were skipped, and how old they
    /// are when they are taken beyond their time.
    ///
    /// # Errors
    /// [`RemoteJwksError`].
    pub fn open(
        client: Client,
        origin: JwksSource,
        cache: Cache,
        weak: KeyStrength,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, RemoteJwksError> {
        let refetched = AtomicI64::new(NEVER);
        let mut remote = Self { client, origin, cache, weak, keys: KeySet::new(), refetched };
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
            JwksSource::KeySet(url) => display_url(url),
            JwksSource::Discovery(issuer) => issuer.clone(),
        }
    }

    /// The issuer whose keys they are: that of a discovery document.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match &self.origin {
            JwksSource::KeySet(_) => None,
            JwksSource::Discovery(issuer) => Some(issuer),
        }
    }

    /// Fetches the key set anew, past the cache, since a token names a key that is not in it or
    /// its signature fits none: the issuer may have changed its keys. `false` when it was not
    /// done: offline, or done less than a minute ago, by this process or, with a cache directory,
    /// by another one.
    ///
    /// # Errors
    /// [`RemoteJwksError`]; the keys that were there stay.
    pub fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<bool, RemoteJwksError> {
        if !self.may_refetch(now) {
            return Ok(false);
        }
        self.refetched.store(now.0, Ordering::Relaxed);
        if let Some(path) = self.marker() {
            // Without the marker other processes ask as well, which is not the fault of this one.
            let directory = path.parent().unwrap_or(&path);
            let _ = file::create_own_directory(directory).and_then(|()| {
                file::write(&path, now.0.to_string().as_bytes(), PRIVATE_MODE, Existing::Replace)
            });
        }
        log::info!("asking {} again for its keys", quote(&self.place()));
        self.keys = self.read(true, now, notes)?;
        Ok(true)
    }

    /// Whether [`RemoteJwks::refetch`] would ask again.
    #[must_use]
    pub fn may_refetch(&self, now: Timestamp) -> bool {
        let is_over = |last: i64| now.since(Timestamp(last)).saturating_abs() >= REFETCH_PAUSE;
        if self.cache.offline || !is_over(self.refetched.load(Ordering::Relaxed)) {
            return false;
        }
        let other = self.marker().and_then(|path| read_marker(&path)).unwrap_or(NEVER);
        if !is_over(other) {
            self.refetched.store(other, Ordering::Relaxed);
        }
        is_over(other)
    }

    /// The file with the time of the last refetch of any process.
    fn marker(&self) -> Option<PathBuf> {
        let slot = CacheSlot { client: &self.client, cache: &self.cache };
        let url = match &self.origin {
            JwksSource::KeySet(url) => url.clone(),
            JwksSource::Discovery(issuer) => discovery::document_url(issuer).ok()?,
        };
        slot.kept_at(&url).map(|path| path.with_extension("refetched"))
    }

    fn read(&self, anew: bool, now: Timestamp, notes: &mut Notes) -> Result<KeySet, RemoteJwksError> {
        let slot = CacheSlot { client: &self.client, cache: &self.cache };
        let url = match &self.origin {
            JwksSource::KeySet(url) => {
                self.client.check(url)?;
                url.clone()
            }
            JwksSource::Discovery(issuer) => {
                slot.discover(issuer, anew, now, notes)?.need(ProviderEndpoint::Keys, &self.client)?
            }
        };
        let parse = |text: &str, notes: &mut Notes| {
            KeySet::from_json(text, self.weak, notes)
                .map_err(|error| RemoteJwksError::Set { url: display_url(&url), error })
        };
        if let Some(kept) = slot.kept(&url, anew, now, notes)? {
            return parse(&kept, notes);
        }
        let accept = "application/jwk-set+json, application/json";
        let answer = self.client.get_document(&url, accept).and_then(Response::success)?;
        let text = answer.json_text()?;
        let keys = parse(&text, notes)?;
        slot.store(&url, &answer, text, now, notes);
        Ok(keys)
    }
}

/// What the provider at this address says about itself: out of the cache while that is fresh and
/// `anew` is not asked for, else over the network. Checked either way.
///
/// # Errors
/// [`RemoteJwksError`].
pub fn discover(
    client: &Client,
    cache: &Cache,
    issuer: &str,
    anew: bool,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Discovery, RemoteJwksError> {
    CacheSlot { client, cache }.discover(issuer, anew, now, notes)
}

/// A cache as one client uses it.
#[derive(Debug, Clone, Copy)]
struct CacheSlot<'a> {
    client: &'a Client,
    cache: &'a Cache,
}

impl CacheSlot<'_> {
    fn discover(
        &self,
        issuer: &str,
        anew: bool,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Discovery, RemoteJwksError> {
        let url = discovery::document_url(issuer)?;
        self.client.check(&url)?;
        if let Some(text) = self.kept(&url, anew, now, notes)?
            && let Ok(document) = json::typed(text.as_bytes())
            && let Ok(document) = discovery::read(document, &url)
        {
            document.check(issuer)?;
            return Ok(document);
        }
        let answer = self
            .client
            .get_document(&url, "application/json")
            .and_then(Response::success)
            .map_err(DiscoveryError::from)?;
        let document = discovery::read(answer.json().map_err(DiscoveryError::from)?, &url)?;
        document.check(issuer)?;
        let text = answer.json_text()?;
        self.store(&url, &answer, text, now, notes);
        Ok(document)
    }

    /// What is kept of an address, if it may be taken: while it is fresh, or offline at any age.
    fn kept(
        &self,
        url: &Url,
        anew: bool,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Option<String>, RemoteJwksError> {
        let found = if anew { None } else { self.read_kept(url, notes) };
        let Some(kept) = found else {
            return if self.cache.offline {
                Err(RemoteJwksError::NotCached { url: display_url(url) })
            } else {
                Ok(None)
            };
        };
        let fetched = Timestamp(kept.fetched);
        // An answer out of the future is as good as none: the clock was wrong then, or is now.
        let is_fresh = (0..kept.fresh_for.min(freshness::LONGEST)).contains(&now.since(fetched));
        if is_fresh {
            log::info!("{} out of the cache, fetched {}", quote(&display_url(url)), fetched.relative_to(now));
            return Ok(Some(kept.body));
        }
        if self.cache.offline {
            let age = fetched.relative_to(now);
            notes.warn(
                "jwks-cached",
                format!("{} was fetched {age}, and is used since nothing may be fetched", display_url(url)),
            );
            return Ok(Some(kept.body));
        }
        Ok(None)
    }

    fn read_kept(&self, url: &Url, notes: &mut Notes) -> Option<CacheEntry> {
        let path = self.kept_at(url)?;
        // What another account could have written is not believed.
        let bytes = match file::read_own(&path, SETTINGS_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                if matches!(error, FileError::Untrusted { .. }) {
                    notes.warn("jwks-cache-unusable", format!("the cached answer is not used: {error}"));
                }
                return None;
            }
        };
        let kept: CacheEntry = json::typed(&bytes).ok()?;
        (kept.url == url.as_str() && kept.trust == self.trust()).then_some(kept)
    }

    /// Keeps an answer, unless it says not to. That it cannot be kept is not the fault of the answer.
    fn store(&self, url: &Url, answer: &Response, body: String, now: Timestamp, notes: &mut Notes) {
        let Some(path) = self.kept_at(url) else { return };
        if answer.status() != 200 {
            return;
        }
        let Some(fresh_for) = freshness::lifetime(&deciding_headers(answer), now) else { return };
        let kept = CacheEntry { url: url.to_string(), trust: self.trust(), fetched: now.0, fresh_for, body };
        let Ok(text) = serde_json::to_vec(&kept) else { return };
        let directory = path.parent().unwrap_or(&path);
        let written = file::create_own_directory(directory).and_then(|()| {
            // One writer at a time, and never an older answer over a newer one: a slow process
            // would bring keys back that were withdrawn.
            let _lock = lock_directory(directory);
            match self.read_kept(url, &mut Notes::new()) {
                Some(newer) if newer.fetched > now.0 && newer.fetched <= now.0 + LONGEST_REQUEST => Ok(()),
                _ => file::write(&path, &text, PRIVATE_MODE, Existing::Replace),
            }
        });
        if let Err(error) = written {
            notes.note(format!("cannot cache the keys: {error}"));
        }
    }

    fn kept_at(&self, url: &Url) -> Option<PathBuf> {
        let directory = self.cache.directory.as_deref()?;
        Some(directory.join(format!("{}.json", hexadecimal(&format!("{}\n{url}", self.trust())))))
    }

    /// Under which trust an answer was fetched, so that one fetched with a CA of its own, or in
    /// plain, is not taken for one that the system vouches for.
    fn trust(&self) -> String {
        let options = self.client.options();
        let certificates = match &options.trust {
            HttpTrust::System => "system".to_owned(),
            HttpTrust::SystemPlus(pem) => {
                format!("system and {}", hexadecimal(&String::from_utf8_lossy(pem)))
            }
            HttpTrust::Only(pem) => format!("only {}", hexadecimal(&String::from_utf8_lossy(pem))),
        };
        let certificates =
            if options.bearer.is_some() { format!("{certificates}, with a token") } else { certificates };
        if options.allow_plain { format!("{certificates}, plain allowed") } else { certificates }
    }
}

fn hexadecimal(text: &str) -> String {
    digest(&SHA256, text.as_bytes()).as_ref().iter().fold(String::new(), |mut out, byte| {
        // Writing to a String cannot fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// A time that another process wrote; nothing where another account could have written it.
fn read_marker(path: &Path) -> Option<i64> {
    let text = file::read_own(path, 64).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

/// Holds the lock of a directory, where the file system has locks.
fn lock_directory(directory: &Path) -> Option<File> {
    let file = File::open(directory).ok()?;
    file.lock().ok()?;
    Some(file)
}

fn deciding_headers(answer: &Response) -> freshness::Headers<'_> {
    freshness::Headers {
        cache_control: answer.headers("cache-control").collect(),
        pragma: answer.headers("pragma").collect(),
        expires: answer.headers("expires").collect(),
        date: answer.header("date"),
        age: answer.header("age"),
        vary: answer.headers("vary").collect(),
    }
}
