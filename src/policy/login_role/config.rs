//! The configuration that all login roles share: the source of the keys, the issuer, the algorithms.

use serde_json::Value;

use super::error::LoginRoleError;
use super::field::{Fields, member_path};
use crate::key::{Algorithm, KeySet, VerifyingKey};
use crate::util::printable::PrintableText;
use crate::util::secret::SecretText;

/// The configuration that all roles share.
#[derive(Debug, Clone)]
pub struct RoleConfig {
    /// The name of the configuration in messages, such as `auth.jwt-config`.
    pub path: String,
    /// The source of the keys.
    pub keys: RoleKeySource,
    /// The required `iss` of every token; `None` accepts any.
    pub bound_issuer: Option<String>,
    /// The accepted signature algorithms.
    pub algorithms: Vec<Algorithm>,
    /// The role of a login that does not name one, in lower case.
    pub default_role: Option<String>,
    /// The client ID of an OpenID Connect login.
    pub client_id: Option<String>,
    /// The client secret of an OpenID Connect login.
    pub client_secret: Option<SecretText>,
}

/// The location of a key set or discovery document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoleKeyUrl {
    /// The URL.
    pub url: String,
    /// The certificates in PEM that replace the system's trusted ones.
    pub ca_pem: Option<String>,
}

/// The source of the keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoleKeySource {
    /// PEM public keys and certificates; every one is tried, because they have no `kid`.
    Pem(Vec<String>),
    /// One key set.
    KeySet(RoleKeyUrl),
    /// Several key sets; the token must have a `kid`, and an unreachable set is skipped.
    KeySets(Vec<RoleKeyUrl>),
    /// An issuer's discovery document, which has the URL of the key set.
    Discovery(RoleKeyUrl),
}

const KNOWN: &[&str] = &[
    "jwt_validation_pubkeys",
    "jwks_url",
    "jwks_ca_pem",
    "jwks_pairs",
    "oidc_discovery_url",
    "oidc_discovery_ca_pem",
    "oidc_client_id",
    "oidc_client_secret",
    "oidc_response_mode",
    "oidc_response_types",
    "bound_issuer",
    "jwt_supported_algs",
    "default_role",
    "provider_config",
    "namespace_in_state",
    "override_allowed_server_names",
    "skip_jwks_validation",
];

/// Returns whether a configuration can have a field with this name.
#[must_use]
pub fn known_config_field(name: &str) -> bool {
    KNOWN.contains(&name)
}

const PAIR_KNOWN: &[&str] = &["jwks_url", "jwks_ca_pem"];

/// Returns the algorithms accepted by default: all with a public key.
pub(super) fn default_algorithms() -> Vec<Algorithm> {
    Algorithm::ALL.into_iter().filter(|algorithm| !algorithm.is_symmetric()).collect()
}

impl RoleConfig {
    /// Reads the configuration from JSON; `path` is its name in messages, such as `auth.jwt-config`.
    ///
    /// # Errors
    /// Every error of the configuration, in the order of the fields.
    pub fn read(path: &str, value: &Value) -> Result<Self, Vec<LoginRoleError>> {
        let mut fields = Fields::of(path, value).map_err(|error| vec![error])?;
        fields.reject_unknown(KNOWN);
        let keys = read_keys(&mut fields);
        let bound_issuer = fields.string("bound_issuer").filter(|issuer| !issuer.is_empty());
        if bound_issuer.is_some() && matches!(keys, Some(RoleKeySource::KeySets(_))) {
            fields.conflict("bound_issuer", "does not go with jwks_pairs");
        }
        let algorithms = read_algorithms(&mut fields);
        check_others(&mut fields);
        let default_role =
            fields.string("default_role").filter(|name| !name.is_empty()).map(|name| name.to_lowercase());
        let client_id = fields.string("oidc_client_id").filter(|id| !id.is_empty());
        let client_secret =
            fields.secret("oidc_client_secret").filter(|secret| !secret.is_empty()).map(SecretText::new);
        // The reference server never returns the secret: null states that it exists.
        let is_hidden = fields.get_or_null("oidc_client_secret").is_some_and(Value::is_null);
        // The reference server does not support public clients here.
        for (given, other, missing) in [
            (client_id.is_some(), client_secret.is_some(), "oidc_client_secret"),
            (client_secret.is_some(), client_id.is_some(), "oidc_client_id"),
        ] {
            if given && !other && !is_hidden {
                let path = fields.path(missing);
                fields.push_error(LoginRoleError::Missing {
                    path,
                    expected: "expected both oidc_client_id and oidc_client_secret, or neither",
                });
            }
        }
        let client_without_provider = (client_id.is_some() || client_secret.is_some())
            && keys.as_ref().is_some_and(|keys| !matches!(keys, RoleKeySource::Discovery(_)));
        if client_without_provider {
            fields.conflict("oidc_client_id", "an OpenID Connect client goes with oidc_discovery_url only");
        }
        // Missing keys are an error above, so the placeholder is never returned.
        let keys = keys.unwrap_or_else(|| RoleKeySource::Pem(Vec::new()));
        let path = path.to_owned();
        fields.finish(Self { path, keys, bound_issuer, algorithms, default_role, client_id, client_secret })
    }
}

