//! The keys of a login role's configuration, and verification with them.

use super::error::VerifyError;
use super::key_ring::{KeyAccess, bearer_of};
use super::refetch::{VerificationKeys, refetch_all};
use crate::http::{Client, HttpError, HttpTrust, parse_url};
use crate::key::parse::read_one_block;
use crate::key::{KeySet, KeyStrength, VerifyingKey};
use crate::oidc::jwks_cache::{JwksSource, RemoteJwks, RemoteJwksError};
use crate::policy::login_role::{RoleConfig, RoleKeySource, RoleKeyUrl as Address};
use crate::token::{TokenError, Unverified, Verified, verify_owned};
use crate::util::note::Notes;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The keys of a login role's configuration.
#[derive(Debug)]
pub struct LoginRoleKeys {
    source: RoleKeySource,
    fixed: KeySet,
    remotes: Vec<RemoteJwks>,
    /// Whether the keys of a discovery document verify only tokens of its issuer. The reference server
    /// does not require this for its own `oidc_discovery_url`.
    binds_issuers: bool,
}

impl LoginRoleKeys {
    /// Reads or fetches the keys.
    ///
    /// `bearer` is sent to the origins of the keys. Certificates must be valid at `at`; `now` is the time of the system's clock, for the cache. If
    /// at least one of several JWKSs can be fetched, the others are skipped with a warning.
    ///
    /// # Errors
    /// [`VerifyError`].
    pub fn open(
        config: &RoleConfig,
        access: &KeyAccess,
        bearer: Option<&SecretText>,
        at: Timestamp,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Self, VerifyError> {
        let mut keys = Self {
            source: config.keys.clone(),
            fixed: KeySet::new(),
            remotes: Vec::new(),
            binds_issuers: false,
        };
        match &config.keys {
            RoleKeySource::Pem(pems) => {
                let place = config.field_name("jwt_validation_pubkeys");
                keys.fixed = read_pems(&place, pems, access.strength, at, notes)?;
            }
            RoleKeySource::KeySet(set) => {
                let remote = open_set(set, access, bearer, now, notes);
                keys.remotes.push(remote.map_err(|error| {
                    unavailable(config, "jwks_url", set.ca_pem.is_some().then_some("jwks_ca_pem"), error)
                })?);
            }
            RoleKeySource::KeySets(sets) => {
                let mut failure = None;
                for (index, set) in sets.iter().enumerate() {
                    match open_set(set, access, bearer, now, notes) {
                        Ok(remote) => keys.remotes.push(remote),
                        Err(error) => {
                            let error = unavailable(config, &format!("jwks_pairs[{index}]"), None, error);
                            notes.warn("jwks-skipped", format!("a key set is skipped: {error}"));
                            failure = Some(error);
                        }
                    }
                }
                if let (true, Some(error)) = (keys.remotes.is_empty(), failure) {
                    return Err(error);
                }
            }
            RoleKeySource::Discovery(provider) => {
                let origin = JwksSource::Discovery(provider.url.clone());
                let remote = open_remote(provider, origin, access, bearer, now, notes);
                let ca = provider.ca_pem.is_some().then_some("oidc_discovery_ca_pem");
                keys.remotes
                    .push(remote.map_err(|error| unavailable(config, "oidc_discovery_url", ca, error))?);
            }
        }
        Ok(keys)
    }

    /// Creates keys that replace those of the configuration; `source` determines the rules for `kid`.
    #[must_use]
    pub(super) const fn given(source: RoleKeySource, keys: KeySet, remotes: Vec<RemoteJwks>) -> Self {
        Self { source, fixed: keys, remotes, binds_issuers: true }
    }

    /// Returns all keys.
    pub fn keys(&self) -> impl Iterator<Item = &VerifyingKey> {
        self.owned().map(|(_, key)| key)
    }

    /// Returns all keys, each with its issuer.
    fn owned(&self) -> impl Iterator<Item = (Option<&str>, &VerifyingKey)> {
        let fetched = self.remotes.iter().flat_map(|remote| {
            let owner = if self.binds_issuers { remote.issuer() } else { None };
            remote.keys().keys().iter().map(move |key| (owner, key))
        });
        self.fixed.keys().iter().map(|key| (None, key)).chain(fetched)
    }
}

impl VerificationKeys for LoginRoleKeys {
    type Token = Verified;

    fn verify(&self, token: &str) -> Result<Verified, TokenError> {
        // The reference server ignores embedded keys in the header of a token, so this parser must
        // ignore them as well. They are never used.
        let token = Unverified::parse_with_embedded_keys(token)?;
        let kid = token.kid_hint().filter(|kid| !kid.is_empty());
        let by_kid = !matches!(self.source, RoleKeySource::Pem(_)) && kid.is_some();
        if by_kid {
            verify_owned(token, self.owned().filter(|(_, key)| key.kid().is_some()))
        } else if token.kid_hint().is_none() || self.keys().all(|key| key.kid().is_none()) {
            verify_owned(token, self.owned())
        } else {
            let without_kid: Vec<(Option<&str>, KeySet)> = self
                .owned()
                .map(|(issuer, key)| {
                    let set: KeySet = std::iter::once(key.clone()).collect();
                    (issuer, self.source.candidates(&set, kid))
                })
                .collect();
            let keys =
                without_kid.iter().flat_map(|(issuer, set)| set.keys().iter().map(|key| (*issuer, key)));
            verify_owned(token, keys)
        }
    }

    fn remotes(&self) -> &[RemoteJwks] {
        &self.remotes
    }

    fn refetch(&mut self, now: Timestamp, notes: &mut Notes) -> Result<(), RemoteJwksError> {
        refetch_all(&mut self.remotes, now, notes)
    }
}

/// Returns the error of keys that cannot be fetched, with the field that is wrong.
fn unavailable(
    config: &RoleConfig,
    url_field: &str,
    ca_field: Option<&str>,
    error: RemoteJwksError,
) -> VerifyError {
    let field = match (&error, ca_field) {
        (RemoteJwksError::Http(HttpError::InvalidCa(_)), Some(ca_field)) => ca_field,
        _ => url_field,
    };
    VerifyError::RoleKeySet { setting: config.field_name(field), error: Box::new(error) }
}

fn read_pems(
    field: &str,
    pems: &[String],
    weak: KeyStrength,
    at: Timestamp,
    notes: &mut Notes,
) -> Result<KeySet, VerifyError> {
    let mut keys = KeySet::new();
    for (index, pem) in pems.iter().enumerate() {
        let place = format!("{field}[{index}]");
        let found =
            read_one_block(pem, weak).map_err(|error| VerifyError::RoleKey(error.at(place.clone())))?;
        match &found.certificate {
            Some(certificate) if !certificate.is_valid_at(at) => notes.warn("certificate-dates", format!(
                "{place}: the certificate is valid from {} to {} and is skipped; the reference server does not check \
                 its dates",
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
    bearer: Option<&SecretText>,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<RemoteJwks, RemoteJwksError> {
    open_remote(set, JwksSource::KeySet(parse_url(&set.url)?), access, bearer, now, notes)
}

fn open_remote(
    address: &Address,
    origin: JwksSource,
    access: &KeyAccess,
    bearer: Option<&SecretText>,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<RemoteJwks, RemoteJwksError> {
    let mut options = access.options.clone();
    options.bearer = bearer_of(&origin, bearer)?;
    if let Some(pem) = &address.ca_pem {
        options.trust = HttpTrust::Only(pem.clone().into_bytes());
    }
    RemoteJwks::open(Client::new(options)?, origin, access.cache.clone(), access.strength, now, notes)
}
