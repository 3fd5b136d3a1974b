//! Signing of a resource: key lookup, claims, signature.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::lint;
use super::location::{FieldPath, ResourceError, SourceName};
use super::resource::{Resource, ResourceKeySource};
use crate::key::{KeyError, SigningKey, published};
use crate::token::{self, Claims, HeaderParams, SignError};
use crate::util::diagnostic::{Diagnostic as _, diagnostics};
use crate::util::environment::Environment;
use crate::util::file::{self, FileContents, FileError, SETTINGS_LIMIT};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;
use crate::verify::{PublishedKeys, PublishedKeysError};

/// The number of seconds by which `nbf` precedes `iat`, to tolerate clock skew.
const BEFORE: i64 = 60;

/// The sources of signing keys.
#[derive(Debug, Clone, Copy)]
pub struct SigningContext<'a> {
    /// The environment variables of the process, for `env`.
    pub environment: &'a Environment,
    /// The directory in which Secrets and ConfigMaps are mounted: `DIR/NAME/KEY`.
    pub secrets_dir: Option<&'a Path>,
    /// The directory to which `file` is relative: the resource's own.
    pub directory: &'a Path,
    /// The key set that the issuer publishes. A key that is not in it does not sign.
    pub published: Option<&'a PublishedKeys>,
}

impl<'a> SigningContext<'a> {
    /// The sources without mounted Secrets and without published keys.
    #[must_use]
    pub const fn new(environment: &'a Environment, directory: &'a Path) -> Self {
        Self { environment, secrets_dir: None, directory, published: None }
    }
}

/// Why a token cannot be signed.
#[derive(Debug, thiserror::Error)]
pub enum SigningError {
    /// A Secret without a directory of Secrets.
    #[error("{}: spec.key.{field}: no directory to look for {} in", escape(&.origin.0), quote(.name))]
    NoSecretsDir {
        /// The resource's file.
        origin: SourceName,
        /// The field that names it.
        field: &'static str,
        /// The Secret's name.
        name: String,
    },
    /// A variable that is not set.
    #[error("{}: spec.key.env: the variable {} is not set", escape(&.origin.0), quote(.name))]
    NoVariable {
        /// The resource's file.
        origin: SourceName,
        /// The variable.
        name: String,
    },
    /// A key file that cannot be read.
    #[error("{}: spec.key: {source}", escape(&.origin.0))]
    File {
        /// The resource's file.
        origin: SourceName,
        /// What is wrong.
        source: FileError,
    },
    /// An invalid key, or a key that does not support the algorithm.
    #[error("{place}: {source}")]
    Key {
        /// The place of the key.
        place: String,
        /// What is wrong with it.
        source: KeyError,
    },
    /// Signing failed.
    #[error("{}: {source}", escape(&.origin.0))]
    Sign {
        /// The resource's file.
        origin: SourceName,
        /// What went wrong.
        source: SignError,
    },
    /// Validators cannot find the key among the published keys.
    #[error("{message}")]
    NotPublished {
        /// The resource and the fault.
        message: String,
        /// The next thing to do.
        hint: Option<String>,
    },
    /// The published keys cannot be read.
    #[error("{}: {source}", quote(.name))]
    PublishedKeys {
        /// The resource's name.
        name: String,
        /// What is wrong.
        source: PublishedKeysError,
    },
    /// The system gave no random bytes for `jti`.
    #[error("the system gave no random bytes: {0}")]
    Random(getrandom::Error),
}

diagnostics! { SigningError:
    Self::NoSecretsDir { .. } => Kind::SecretsDirMissing,
        "give --secrets-dir DIR; the key is then DIR/NAME/KEY";
    Self::NoVariable { .. } => Kind::VariableMissing;
    Self::File { source, .. } => source.kind(), source.hint();
    Self::Key { source, .. } => source.kind(), source.hint();
    Self::Sign { source, .. } => source.kind(), source.hint();
    Self::NotPublished { hint, .. } => Kind::KeyNotPublished, hint.clone();
    Self::PublishedKeys { source, .. } => source.kind(), source.hint();
    Self::Random(_) => Kind::RandomUnavailable;
}

/// Returns the key file of a resource, if the key is in a file; used to detect changes.
#[must_use]
pub fn key_file(resource: &Resource, around: &SigningContext<'_>) -> Option<PathBuf> {
    match &resource.key {
        ResourceKeySource::File(path) => Some(around.directory.join(path)),
        ResourceKeySource::Mounted { name, key, .. } => {
            around.secrets_dir.map(|directory| directory.join(name).join(key))
        }
        ResourceKeySource::Value(_) | ResourceKeySource::Env(_) => None,
    }
}

