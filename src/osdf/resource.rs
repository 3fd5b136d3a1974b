//! The `kind: JWT` resource: the claims of a token, its lifetime, and the key that signs it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::location::{FieldError, FieldPath, ResourceError, SourceName};
use super::yaml::{YamlContent, YamlKey, YamlNode, scalar};
use crate::key::Algorithm;
use crate::util::json::{self, JsonError, JsonErrorKind, MAX_DEPTH};
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// A valid resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The file that contains it.
    pub source: SourceName,
    /// `metadata.name`: the Secret's name.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `metadata.labels`, in order.
    pub labels: Vec<(String, String)>,
    /// `spec.issuer`: becomes `iss`.
    pub issuer: String,
    /// `spec.keyId`: becomes `kid`.
    pub kid: String,
    /// `spec.algorithm`.
    pub algorithm: Algorithm,
    /// `spec.data` without the claims that are set here: `iss`, `iat`, `nbf`, `exp`, `jti`.
    pub data: Map<String, Value>,
    /// `spec.expiryTime` in seconds.
    pub lifetime: i64,
    /// `spec.resignBefore` in seconds: how long before its expiry the token is renewed.
    pub resign_before: Option<i64>,
    /// `spec.key`.
    pub key: ResourceKeySource,
    /// Lines of the fields, by path.
    pub(super) lines: BTreeMap<String, usize>,
}

/// Where the signing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceKeySource {
    /// In the resource itself, as PEM.
    Value(SecretText),
    /// In a Kubernetes Secret or ConfigMap, read from `DIR/NAME/KEY`.
    Mounted {
        /// The field that names it: `secret`, `configMap`, or one of their aliases.
        field: &'static str,
        /// The object's name.
        name: String,
        /// The key in it.
        key: String,
    },
    /// In a file; relative to the resource's directory.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

impl Resource {
    /// Returns the line of a field; 0 if it does not have one.
    #[must_use]
    pub fn line_of(&self, path: &FieldPath) -> usize {
        self.lines.get(path.as_str()).copied().unwrap_or(0)
    }

    /// An error of this resource at a field.
    #[must_use]
    pub fn error(&self, path: FieldPath, problem: FieldError) -> ResourceError {
        ResourceError { source: self.source.clone(), line: self.line_of(&path), path, error: problem }
    }
}

/// A change to a resource before it is read: `spec.data.sub=jane`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOverride {
    path: String,
    value: String,
}

/// Why the text of a [`FieldOverride`] is rejected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OverrideError {
    /// The `=` or the path is missing.
    #[error("expected PATH=VALUE")]
    Form,
    /// An object of the value has two members of this name.
    #[error("duplicate member {}", quote(.0))]
    DuplicateMember(String),
}

impl FieldOverride {
    /// Parses `PATH=VALUE`.
    ///
    /// # Errors
    /// [`OverrideError`].
    pub fn parse(text: &str) -> Result<Self, OverrideError> {
        let (path, value) = text.split_once('=').ok_or(OverrideError::Form)?;
        let path = path.trim();
        if path.is_empty() || path.split('.').any(str::is_empty) {
            return Err(OverrideError::Form);
        }
        // Any other error means that the value is text.
        if let Err(JsonError { problem: JsonErrorKind::DuplicateMember(name), .. }) =
            json::unique(value, MAX_DEPTH)
        {
            return Err(OverrideError::DuplicateMember(name));
        }
        Ok(Self { path: path.to_owned(), value: value.to_owned() })
    }

    /// Returns the path as typed.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}
/// Applies a `--set` override. Missing objects on the path are created; claims of `spec.data` with
/// dots in their names (`wlcg.ver`) are matched by the whole name. `null` removes a member. A value
/// that replaces a string is read as text, unless it is a JSON array, object or string.
///
/// # Errors
/// The path component that is not an object.
pub(super) fn apply(document: &mut YamlNode, change: &FieldOverride) -> Result<(), String> {
    let mut segments: Vec<String> = change.path.split('.').map(str::to_owned).collect();
    if segments.len() > 3 && segments[0] == "spec" && segments[1] == "data" {
        let data = document.member("spec").and_then(|spec| spec.member("data"));
        let known = |name: &str| {
            ["wlcg.ver", "wlcg.groups"].contains(&name)
                || data.is_some_and(|data| data.member(name).is_some())
        };
        let longest = (4..=segments.len()).rev().find(|end| known(&segments[2..*end].join(".")));
        if let Some(end) = longest {
            let name = segments[2..end].join(".");
            segments.splice(2..end, [name]);
        }
    }
    let Some((last, parents)) = segments.split_last() else { return Ok(()) };
    let mut node = document;
    let mut path = FieldPath::root();
    for name in parents {
        path = path.member(name);
        node = member_mut(node, name).ok_or_else(|| path.as_str().to_owned())?;
    }
    let is_data = parents.len() >= 2 && parents[0] == "spec" && parents[1] == "data";
    let is_span = parents.len() == 2 && ["expiryTime", "resignBefore"].contains(&parents[1].as_str());
    if is_span && let YamlContent::Object(members) = &mut node.content {
        // A duration has exactly one unit: another unit replaces it.
        members.retain(|(key, _)| key.name == *last);
    }
    if change.value == "null"
        && let YamlContent::Object(members) = &mut node.content
    {
        members.retain(|(key, _)| key.name != *last);
        return Ok(());
    }
    let target = member_mut(node, last).ok_or_else(|| path.as_str().to_owned())?;
    let was_text = matches!(&target.content, YamlContent::Scalar { text, plain }
        if !target.is_null() && (!plain || matches!(scalar(text), Ok(Value::String(_)))));
    let text_field = was_text || last == "wlcg.ver" || !(is_data || is_span);
    *target = match serde_json::from_str::<Value>(&change.value) {
        Ok(value) if !text_field || value.is_array() || value.is_object() || value.is_string() => {
            YamlNode::value(&value)
        }
        _ => YamlNode::text(&change.value),
    };
    Ok(())
}

fn member_mut<'a>(node: &'a mut YamlNode, name: &str) -> Option<&'a mut YamlNode> {
    if node.is_null() {
        node.content = YamlContent::Object(Vec::new());
    }
    let YamlContent::Object(members) = &mut node.content else { return None };
    let index = match members.iter().position(|(key, _)| key.name == name) {
        Some(index) => index,
        None => {
            let key = YamlKey { name: name.to_owned(), line: 0 };
            let nothing = YamlContent::Scalar { text: zeroize::Zeroizing::new(String::new()), plain: true };
            members.push((key, YamlNode { line: 0, content: nothing }));
            members.len() - 1
        }
    };
    members.get_mut(index).map(|(_, node)| node)
}