impl RoleConfig {
    /// Returns the name of a field in messages, such as `auth.jwt-config.jwks_url`.
    #[must_use]
    pub fn field_name(&self, name: &str) -> String {
        member_path(&self.path, name)
    }
}

impl RoleKeySource {
    /// Returns the keys that can verify a token with this `kid`: those of a key set with the same `kid`, or
    /// all keys if the token has none or an empty one. Keys in PEM have no `kid` and are all returned.
    #[must_use]
    pub fn candidates(&self, keys: &KeySet, kid: Option<&str>) -> KeySet {
        let kid = kid.filter(|kid| !kid.is_empty());
        match (self, kid) {
            (Self::Pem(_), _) | (_, None) => keys.keys().iter().map(without_kid).collect(),
            // Keys with another 'kid' are returned too, so that the error can list them. A key without
            // a 'kid' cannot match.
            (_, Some(_)) => keys.keys().iter().filter(|key| key.kid().is_some()).cloned().collect(),
        }
    }
}

/// Returns the key without its `kid`, so that it matches every token.
fn without_kid(key: &VerifyingKey) -> VerifyingKey {
    key.public_key()
        .map_or_else(|| key.clone(), |public| VerifyingKey::public(public.clone()).restrict(key.algorithms()))
}

fn read_keys(fields: &mut Fields<'_>) -> Option<RoleKeySource> {
    let mut sources = Vec::new();
    let pems = fields.strings("jwt_validation_pubkeys");
    if pems.iter().any(String::is_empty) {
        fields.conflict("jwt_validation_pubkeys", "has an empty entry, expected keys in PEM");
    }
    if !pems.is_empty() {
        sources.push(("jwt_validation_pubkeys", RoleKeySource::Pem(pems)));
    }
    if let Some(set) = read_remote(fields, "jwks_url", "jwks_ca_pem") {
        sources.push(("jwks_url", RoleKeySource::KeySet(set)));
    }
    if let Some(sets) = read_pairs(fields) {
        sources.push(("jwks_pairs", RoleKeySource::KeySets(sets)));
    }
    if let Some(provider) = read_remote(fields, "oidc_discovery_url", "oidc_discovery_ca_pem") {
        sources.push(("oidc_discovery_url", RoleKeySource::Discovery(provider)));
    }
    let names: Vec<&str> = sources.iter().map(|(name, _)| *name).collect();
    match names.as_slice() {
        [] => {
            let path = fields.path("jwt_validation_pubkeys");
            fields.push_error(LoginRoleError::Missing {
                path,
                expected: "exactly one of jwt_validation_pubkeys, jwks_url, jwks_pairs and oidc_discovery_url is expected",
            });
        }
        [_] => {}
        [first, others @ ..] => {
            let reason = format!("set beside {}: expected one source of keys", others.join(" and "));
            fields.conflict(first, reason);
        }
    }
    sources.into_iter().next().map(|(_, source)| source)
}

fn read_remote(fields: &mut Fields<'_>, url: &str, ca: &str) -> Option<RoleKeyUrl> {
    let ca_pem = fields.string(ca).filter(|pem| !pem.is_empty());
    let address = fields.string(url).filter(|address| !address.is_empty());
    if address.is_none() && ca_pem.is_some() && fields.get(url).is_none_or(|value| value == "") {
        fields.conflict(ca, format!("goes with {url}, which is not given"));
    }
    Some(RoleKeyUrl { url: address?, ca_pem })
}

