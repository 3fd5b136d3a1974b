//! What an issuer publishes: its key set and its discovery document, as static files.

use std::path::PathBuf;

use serde_json::{Value, json};

use crate::base::fault::Fault;
use crate::base::kind::Kind;
use crate::base::note::Notes;
use crate::base::quote::{quote, quote_path};
use crate::key::{
    Algorithm, KeyError, KeySet, PublicKey, VerifyingKey, WeakKeys, jwk, published, thumbprint,
};
use crate::policy::profile::https_fault;

/// The name of the key set's file.
pub const KEY_SET_FILE: &str = "jwks.json";

/// Where the discovery document lies below the issuer's address (OpenID Connect Discovery 4).
pub const DISCOVERY_FILE: &str = ".well-known/openid-configuration";

/// A key that is published, with its name and the one algorithm it is for: validators refuse a
/// key that lacks either.
#[derive(Debug, Clone)]
pub struct Published {
    /// `kid`.
    pub kid: String,
    /// `alg`.
    pub algorithm: Algorithm,
    key: PublicKey,
}

/// Why a set can't be published.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PublicationError {
    /// Whoever verifies with a shared key could sign.
    #[error("{0} is a shared key: whoever has it can sign, it must not be published")]
    Shared(String),
    /// An algorithm the key does not do.
    #[error("{place} can't sign {algorithm}")]
    Algorithm {
        /// Where the key stands.
        place: String,
        /// The algorithm asked for.
        algorithm: Algorithm,
    },
    /// Two keys of one name.
    #[error("two different keys have the name {}", quote(.0))]
    SameKid(String),
    /// A key that was published and would not be any more.
    #[error("the key {} is published now and not among the given ones: tokens signed with it would be refused", quote(.0))]
    Dropped(String),
    /// What is published now is no key set, so that nobody can tell what would be lost.
    #[error("{} is there and no key set: {error}", quote_path(.path))]
    NotKeySet {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: KeyError,
    },
    /// An issuer under which nothing can be found.
    #[error("the issuer {}: {why}", quote(.issuer))]
    Issuer {
        /// The issuer.
        issuer: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// No key at all.
    #[error("no key to publish")]
    NoKey,
}

impl Fault for PublicationError {
    fn kind(&self) -> Kind {
        match self {
            Self::Shared(_) => Kind::KeyIsSecret,
            Self::Algorithm { .. } => Kind::KeyOtherKind,
            Self::SameKid(_) => Kind::KeyDuplicateKid,
            Self::Dropped(_) => Kind::KeyDropped,
            Self::NotKeySet { .. } => Kind::PublishedKeySetMalformed,
            Self::Issuer { .. } => Kind::IssuerMalformed,
            Self::NoKey => Kind::KeyMissing,
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::SameKid(_) => Some("name them: KID=FILE".to_owned()),
            Self::Dropped(_) => Some("give the old jwks.json as a key file too, or --force".to_owned()),
            Self::NotKeySet { .. } => Some("give --force to replace it, or another --out-dir".to_owned()),
            _ => None,
        }
    }
}

impl Published {
    /// A key to publish. Its name is `kid`, else the one it came with, else its RFC 7638
    /// thumbprint; its algorithm the one asked for, else its first.
    ///
    /// # Errors
    /// [`PublicationError::Shared`] or `Algorithm`.
    pub fn new(
        key: &VerifyingKey,
        kid: Option<&str>,
        algorithm: Option<Algorithm>,
        place: &str,
        notes: &mut Notes,
    ) -> Result<Self, PublicationError> {
        let Some(public) = key.public_key() else { return Err(PublicationError::Shared(place.to_owned())) };
        let algorithm = match algorithm {
            Some(algorithm) if !key.algorithms().contains(&algorithm) => {
                return Err(PublicationError::Algorithm { place: place.to_owned(), algorithm });
            }
            Some(algorithm) => algorithm,
            None => key.algorithms().first().copied().unwrap_or(Algorithm::EdDsa),
        };
        if let Some(source) = published(public) {
            notes.warn(format!("{place}: this is {source}, which everybody has and can sign with"));
        }
        let kid = kid.or(key.kid()).map_or_else(|| thumbprint(public), str::to_owned);
        Ok(Self { kid, algorithm, key: public.clone() })
    }

    fn to_json(&self) -> Value {
        let text = jwk::write_public(&self.key, Some(&self.kid), Some(self.algorithm));
        // What was written as JSON reads as JSON.
        serde_json::from_str(&text).unwrap_or_default()
    }
}

/// The key set: the keys in their order, the same key once.
///
/// # Errors
/// [`PublicationError::NoKey`] or `SameKid`.
pub fn key_set(keys: &[Published], notes: &mut Notes) -> Result<Value, PublicationError> {
    let mut unique: Vec<&Published> = Vec::new();
    for key in keys {
        match unique.iter().find(|known| known.kid == key.kid) {
            Some(known) if known.key == key.key => {
                notes.note(format!("the key {} was given twice", quote(&key.kid)));
            }
            Some(_) => return Err(PublicationError::SameKid(key.kid.clone())),
            None => unique.push(key),
        }
    }
    if unique.is_empty() {
        return Err(PublicationError::NoKey);
    }
    Ok(json!({ "keys": unique.iter().map(|key| key.to_json()).collect::<Vec<_>>() }))
}

/// The names of keys that a published set has and the new one has not.
///
/// # Errors
/// What stands in the way of reading the published set.
pub fn dropped(old: &str, new: &[Published]) -> Result<Vec<String>, KeyError> {
    let old = KeySet::from_json(old, WeakKeys::Allow, &mut Notes::new())?;
    Ok(old
        .keys()
        .iter()
        .filter(|key| {
            !new.iter().any(|new| key.public_key() == Some(&new.key) && key.kid() == Some(&new.kid))
        })
        .map(|key| key.kid().unwrap_or("without name").to_owned())
        .collect())
}

/// The discovery document of an issuer whose key set lies beside it.
///
/// # Errors
/// [`PublicationError::Issuer`] when it is no https address.
pub fn discovery(issuer: &str, notes: &mut Notes) -> Result<Value, PublicationError> {
    if let Some(why) = https_fault(issuer) {
        return Err(PublicationError::Issuer { issuer: issuer.to_owned(), why });
    }
    if issuer.ends_with('/') {
        notes.warn_with(
            format!(
                "the issuer {} ends in '/': some validators then ask for //{DISCOVERY_FILE}",
                quote(issuer)
            ),
            "leave the slash out, in the tokens as well: 'iss' is compared byte for byte",
        );
    }
    let base = issuer.trim_end_matches('/');
    Ok(json!({ "issuer": issuer, "jwks_uri": format!("{base}/{KEY_SET_FILE}") }))
}
