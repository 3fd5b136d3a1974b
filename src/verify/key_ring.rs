//! The keys for a verification, each with its owner: the server's keys from the settings, or keys given
//! by the user.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::error::VerifyError;
use super::refetch::{VerificationKeys, refetch_all};
use crate::config::{ServerKeys, Settings, Variable};
use crate::http::{Bearer, Client, HttpOptions};
use crate::key::jwk::Jwk;
use crate::key::set::KeySet;
use crate::key::{KeyError, KeyStrength, VerifyingKey, parse};
use crate::oidc::discovery::{self, DiscoveryError};
use crate::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks, RemoteJwksError};
use crate::policy::endpoint::KeyUse;
use crate::policy::{Endpoint, Signer};
use crate::token::{TokenError, Unverified, Verified, verify_owned};
use crate::util::file::{self, FileContents, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// How keys are read and fetched.
#[derive(Debug, Clone)]
pub struct KeyAccess {
    /// The options of the HTTP client. CA certificates in a login role's configuration replace its
    /// trusted certificates.
    pub options: HttpOptions,
    /// The cache of fetched documents.
    pub cache: Cache,
    /// Whether weak keys are accepted.
    pub strength: KeyStrength,
}

/// Keys given by the user, which replace the configured ones.
#[derive(Debug, Clone)]
pub struct GivenKeys {
    /// Files with public keys in any supported format.
    pub files: Vec<PathBuf>,
    /// A file with an HMAC secret in base64.
    pub hmac_secret: Option<PathBuf>,
    /// Sources of JWKSs.
    pub sets: Vec<KeySetSource>,
    /// A file with the bearer token for the URLs of these keys, or of those of a login role.
    pub bearer_token: Option<PathBuf>,
    /// How the keys are read and fetched.
    pub access: KeyAccess,
}

/// The source of a JWKS.
#[derive(Debug, Clone)]
pub enum KeySetSource {
    /// A JWKS in a file.
    File(PathBuf),
    /// A JWKS to fetch.
    Remote(JwksSource),
}

impl GivenKeys {
    /// Returns no keys: those of the settings apply, and nothing is fetched.
    #[must_use]
    pub fn none() -> Self {
        let cache = Cache { directory: None, offline: true };
        let access = KeyAccess { options: HttpOptions::default(), cache, strength: KeyStrength::Enforce };
        Self { files: Vec::new(), hmac_secret: None, sets: Vec::new(), bearer_token: None, access }
    }

    /// Returns whether no keys are given, so that the configured keys apply.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.files.is_empty() && self.hmac_secret.is_none() && self.sets.is_empty()
    }

    /// Reads the keys in `files` and the HMAC secret. Certificates must be valid at `now`.
    fn read_files(&self, now: Timestamp, notes: &mut Notes) -> Result<Vec<OwnedKey>, VerifyError> {
        let strength = self.access.strength;
        let mut keys = Vec::new();
        for path in &self.files {
            let place = quote_path(path);
            log::info!("reading the key file {place}");
            let bytes = file::read_named(path, SETTINGS_LIMIT, FileContents::Public, notes)?;
            let found = public_keys(&bytes, strength, now, notes).map_err(|error| error.at(place))?;
            keys.extend(found.into_iter().map(|key| OwnedKey::new(Signer::Given, key)));
        }
        if let Some(path) = &self.hmac_secret {
            let text = file::read_named_text(path, SETTINGS_LIMIT, FileContents::Secret, notes)?;
            let text = SecretText::new(text);
            let secret = SecretText::new(text.expose().trim().to_owned());
            let key = VerifyingKey::hmac_secret_from_base64(&secret, strength)
                .map_err(|error| error.at(quote_path(path)))?;
            keys.push(OwnedKey::new(Signer::HmacSecret, key));
        }
        warn_of_weak(keys.iter().map(|owned| &owned.key), notes);
        Ok(keys)
    }

    /// Returns whether a JWKS is fetched.
    pub(super) fn is_fetched(&self) -> bool {
        self.sets.iter().any(|set| matches!(set, KeySetSource::Remote(_)))
    }

    /// Reads or fetches the JWKSs. `now` is the time of the system's clock.
    pub(super) fn open_sets(&self, now: Timestamp, notes: &mut Notes) -> Result<KeySets, VerifyError> {
        let mut sets = KeySets::default();
        let bearer = if self.sets.is_empty() { None } else { self.bearer(notes)? };
        for source in &self.sets {
            match source {
                KeySetSource::File(path) => sets.keys.extend(self.read_set(path, notes)?),
                KeySetSource::Remote(source) => {
                    sets.remotes.push(self.open_remote(source, bearer.as_ref(), now, notes)?);
                }
            }
        }
        if sets.all().next().is_none() && !self.sets.is_empty() {
            return Err(VerifyError::UnusableSets { is_fetched: !sets.remotes.is_empty() });
        }
        warn_of_weak(sets.all(), notes);
        Ok(sets)
    }

    fn read_set(&self, path: &Path, notes: &mut Notes) -> Result<Vec<VerifyingKey>, VerifyError> {
        log::info!("reading the key set {}", quote_path(path));
        let text = file::read_named_text(path, SETTINGS_LIMIT, FileContents::Public, notes)?;
        let set = KeySet::from_json(&text, self.access.strength, notes)
            .map_err(|error| error.at(quote_path(path)))?;
        Ok(set.keys().to_vec())
    }

    /// Reads the bearer token for the URLs of the keys.
    pub(super) fn bearer(&self, notes: &mut Notes) -> Result<Option<SecretText>, VerifyError> {
        self.bearer_token.as_deref().map(|path| read_secret(path, notes)).transpose()
    }

    fn open_remote(
        &self,
        source: &JwksSource,
        bearer: Option<&SecretText>,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<RemoteJwks, VerifyError> {
        let KeyAccess { options, cache, strength } = &self.access;
        let mut options = options.clone();
        options.bearer = bearer_of(source, bearer)?;
        let client = Client::new(options)?;
        Ok(RemoteJwks::open(client, source.clone(), cache.clone(), *strength, now, notes)?)
    }
}

/// Returns the bearer token for the origin of a source.
pub(super) fn bearer_of(
    source: &JwksSource,
    token: Option<&SecretText>,
) -> Result<Option<Bearer>, DiscoveryError> {
    let Some(token) = token else { return Ok(None) };
    let url = match source {
        JwksSource::KeySet(url) => url.clone(),
        JwksSource::Discovery(issuer) => discovery::document_url(issuer)?,
    };
    Ok(Some(Bearer { origin: url.origin(), token: token.clone() }))
}

/// JWKSs that were read or fetched.
#[derive(Debug, Default)]
pub(super) struct KeySets {
    keys: Vec<VerifyingKey>,
    remotes: Vec<RemoteJwks>,
}

impl KeySets {
    /// Returns all keys.
    pub(super) fn all(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.keys.iter().chain(self.remotes.iter().flat_map(|remote| remote.keys().keys()))
    }

    /// Fetches the keys again if the rate limit permits it.
    pub(super) fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<(), RemoteJwksError> {
        refetch_all(&mut self.remotes, now, notes)
    }
}

/// The owner of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyOwner {
    /// The server, the trusted issuer, or the user who gave the key.
    pub signer: Signer,
    /// The key ID.
    pub kid: Option<String>,
    /// The issuer whose discovery document refers to the key. The key verifies only its tokens.
    pub issuer: Option<String>,
}

