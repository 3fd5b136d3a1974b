//! The Secret that holds the token: whose it is, what it should contain, and what differs.

use std::collections::BTreeMap;

use cc_auth::osdf::manifest::LAST_SIGNING;
use cc_auth::token;
use cc_auth::util::secret::SecretText;
use cc_auth::util::time::Timestamp;
use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Resource as _;
use kube::core::ObjectMeta;

use crate::MANAGER;
use crate::jwt::Jwt;
use crate::problem::{Problem, Reason};

/// The annotation by which a person hands an existing Secret over to the resource of that name.
pub const ADOPT: &str = "tokens.osg-htc.org/adopt";
/// The member that holds the token.
pub const TOKEN: &str = "token";
const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
const TYPE: &str = "Opaque";

/// Whose Secret has the name of the resource.
#[derive(Debug, Clone, Copy)]
pub enum Slot<'a> {
    /// No Secret.
    Empty,
    /// The resource's own: it is the controller.
    Own(&'a Secret),
    /// Without a controller, and handed over by annotation.
    Adoptable(&'a Secret),
}

impl<'a> Slot<'a> {
    /// Finds out whose Secret it is.
    ///
    /// # Errors
    /// `SecretNotOwned`: nothing may be written.
    pub fn of(jwt: &Jwt, secret: Option<&'a Secret>) -> Result<Self, Problem> {
        let Some(secret) = secret else { return Ok(Self::Empty) };
        let not_owned = |message: String| Err(Problem::new(Reason::SecretNotOwned, message));
        let name = jwt.name();
        let owners = secret.metadata.owner_references.as_deref().unwrap_or_default();
        if let Some(controller) = owners.iter().find(|owner| owner.controller == Some(true)) {
            let same_name = controller.kind == Jwt::kind(&()) && controller.name == name;
            return if controller.uid == jwt.uid() {
                Ok(Self::Own(secret))
            } else if same_name {
                not_owned(format!(
                    "Secret '{name}' belongs to a deleted JWT of the same name: waiting for the garbage collector"
                ))
            } else {
                not_owned(format!(
                    "Secret '{name}' belongs to {} '{}': use another name for this resource",
                    controller.kind, controller.name
                ))
            };
        }
        let annotations = secret.metadata.annotations.as_ref();
        if annotations.and_then(|all| all.get(ADOPT)).is_none_or(|owner| owner != name) {
            return not_owned(format!(
                "Secret '{name}' exists and does not belong to this resource: delete it, or hand it over: \
                 kubectl annotate secret {name} {ADOPT}={name}"
            ));
        }
        match secret.type_.as_deref() {
            None | Some(TYPE) => Ok(Self::Adoptable(secret)),
            Some(other) => not_owned(format!(
                "Secret '{name}' has the type '{other}', which cannot be changed: expected '{TYPE}'"
            )),
        }
    }

    /// The Secret, if there is one.
    pub const fn secret(self) -> Option<&'a Secret> {
        match self {
            Self::Empty => None,
            Self::Own(secret) | Self::Adoptable(secret) => Some(secret),
        }
    }

    /// Whether its data cannot change.
    pub fn is_immutable(self) -> bool {
        self.secret().is_some_and(|secret| secret.immutable == Some(true))
    }
}

/// What the member `token` holds.
pub fn token_bytes(secret: &Secret) -> Option<&[u8]> {
    secret.data.as_ref()?.get(TOKEN).map(|bytes| bytes.0.as_slice())
}

