//! The documents of an issuer: its key set and its discovery document, as static files.

use std::collections::HashMap;
use std::path::PathBuf;

use serde::Serialize;

use crate::key::{
    Algorithm, KeyError, KeyStrength, PublicKey, VerifyingKey, jwk, published, set, thumbprint,
};
use crate::policy::profile::https_issuer_problem;
use crate::util::diagnostic::diagnostics;
use crate::util::json_text;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};

/// The file name of the key set.
pub const KEY_SET_FILE: &str = "jwks.json";

/// The path of the discovery document below the issuer's URL (OpenID Connect Discovery 4).
pub const DISCOVERY_FILE: &str = ".well-known/openid-configuration";

/// A key that is published.
#[derive(Debug, Clone)]
pub struct PublishedKey {
    /// `kid`; only a copied entry may be without one.
    pub kid: Option<String>,
    content: JwksEntry,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum JwksEntry {
    /// A key with one algorithm. Validators reject a key without `kid` or `alg`.
    Key { key: PublicKey, algorithm: Algorithm },
    /// An entry of a published set that this program does not support, unchanged.
    Copied(String),
}

/// Why a set cannot be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksDocumentError {
    /// Every verifier with an HMAC secret can sign.
    #[error("{0} is an HMAC secret: every reader could sign with it; it must not be published")]
    HmacSecret(String),
    /// The key does not support the algorithm.
    #[error("{place} cannot sign {algorithm}")]
    Algorithm {
        /// The location of the key.
        place: String,
        /// The requested algorithm.
        algorithm: Algorithm,
    },
    /// A private key or HMAC secret that cannot be read, so that its public half is not known.
    #[error("{place}: key {number} contains a private key that cannot be read: {error}")]
    Private {
        /// The location of the set.
        place: String,
        /// The number of the key in the set, from 1.
        number: usize,
        /// The error.
        error: KeyError,
    },
    /// Two keys have the same `kid`.
    #[error("two different keys have the name {}", quote(.0))]
    SameKid(String),
    /// A published key is missing in the new set.
    #[error("the published key {} is not among the given keys: validators would reject its tokens", quote(.0))]
    Dropped(String),
    /// A file is not a key set.
    #[error("{place}: {error}")]
    Malformed {
        /// The file, quoted.
        place: String,
        /// The error.
        error: KeyError,
    },
    /// The published file is not a key set, so that missing keys cannot be found.
    #[error("{} is there and no key set: {error}", quote_path(.path))]
    NotKeySet {
        /// The file.
        path: PathBuf,
        /// The error.
        error: KeyError,
    },
    /// The issuer is not a URL with documents below it.
    #[error("the issuer {}: {why}", quote(.issuer))]
    Issuer {
        /// The issuer.
        issuer: String,
        /// The error.
        why: &'static str,
    },
    /// The set does not contain a key.
    #[error("no key to publish")]
    NoKey,
}

diagnostics! { JwksDocumentError:
    Self::HmacSecret(_) | Self::Private { .. } => Kind::KeyIsSecret;
    Self::Malformed { error, .. } => error.kind();
    Self::Algorithm { .. } => Kind::KeyOtherKind;
    Self::SameKid(_) => Kind::KeyDuplicateKid, "name them: KID=FILE";
    Self::Dropped(_) => Kind::KeyDropped, "give the old jwks.json as a key file too, or --force";
    Self::NotKeySet { .. } => Kind::PublishedKeySetMalformed,
        "give --force to replace it, or another --out-dir";
    Self::Issuer { .. } => Kind::IssuerMalformed;
    Self::NoKey => Kind::KeyMissing;
}

impl PublishedKey {
    /// A key to publish. Its key ID is `kid`, otherwise its own key ID, otherwise its RFC 7638
    /// thumbprint. Its algorithm is the requested one, or the first that the key supports.
    ///
    /// # Errors
    /// [`JwksDocumentError::HmacSecret`] or `Algorithm`.
    pub fn new(
        key: &VerifyingKey,
        kid: Option<&str>,
        algorithm: Option<Algorithm>,
        place: &str,
        notes: &mut Notes,
    ) -> Result<Self, JwksDocumentError> {
        let Some(public) = key.public_key() else {
            return Err(JwksDocumentError::HmacSecret(place.to_owned()));
        };
        let algorithm = match algorithm {
            Some(algorithm) if !key.algorithms().contains(&algorithm) => {
                return Err(JwksDocumentError::Algorithm { place: place.to_owned(), algorithm });
            }
            Some(algorithm) => algorithm,
            None => key.algorithms().first().copied().unwrap_or(Algorithm::EdDsa),
        };
        if let Some(source) = published(public) {
            notes.warn(
                "key-compromised",
                format!("{place}: this is {source}, whose private key is published"),
            );
        }
        let kid = kid.or(key.kid()).map_or_else(|| thumbprint(public), str::to_owned);
        Ok(Self { kid: Some(kid), content: JwksEntry::Key { key: public.clone(), algorithm } })
    }