/// A key and its owner.
#[derive(Debug, Clone)]
struct OwnedKey {
    owner: Arc<KeyOwner>,
    key: VerifyingKey,
}

impl OwnedKey {
    fn new(signer: Signer, key: VerifyingKey) -> Self {
        let owner = KeyOwner { signer, kid: key.kid().map(str::to_owned), issuer: None };
        Self { owner: Arc::new(owner), key }
    }
}

/// A verified token with the owner of the key that verified it.
#[derive(Debug, Clone, PartialEq)]
#[must_use]
pub struct OwnedToken {
    /// The token.
    pub verified: Verified,
    /// The owner of the key.
    pub owner: Arc<KeyOwner>,
}

/// The keys for a verification, each with its owner.
#[derive(Debug, Default)]
pub struct KeyRing {
    keys: Vec<OwnedKey>,
    /// The number of keys that are not fetched; they come first.
    fixed: usize,
    remotes: Vec<RemoteJwks>,
}

impl KeyRing {
    /// Reads or fetches the given keys or, without given keys, the server's keys that these endpoints
    /// need.
    ///
    /// Certificates must be valid at `at`; `now` is the time of the system's clock.
    ///
    /// # Errors
    /// [`VerifyError`]; the notes explain it.
    pub fn open(
        given: &GivenKeys,
        settings: &Settings,
        endpoints: &[Endpoint],
        at: Timestamp,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, VerifyError> {
        if given.is_empty() {
            return Self::configured(settings, endpoints, notes);
        }
        let sets = given.open_sets(now, notes)?;
        let mut keys = given.read_files(at, notes)?;
        keys.extend(sets.keys.into_iter().map(|key| OwnedKey::new(Signer::Given, key)));
        let mut ring = Self { fixed: keys.len(), keys, remotes: sets.remotes };
        ring.add_fetched();
        Ok(ring)
    }

    /// Returns the given keys without owners, and the JWKSs that can be fetched again, for a login
    /// role.
    pub(super) fn open_given(
        given: &GivenKeys,
        at: Timestamp,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<(KeySet, Vec<RemoteJwks>), VerifyError> {
        let files = given.read_files(at, notes)?;
        let sets = given.open_sets(now, notes)?;
        Ok((files.into_iter().map(|owned| owned.key).chain(sets.keys).collect(), sets.remotes))
    }

    /// Returns the server's keys that these endpoints need or, without endpoints, all configured keys.
    ///
    /// Keys that are not needed only help to report the signer, so malformed ones are ignored. The
    /// server's own key may be missing or malformed if all endpoints are the server's; their verdict
    /// reports it.
    fn configured(
        settings: &Settings,
        endpoints: &[Endpoint],
        notes: &mut Notes,
    ) -> Result<Self, VerifyError> {
        let mut keys = Vec::new();
        let needs_own = endpoints.iter().any(|endpoint| endpoint.key_use() == KeyUse::Own);
        let has_other = [Variable::CrossLoginJwtPublicKey, Variable::CrossLoginJwtHs512Key]
            .map(|variable| settings.secret(variable).is_some());
        let needs_own = needs_own || (endpoints.is_empty() && has_other == [false, false]);
        let has_own = [Variable::JwtPublicKey, Variable::JwtPrivateKey]
            .map(|variable| settings.secret(variable).is_some());
        let is_in_verdict = !endpoints.is_empty()
            && endpoints.iter().all(|endpoint| endpoint.is_backend())
            && has_own != [false, false];
        if needs_own || has_own[0] {
            match settings.verifying_key(notes) {
                Ok(key) => keys.push(OwnedKey::new(Signer::Own, key)),
                Err(error) if is_in_verdict && rejects_own_tokens(settings) => log::info!("{error}"),
                Err(error) if needs_own || endpoints.is_empty() => return Err(error.into()),
                Err(_) => {}
            }
        }
        if has_other[0] {
            match settings.cross_login_key(notes) {
                Ok(key) => keys.push(OwnedKey::new(Signer::CrossLogin, key)),
                Err(error) if endpoints.is_empty() => return Err(error.into()),
                Err(_) => {}
            }
        }
        if has_other[1] {
            // The server accepts a short secret, so a verdict must use it as well.
            match settings.hmac_secret(KeyStrength::AllowWeak) {
                Ok(key) => {
                    warn_of_short_secret(key.bits(), notes);
                    keys.push(OwnedKey::new(Signer::HmacSecret, key));
                }
                Err(error) if endpoints.is_empty() => return Err(error.into()),
                Err(_) => {}
            }
        }
        Ok(Self { fixed: keys.len(), keys, remotes: Vec::new() })
    }

    /// Returns the keys of the server that are set, each replaced by a given key of the same owner.
    ///
    /// A key that cannot be used is a warning.
    pub(super) fn known(settings: &Settings, given: Vec<(Signer, VerifyingKey)>, notes: &mut Notes) -> Self {
        let is_given = |signer: Signer| given.iter().any(|(owner, _)| *owner == signer);
        let is_set = |variables: &[Variable]| variables.iter().any(|name| settings.secret(*name).is_some());
        let mut own_notes = Notes::new();
        let mut found = Vec::new();
        if !is_given(Signer::Own) && is_set(&[Variable::JwtPublicKey, Variable::JwtPrivateKey]) {
            found.push((Signer::Own, settings.verifying_key(&mut own_notes)));
        }
        if !is_given(Signer::CrossLogin) && is_set(&[Variable::CrossLoginJwtPublicKey]) {
            found.push((Signer::CrossLogin, settings.cross_login_key(&mut own_notes)));
        }
        if is_set(&[Variable::CrossLoginJwtHs512Key]) {
            found.push((Signer::HmacSecret, settings.hmac_secret(KeyStrength::AllowWeak)));
        }
        notes.append(own_notes);
        let mut keys: Vec<OwnedKey> =
            given.into_iter().map(|(signer, key)| OwnedKey::new(signer, key)).collect();
        for (signer, key) in found {
            match key {
                Ok(key) => keys.push(OwnedKey::new(signer, key)),
                Err(error) => notes.warn("key-skipped", error.to_string()),
            }
        }
        Self { fixed: keys.len(), keys, remotes: Vec::new() }
    }

    /// Iterates over the keys with their owners.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Signer, &VerifyingKey)> {
        self.keys.iter().map(|owned| (owned.owner.signer, &owned.key))
    }

    /// Returns whether a key has this owner.
    pub(super) fn has(&self, signer: Signer) -> bool {
        self.keys.iter().any(|owned| owned.owner.signer == signer)
    }

    /// Replaces the fetched keys with those of the JWKSs.
    fn add_fetched(&mut self) {
        self.keys.truncate(self.fixed);
        for remote in &self.remotes {
            let issuer = remote.issuer().map(str::to_owned);
            self.keys.extend(remote.keys().keys().iter().map(|key| {
                let owner = KeyOwner {
                    signer: Signer::Given,
                    kid: key.kid().map(str::to_owned),
                    issuer: issuer.clone(),
                };
                OwnedKey { owner: Arc::new(owner), key: key.clone() }
            }));
        }
    }
}

impl VerificationKeys for KeyRing {
    type Token = OwnedToken;

