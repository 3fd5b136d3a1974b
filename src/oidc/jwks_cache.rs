//! Cached keys of an issuer, from a JWKS URL or a discovery document.
//!
//! Responses are cached in a directory for as long as the issuer's headers allow (RFC 9111), and
//! fetched again when a token has an unknown key ID. Cached keys are trusted like keys received over
//! TLS. A cache file is therefore used only if no other account can write it, and only for the same URL
//! and the same trusted certificates.

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

/// The minimum time between two refetches in seconds, so that tokens with forged key IDs do not cause a
/// request each. With a cache directory, the limit applies to all processes together.
const REFETCH_PAUSE: i64 = 60;

/// The maximum duration of a request with all its redirects, in seconds. A cached response from further
/// in the future was stored before the clock was set back, and is replaced.
const LONGEST_REQUEST: i64 = 120;

/// The initial time of the last refetch, far from every time of the clock.
const NEVER: i64 = i64::MIN / 2;

/// Why the keys of an issuer are not available.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RemoteJwksError {
    /// The JWKS cannot be fetched.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// The issuer's discovery document is invalid.
    #[error(transparent)]
    Discovery(#[from] DiscoveryError),
    /// The response is not a JWKS.
    #[error("{}: {error}", quote(.url))]
    Set {
        /// The URL.
        url: String,
        /// The reason.
        error: KeyError,
    },
    /// The cache does not contain the keys, and `offline` permits no request.
    #[error("no cached keys of {}, and --offline permits no request", quote(.url))]
    NotCached {
        /// The URL.
        url: String,
    },
}

diagnostics! { RemoteJwksError:
    Self::Http(error) => error.kind(), error.hint();
    Self::Discovery(error) => error.kind(), error.hint();
    Self::Set { .. } => Kind::KeySetMalformed;
    Self::NotCached { .. } => Kind::KeySetNotCached, "save the key set in a file and use --jwks FILE; or run it once without --offline, if the provider permits a cache";
}

/// The source of an issuer's keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JwksSource {
    /// The JWKS at this URL.
    KeySet(Url),
    /// The JWKS in the discovery document of this issuer.
    Discovery(String),
}

/// The directory of cached responses, and whether requests are permitted.
#[derive(Debug, Clone, Default)]
pub struct Cache {
    /// The directory; without one, nothing is cached.
    pub directory: Option<PathBuf>,
    /// Whether to send no requests and use cached responses of any age.
    pub offline: bool,
}

/// A cached response.
#[derive(Serialize, Deserialize)]
struct CacheEntry {
    url: String,
    trust: String,
    fetched: i64,
    fresh_for: i64,
    body: String,
}

/// The keys of an issuer, which can be fetched again.
#[derive(Debug)]
pub struct RemoteJwks {
    client: Client,
    origin: JwksSource,
    cache: Cache,
    strength: KeyStrength,
    keys: KeySet,
    /// The time of the last known refetch, by this process or another one.
    refetched: AtomicI64,
}

impl RemoteJwks {
    /// Reads the keys from the cache if they are fresh, otherwise fetches them.
    ///
    /// `now` is the time of the system's clock. The notes list skipped keys and the age of stale keys.
    ///
    /// # Errors
    /// [`RemoteJwksError`].
    pub fn open(
        client: Client,
        origin: JwksSource,
        cache: Cache,
        strength: KeyStrength,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, RemoteJwksError> {
        let refetched = AtomicI64::new(NEVER);
        let mut remote = Self { client, origin, cache, strength, keys: KeySet::new(), refetched };
        remote.keys = remote.read(false, now, notes)?;
        Ok(remote)
    }

    /// Returns the keys.
    #[must_use]
    pub const fn keys(&self) -> &KeySet {
        &self.keys
    }

    /// Returns the URL of the JWKS or the issuer, for messages.
    #[must_use]
    pub fn location(&self) -> String {
        match &self.origin {
            JwksSource::KeySet(url) => display_url(url),
            JwksSource::Discovery(issuer) => issuer.clone(),
        }
    }

    /// Returns the issuer, if the keys come from its discovery document.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        match &self.origin {
            JwksSource::KeySet(_) => None,
            JwksSource::Discovery(issuer) => Some(issuer),
        }
    }

    /// Fetches the JWKS again without the cache, since the issuer may have new keys.
    ///
    /// Call this if a token has an unknown key ID or no key verifies its signature. Returns `false` if
    /// no request was sent: offline, or less than 60 s after the last refetch by this process or, with
    /// a cache directory, by another one.
    ///
    /// # Errors
    /// [`RemoteJwksError`]; the previous keys remain in use.
    pub fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<bool, RemoteJwksError> {
        if !self.may_refetch(now) {
            return Ok(false);
        }
        self.refetched.store(now.0, Ordering::Relaxed);
        if let Some(path) = self.marker() {
            // Without the marker, other processes send their own request, which is harmless.
            let directory = path.parent().unwrap_or(&path);
            let _ = file::create_own_directory(directory).and_then(|()| {
                file::write(&path, now.0.to_string().as_bytes(), PRIVATE_MODE, Existing::Replace)
            });
        }
        log::info!("fetching the keys of {} again", quote(&self.location()));
        self.keys = self.read(true, now, notes)?;
        Ok(true)
    }

    /// Returns whether [`RemoteJwks::refetch`] would send a request.
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

    /// Returns the file with the time of the last refetch by any process.
    fn marker(&self) -> Option<PathBuf> {
        let slot = CacheSlot { client: &self.client, cache: &self.cache };
        let url = match &self.origin {
            JwksSource::KeySet(url) => url.clone(),
            JwksSource::Discovery(issuer) => discovery::document_url(issuer).ok()?,
        };
        slot.path(&url).map(|path| path.with_extension("refetched"))
    }

    fn read(&self, refetch: bool, now: Timestamp, notes: &mut Notes) -> Result<KeySet, RemoteJwksError> {
        let slot = CacheSlot { client: &self.client, cache: &self.cache };
        let url = match &self.origin {
            JwksSource::KeySet(url) => {
                self.client.check(url)?;
                url.clone()
            }
            JwksSource::Discovery(issuer) => {
                slot.discover(issuer, refetch, now, notes)?.need(ProviderEndpoint::Keys, &self.client)?
            }
        };
        let parse = |text: &str, notes: &mut Notes| {
            KeySet::from_json(text, self.strength, notes)
                .map_err(|error| RemoteJwksError::Set { url: display_url(&url), error })
        };
        if let Some(entry) = slot.cached(&url, refetch, now, notes)? {
            return parse(&entry, notes);
        }
        let accept = "application/jwk-set+json, application/json";
        let answer = self.client.get_document(&url, accept).and_then(Response::success)?;
        let text = answer.json_text()?;
        let keys = parse(&text, notes)?;
        slot.store(&url, &answer, text, now, notes);
        Ok(keys)
    }
}

