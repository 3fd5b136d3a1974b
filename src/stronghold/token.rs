//! The token of a login: its properties, renewal and revocation.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::positive;
use super::client::{ServerRequest, StrongholdClient};
use super::error::{ServerAction, StrongholdError};
use crate::util::secret::SecretText;

/// The properties of a token.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct TokenStatus {
    /// The name of the user: the name of the mount, `-`, and the name of the alias.
    #[serde(default)]
    pub display_name: String,
    /// The remaining lifetime in seconds; 0 never expires.
    #[serde(default)]
    pub ttl: i64,
    /// The remaining number of requests that the token permits; 0 has no limit.
    #[serde(default)]
    pub num_uses: i64,
    /// The policies.
    #[serde(default)]
    pub policies: Vec<String>,
    /// The metadata: `role`, and the mapped claims.
    pub meta: Option<BTreeMap<String, Value>>,
    /// Whether the token can be renewed.
    #[serde(default)]
    pub renewable: bool,
}

impl TokenStatus {
    /// Returns the remaining lifetime in seconds; `None` never expires.
    #[must_use]
    pub fn lifetime(&self) -> Option<u64> {
        positive(self.ttl)
    }

    /// Returns the remaining number of requests; `None` has no limit.
    #[must_use]
    pub fn uses(&self) -> Option<u64> {
        positive(self.num_uses)
    }
}

impl StrongholdClient {
    /// Reads the properties of a token.
    ///
    /// # Errors
    /// [`StrongholdError::Denied`] for an expired or revoked token.
    pub fn look_up(&self, token: &SecretText) -> Result<TokenStatus, StrongholdError> {
        let answer = self.request(&ServerRequest {
            token: Some(token),
            ..ServerRequest::new(ServerAction::LookUpToken, "auth/token/lookup-self")
        })?;
        serde_json::from_value(answer.data.unwrap_or_default())
            .map_err(|_| self.unexpected("the response does not have the properties of a token".to_owned()))
    }

    /// Renews a token. Returns its new lifetime in seconds, or `None` if it never expires, and whether it
    /// can be renewed again.
    ///
    /// # Errors
    /// [`StrongholdError::Rejected`] for a token that is not renewable, [`StrongholdError::Denied`] for an
    /// expired or revoked one.
    pub fn renew(&self, token: &SecretText) -> Result<(Option<u64>, bool), StrongholdError> {
        let answer = self.request(&ServerRequest {
            token: Some(token),
            body: Some(json!({})),
            ..ServerRequest::new(ServerAction::RenewToken, "auth/token/renew-self")
        })?;
        answer
            .lease()
            .ok_or_else(|| self.unexpected("the response to the renewal has no lifetime".to_owned()))
    }

    /// Revokes a token.
    ///
    /// # Errors
    /// [`StrongholdError::Denied`] for an expired or revoked token.
    pub fn revoke(&self, token: &SecretText) -> Result<(), StrongholdError> {
        let response = self.send(&ServerRequest {
            token: Some(token),
            body: Some(json!({})),
            ..ServerRequest::new(ServerAction::RevokeToken, "auth/token/revoke-self")
        })?;
        match response.status() {
            200 | 204 => Ok(()),
            _ => Err(self.error_of(&response, ServerAction::RevokeToken)),
        }
    }
}