    /// The keys of a discovery document verify only tokens of its issuer.
    fn verify(&self, token: &str) -> Result<OwnedToken, TokenError> {
        let token = Unverified::parse(token)?;
        let keys = self.keys.iter().map(|owned| (owned.owner.issuer.as_deref(), &owned.key));
        let verified = verify_owned(token, keys)?;
        let owned = self.keys.get(verified.key()).ok_or(TokenError::NoKey)?;
        Ok(OwnedToken { owner: Arc::clone(&owned.owner), verified })
    }

    fn remotes(&self) -> &[RemoteJwks] {
        &self.remotes
    }

    fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<(), RemoteJwksError> {
        let refetched = refetch_all(&mut self.remotes, now, notes);
        self.add_fetched();
        refetched
    }
}

/// Returns whether the server rejects all tokens of its own key or does not start.
fn rejects_own_tokens(settings: &Settings) -> bool {
    use crate::config::ServerEffect::{NoOwnTokens, NoStart, NoTokens};
    settings
        .server_findings(ServerKeys::Configured)
        .iter()
        .any(|finding| matches!(finding.effect, NoStart | NoTokens | NoOwnTokens))
}

/// Adds a warning if the configured HMAC secret has fewer than 256 bits.
pub fn warn_of_short_secret(bits: usize, notes: &mut Notes) {
    if bits < 256 {
        notes.danger_with(
            "hmac-secret-weak",
            format!(
                "CROSS_LOGIN_JWT_HS512_KEY has {bits} bits: an attacker with one token can find the secret"
            ),
            "a new secret, which invalidates all its tokens: gen-keypair --algorithm hs512 --write --force",
        );
    }
}

/// Adds a warning for each weak key that was accepted.
pub(super) fn warn_of_weak<'k>(keys: impl IntoIterator<Item = &'k VerifyingKey>, notes: &mut Notes) {
    for key in keys {
        let danger = match key.kind() {
            "RSA" if key.bits() < 2048 => "is too short: an attacker may be able to sign tokens",
            "HMAC" if key.bits() < 256 => "is too short: an attacker with one token can find the secret",
            _ => continue,
        };
        notes.danger("key-weak", format!("the {} {danger}", key.describe()));
    }
}

