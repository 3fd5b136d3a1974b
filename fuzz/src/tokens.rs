//! Tokens and what is in them.

use std::sync::OnceLock;

use cc_auth::key::{Algorithm, KeyStrength, PrivateKey, SigningKey, VerifyingKey};
use cc_auth::policy::pointer::look_up;
use cc_auth::token::json::{any, object};
use cc_auth::token::{
    Claims, HeaderParams, NumericDate, TokenError, TokenPart, Unverified, inspect, sign, verify,
};
use cc_auth::util::secret::SecretBytes;
use cc_auth::util::time::Timestamp;
use serde_json::Value;

use super::{clean, clean_fault, clean_warnings, same};

/// The key that signs here: of a published seed.
pub fn own_key() -> SigningKey {
    let private = PrivateKey::ed25519_from_seed(&[7; 32]).expect("a seed");
    SigningKey::private(private).expect("a key").with_kid("own")
}

struct Signed {
    keys: Vec<VerifyingKey>,
    tokens: Vec<String>,
}

/// All tokens that were ever signed with two keys whose signatures have one form only.
fn signed() -> &'static Signed {
    static SIGNED: OnceLock<Signed> = OnceLock::new();
    SIGNED.get_or_init(|| {
        let shared =
            SigningKey::hmac_secret(SecretBytes::new(vec![7; 64]), &[Algorithm::Hs256], KeyStrength::Enforce);
        let keys = [own_key(), shared.expect("an HMAC secret")];
        let mut claims = Claims::new();
        claims.set("sub", "fritz");
        claims.set("roles", vec!["api"]);
        claims.set("exp", 4_000_000_000_i64);
        let tokens = keys
            .iter()
            .map(|key| sign(&HeaderParams::for_key(key), &claims, key).expect("a token").expose().to_owned());
        Signed { tokens: tokens.collect(), keys: keys.iter().map(SigningKey::verifying_key).collect() }
    })
}

/// A token: inspection and verification agree, and nothing verifies but what was signed, to the
/// last byte.
pub fn token(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let seen = inspect(text);
    clean_warnings(&seen.warnings);
    let token = match Unverified::parse(text) {
        Ok(token) => token,
        Err(error) => {
            clean_fault(&error);
            assert!(seen.unproven().is_none());
            assert_eq!(seen.refusal, Some(error));
            return;
        }
    };
    assert_eq!(seen.refusal, None, "read, but inspection would refuse it");
    let was_signed = signed().tokens.iter().any(|known| known == text);
    match verify(token, &signed().keys) {
        Ok(verified) => {
            assert!(was_signed, "forged: {text}");
            let (header, claims) = seen.unproven().expect("it was read");
            assert_eq!((verified.header(), verified.claims()), (header, claims));
        }
        Err(error) => {
            assert!(!was_signed, "{error}");
            clean_fault(&error);
        }
    }
}

/// Claims: what the strict reader takes, every reader of JSON takes in the same way; what it
/// refuses alone is a duplicate member, or too deep a nesting.
pub fn claims(data: &[u8]) {
    let theirs: Option<Value> = serde_json::from_slice(data).ok();
    let members = match object(data, TokenPart::Claims) {
        Ok(members) => members,
        Err(error) => {
            clean_fault(&error);
            let ours = matches!(error, TokenError::Duplicate { .. } | TokenError::TooDeep(_));
            assert!(ours || !theirs.is_some_and(|value| value.is_object()), "{error}");
            return;
        }
    };
    let ours = Value::Object(members.clone());
    assert_eq!(theirs.as_ref(), Some(&ours));
    let text = std::str::from_utf8(data).expect("it was JSON");
    assert_eq!(any(text), Ok((ours.clone(), Vec::new())));
    let printed = serde_json::to_vec(&members).expect("JSON");
    assert!(same(&Value::Object(object(&printed, TokenPart::Claims).expect("JSON")), &ours));
    let now = Timestamp(1_700_000_000);
    for (name, value) in &members {
        if let Ok(date) = NumericDate::read("exp", value) {
            clean(&date.instant().rfc3339());
            clean(&date.instant().human(now));
        }
        if !name.starts_with('/') {
            assert_eq!(look_up(&members, name), Some(value).filter(|value| !value.is_null()));
        }
    }
    let claims = Claims::from(members);
    let texts = (claims.audiences().len(), claims.roles().len());
    assert!(texts.0 <= data.len() && texts.1 <= data.len());
}
