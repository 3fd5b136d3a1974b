//! The Kubernetes Secret that contains a signed token, as the OSG token operator writes it.

use serde_json::{Map, Value, json};

use super::{Resource, SignedToken};
use crate::key::encoding::encode_standard;
use crate::util::quote::escape_json;

/// The annotation with the time at which the token was signed.
pub const LAST_SIGNING: &str = "tokens.osg-htc.org/last-signing-time";

/// The Secrets of signed tokens, as YAML documents.
#[must_use]
pub fn as_yaml(signed: &[(&Resource, SignedToken)]) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for (index, (resource, signed)) in signed.iter().enumerate() {
        if index > 0 {
            text.push_str("---\n");
        }
        if let Value::Object(members) = &secret(resource, signed) {
            push_yaml(&mut text, members, 0);
        }
    }
    text
}

/// The Secrets of signed tokens, as one JSON object a line.
#[must_use]
pub fn as_json_lines(signed: &[(&Resource, SignedToken)]) -> zeroize::Zeroizing<String> {
    let mut text = zeroize::Zeroizing::new(String::new());
    for (resource, signed) in signed {
        text.push_str(&escape_json(&secret(resource, signed).to_string()));
        text.push('\n');
    }
    text
}

/// An Opaque Secret with one key, `token`.
fn secret(resource: &Resource, signed: &SignedToken) -> Value {
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), resource.name.as_str().into());
    if let Some(namespace) = &resource.namespace {
        metadata.insert("namespace".to_owned(), namespace.as_str().into());
    }
    if !resource.labels.is_empty() {
        let labels: Map<String, Value> =
            resource.labels.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect();
        metadata.insert("labels".to_owned(), labels.into());
    }
    metadata.insert("annotations".to_owned(), json!({ LAST_SIGNING: signed.issued_at.rfc3339() }));
    let token = encode_standard(signed.token.expose().as_bytes());
    json!({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": metadata,
        "type": "Opaque",
        "data": { "token": token.as_str() },
    })
}

/// Writes objects in block style. Strings below the first level are in double quotes as in JSON,
/// which YAML reads the same way.
fn push_yaml(text: &mut String, members: &Map<String, Value>, depth: usize) {
    for (name, value) in members {
        let plain = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
        let indent = "  ".repeat(depth);
        let name = if plain { name.clone() } else { json!(name).to_string() };
        match value {
            Value::Object(inner) => {
                text.push_str(&format!("{indent}{name}:\n"));
                push_yaml(text, inner, depth + 1);
            }
            Value::String(word) if depth == 0 => text.push_str(&format!("{indent}{name}: {word}\n")),
            other => text.push_str(&format!("{indent}{name}: {other}\n")),
        }
    }
}
