//! The UserInfo endpoint (OpenID Connect Core 5.3).

use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::error::{OauthError, check_status};
use super::provider::Provider;
use crate::oidc::discovery::ProviderEndpoint;
use crate::util::secret::SecretText;

/// A UserInfo response.
#[derive(Debug, Clone)]
pub enum Userinfo {
    /// The claims without a signature.
    Plain(Map<String, Value>),
    /// A signed token (OpenID Connect Core 5.3.2), not yet verified.
    Signed(SecretText),
}

impl Provider<'_> {
    /// Fetches the claims about the user of an access token.
    ///
    /// # Errors
    /// [`OauthError`].
    pub fn userinfo(&self, access_token: &SecretText) -> Result<Userinfo, OauthError> {
        const WHAT: &str = "the UserInfo request";
        let endpoint = self.discovery.need(ProviderEndpoint::Userinfo, self.http)?;
        let bearer = Zeroizing::new(format!("Bearer {}", access_token.expose()));
        let headers =
            [("authorization", bearer.as_str()), ("accept", "application/json, application/jwt;q=0.5")];
        let answer = check_status(WHAT, None, [None; 2], self.http.get(&endpoint, &headers)?)?;
        if answer.media_type() != "application/jwt" {
            return Ok(Userinfo::Plain(answer.json()?));
        }
        match std::str::from_utf8(answer.body()) {
            Ok(token) => Ok(Userinfo::Signed(SecretText::new(token.trim().to_owned()))),
            Err(_) => Err(OauthError::InvalidResponse { what: WHAT, why: "it is not UTF-8".to_owned() }),
        }
    }
}
