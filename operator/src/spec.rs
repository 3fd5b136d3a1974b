//! From a stored resource to a checked one: the library reads `spec`, the cluster's own rules follow.

use cc_auth::osdf::{Resource, ResourceKeySource, SourceName, reader};
use cc_auth::util::note::{Level, Notes};
use cc_auth::util::secret::SecretText;
use serde_json::{Value, json};

use crate::jwt::{Jwt, KeyKind};
use crate::problem::{Problem, Reason};

/// Renewal this close to the expiry, in seconds, can be too late for pods: the kubelet needs 60 to 90
/// seconds to bring a changed Secret into them.
const SHORT_RESIGN_BEFORE: i64 = 300;

/// A resource that the library accepts, and where its key is.
pub struct CheckedSpec {
    /// The library's form.
    pub resource: Resource,
    /// Where the key is.
    pub key: KeyLocation,
    /// What a person should look at, without effect on the token.
    pub warnings: Vec<String>,
}

/// Where the signing key is.
pub enum KeyLocation {
    /// In the resource.
    Value(SecretText),
    /// In an object of the same namespace.
    Object {
        /// Its kind.
        kind: KeyKind,
        /// Its name.
        name: String,
        /// The member that holds the key.
        member: String,
    },
}

impl KeyLocation {
    /// The place, for messages.
    pub fn place(&self) -> String {
        match self {
            Self::Value(_) => "spec.key.value".to_owned(),
            Self::Object { kind, name, member } => format!("{} '{name}', member '{member}'", kind.name()),
        }
    }
}

/// Reads `spec` with the library and applies the rules that hold in a cluster only.
///
/// # Errors
/// `SpecInvalid` or `KeyNamespaceForbidden`.
pub fn check(jwt: &Jwt) -> Result<CheckedSpec, Problem> {
    let text = json!({
        "apiVersion": reader::API_VERSION,
        "kind": "JWT",
        "metadata": {"name": jwt.name(), "namespace": jwt.namespace(), "labels": jwt.metadata.labels},
        "spec": &jwt.spec.0,
    })
    .to_string();
    let text = zeroize::Zeroizing::new(text);
    let source = SourceName(format!("JWT {}", jwt.name()));
    let mut notes = Notes::new();
    let invalid = |message: String| Problem::new(Reason::SpecInvalid, message);
    let mut resources = reader::read(&text, &source, &[], &mut notes).map_err(|errors| {
        let list: Vec<String> =
            errors.iter().map(|error| format!("{}: {}", error.path.shown(), error.error)).collect();
        invalid(list.join("; "))
    })?;
    let Some(resource) = resources.pop() else { return Err(invalid("spec: missing".to_owned())) };
    let mut warnings: Vec<String> = notes
        .into_iter()
        .filter(|note| note.level != Level::Note)
        .map(|note| without_source(&note.text, &source))
        .collect();
    let key = key_location(jwt, &resource)?;
    if matches!(key, KeyLocation::Value(_)) {
        warnings.push(
            "spec.key.value: everyone who can read this resource can read the private key: use spec.key.secret"
                .to_owned(),
        );
    }
    if resource.resign_before.is_some_and(|seconds| seconds < SHORT_RESIGN_BEFORE) {
        warnings.push(
            "spec.resignBefore: less than 5 minutes: pods receive a changed Secret only after 60 to 90 seconds"
                .to_owned(),
        );
    }
    Ok(CheckedSpec { resource, key, warnings })
}

/// A warning of the library without the name of its source, which is the object the message belongs to.
pub fn without_source(text: &str, source: &SourceName) -> String {
    let text = text.strip_prefix(&source.0).unwrap_or(text);
    let text = text.trim_start_matches(|c: char| c == ':' || c.is_ascii_digit());
    text.trim_start().to_owned()
}

fn key_location(jwt: &Jwt, resource: &Resource) -> Result<KeyLocation, Problem> {
    let not_here = |member: &str| {
        Err(Problem::new(
            Reason::SpecInvalid,
            format!("spec.key.{member}: not available in a cluster: use secret, configMap or value"),
        ))
    };
    match &resource.key {
        ResourceKeySource::Value(text) => Ok(KeyLocation::Value(text.clone())),
        ResourceKeySource::File(_) => not_here("file"),
        ResourceKeySource::Env(_) => not_here("env"),
        ResourceKeySource::Mounted { field, name, key } => {
            let kind = match *field {
                "secret" => KeyKind::Secret,
                "configMap" => KeyKind::ConfigMap,
                "secretRef" | "configMapRef" => return not_here(field),
                _ => return not_here("valueFrom"),
            };
            let pointer = format!("/key/{}/namespace", kind.member());
            match jwt.spec.0.pointer(&pointer) {
                None | Some(Value::Null) => {}
                Some(Value::String(namespace)) if namespace == jwt.namespace() => {}
                Some(_) => {
                    return Err(Problem::new(
                        Reason::KeyNamespaceForbidden,
                        format!(
                            "spec.key.{}.namespace: expected '{}', the namespace of the resource, or no namespace",
                            kind.member(),
                            jwt.namespace()
                        ),
                    ));
                }
            }
            Ok(KeyLocation::Object { kind, name: name.clone(), member: key.clone() })
        }
    }
}