/// The times and the `jti` of a token, with any signature: for reports and to notice a clock that is
/// behind, not for the decision whether it is valid.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenTimes {
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`.
    pub jti: String,
}

/// Reads the times of the token in a Secret; none where it does not hold a token.
pub fn token_times(secret: &Secret) -> Option<TokenTimes> {
    let text = std::str::from_utf8(token_bytes(secret)?).ok()?;
    let inspection = token::inspect(text.trim_ascii());
    let (_, claims) = inspection.unproven()?;
    let time = |name| Some(claims.time(name).ok().flatten()?.instant());
    Some(TokenTimes {
        issued_at: time("iat")?,
        expires_at: time("exp")?,
        jti: claims.text("jti").unwrap_or_default().to_owned(),
    })
}

/// The labels of the Secret: those of the resource, without the labels by which other tools find what
/// they manage (and would delete).
pub fn labels(jwt: &Jwt) -> BTreeMap<String, String> {
    let owned = |name: &str| {
        let prefix = name.split_once('/').map_or("", |(prefix, _)| prefix);
        matches!(name, "app.kubernetes.io/instance" | MANAGED_BY)
            || matches!(prefix, "argocd.argoproj.io" | "applyset.kubernetes.io")
            || prefix == "toolkit.fluxcd.io"
            || prefix.ends_with(".toolkit.fluxcd.io")
    };
    let own = jwt.metadata.labels.iter().flatten().filter(|(name, _)| !owned(name));
    let mut labels: BTreeMap<String, String> =
        own.map(|(name, value)| (name.clone(), value.clone())).collect();
    labels.insert(MANAGED_BY.to_owned(), MANAGER.to_owned());
    labels
}

/// The Secret as it should be, to create it.
pub fn desired(jwt: &Jwt, token: &SecretText, issued_at: Timestamp) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(jwt.name().to_owned()),
            namespace: Some(jwt.namespace().to_owned()),
            labels: Some(labels(jwt)),
            annotations: Some(BTreeMap::from([(LAST_SIGNING.to_owned(), issued_at.rfc3339())])),
            owner_references: jwt.controller_owner_ref(&()).map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        type_: Some(TYPE.to_owned()),
        data: Some(BTreeMap::from([(TOKEN.to_owned(), ByteString(token.expose().as_bytes().to_vec()))])),
        ..Secret::default()
    }
}

/// The same with the UID and version that were read: the write fails where the Secret changed since.
pub fn desired_over(current: &Secret, desired: Secret) -> Secret {
    let metadata = ObjectMeta {
        uid: current.metadata.uid.clone(),
        resource_version: current.metadata.resource_version.clone(),
        ..desired.metadata
    };
    Secret { metadata, ..desired }
}

/// The labels that this operator set and the resource no longer has. Those of others stay.
pub fn stale_labels(jwt: &Jwt, current: &Secret) -> Vec<String> {
    let expected = labels(jwt);
    let entries = current.metadata.managed_fields.as_deref().unwrap_or_default();
    let mut stale: Vec<String> = entries
        .iter()
        .filter(|entry| entry.manager.as_deref() == Some(MANAGER))
        .filter_map(|entry| entry.fields_v1.as_ref()?.0.pointer("/f:metadata/f:labels")?.as_object())
        .flat_map(|labels| labels.keys())
        .filter_map(|name| name.strip_prefix("f:"))
        .filter(|name| !expected.contains_key(*name))
        .filter(|name| current.metadata.labels.as_ref().is_some_and(|all| all.contains_key(*name)))
        .map(str::to_owned)
        .collect();
    stale.sort();
    stale.dedup();
    stale
}

/// Whether the Secret differs from what the operator would write around this token: a label, the
/// annotation, a line end after the token.
pub fn has_drifted(jwt: &Jwt, current: &Secret, times: &TokenTimes) -> bool {
    let present = current.metadata.labels.as_ref();
    let annotation = current.metadata.annotations.as_ref().and_then(|all| all.get(LAST_SIGNING));
    labels(jwt).iter().any(|(name, value)| present.and_then(|all| all.get(name)) != Some(value))
        || annotation != Some(&times.issued_at.rfc3339())
        || token_bytes(current).is_some_and(|bytes| bytes.trim_ascii().len() != bytes.len())
        || !stale_labels(jwt, current).is_empty()
}
