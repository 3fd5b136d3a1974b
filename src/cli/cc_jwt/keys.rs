//! The keys a command works with: the server's own ones out of the settings, or one given.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::config::{ServerKeys, Settings, Variable};
use crate::key::jwk::Jwk;
use crate::key::set::KeySet;
use crate::key::{Algorithm, KeyError, KeyStrength, SigningKey, VerifyingKey, parse};
use crate::policy::endpoint::KeyUse;
use crate::policy::{Endpoint, Signer};
use crate::token::{TokenError, Unverified, Verified, verify_owned};
use crate::util::file::{self, FileContents, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::quote::quote_path;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// Keys to verify with, each with its owner.
#[derive(Debug, Clone, Default)]
pub(super) struct KeyRing(Vec<OwnedKey>);

/// A key and its owner.
#[derive(Debug, Clone)]
struct OwnedKey {
    signer: Signer,
    /// The issuer in whose discovery document the key was found: it verifies only tokens of it.
    issuer: Option<Arc<str>>,
    key: VerifyingKey,
}

impl OwnedKey {
    const fn of(signer: Signer, key: VerifyingKey) -> Self {
        Self { signer, issuer: None, key }
    }
}

impl KeyRing {
    /// The keys in order.
    pub(super) fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.0.iter().map(|owned| &owned.key)
    }

    /// Verifies a token with these keys, those of an issuer only for tokens of that issuer.
    pub(super) fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        let token = Unverified::parse(token)?;
        verify_owned(token, self.0.iter().map(|owned| (owned.issuer.as_deref(), &owned.key)))
    }

    /// Whose the key at this place is.
    pub(super) fn signer(&self, place: usize) -> Signer {
        self.0.get(place).map_or(Signer::Given, |owned| owned.signer)
    }

    /// The `kid` of the key at this place.
    pub(super) fn kid(&self, place: usize) -> Option<&str> {
        self.0.get(place)?.key.kid()
    }

    /// The issuer to which the key at this place belongs, if it was found by discovery.
    pub(super) fn issuer(&self, place: usize) -> Option<&str> {
        self.0.get(place)?.issuer.as_deref()
    }

    /// Whether there is a key of this owner.
    pub(super) fn has(&self, wanted: Signer) -> bool {
        self.0.iter().any(|owned| owned.signer == wanted)
    }

    /// The keys in files: public ones in any form, key sets, HMAC secrets in base64.
    pub(super) fn from_files(
        public: &[PathBuf],
        shared: Option<&Path>,
        weak: KeyStrength,
        at: Timestamp,
        console: &mut Console,
    ) -> Result<Self, Failure> {
        let mut ring = Self::default();
        let mut notes = Notes::new();
        for path in public {
            let place = quote_path(path);
            log::info!("a key is read from {place}");
            let bytes = file::read_named(path, SETTINGS_LIMIT, FileContents::Public, &mut notes)?;
            let keys = match public_keys(&bytes, weak, at, &mut notes) {
                Ok(keys) => keys,
                // Why keys of a set were skipped explains that none is left.
                Err(error) => {
                    console.notes(notes);
                    return Err(error.at(place).into());
                }
            };
            ring.0.extend(keys.into_iter().map(|key| OwnedKey::of(Signer::Given, key)));
        }
        if let Some(path) = shared {
            let text = SecretText::new(file::read_named_text(
                path,
                SETTINGS_LIMIT,
                FileContents::Secret,
                &mut notes,
            )?);
            let trimmed = SecretText::new(text.expose().trim().to_owned());
            let key = VerifyingKey::hmac_secret_from_base64(&trimmed, weak)
                .map_err(|error| error.at(quote_path(path)))?;
            ring.0.push(OwnedKey::of(Signer::HmacSecret, key));
        }
        warn_of_weak(ring.keys(), &mut notes);
        console.notes(notes);
        Ok(ring)
    }

    /// The same with further keys after them, each with the issuer that it belongs to, if any.
    pub(super) fn with<'k>(
        mut self,
        keys: impl IntoIterator<Item = (Option<&'k str>, &'k VerifyingKey)>,
    ) -> Self {
        self.0.extend(keys.into_iter().map(|(issuer, key)| OwnedKey {
            signer: Signer::Given,
            issuer: issuer.map(Arc::from),
            key: key.clone(),
        }));
        self
    }

    /// The same without the last so many.
    pub(super) fn without(&self, last: usize) -> Self {
        Self(self.0.iter().take(self.0.len().saturating_sub(last)).cloned().collect())
    }

    /// The server's keys that these endpoints need; without endpoints, all there are. A key that
    /// is not needed helps to report by whom a token is signed; a malformed one of these is as if
    /// it were not there. The own key may be missing or malformed where all endpoints are the
    /// server's: their verdict names that.
    pub(super) fn configured(
        settings: &Settings,
        endpoints: &[Endpoint],
        console: &mut Console,
    ) -> Result<Self, Failure> {
        let mut ring = Self::default();
        let mut notes = Notes::new();
        let any_own = endpoints.iter().any(|endpoint| endpoint.key_use() == KeyUse::Own);
        let other_keys = [Variable::CrossLoginJwtPublicKey, Variable::CrossLoginJwtHs512Key]
            .map(|v| settings.secret(v).is_some());
        let own_needed = any_own || (endpoints.is_empty() && other_keys == [false, false]);
        let own_keys =
            [Variable::JwtPublicKey, Variable::JwtPrivateKey].map(|v| settings.secret(v).is_some());
        let in_verdict = !endpoints.is_empty()
            && endpoints.iter().all(|endpoint| endpoint.is_backend())
            && own_keys != [false, false];
        if own_needed || own_keys[0] {
            match settings.verifying_key(&mut notes) {
                Ok(key) => ring.0.push(OwnedKey::of(Signer::Own, key)),
                // A key that the server uses, and this toolkit rejects, is no matter of a verdict.
                Err(fault) if in_verdict && rejects_own_tokens(settings) => log::info!("{fault}"),
                Err(fault) if own_needed || endpoints.is_empty() => return Err(fault.into()),
                Err(_) => {}
            }
        }
        if other_keys[0] {
            match settings.cross_login_key(&mut notes) {
                Ok(key) => ring.0.push(OwnedKey::of(Signer::CrossLogin, key)),
                Err(fault) if endpoints.is_empty() => return Err(fault.into()),
                Err(_) => {}
            }
        }
        if other_keys[1] {
            // The server accepts a short one, so that a verdict uses it as well.
            match settings.hmac_secret(KeyStrength::AllowWeak) {
                Ok(key) => {
                    warn_of_short(key.bits(), &mut notes);
                    ring.0.push(OwnedKey::of(Signer::HmacSecret, key));
                }
                Err(fault) if endpoints.is_empty() => return Err(fault.into()),
                Err(_) => {}
            }
        }
        console.notes(notes);
        Ok(ring)
    }
}