fn read_pairs(fields: &mut Fields<'_>) -> Option<Vec<RoleKeyUrl>> {
    let value = fields.get("jwks_pairs")?;
    let Value::Array(elements) = value else {
        fields.wrong_type("jwks_pairs", value, "a list of objects with jwks_url and jwks_ca_pem");
        return None;
    };
    let mut sets = Vec::new();
    for (at, element) in elements.iter().enumerate() {
        let path = fields.path(&format!("jwks_pairs[{at}]"));
        match read_pair(&path, element) {
            Ok(set) => sets.push(set),
            Err(errors) => errors.into_iter().for_each(|error| fields.push_error(error)),
        }
    }
    (!elements.is_empty()).then_some(sets)
}

fn read_pair(path: &str, value: &Value) -> Result<RoleKeyUrl, Vec<LoginRoleError>> {
    let mut fields = Fields::of(path, value).map_err(|error| vec![error])?;
    fields.reject_unknown(PAIR_KNOWN);
    let set = read_remote(&mut fields, "jwks_url", "jwks_ca_pem");
    if set.is_none() && fields.get("jwks_url").is_none_or(|value| value == "") {
        fields.push_error(LoginRoleError::Missing {
            path: member_path(path, "jwks_url"),
            expected: "an address is expected",
        });
    }
    fields.finish(set.unwrap_or(RoleKeyUrl { url: String::new(), ca_pem: None }))
}

/// Checks the fields without effect here, so that a configuration that the reference server rejects is
/// rejected here too.
fn check_others(fields: &mut Fields<'_>) {
    fields.boolean("namespace_in_state");
    fields.boolean("skip_jwks_validation");
    fields.strings("override_allowed_server_names");
    if fields.get("provider_config").is_some_and(|value| value.as_array().is_none_or(|list| !list.is_empty()))
    {
        fields.object("provider_config");
    }
    check_provider(fields);
    let mode = fields.one_of("oidc_response_mode", &["", "query", "form_post"]);
    let kinds = fields.strings("oidc_response_types");
    for (at, kind) in
        kinds.iter().enumerate().filter(|(_, kind)| !matches!(kind.as_str(), "code" | "id_token"))
    {
        let path = fields.path(&format!("oidc_response_types[{at}]"));
        fields.push_error(LoginRoleError::Value {
            path,
            found: PrintableText::value(kind).to_string(),
            expected: "code or id_token".to_owned(),
        });
    }
    if kinds.iter().any(|kind| kind == "id_token") && mode.as_deref() != Some("form_post") {
        fields.conflict("oidc_response_types", "id_token requires \"oidc_response_mode\": \"form_post\"");
    }
}

/// The special providers of the reference server (OpenBao 2.7).
const PROVIDERS: [&str; 5] = ["azure", "gsuite", "ibmisam", "kubernetes", "secureauth"];

/// Checks that a `provider_config` that is not empty has a known, case-sensitive `provider`.
fn check_provider(fields: &mut Fields<'_>) {
    let Some(Value::Object(members)) = fields.get("provider_config") else { return };
    let path = member_path(&fields.path("provider_config"), "provider");
    match members.get("provider") {
        _ if members.is_empty() => {}
        Some(Value::String(name)) if PROVIDERS.contains(&name.as_str()) => {}
        Some(found) => fields.push_error(LoginRoleError::Value {
            path,
            found: found
                .as_str()
                .map_or_else(|| super::field::describe(found), |text| PrintableText::value(text).to_string()),
            expected: PROVIDERS.join(", "),
        }),
        None => {
            fields.push_error(LoginRoleError::Missing { path, expected: "expected the name of a provider" })
        }
    }
}

fn read_algorithms(fields: &mut Fields<'_>) -> Vec<Algorithm> {
    let names = fields.strings("jwt_supported_algs");
    if names.is_empty() {
        return default_algorithms();
    }
    let mut algorithms = Vec::new();
    for (at, name) in names.iter().enumerate() {
        // Exact names only: the reference server does not support `Ed25519` (RFC 9864), and an HMAC
        // secret cannot be configured, so HS256 here is always an error.
        let known = default_algorithms().into_iter().find(|algorithm| algorithm.name() == name);
        match known {
            Some(algorithm) if !algorithms.contains(&algorithm) => algorithms.push(algorithm),
            Some(_) => {}
            None => {
                let path = fields.path(&format!("jwt_supported_algs[{at}]"));
                fields.push_error(LoginRoleError::Value {
                    path,
                    found: PrintableText::value(name).to_string(),
                    expected: default_algorithms().iter().map(|a| a.name()).collect::<Vec<_>>().join(", "),
                });
            }
        }
    }
    algorithms
}