/// Returns the checked discovery document of this issuer, from the cache if it is fresh and `refetch`
/// is false, otherwise over the network.
///
/// # Errors
/// [`RemoteJwksError`].
pub fn discover(
    client: &Client,
    cache: &Cache,
    issuer: &str,
    refetch: bool,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Discovery, RemoteJwksError> {
    CacheSlot { client, cache }.discover(issuer, refetch, now, notes)
}

/// A cache with the client that fills it.
#[derive(Debug, Clone, Copy)]
struct CacheSlot<'a> {
    client: &'a Client,
    cache: &'a Cache,
}

impl CacheSlot<'_> {
    fn discover(
        &self,
        issuer: &str,
        refetch: bool,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Discovery, RemoteJwksError> {
        let url = discovery::document_url(issuer)?;
        self.client.check(&url)?;
        if let Some(text) = self.cached(&url, refetch, now, notes)?
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

    /// Returns the cached response of a URL if it is fresh or, when offline, of any age.
    fn cached(
        &self,
        url: &Url,
        refetch: bool,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Option<String>, RemoteJwksError> {
        let found = if refetch { None } else { self.read_entry(url, notes) };
        let Some(entry) = found else {
            return if self.cache.offline {
                Err(RemoteJwksError::NotCached { url: display_url(url) })
            } else {
                Ok(None)
            };
        };
        let fetched = Timestamp(entry.fetched);
        // A response from the future is not fresh: the clock was or is wrong.
        let is_fresh = (0..entry.fresh_for.min(freshness::LONGEST)).contains(&now.since(fetched));
        if is_fresh {
            log::info!("{} out of the cache, fetched {}", quote(&display_url(url)), fetched.relative_to(now));
            return Ok(Some(entry.body));
        }
        if self.cache.offline {
            let age = fetched.relative_to(now);
            notes.warn(
                "jwks-cached",
                format!("{} was fetched {age}; --offline permits no request", display_url(url)),
            );
            return Ok(Some(entry.body));
        }
        Ok(None)
    }

    fn read_entry(&self, url: &Url, notes: &mut Notes) -> Option<CacheEntry> {
        let path = self.path(url)?;
        // A file that another account can write is not trusted.
        let bytes = match file::read_own(&path, SETTINGS_LIMIT) {
            Ok(bytes) => bytes,
            Err(error) => {
                if matches!(error, FileError::Untrusted { .. }) {
                    notes.warn("jwks-cache-unusable", format!("the cached response is not used: {error}"));
                }
                return None;
            }
        };
        let entry: CacheEntry = json::typed(&bytes).ok()?;
        (entry.url == url.as_str() && entry.trust == self.trust()).then_some(entry)
    }

    /// Caches a response if its headers permit it. A write error is a note, not an error.
    fn store(&self, url: &Url, answer: &Response, body: String, now: Timestamp, notes: &mut Notes) {
        let Some(path) = self.path(url) else { return };
        if answer.status() != 200 {
            return;
        }
        let Some(fresh_for) = freshness::lifetime(&deciding_headers(answer), now) else { return };
        let entry = CacheEntry { url: url.to_string(), trust: self.trust(), fetched: now.0, fresh_for, body };
        let Ok(text) = serde_json::to_vec(&entry) else { return };
        let directory = path.parent().unwrap_or(&path);
        let written = file::create_own_directory(directory).and_then(|()| {
            // Only one process writes at a time, and an older response does not replace a newer one: a
            // slow process would restore withdrawn keys.
            let _lock = lock_directory(directory);
            match self.read_entry(url, &mut Notes::new()) {
                Some(newer) if newer.fetched > now.0 && newer.fetched <= now.0 + LONGEST_REQUEST => Ok(()),
                _ => file::write(&path, &text, PRIVATE_MODE, Existing::Replace),
            }
        });
        if let Err(error) = written {
            notes.note(format!("cannot cache the keys: {error}"));
        }
    }

    fn path(&self, url: &Url) -> Option<PathBuf> {
        let directory = self.cache.directory.as_deref()?;
        Some(directory.join(format!("{}.json", hexadecimal(&format!("{}\n{url}", self.trust())))))
    }

    /// Describes the trust with which a response was fetched. A response fetched with `--ca-file` or
    /// without TLS must not be used as one verified with the system's certificates.
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

/// Reads the time that another process wrote; returns `None` if another account can write the file.
fn read_marker(path: &Path) -> Option<i64> {
    let text = file::read_own(path, 64).ok()?;
    std::str::from_utf8(&text).ok()?.trim().parse().ok()
}

/// Locks a directory, if the file system supports locks.
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
