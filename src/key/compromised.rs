//! Compromised keys: sample keys whose private key is published.

use super::encoding::{decode_url, encode_url};
use super::public::PublicKey;
use super::verifying::VerifyingKey;

/// The public key in base64url (for an EC key, its x coordinate), and where the key pair was published.
const PUBLISHED: [(&str, &str); 2] = [
    ("kzfYrYy-TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0", "the sample key of ClusterCockpit's template"),
    ("dN_1YF8Q1BGJdmL9zWDMi5D-2Nfc6iAAXXFvA88HPEk", "the example key of OSDF's documentation"),
];

/// Returns the sample key of ClusterCockpit's template.
#[must_use]
pub fn template_key() -> Option<VerifyingKey> {
    let bytes = decode_url(PUBLISHED[0].0, "sample key").ok()?;
    PublicKey::ed25519(&bytes).ok().map(VerifyingKey::public)
}

/// Returns where the private key of this key was published, or `None` if no publication is known.
#[must_use]
pub fn published(key: &PublicKey) -> Option<&'static str> {
    let bytes = match key.coordinates() {
        Some((x, _)) => x,
        None => key.ed25519_bytes().ok()?,
    };
    let text = encode_url(bytes);
    PUBLISHED.iter().find(|(known, _)| *known == text.as_str()).map(|(_, place)| *place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::verifying::server_base64;

    #[test]
    fn the_samples_are_known_and_others_are_not() {
        let sample = server_base64("kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=").unwrap();
        assert!(published(&sample).is_some_and(|place| place.contains("ClusterCockpit")));
        let osdf = crate::key::Jwk::parse(
            r#"{"kty":"EC","crv":"P-256","x":"dN_1YF8Q1BGJdmL9zWDMi5D-2Nfc6iAAXXFvA88HPEk",
                "y":"TfnjsR8tJg9coKogvNvmTAU6rfZeXZ-iRaXdgGsD4uw"}"#,
        );
        let osdf = osdf.unwrap().verifying_key(crate::key::KeyStrength::Enforce).unwrap();
        assert!(published(osdf.public_key().unwrap()).is_some_and(|place| place.contains("OSDF")));
        assert_eq!(template_key().unwrap().public_key(), Some(&sample));
        let other = server_base64("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
        assert_eq!(published(&other), None);
    }
}
