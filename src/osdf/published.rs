//! The key of a resource beside the keys that its issuer publishes: a validator finds a key by its key ID.

use super::resource::Resource;
use super::signing::SigningError;
use crate::key::{SigningKey, VerifyingKey};
use crate::util::note::{Notes, Warning};
use crate::util::quote::quote;
use crate::verify::PublishedKeys;

/// The name of the check.
const CHECK: &str = "key-not-published";

/// Compares the key of a resource with a published key set; returns a warning if validators cannot
/// find the key.
#[must_use]
fn compare(resource: &Resource, key: &VerifyingKey, published: &[&VerifyingKey]) -> Option<Warning> {
    let is_same =
        |other: &VerifyingKey| other.public_key().is_some() && other.public_key() == key.public_key();
    let named: Vec<&&VerifyingKey> =
        published.iter().filter(|other| other.kid() == Some(resource.kid.as_str())).collect();
    if named.iter().any(|other| is_same(other)) {
        return None;
    }
    let name = quote(&resource.name);
    let kid = quote(&resource.kid);
    let message = if named.is_empty() {
        let all: Vec<String> = published.iter().filter_map(|other| other.kid()).map(quote).collect();
        let others = if all.is_empty() { String::new() } else { format!(", only {}", all.join(", ")) };
        format!(
            "{name}: spec.keyId: no published key has the key ID {kid}{others}: validators reject the token"
        )
    } else {
        format!("{name}: spec.keyId: the published key {kid} is another key: validators reject the token")
    };
    let same = published.iter().filter(|other| is_same(other)).find_map(|other| other.kid());
    let hint = same.map_or_else(
        || "publish the key: cc-jwt jwks --spec FILE --out-dir DIR".to_owned(),
        |kid| format!("this key is published as {0}: write keyId: {0}", quote(kid)),
    );
    Some(Warning { check: CHECK, message, hint: Some(hint) })
}

/// Returns the fault for which validators cannot find the key of a resource among the published keys.
///
/// # Errors
/// [`SigningError::PublishedKeys`] if the keys cannot be read.
pub fn fault(
    resource: &Resource,
    key: &SigningKey,
    published: &PublishedKeys,
    notes: &mut Notes,
) -> Result<Option<Warning>, SigningError> {
    let key = key.verifying_key();
    let name = || resource.name.clone();
    published
        .check(|published| compare(resource, &key, published), notes)
        .map_err(|source| SigningError::PublishedKeys { name: name(), source })
}

/// Checks that validators can find the key of a resource, before a token is signed with it.
///
/// # Errors
/// [`SigningError::NotPublished`], or [`SigningError::PublishedKeys`] if the keys cannot be read.
pub fn require(
    resource: &Resource,
    key: &SigningKey,
    published: &PublishedKeys,
    notes: &mut Notes,
) -> Result<(), SigningError> {
    match fault(resource, key, published, notes)? {
        None => Ok(()),
        Some(Warning { message, hint, .. }) => Err(SigningError::NotPublished { message, hint }),
    }
}