/// Reads the key of a resource with the key ID `keyId`, restricted to the algorithm of the
/// resource.
///
/// # Errors
/// [`SigningError`], except those of the published keys, `Sign` and `Random`.
pub fn find_key(
    resource: &Resource,
    around: &SigningContext<'_>,
    notes: &mut Notes,
) -> Result<SigningKey, SigningError> {
    let origin = || resource.source.clone();
    let field = FieldPath::root().member("spec").member("key");
    let (place, text) = match &resource.key {
        ResourceKeySource::Value(text) => {
            let path = field.member("value");
            let line = resource.line_of(&path);
            let place = if line > 0 { format!(":{line}") } else { String::new() };
            (format!("{}{place}: {}", escape(&resource.source.0), path.as_str()), text.clone())
        }
        ResourceKeySource::Env(name) => {
            let Some(text) = around.environment.non_empty(name) else {
                return Err(SigningError::NoVariable { origin: origin(), name: name.clone() });
            };
            (escape(name), SecretText::new(with_line_ends(text)))
        }
        ResourceKeySource::Mounted { field, name, .. } if around.secrets_dir.is_none() => {
            return Err(SigningError::NoSecretsDir { origin: origin(), field, name: name.clone() });
        }
        ResourceKeySource::Mounted { .. } | ResourceKeySource::File(_) => {
            let path = key_file(resource, around).unwrap_or_default();
            // Kubernetes mounts files with group read permission, so permissions are not checked.
            let contents = if matches!(resource.key, ResourceKeySource::File(_)) {
                FileContents::Secret
            } else {
                FileContents::Public
            };
            let text = file::read_named_text(&path, SETTINGS_LIMIT, contents, notes)
                .map_err(|source| SigningError::File { origin: origin(), source })?;
            (escape(&path.to_string_lossy()), SecretText::new(text))
        }
    };
    read_key(resource, place, &text, notes)
}

/// Reads a resource's key from its PEM text: named by `keyId`, and for the resource's algorithm only.
/// `place` is where the text was found, for messages.
///
/// # Errors
/// [`SigningError::Key`] when it is not a private key, or not a key for the algorithm.
pub fn read_key(
    resource: &Resource,
    place: String,
    text: &SecretText,
    notes: &mut Notes,
) -> Result<SigningKey, SigningError> {
    let wrong = |source| SigningError::Key { place: place.clone(), source };
    let key = SigningKey::from_pem(text, notes).map_err(wrong)?;
    let key = key.with_kid(&resource.kid);
    if let Some(why) = key.verifying_key().why_not(resource.algorithm) {
        return Err(wrong(why));
    }
    if let Some(source) = key.verifying_key().public_key().and_then(published) {
        notes.warn_with(
            "key-compromised",
            format!("{place}: this is {source}, whose private key is published"),
            "make a key of your own: gen-keypair --algorithm es256 --format pem -o DIR",
        );
    }
    Ok(key.restrict(&[resource.algorithm]))
}

/// Replaces `\n` escapes in a PEM text from an environment variable with line ends.
fn with_line_ends(text: &str) -> String {
    if text.contains('\n') { text.to_owned() } else { text.replace("\\n", "\n") }
}

/// A signed token and its claims.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedToken {
    /// The token.
    pub token: SecretText,
    /// Its `iat`.
    pub issued_at: Timestamp,
    /// Its `exp`.
    pub expires_at: Timestamp,
    /// Its `jti`.
    pub jti: String,
}

/// Signs the token of a resource with `now` as `iat`.
///
/// # Errors
/// [`SigningError::Sign`] or `Random`.
pub fn sign(resource: &Resource, key: &SigningKey, now: Timestamp) -> Result<SignedToken, SigningError> {
    let id = token_id().map_err(SigningError::Random)?;
    let header = HeaderParams {
        algorithm: resource.algorithm,
        typ: "JWT".to_owned(),
        kid: Some(resource.kid.clone()),
    };
    let claims = Claims::from(payload(resource, now, &id));
    let token = token::sign(&header, &claims, key)
        .map_err(|source| SigningError::Sign { origin: resource.source.clone(), source })?;
    Ok(SignedToken { token, issued_at: now, expires_at: now.plus_seconds(resource.lifetime), jti: id })
}

/// Returns the claims of the token at `now`: the data of the resource and the claims that differ in
/// each token.
#[must_use]
pub fn payload(resource: &Resource, now: Timestamp, id: &str) -> Map<String, Value> {
    let mut payload = resource.data.clone();
    payload.insert("iss".to_owned(), resource.issuer.as_str().into());
    payload.insert("iat".to_owned(), now.0.into());
    payload.insert("nbf".to_owned(), now.plus_seconds(-BEFORE).0.into());
    payload.insert("exp".to_owned(), now.plus_seconds(resource.lifetime).0.into());
    payload.insert("jti".to_owned(), id.into());
    payload
}

/// Returns the violations of the profile as warnings; with `strict` they are errors.
///
/// # Errors
/// All violations, if `strict` is set.
pub fn lint(
    resource: &Resource,
    now: Timestamp,
    strict: bool,
    notes: &mut Notes,
) -> Result<(), Vec<ResourceError>> {
    let remarks = lint::remarks(resource, &payload(resource, now, "0"));
    if strict && !remarks.is_empty() {
        return Err(remarks);
    }
    if let Some(note) = lint::write_note(resource) {
        notes.note(note);
    }
    for remark in remarks {
        match remark.hint() {
            Some(hint) => notes.warn_with("resource", remark.to_string(), hint),
            None => notes.warn("resource", remark.to_string()),
        }
    }
    Ok(())
}

/// A random UUID (RFC 9562 5.4).
fn token_id() -> Result<String, getrandom::Error> {
    let mut bytes = [0_u8; 16];
    getrandom::fill(&mut bytes)?;
    let random = u128::from_be_bytes(bytes);
    let uuid =
        (random & !(0xf000_u128 << 64) & !(0xc000_u128 << 48)) | (0x4000_u128 << 64) | (0x8000_u128 << 48);
    let hex = format!("{uuid:032x}");
    Ok([&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_id_is_a_random_uuid() {
        let (one, other) = (token_id().unwrap(), token_id().unwrap());
        assert_ne!(one, other);
        assert_eq!(one.len(), 36);
        assert_eq!(one.as_bytes()[14], b'4', "{one}");
        assert!(b"89ab".contains(&one.as_bytes()[19]), "{one}");
    }
}