/// Whether the server rejects every token of its own key, or does not start.
fn rejects_own_tokens(settings: &Settings) -> bool {
    use crate::config::ServerEffect::{NoOwnTokens, NoStart, NoTokens};
    settings
        .server_findings(ServerKeys::Configured)
        .iter()
        .any(|finding| matches!(finding.effect, NoStart | NoTokens | NoOwnTokens))
}

fn warn_of_short(bits: usize, notes: &mut Notes) {
    if bits < 256 {
        notes.danger_with("hmac-secret-weak", 
            format!(
                "CROSS_LOGIN_JWT_HS512_KEY has {bits} bits: whoever sees one token can find the key by trying"
            ),
            "a new key, which invalidates the tokens of this one: gen-keypair --algorithm hs512 --write --force",
        );
    }
}

fn public_keys(
    bytes: &[u8],
    weak: KeyStrength,
    at: Timestamp,
    notes: &mut Notes,
) -> Result<Vec<VerifyingKey>, KeyError> {
    let text = std::str::from_utf8(bytes).unwrap_or_default();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim_start();
    if text.starts_with('{') && Jwk::parse(text)?.is_set() {
        let set = KeySet::from_json(text, weak, notes)?;
        return if set.is_empty() { Err(KeyError::SetUnusable) } else { Ok(set.keys().to_vec()) };
    }
    let found = parse::read_public(bytes, weak, notes)?;
    match &found.certificate {
        Some(certificate) if !certificate.is_valid_at(at) => Err(KeyError::CertificateDates {
            from: certificate.not_before.rfc3339(),
            to: certificate.not_after.rfc3339(),
        }),
        _ => Ok(vec![found.key]),
    }
}

/// Says of each weak key what it means that it was allowed.
pub(super) fn warn_of_weak<'k>(keys: impl IntoIterator<Item = &'k VerifyingKey>, notes: &mut Notes) {
    for key in keys {
        let danger = match key.kind() {
            "RSA" if key.bits() < 2048 => "can be broken, and then anybody can sign",
            "HMAC" if key.bits() < 256 => "can be found by trying, by whoever sees one token",
            _ => continue,
        };
        notes.danger("key-weak", format!("the {} {danger}", key.describe()));
    }
}

/// The key to sign with: a given one, the HMAC secret for an HMAC algorithm, else the own one.
pub(super) fn signing(
    given: Option<&Path>,
    algorithm: Option<Algorithm>,
    settings: &Settings,
    console: &mut Console,
) -> Result<SigningKey, Failure> {
    let mut notes = Notes::new();
    let key = match given {
        Some(path) => {
            log::info!("the key is read from {}", quote_path(path));
            let bytes = file::read_named(path, SETTINGS_LIMIT, FileContents::Secret, &mut notes)?;
            let bytes = zeroize::Zeroizing::new(bytes);
            parse::read_signing(&bytes, KeyStrength::Enforce, &mut notes)
                .map_err(|error| error.at(quote_path(path)))?
        }
        None if algorithm.is_some_and(Algorithm::is_symmetric) => {
            let key = settings.hmac_signing_key(KeyStrength::AllowWeak)?;
            warn_of_short(key.verifying_key().bits(), &mut notes);
            key
        }
        None => settings.signing_key(&mut notes)?,
    };
    let why_not = algorithm.and_then(|algorithm| key.verifying_key().why_not(algorithm));
    console.notes(notes);
    why_not.map_or(Ok(key), |why| Err(why.into()))
}
