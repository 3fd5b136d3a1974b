//! Sets of verifying keys: a JWKS (RFC 7517 5) or the configured keys.

use super::error::KeyError;
use super::jwk::{Jwk, not_json, note_repairs, without_mark};
use super::public::KeyStrength;
use super::verifying::VerifyingKey;
use crate::util::count::{counted, one_or};
use crate::util::json::{self, JsonNode};
use crate::util::note::Notes;

/// The maximum number of skipped or repaired keys that are listed individually.
const SHOWN_KEYS: usize = 20;

/// Verifying keys in their original order.
#[derive(Debug, Clone, Default)]
pub struct KeySet(Vec<VerifyingKey>);

impl KeySet {
    /// Creates an empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self(Vec::new())
    }

    /// Parses a JWKS.
    ///
    /// A key that is unknown, malformed, symmetric (`oct`), private or not for signatures is skipped
    /// with a warning (RFC 7517 5: implementations should ignore it). A public key whose `use` is `enc` is
    /// skipped without one.
    ///
    /// # Errors
    /// [`KeyError::Json`]; [`KeyError::JwkMissing`] or [`KeyError::JwkType`] if the text is not a JWKS.
    pub fn from_json(text: &str, weak: KeyStrength, notes: &mut Notes) -> Result<Self, KeyError> {
        let mut set = Self::new();
        let mut skipped = 0_usize;
        let mut repaired = 0_usize;
        for (at, jwk) in jwks(text)?.iter().enumerate() {
            let mut repairs = Vec::new();
            let place = || {
                let name = jwk.kid_for_message().unwrap_or_else(|| "without kid".to_owned());
                format!("key {} ({name}) of the set", at + 1)
            };
            match jwk.verifying_key_with(weak, &mut repairs) {
                Ok(key) => {
                    set.add(key);
                    repaired += usize::from(!repairs.is_empty());
                    if repaired <= SHOWN_KEYS {
                        note_repairs(&place(), &repairs, notes);
                    }
                }
                // Many providers publish such a key beside the others, for encrypted requests to them.
                Err(error) if jwk.is_for_encryption() && !jwk.is_secret() => {
                    log::info!("{} is skipped: {error}", place());
                }
                Err(error) => {
                    skipped += 1;
                    if skipped <= SHOWN_KEYS {
                        notes.warn("key-skipped", format!("{} is skipped: {error}", place()));
                    }
                }
            }
        }
        for (count, what) in [(skipped, "skipped"), (repaired, "accepted in another spelling")] {
            if count > SHOWN_KEYS {
                notes.warn("key-skipped", {
                    let more = count - SHOWN_KEYS;
                    format!("{} of the set {} {what}", counted(more, "more key"), one_or(more, "is", "are"))
                });
            }
        }
        Ok(set)
    }

    /// Adds a key.
    pub fn add(&mut self, key: VerifyingKey) {
        self.0.push(key);
    }

    /// Returns the keys in order.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.0
    }

    /// Returns whether the set is empty.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the number of keys.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns the keys with exactly this key ID; several keys may share one (RFC 7517 4.5).
    pub fn with_kid<'a>(&'a self, kid: &'a str) -> impl Iterator<Item = &'a VerifyingKey> {
        self.0.iter().filter(move |key| key.kid() == Some(kid))
    }
}

/// Parses the JWKs of a set in order, without validating them.
///
/// # Errors
/// Same as [`KeySet::from_json`].
pub fn jwks(text: &str) -> Result<Vec<Jwk>, KeyError> {
    let JsonNode::Object(members) =
        json::all_members(without_mark(text)).map_err(|error| not_json(&error))?
    else {
        return Err(KeyError::WrongType {
            found: "JSON that is not an object".into(),
            expected: "a JWK set, an object with the member 'keys'",
        });
    };
    let mut found = members.into_iter().filter(|(name, _)| name == "keys").map(|(_, value)| value);
    match (found.next(), found.next()) {
        (_, Some(_)) => Err(KeyError::JwkDuplicateMember("'keys'".into())),
        (None | Some(JsonNode::Null), None) => Err(KeyError::JwkMissing("keys")),
        (Some(JsonNode::Array(keys)), None) => Ok(keys.into_iter().map(Jwk::from).collect()),
        (Some(other), None) => {
            Err(KeyError::JwkType { name: "keys", found: other.kind(), expected: "an array of JWKs" })
        }
    }
}

