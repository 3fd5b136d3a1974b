//! The `JWT` resource as the API server stores it. What it means is read by the library.

use std::borrow::Cow;
use std::fmt;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::Resource;
use kube::core::ObjectMeta;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// A resource of the kind `JWT`, `jwts.tokens.osg-htc.org/v1`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Jwt {
    /// The object's metadata, without the managers of its fields: they are larger than the rest of the object, and
    /// all resources are in memory.
    #[serde(deserialize_with = "metadata_without_managers")]
    pub metadata: ObjectMeta,
    /// `spec`, unread.
    #[serde(default)]
    pub spec: Spec,
    /// `status`; empty where it has another form, such as that of another operator.
    #[serde(default, deserialize_with = "status_or_default")]
    pub status: JwtStatus,
}

/// `spec` as JSON. It can hold a private key, so that `Debug` does not print it.
#[derive(Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Spec(pub Value);

impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Spec(…)")
    }
}

/// `status`: what the operator reports. No claim and no token.
///
/// An absent member is left out: the API server rejects an applied `null`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct JwtStatus {
    /// The generation of `spec` that this status is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The token's `exp`, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub not_after: Option<String>,
    /// When the token is signed again, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub renewal_time: Option<String>,
    /// The token's `iat`, RFC 3339.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_signed: Option<String>,
    /// The token's `jti`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token_id: Option<String>,
    /// The public key's thumbprint (RFC 7638).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_thumbprint: Option<String>,
    /// Failed attempts since the last success.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_attempts: Option<u32>,
    /// `Ready`, `KeyValid`, `Degraded`.
    #[serde(default)]
    pub conditions: Vec<Condition>,
}

impl JwtStatus {
    /// The condition of a type.
    pub fn condition(&self, type_: &str) -> Option<&Condition> {
        self.conditions.iter().find(|condition| condition.type_ == type_)
    }

    /// Whether a condition is `True`.
    pub fn is_true(&self, type_: &str) -> bool {
        self.condition(type_).is_some_and(|condition| condition.status == "True")
    }
}

fn metadata_without_managers<'de, D: Deserializer<'de>>(deserializer: D) -> Result<ObjectMeta, D::Error> {
    let mut metadata = ObjectMeta::deserialize(deserializer)?;
    metadata.managed_fields = None;
    Ok(metadata)
}

fn status_or_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<JwtStatus, D::Error> {
    let value = Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

impl Resource for Jwt {
    type DynamicType = ();
    type Scope = kube::core::NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        "JWT".into()
    }

    fn group((): &()) -> Cow<'_, str> {
        "tokens.osg-htc.org".into()
    }

    fn version((): &()) -> Cow<'_, str> {
        "v1".into()
    }

    fn plural((): &()) -> Cow<'_, str> {
        "jwts".into()
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

impl Jwt {
    /// The name; every stored object has one.
    pub fn name(&self) -> &str {
        self.metadata.name.as_deref().unwrap_or_default()
    }

    /// The namespace; every stored object of a namespaced kind has one.
    pub fn namespace(&self) -> &str {
        self.metadata.namespace.as_deref().unwrap_or_default()
    }

    /// The UID; every stored object has one.
    pub fn uid(&self) -> &str {
        self.metadata.uid.as_deref().unwrap_or_default()
    }

    /// Whether a reconciliation reads the same from both: they differ at most in what a write of the status
    /// changes, which is `status`, the version, and the managers of fields.
    pub fn has_same_input(&self, other: &Self) -> bool {
        let input =
            |jwt: &Self| ObjectMeta { resource_version: None, managed_fields: None, ..jwt.metadata.clone() };
        self.spec == other.spec && input(self) == input(other)
    }

    /// The name of the Secret or ConfigMap that `spec.key` refers to, if it does.
    pub fn key_object(&self) -> Option<(KeyKind, &str)> {
        [KeyKind::Secret, KeyKind::ConfigMap].into_iter().find_map(|kind| {
            let name = self.spec.0.pointer(&format!("/key/{}/name", kind.member()))?.as_str()?;
            Some((kind, name))
        })
    }
}

/// The kind of object that holds a signing key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// A Secret.
    Secret,
    /// A ConfigMap.
    ConfigMap,
}

impl KeyKind {
    /// The member of `spec.key`.
    pub const fn member(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::ConfigMap => "configMap",
        }
    }

    /// The kind, for messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Secret => "Secret",
            Self::ConfigMap => "ConfigMap",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn managers_of_fields_are_not_in_memory() {
        let text = r#"{"metadata": {"name": "a", "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}]}}"#;
        let jwt: Jwt = serde_json::from_str(text).unwrap();
        assert_eq!((jwt.name(), jwt.metadata.managed_fields.is_none()), ("a", true));
    }
}
