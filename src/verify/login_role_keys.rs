//! The keys that a login role's configuration names, and tokens verified with them.

use crate::http::{Client, HttpOptions, HttpTrust, parse_url};
use crate::key::parse::read_one_block;
use crate::key::{KeyFileError, KeySet, KeyStrength, VerifyingKey};
use crate::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks, RemoteJwksError};
use crate::policy::login_role::{RoleConfig, RoleKeySource, RoleKeyUrl as Address};
use crate::token::{TokenError, Unverified, Verified, verify_owned};
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::time::Timestamp;

/// How keys may be got.
#[derive(Debug, Clone)]
pub struct KeyAccess {
    /// How careful the client is; a configuration's own CA certificates take the place of its trust.
    pub options: HttpOptions,
    /// Where answers are kept.
    pub cache: Cache,
    /// Whether weak keys are taken.
    pub weak: KeyStrength,
}

/// Why the keys of a role cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum LoginRoleKeysError {
    /// A key in the configuration itself is none.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// Keys cannot be fetched.
    #[error(transparent)]
    Remote(#[from] RemoteJwksError),
}

impl Diagnostic for LoginRoleKeysError {
    fn kind(&self) -> Kind {
        match self {
            Self::Key(fault) => fault.kind().in_configuration(),
            Self::Remote(error) => error.kind(),
        }
    }

    fn hint(&self) -> Option<String> {
        match self {
            Self::Key(fault) => fault.hint(),
            Self::Remote(error) => error.hint(),
        }
    }
}

/// The keys of a role's configuration.
#[derive(Debug)]
pub struct LoginRoleKeys {
    source: RoleKeySource,
    fixed: KeySet,
    remotes: Vec<RemoteJwks>,
    /// Whether the keys of a discovery document verify only tokens of its issuer. The reference
    /// server does not demand it of its own `oidc_discovery_url`.
    binds_issuers: bool,
}

impl LoginRoleKeys {
    /// Reads or fetches the keys. `judged_at` is the time tokens are judged at, by which
    /// certificates must be valid; `now` is the system's clock, by which the cache ages. Of
    /// several key sets, those that cannot be fetched are passed over with a note while there is
    /// one that can.
    ///
    /// # Errors
    /// [`LoginRoleKeysError`].
    pub fn open(
        config: &RoleConfig,
        access: &KeyAccess,
        judged_at: Timestamp,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, LoginRoleKeysError> {
        let mut keys = Self {
            source: config.keys.clone(),
            fixed: KeySet::new(),
            remotes: Vec::new(),
            binds_issuers: false,
        };
        match &config.keys {
            RoleKeySource::Pem(pems) => keys.fixed = read_pems(pems, access.weak, judged_at, notes)?,
            RoleKeySource::KeySet(set) => keys.remotes.push(open_set(set, access, now, notes)?),
            RoleKeySource::KeySets(sets) => {
                let mut failure = None;
                for set in sets {
                    match open_set(set, access, now, notes) {
                        Ok(remote) => keys.remotes.push(remote),
                        Err(error) => {
                            notes.warn("jwks-skipped", format!("a key set is passed over: {error}"));
                            failure = Some(error);
                        }
                    }
                }
                if let (true, Some(error)) = (keys.remotes.is_empty(), failure) {
                    return Err(error.into());
                }
            }
            RoleKeySource::Discovery(provider) => {
                let origin = JwksSource::Discovery(provider.url.clone());
                keys.remotes.push(open_remote(provider, origin, access, now, notes)?);
            }
        }
        Ok(keys)
    }

    /// Keys that were read elsewhere, to be chosen from as this source has it.
    #[must_use]
    pub const fn given(source: RoleKeySource, keys: KeySet, remotes: Vec<RemoteJwks>) -> Self {
        Self { source, fixed: keys, remotes, binds_issuers: true }
    }

    /// All keys there are.
    pub fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.owned().map(|(_, key)| key)
    }