/// Parses the JWKs of a set that are private keys or HMAC secrets.
///
/// # Errors
/// Same as [`KeySet::from_json`].
pub(super) fn private_keys(text: &str) -> Result<Vec<Jwk>, KeyError> {
    Ok(jwks(text)?.into_iter().filter(Jwk::is_secret).collect())
}

impl FromIterator<VerifyingKey> for KeySet {
    fn from_iter<I: IntoIterator<Item = VerifyingKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

/// Writes a JWKS from serialized JWKs.
#[must_use]
pub fn write<'a>(jwks: impl IntoIterator<Item = &'a str>) -> String {
    let jwks: Vec<&str> = jwks.into_iter().collect();
    format!("{{\"keys\":[{}]}}", jwks.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_of_many_skipped_keys_lists_some_and_counts_the_rest() {
        let mut notes = Notes::new();
        let text = format!("{{\"keys\":[{}0]}}", "0,".repeat(100_000));
        assert!(KeySet::from_json(&text, KeyStrength::Enforce, &mut notes).unwrap().is_empty());
        assert_eq!(notes.iter().count(), SHOWN_KEYS + 1);
        assert!(notes.iter().any(|note| note.text == "99981 more keys of the set are skipped"));
    }

    #[test]
    fn key_for_encryption_is_skipped_without_warning() {
        let read = |key: &str| {
            let mut notes = Notes::new();
            let set = KeySet::from_json(&format!("{{\"keys\":[{key}]}}"), KeyStrength::Enforce, &mut notes);
            assert!(set.unwrap().is_empty(), "{key}");
            notes.iter().count()
        };
        assert_eq!(read(r#"{"kty":"RSA","use":"enc","alg":"RSA-OAEP","n":"x","e":"AQAB"}"#), 0);
        assert_eq!(read(r#"{"kty":"OKP","crv":"X25519","use":"enc","x":"x"}"#), 0);
        // A published private key, and a key without a purpose, remain a warning.
        assert_eq!(read(r#"{"kty":"RSA","use":"enc","n":"x","e":"AQAB","d":"x"}"#), 1);
        assert_eq!(read(r#"{"kty":"OKP","crv":"X25519","x":"x"}"#), 1);
    }

    #[test]
    fn a_key_with_very_many_members_costs_no_more_than_its_length() {
        let members: String = (0..150_000).map(|number| format!("\"{number:06}\":0,")).collect();
        let text = format!("{{\"keys\":[{{{members}\"kty\":\"x\"}}]}}");
        let begun = std::time::Instant::now();
        assert!(KeySet::from_json(&text, KeyStrength::Enforce, &mut Notes::new()).unwrap().is_empty());
        // A linear search over all members for each member took minutes.
        assert!(begun.elapsed().as_secs() < 20, "{:?}", begun.elapsed());
    }

    #[test]
    fn text_that_is_not_a_set_is_rejected_with_its_cause() {
        for (text, error) in [
            ("{}", KeyError::JwkMissing("keys")),
            (r#"{"keys":[],"keys":[]}"#, KeyError::JwkDuplicateMember("'keys'".into())),
        ] {
            assert_eq!(
                KeySet::from_json(text, KeyStrength::Enforce, &mut Notes::new()).err(),
                Some(error),
                "{text}"
            );
        }
        for text in ["5", "\"keys\"", "null", "[]", "[5]", "[[]]", r#"[[{"kty":"OKP"}]]"#] {
            let error = KeySet::from_json(text, KeyStrength::Enforce, &mut Notes::new()).err();
            assert!(matches!(error, Some(KeyError::WrongType { .. })), "{text}: {error:?}");
        }
        // The text ends after the value of a wrong type.
        for text in ["", "{", r#"{"keys":5,"#, r#"{"keys":[5"#] {
            let error = KeySet::from_json(text, KeyStrength::Enforce, &mut Notes::new()).err();
            assert!(matches!(error, Some(KeyError::Json(_))), "{text}: {error:?}");
        }
    }
}
