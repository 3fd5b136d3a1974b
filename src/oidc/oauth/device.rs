//! Device authorization (RFC 8628).

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::error::{DEVICE_AUTHORIZATION as WHAT, OauthError};
use super::pkce;
use super::provider::{Grant, Provider, SecretString, TokenResponse};
use crate::http::parse_url;
use crate::oidc::discovery::ProviderEndpoint;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The maximum lifetime of a device code in seconds, regardless of the provider's response: one day.
const MAX_LIFETIME: u64 = 86_400;

/// A pending device authorization (RFC 8628 3.2).
#[derive(Debug, Clone)]
pub struct DeviceAuthorization {
    code: SecretText,
    verifier: Option<SecretText>,
    /// The code that the user types.
    pub user_code: String,
    /// The URL of the page where the user types the code.
    pub verification_uri: Url,
    /// The URL that contains the code, for a QR code.
    pub verification_uri_complete: Option<Url>,
    /// The lifetime of the code, at most one day.
    pub expires_in: Duration,
    /// The time between two requests, from one second to one day.
    pub interval: Duration,
}

/// The state of a device authorization.
#[derive(Debug)]
pub enum DevicePoll {
    /// The user has not logged in yet.
    Pending,
    /// The interval between requests must increase by 5 seconds (RFC 8628 3.5).
    SlowDown,
    /// The user has logged in.
    Tokens(TokenResponse),
}

#[derive(Deserialize)]
struct DeviceBody {
    device_code: SecretString,
    user_code: String,
    #[serde(alias = "verification_url")]
    verification_uri: String,
    #[serde(default)]
    verification_uri_complete: Option<String>,
    #[serde(default, deserialize_with = "seconds")]
    expires_in: Option<u64>,
    #[serde(default, deserialize_with = "seconds")]
    interval: Option<u64>,
}

/// Deserializes a number of seconds, which some providers send as a string or with a fraction; Go
/// accepts these as well.
fn seconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    use serde::de::Error as _;
    let invalid = || D::Error::custom("expected a number of seconds");
    let text = match Value::deserialize(deserializer)? {
        Value::Null => return Ok(None),
        Value::Number(number) => number.to_string(),
        Value::String(text) => text.trim().to_owned(),
        _ => return Err(invalid()),
    };
    if let Ok(seconds) = text.parse() {
        return Ok(Some(seconds));
    }
    let number: f64 = text.parse().map_err(|_| invalid())?;
    // A number above the limit saturates.
    match number {
        0.0..1e15 => Ok(text.split('.').next().and_then(|whole| whole.parse().ok()).or(Some(0))),
        _ if number.is_finite() && number >= 1e15 => Ok(Some(u64::MAX)),
        _ => Err(invalid()),
    }
}

impl Provider<'_> {
    /// Starts a device authorization. With a `verifier`, the tokens are bound to it by PKCE, which a provider
    /// can require for this grant too. RFC 8628 does not mention it, so only a provider that lists the method
    /// gets it.
    ///
    /// # Errors
    /// [`OauthError`]; [`MissingEndpoint`](crate::oidc::discovery::DiscoveryError::MissingEndpoint) if the
    /// provider does not have the endpoint.
    pub fn begin_device(
        &self,
        scopes: &[String],
        extra: &[(String, String)],
        verifier: Option<SecretText>,
    ) -> Result<DeviceAuthorization, OauthError> {
        let endpoint = self.discovery.need(ProviderEndpoint::DeviceAuthorization, self.http)?;
        let scope = scopes.join(" ");
        let challenge = verifier.as_ref().map(pkce::challenge);
        let mut form = vec![("scope", scope.as_str())];
        if let Some(challenge) = &challenge {
            form.extend([("code_challenge", challenge.as_str()), ("code_challenge_method", "S256")]);
        }
        form.extend(extra.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        let answer: DeviceBody = self.authenticated(WHAT, None, &endpoint, &form)?.secret_json()?;
        let invalid = |why: String| OauthError::InvalidResponse { what: WHAT, why };
        let url_of = |text: &str| {
            let url = parse_url(text).map_err(|error| invalid(error.to_string()))?;
            self.http.check(&url).map_err(|error| invalid(error.to_string()))?;
            if !self.discovery.permits(&url) {
                return Err(invalid(format!(
                    "{} is plain http, but the issuer uses https",
                    quote(url.as_str())
                )));
            }
            Ok::<_, OauthError>(url)
        };
        if answer.user_code.is_empty() || answer.device_code.0.is_empty() {
            return Err(invalid("it does not have a code".to_owned()));
        }
        Ok(DeviceAuthorization {
            verification_uri: url_of(&answer.verification_uri)?,
            verification_uri_complete: answer.verification_uri_complete.as_deref().map(url_of).transpose()?,
            code: answer.device_code.0,
            verifier,
            user_code: answer.user_code,
            // RFC 8628 3.2 requires it; for Go, a code without one does not expire.
            expires_in: Duration::from_secs(answer.expires_in.unwrap_or(MAX_LIFETIME).min(MAX_LIFETIME)),
            // RFC 8628 3.2: the default is 5 seconds. A shorter interval than one second would flood
            // the provider.
            interval: Duration::from_secs(answer.interval.unwrap_or(5).clamp(1, MAX_LIFETIME)),
        })
    }

    /// Requests the state of a device authorization from the token endpoint.
    ///
    /// # Errors
    /// [`OauthError`]; `access_denied` and `expired_token` are [`OauthError::ErrorResponse`].
    pub fn poll_device(&self, device: &DeviceAuthorization) -> Result<DevicePoll, OauthError> {
        let grant = Grant::Device { code: &device.code, verifier: device.verifier.as_ref() };
        match self.tokens("the device code", grant) {
            Ok(tokens) => Ok(DevicePoll::Tokens(tokens)),
            Err(OauthError::ErrorResponse { refusal, .. }) if refusal.code == "authorization_pending" => {
                Ok(DevicePoll::Pending)
            }
            Err(OauthError::ErrorResponse { refusal, .. }) if refusal.code == "slow_down" => {
                Ok(DevicePoll::SlowDown)
            }
            Err(error) => Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_are_read_from_numbers_and_strings_like_in_go() {
        let read = |value: Value| {
            let answer = serde_json::json!({
                "device_code": "d", "user_code": "u", "verification_uri": "v", "expires_in": value,
            });
            serde_json::from_value::<DeviceBody>(answer).map(|answer| answer.expires_in).ok()
        };
        for (value, expected) in [
            (serde_json::json!(900), Some(Some(900))),
            (serde_json::json!("900"), Some(Some(900))),
            (serde_json::json!(" 900 "), Some(Some(900))),
            (serde_json::json!(900.7), Some(Some(900))),
            (serde_json::json!("900.0"), Some(Some(900))),
            (serde_json::json!(u64::MAX), Some(Some(u64::MAX))),
            (serde_json::json!(1e300), Some(Some(u64::MAX))),
            (serde_json::json!(null), Some(None)),
            (serde_json::json!("soon"), None),
            (serde_json::json!(""), None),
            (serde_json::json!(-1), None),
            (serde_json::json!("NaN"), None),
            (serde_json::json!("inf"), None),
            (serde_json::json!([900]), None),
        ] {
            assert_eq!(read(value.clone()), expected, "{value}");
        }
    }
}
