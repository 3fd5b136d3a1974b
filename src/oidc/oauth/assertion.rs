//! Client authentication with a signed assertion (RFC 7523 2.2, OpenID Connect Core 9).

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};

use crate::key::{KeyError, SigningKey};
use crate::token::{Claims, HeaderParams, SignError, sign};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// The lifetime of an assertion, in seconds.
const LIFETIME: i64 = 60;

/// The `client_assertion_type` of a JWT.
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Signs an assertion of a client for a provider: `iss` and `sub` are the client ID, `aud` is the issuer of the
/// provider, and `jti` is new, because a provider accepts an assertion once.
///
/// # Errors
/// [`SignError`]; [`KeyError::NoRandom`] without random numbers of the system.
pub(super) fn sign_assertion(
    client_id: &str,
    issuer: &str,
    key: &SigningKey,
    now: Timestamp,
) -> Result<SecretText, SignError> {
    let mut random = [0_u8; 16];
    getrandom::fill(&mut random).map_err(|_| KeyError::NoRandom)?;
    let mut claims = Map::<String, Value>::new();
    for (name, value) in [
        ("iss", json!(client_id)),
        ("sub", json!(client_id)),
        ("aud", json!(issuer)),
        ("jti", json!(URL_SAFE_NO_PAD.encode(random))),
        ("iat", json!(now.0)),
        ("exp", json!(now.0 + LIFETIME)),
    ] {
        claims.insert(name.to_owned(), value);
    }
    sign(&HeaderParams::for_key(key), &Claims::from(claims), key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::{Algorithm, PrivateKey};
    use crate::token::inspect;

    #[test]
    fn assertion_names_the_client_and_the_issuer_for_a_minute_once() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let key = SigningKey::private(PrivateKey::generate(algorithm).unwrap()).unwrap().with_kid("k");
            let assertion = || sign_assertion("cc", "https://idp.example", &key, Timestamp(1_000)).unwrap();
            let seen = inspect(assertion().expose());
            let (header, claims) = seen.unproven().unwrap();
            assert_eq!((header.algorithm(), header.key_id()), (algorithm.name(), Some("k")));
            let text = |name: &str| claims.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
            assert_eq!([text("iss"), text("sub"), text("aud")], ["cc", "cc", "https://idp.example"]);
            let number = |name: &str| claims.get(name).and_then(Value::as_i64);
            assert_eq!((number("iat"), number("exp")), (Some(1_000), Some(1_060)));
            let other = inspect(assertion().expose());
            assert!(text("jti").len() > 20 && other.unproven().unwrap().1.get("jti") != claims.get("jti"));
        }
    }
}