    /// The keys of a published set. Only the public half of a private key is used; an
    /// entry that is not supported is copied unchanged, with a note: other validators may need it.
    ///
    /// # Errors
    /// [`JwksDocumentError::Malformed`], `Private`, and those of [`PublishedKey::new`].
    pub fn all_of(
        text: &str,
        algorithm: Option<Algorithm>,
        place: &str,
        notes: &mut Notes,
    ) -> Result<Vec<Self>, JwksDocumentError> {
        let malformed = |error| JwksDocumentError::Malformed { place: place.to_owned(), error };
        let jwks = set::jwks(text).map_err(malformed)?;
        let written = json_text::entries(text, "keys");
        let mut keys = Vec::with_capacity(jwks.len());
        for (at, (jwk, written)) in jwks.iter().zip(written).enumerate() {
            let mut repairs = Vec::new();
            let key = if jwk.is_secret() {
                jwk.signing_key(KeyStrength::Enforce).map(|key| key.verifying_key())
            } else {
                jwk.verifying_key_with(KeyStrength::Enforce, &mut repairs)
            };
            let name = jwk.kid_for_message().unwrap_or_else(|| "without key ID".to_owned());
            match key {
                Ok(key) => {
                    for repair in repairs {
                        notes.warn("jwks-key-rewritten", format!(
                            "{place}: key {} ({name}): {repair}; the new set has it in its canonical form",
                            at + 1
                        ));
                    }
                    let fits = algorithm.filter(|algorithm| key.algorithms().contains(algorithm));
                    keys.push(Self::new(&key, None, fits, place, notes)?);
                }
                Err(error) if jwk.is_secret() => {
                    return Err(JwksDocumentError::Private {
                        place: place.to_owned(),
                        number: at + 1,
                        error,
                    });
                }
                Err(error) => {
                    notes.warn("jwks-key-copied", format!(
                        "{place}: key {} ({name}) is copied unchanged, since it is not understood here: {error}",
                        at + 1
                    ));
                    let content = JwksEntry::Copied(json_text::compact(written));
                    keys.push(Self { kid: jwk.kid_or_none().map(str::to_owned), content });
                }
            }
        }
        Ok(keys)
    }

    /// The key ID in quotes, for messages.
    #[must_use]
    pub fn name(&self) -> String {
        self.kid.as_deref().map_or_else(|| "without key ID".to_owned(), quote)
    }

    fn to_json(&self) -> String {
        match &self.content {
            JwksEntry::Key { key, algorithm } => {
                jwk::write_public(key, self.kid.as_deref(), Some(*algorithm))
            }
            JwksEntry::Copied(text) => text.clone(),
        }
    }
}

/// The key set: the keys in their order; a duplicate key is written once.
///
/// # Errors
/// [`JwksDocumentError::NoKey`] or `SameKid`.
pub fn key_set(keys: &[PublishedKey], notes: &mut Notes) -> Result<String, JwksDocumentError> {
    let mut unique: Vec<&PublishedKey> = Vec::new();
    let mut places: HashMap<Option<&str>, Vec<usize>> = HashMap::new();
    for key in keys {
        let same_name = places.entry(key.kid.as_deref()).or_default();
        let known = same_name.iter().filter_map(|at| unique.get(*at));
        if known.clone().any(|known| is_same(known, key)) {
            notes.note(format!("the key {} was given twice", key.name()));
        } else if let (Some(kid), Some(_)) = (&key.kid, known.clone().next()) {
            return Err(JwksDocumentError::SameKid(kid.clone()));
        } else {
            same_name.push(unique.len());
            unique.push(key);
        }
    }
    if unique.is_empty() {
        return Err(JwksDocumentError::NoKey);
    }
    let written: Vec<String> = unique.iter().map(|key| key.to_json()).collect();
    Ok(set::write(written.iter().map(String::as_str)))
}

/// Returns whether two entries have the same key.
fn is_same(one: &PublishedKey, other: &PublishedKey) -> bool {
    match (&one.content, &other.content) {
        (JwksEntry::Key { key: one, .. }, JwksEntry::Key { key: other, .. }) => one == other,
        (one, other) => one == other,
    }
}

/// The key IDs of a published set that the new set does not have.
///
/// # Errors
/// The published set cannot be read.
pub fn dropped(old: &str, new: &[PublishedKey]) -> Result<Vec<String>, KeyError> {
    let jwks = set::jwks(old)?;
    let mut dropped = Vec::new();
    for (at, (jwk, written)) in jwks.iter().zip(json_text::entries(old, "keys")).enumerate() {
        let key = jwk.verifying_key(KeyStrength::AllowWeak).ok();
        let public = key.as_ref().and_then(VerifyingKey::public_key);
        let kid = jwk.kid_or_none();
        let copied = JwksEntry::Copied(json_text::compact(written));
        let is_kept = new.iter().any(|new| {
            let same = match &new.content {
                JwksEntry::Key { key, .. } => public == Some(key),
                other => *other == copied,
            };
            same && (kid.is_none() || kid == new.kid.as_deref())
        });
        if !is_kept {
            dropped.push(kid.map_or_else(|| format!("number {}", at + 1), str::to_owned));
        }
    }
    Ok(dropped)
}

/// The discovery document of an issuer (OpenID Connect Discovery 1.0), with the members that validators of
/// tokens read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DiscoveryDocument {
    /// The issuer.
    pub issuer: String,
    /// The URL of the key set.
    pub jwks_uri: String,
}

/// The discovery document of an issuer whose key set is below the issuer's URL.
///
/// # Errors
/// [`JwksDocumentError::Issuer`] if the issuer is not an https URL.
pub fn discovery(issuer: &str) -> Result<DiscoveryDocument, JwksDocumentError> {
    if let Some(why) = https_issuer_problem(issuer) {
        return Err(JwksDocumentError::Issuer { issuer: issuer.to_owned(), why });
    }
    let base = issuer.trim_end_matches('/');
    Ok(DiscoveryDocument { issuer: issuer.to_owned(), jwks_uri: format!("{base}/{KEY_SET_FILE}") })
}