fn read_secret(path: &Path, notes: &mut Notes) -> Result<SecretText, VerifyError> {
    let text = SecretText::new(file::read_named_text(path, SETTINGS_LIMIT, FileContents::Secret, notes)?);
    Ok(SecretText::new(text.expose().trim().to_owned()))
}

/// Reads the public keys of a file in any supported format, also those of its private keys.
/// Certificates must be valid at `at`.
///
/// # Errors
/// [`VerifyError::File`], [`VerifyError::Key`].
pub fn read_known_keys(
    path: &Path,
    at: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<VerifyingKey>, VerifyError> {
    const WEAK: KeyStrength = KeyStrength::AllowWeak;
    let bytes = zeroize::Zeroizing::new(file::read(path, SETTINGS_LIMIT)?);
    match public_keys(&bytes, WEAK, at, notes) {
        Err(error @ (KeyError::WrongType { .. } | KeyError::PrivateForPublic)) => {
            parse::read_signing(&bytes, WEAK, notes)
                .map(|key| vec![key.verifying_key()])
                .map_err(|_| error.at(quote_path(path)).into())
        }
        other => other.map_err(|error| error.at(quote_path(path)).into()),
    }
}

fn public_keys(
    bytes: &[u8],
    strength: KeyStrength,
    at: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<VerifyingKey>, KeyError> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    if text.starts_with('{') && Jwk::parse(text)?.is_set() {
        let set = KeySet::from_json(text, strength, notes)?;
        return if set.is_empty() { Err(KeyError::SetUnusable) } else { Ok(set.keys().to_vec()) };
    }
    let found = parse::read_public(bytes, strength, notes)?;
    match &found.certificate {
        Some(certificate) if !certificate.is_valid_at(at) => Err(KeyError::CertificateDates {
            from: certificate.not_before.rfc3339(),
            to: certificate.not_after.rfc3339(),
        }),
        _ => Ok(vec![found.key]),
    }
}
