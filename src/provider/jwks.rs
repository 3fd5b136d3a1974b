//! Key sets over HTTP (RFC 7517 section 5), and tokens verified with them.

use url::Url;

use super::http::{Client, HttpError, shown};
use crate::base::fault::{Fault, Status};
use crate::base::note::Notes;
use crate::base::quote::quote;
use crate::key::{KeyError, KeySet, VerifyingKey, WeakKeys};
use crate::token::{TokenError, Unverified, Verified, verify};

/// Why a key set is of no use.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JwksError {
    /// It can't be fetched.
    #[error(transparent)]
    Http(#[from] HttpError),
    /// What was fetched is no key set.
    #[error("the key set at {}: {error}", quote(.url))]
    Broken {
        /// Where it was fetched from.
        url: String,
        /// What is wrong with it.
        error: KeyError,
    },
    /// No key of it can be used.
    #[error("the key set at {} has no key that can be used", quote(.0))]
    Empty(String),
}

impl Fault for JwksError {
    fn status(&self) -> Status {
        match self {
            Self::Http(error) => error.status(),
            Self::Broken { .. } | Self::Empty(_) => Status::Unavailable,
        }
    }

    fn kind(&self) -> &'static str {
        match self {
            Self::Http(error) => error.kind(),
            Self::Broken { .. } => "jwks-malformed",
            Self::Empty(_) => "jwks-empty",
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Http(error) => error.hint(),
            Self::Broken { .. } | Self::Empty(_) => None,
        }
    }
}

/// Fetches the text of a key set; what is in it is for [`crate::key`] to judge.
///
/// # Errors
/// [`HttpError`]; an answer that is no JSON object with a list `keys` is [`HttpError::NotJson`].
pub fn fetch(client: &Client, url: &Url) -> Result<String, HttpError> {
    #[derive(serde::Deserialize)]
    struct Shape {
        #[serde(rename = "keys")]
        _keys: Vec<serde::de::IgnoredAny>,
    }
    let accept = "application/jwk-set+json, application/json";
    let answer = client.get(url, &[("accept", accept)])?.success()?;
    answer.json::<Shape>()?;
    // It was read as JSON, so it is UTF-8.
    Ok(String::from_utf8_lossy(answer.body()).into_owned())
}

/// The keys at an address, fetched once, and once more when a token does not fit them: its
/// issuer may just have changed them.
#[derive(Debug)]
pub struct KeyServer<'c> {
    client: &'c Client,
    url: Url,
    set: KeySet,
    is_refetched: bool,
}

impl<'c> KeyServer<'c> {
    /// Fetches the keys. Those that can't be used are passed over, with a note each.
    ///
    /// # Errors
    /// [`JwksError`].
    pub fn open(client: &'c Client, url: &Url, notes: &mut Notes) -> Result<Self, JwksError> {
        let set = read(client, url, notes)?;
        Ok(Self { client, url: url.clone(), set, is_refetched: false })
    }

    /// The keys, at least one.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        self.set.keys()
    }

    /// Verifies a token's signature. When no key fits, because its name is unknown or the check
    /// fails, the keys are fetched again, once in the life of this value.
    ///
    /// # Errors
    /// The inner one says that the token is not good; the outer one that the keys could not be
    /// fetched again.
    pub fn verify(
        &mut self,
        token: &str,
        notes: &mut Notes,
    ) -> Result<Result<Verified, TokenError>, JwksError> {
        let attempt = |keys: &[VerifyingKey]| Unverified::parse(token).and_then(|token| verify(token, keys));
        let first = attempt(self.set.keys());
        let may_be_new_key = matches!(
            first,
            Err(TokenError::KeyUnknown { .. }
                | TokenError::Signature(_)
                | TokenError::AlgorithmMismatch { .. })
        );
        if self.is_refetched || !may_be_new_key {
            return Ok(first);
        }
        self.is_refetched = true;
        log::info!("no key fits the token: fetching {} again", quote(&shown(&self.url)));
        self.set = read(self.client, &self.url, notes)?;
        Ok(attempt(self.set.keys()))
    }
}

fn read(client: &Client, url: &Url, notes: &mut Notes) -> Result<KeySet, JwksError> {
    let text = fetch(client, url)?;
    let set = KeySet::from_json(&text, WeakKeys::Refuse, notes)
        .map_err(|error| JwksError::Broken { url: shown(url), error })?;
    if set.is_empty() { Err(JwksError::Empty(shown(url))) } else { Ok(set) }
}