    /// All keys, each with the issuer that it belongs to.
    fn owned(&self) -> impl Iterator<Item = (Option<&str>, &VerifyingKey)> {
        let fetched = self.remotes.iter().flat_map(|remote| {
            let owner = if self.binds_issuers { remote.issuer() } else { None };
            remote.keys().keys().iter().map(move |key| (owner, key))
        });
        self.fixed.keys().iter().map(|key| (None, key)).chain(fetched)
    }

    /// Verifies a token's signature. When no key fits, because its name is unknown or the check
    /// fails, fetched keys are fetched again, at most once a minute.
    ///
    /// # Errors
    /// The inner one says that the token is not good; the outer one that the keys could not be
    /// fetched again.
    pub fn verify(
        &mut self,
        token: &str,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Result<Verified, TokenError>, RemoteJwksError> {
        let first = self.attempt(token);
        if !may_be_new_key(&first) {
            return Ok(first);
        }
        let mut anew = false;
        for remote in &mut self.remotes {
            anew |= remote.refetch(now, notes)?;
        }
        Ok(if anew { self.attempt(token) } else { first })
    }

    /// The same with the keys that are there.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn attempt(&self, token: &str) -> Result<Verified, TokenError> {
        // The reference server overlooks keys that a token brings along, and so must who decides
        // as it does; they are never used.
        let token = Unverified::parse_with_embedded_keys(token)?;
        let kid = token.kid_hint().filter(|kid| !kid.is_empty());
        let by_name = !matches!(self.source, RoleKeySource::Pem(_)) && kid.is_some();
        if by_name {
            verify_owned(token, self.owned().filter(|(_, key)| key.kid().is_some()))
        } else if token.kid_hint().is_none() || self.keys().all(|key| key.kid().is_none()) {
            verify_owned(token, self.owned())
        } else {
            let nameless: Vec<(Option<&str>, KeySet)> = self
                .owned()
                .map(|(owner, key)| {
                    let alone: KeySet = std::iter::once(key.clone()).collect();
                    (owner, self.source.candidates(&alone, kid))
                })
                .collect();
            let keys = nameless.iter().flat_map(|(owner, keys)| keys.keys().iter().map(|key| (*owner, key)));
            verify_owned(token, keys)
        }
    }

    /// Whether [`LoginRoleKeys::verify`] would fetch keys again.
    #[must_use]
    pub fn may_refetch(&self, now: Timestamp) -> bool {
        self.remotes.iter().any(|remote| remote.may_refetch(now))
    }
}

/// Whether other keys could make it good.
pub const fn may_be_new_key(outcome: &Result<Verified, TokenError>) -> bool {
    matches!(
        outcome,
        Err(TokenError::KeyUnknown { .. }
            | TokenError::Signature(_)
            | TokenError::AlgorithmMismatch { .. }
            | TokenError::NoKey)
    )
}

fn read_pems(
    pems: &[String],
    weak: KeyStrength,
    judged_at: Timestamp,
    notes: &mut Notes,
) -> Result<KeySet, KeyFileError> {
    let mut keys = KeySet::new();
    for (at, pem) in pems.iter().enumerate() {
        let place = format!("jwt_validation_pubkeys[{at}]");
        let found = read_one_block(pem, weak).map_err(|error| error.at(place.clone()))?;
        match &found.certificate {
            Some(certificate) if !certificate.is_valid_at(judged_at) => notes.warn("certificate-dates", format!(
                "{place}: the certificate is valid from {} to {} and passed over; the reference server does not \
                 look at its dates",
                certificate.not_before.rfc3339(),
                certificate.not_after.rfc3339()
            )),
            _ => keys.add(found.key),
        }
    }
    Ok(keys)
}

fn open_set(
    set: &Address,
    access: &KeyAccess,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<RemoteJwks, RemoteJwksError> {
    open_remote(set, JwksSource::KeySet(parse_url(&set.url)?), access, now, notes)
}

fn open_remote(
    address: &Address,
    origin: JwksSource,
    access: &KeyAccess,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<RemoteJwks, RemoteJwksError> {
    let mut options = access.options.clone();
    if let Some(pem) = &address.ca_pem {
        options.trust = HttpTrust::Only(pem.clone().into_bytes());
    }
    RemoteJwks::open(Client::new(options)?, origin, access.cache.clone(), access.weak, now, notes)
}
