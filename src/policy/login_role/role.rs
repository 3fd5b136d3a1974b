//! Reads a login role from JSON.

use serde_json::{Map, Value};

use super::error::LoginRoleError;
use super::field::{Fields, describe, member_path, scalar_to_string};
use super::issued::{self, CallbackMode};
use crate::util::printable::PrintableText;
use crate::util::quote::quote;

/// The tokens that can log in, and the identity that they get.
#[derive(Debug, Clone, PartialEq)]
pub struct LoginRole {
    /// The name of the role, in lower case.
    pub name: String,
    /// The kind of login.
    pub role_type: RoleType,
    /// The claim with the username.
    pub user_claim: String,
    /// Whether a `user_claim` that starts with `/` is a JSON pointer.
    pub user_claim_is_pointer: bool,
    /// The accepted audiences; a token must have one of them.
    pub bound_audiences: Vec<String>,
    /// The required `sub`; `None` accepts any.
    pub bound_subject: Option<String>,
    /// The claims that a token must have, with their accepted values.
    pub bound_claims: Vec<BoundClaim>,
    /// How the values of bound claims are compared.
    pub matching: Matching,
    /// The claim with the groups.
    pub groups_claim: Option<String>,
    /// The claims to copy to the metadata: the name of the claim and the metadata key.
    pub claim_mappings: Vec<(String, String)>,
    /// The leeway for clock differences in seconds; 0 means the default, a negative number no leeway.
    pub clock_skew_leeway: Option<i64>,
    /// The lifetime of a token without `exp` in seconds; 0 and negative numbers as above.
    pub expiration_leeway: Option<i64>,
    /// The seconds before `exp` from which a token without `iat` and `nbf` is valid; 0 and negative numbers
    /// as above.
    pub not_before_leeway: Option<i64>,
    /// The maximum time since the user logged in at the provider, in seconds, for `oidc` roles.
    pub max_age: Option<i64>,
    /// The redirect URIs that an OpenID Connect login may use.
    pub allowed_redirect_uris: Vec<String>,
    /// The scopes to request in addition to `openid`.
    pub oidc_scopes: Vec<String>,
    /// Whether `-v` prints the received claims.
    pub verbose_logging: bool,
    /// The maximum lifetime of the session in seconds, from `token_ttl` or `ttl` and their maxima.
    pub session_seconds: Option<i64>,
    /// The addresses from which a login is accepted. They are not checked: a token in a file has no client
    /// address.
    pub bound_cidrs: Vec<String>,
    /// The policies of the token that the reference server issues.
    pub policies: Vec<String>,
    /// Whether the policies are templates that the reference server fills in with claims.
    pub has_policy_templates: bool,
    /// How the result of a login at a provider reaches the client.
    pub callback_mode: CallbackMode,
    /// The fields about the token that the reference server issues; they are reported and have no effect.
    pub unused_fields: Map<String, Value>,
}

/// The kind of login that a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleType {
    /// A login with a token.
    Jwt,
    /// A login at an OpenID Connect provider.
    Oidc,
}

impl RoleType {
    /// Returns the name in a role.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Jwt => "jwt",
            Self::Oidc => "oidc",
        }
    }
}

/// How the values of bound claims are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Matching {
    /// Values must be equal; strings are case-sensitive.
    Exact,
    /// Values are patterns in which `*` matches any number of characters.
    Glob,
}

/// A claim that a token must have.
#[derive(Debug, Clone, PartialEq)]
pub struct BoundClaim {
    /// The name of the claim, or a JSON pointer if it starts with `/`.
    pub name: String,
    /// The accepted values. One must match, and its JSON type too.
    pub values: Vec<Value>,
    /// Whether the values can match: `null` and an object cannot.
    pub is_comparable: bool,
}

/// The fields that this project evaluates; [`issued::FIELDS`] are the others.
const FIELDS: &[&str] = &[
    "role_type",
    "user_claim",
    "user_claim_json_pointer",
    "bound_audiences",
    "bound_subject",
    "bound_claims",
    "bound_claims_type",
    "groups_claim",
    "claim_mappings",
    "clock_skew_leeway",
    "expiration_leeway",
    "not_before_leeway",
    "max_age",
    "allowed_redirect_uris",
    "oidc_scopes",
    "verbose_oidc_logging",
    "ttl",
    "token_ttl",
    "name",
];

/// Returns whether a role can have a field with this name.
#[must_use]
pub fn known_role_field(name: &str) -> bool {
    FIELDS.contains(&name) || issued::FIELDS.contains(&name)
}

impl LoginRole {
    /// Reads a role. An unknown field is an error: a misspelled `bound_claims` would otherwise accept every
    /// token.
    ///
    /// # Errors
    /// Every error of the role.
    pub fn read(name: &str, value: &Value) -> Result<Self, Vec<LoginRoleError>> {
        Self::read_at(name, name, value)
    }

    /// Reads a role as [`LoginRole::read`]; `path` is its name in messages, such as `auth.jwt-roles.demo`.
    ///
    /// # Errors
    /// Every error of the role.
    pub fn read_at(path: &str, name: &str, value: &Value) -> Result<Self, Vec<LoginRoleError>> {
        let mut fields = Fields::of(path, value).map_err(|error| vec![error])?;
        fields.reject_unknown(&[FIELDS, issued::FIELDS].concat());
        let role_type = read_role_type(&mut fields);
        let matching = read_matching(&mut fields);
        let user_claim = fields.string("user_claim").unwrap_or_default();
        if user_claim.is_empty() && fields.get("user_claim").is_none_or(|value| value == "") {
            let path = fields.path("user_claim");
            fields.push_error(LoginRoleError::Missing {
                path,
                expected: "the name of a claim, such as \"sub\"",
            });
        }
        let bound_cidrs = issued::addresses(&mut fields);
        let unused_fields = issued::read(&mut fields, !bound_cidrs.is_empty());
        let role = Self {
            name: name.to_lowercase(),
            role_type,
            user_claim,
            user_claim_is_pointer: fields.boolean("user_claim_json_pointer").unwrap_or(false),
            bound_audiences: fields.strings("bound_audiences"),
            bound_subject: fields.string("bound_subject").filter(|subject| !subject.is_empty()),
            bound_claims: read_bound_claims(&mut fields, matching),
            matching,
            groups_claim: fields.string("groups_claim").filter(|claim| !claim.is_empty()),
            claim_mappings: read_mappings(&mut fields),
            clock_skew_leeway: fields.seconds("clock_skew_leeway"),
            expiration_leeway: fields.seconds("expiration_leeway"),
            not_before_leeway: fields.seconds("not_before_leeway"),
            max_age: fields.lifetime("max_age"),
            allowed_redirect_uris: fields.strings("allowed_redirect_uris"),
            oidc_scopes: fields.strings("oidc_scopes"),
            verbose_logging: fields.boolean("verbose_oidc_logging").unwrap_or(false),
            session_seconds: read_session(&mut fields),
            bound_cidrs,
            policies: issued::policies(&mut fields),
            has_policy_templates: fields.boolean("token_policies_template_claims").unwrap_or(false),
            callback_mode: issued::callback_mode(&mut fields),
            unused_fields,
        };
        role.reject_unbound(&mut fields);
        fields.finish(role)
    }

    /// Adds an error for a jwt role without a binding, which would accept every token of the issuer, and for
    /// an oidc role without a redirect URI.
    fn reject_unbound(&self, fields: &mut Fields<'_>) {
        let is_bound = !self.bound_audiences.is_empty()
            || self.bound_subject.is_some()
            || !self.bound_claims.is_empty()
            || !self.bound_cidrs.is_empty();
        // An invalid binding has its own error.
        let is_given = ["bound_audiences", "bound_subject", "bound_claims"]
            .iter()
            .any(|name| fields.get(name).is_some_and(|value| !is_empty_value(value)));
        if self.role_type == RoleType::Jwt && !is_bound && !is_given {
            let path = fields.path("bound_audiences");
            let expected = "at least one of bound_audiences, bound_subject, bound_claims \
                          and token_bound_cidrs";
            fields.push_error(LoginRoleError::Missing { path, expected });
        }
        let is_oidc = self.role_type == RoleType::Oidc
            && fields.get("role_type").is_none_or(|v| v == "oidc" || v == "");
        if is_oidc && self.allowed_redirect_uris.is_empty() {
            let path = fields.path("allowed_redirect_uris");
            let expected =
                "a redirect URI for an oidc role; the role type is oidc unless role_type is \"jwt\"";
            fields.push_error(LoginRoleError::Missing { path, expected });
        }
    }
}

fn is_empty_value(value: &Value) -> bool {
    match value {
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(members) => members.is_empty(),
        _ => false,
    }
}

fn read_role_type(fields: &mut Fields<'_>) -> RoleType {
    match fields.string("role_type").as_deref() {
        Some("jwt") => RoleType::Jwt,
        None | Some("" | "oidc") => RoleType::Oidc,
        Some(other) => {
            let path = fields.path("role_type");
            fields.push_error(LoginRoleError::Value {
                path,
                found: PrintableText::value(other).to_string(),
                expected: "jwt or oidc".to_owned(),
            });
            RoleType::Jwt
        }
    }
}

/// Reads `bound_claims_type`, which unlike other fields must not be `""` or `null`.
fn read_matching(fields: &mut Fields<'_>) -> Matching {
    let expected = "string or glob";
    match fields.get_or_null("bound_claims_type") {
        None => Matching::Exact,
        Some(Value::String(text)) if text == "string" => Matching::Exact,
        Some(Value::String(text)) if text == "glob" => Matching::Glob,
        Some(other) => {
            let path = fields.path("bound_claims_type");
            fields.push_error(LoginRoleError::Value {
                path,
                found: describe(other),
                expected: expected.to_owned(),
            });
            Matching::Exact
        }
    }
}

fn read_bound_claims(fields: &mut Fields<'_>, matching: Matching) -> Vec<BoundClaim> {
    // The reference server reads an empty array as an empty object.
    if fields.get("bound_claims").is_some_and(|value| value.as_array().is_some_and(Vec::is_empty)) {
        return Vec::new();
    }
    let Some(members) = fields.object("bound_claims") else { return Vec::new() };
    let mut bound = Vec::with_capacity(members.len());
    for (name, value) in members {
        let (values, is_comparable) = match value {
            Value::Array(elements) => (elements.clone(), true),
            Value::Null | Value::Object(_) => (vec![value.clone()], false),
            scalar => (vec![scalar.clone()], true),
        };
        if matching == Matching::Glob {
            for odd in values.iter().filter(|value| !value.is_string()) {
                let path = member_path(&fields.path("bound_claims"), name);
                let expected = "strings with patterns, because bound_claims_type is glob";
                fields.push_error(LoginRoleError::Type { path, found: describe(odd), expected });
            }
        }
        bound.push(BoundClaim { name: name.clone(), values, is_comparable });
    }
    bound
}

fn read_mappings(fields: &mut Fields<'_>) -> Vec<(String, String)> {
    let Some(members) = fields.object("claim_mappings") else { return Vec::new() };
    let mut mappings: Vec<(String, String)> = Vec::with_capacity(members.len());
    for (source, value) in members {
        let path = member_path(&fields.path("claim_mappings"), source);
        let Some(target) = scalar_to_string(value) else {
            let expected = "the name of the metadata key, a string";
            fields.push_error(LoginRoleError::Type { path, found: describe(value), expected });
            continue;
        };
        if target.is_empty() {
            fields.push_error(LoginRoleError::Missing { path, expected: "the name of the metadata key" });
        } else if target == "role" {
            let reason = "the key 'role' is reserved for the name of the role".to_owned();
            fields.push_error(LoginRoleError::Conflict { path, reason });
        } else if let Some((other, _)) = mappings.iter().find(|(_, taken)| *taken == target) {
            let reason = format!("{} is already mapped to {}", quote(other), quote(&target));
            fields.push_error(LoginRoleError::Conflict { path, reason });
        } else {
            mappings.push((source.clone(), target));
        }
    }
    mappings
}

/// Reads the lifetime of the session: `token_ttl`, or `ttl` if that is missing, limited by the maxima.
fn read_session(fields: &mut Fields<'_>) -> Option<i64> {
    let (old, new) = (fields.lifetime("ttl"), fields.lifetime("token_ttl"));
    let (old_max, new_max) = (fields.lifetime("max_ttl"), fields.lifetime("token_max_ttl"));
    let explicit = fields.lifetime("token_explicit_max_ttl");
    // The old name counts only if the new one is missing; null is a value there.
    let is_new = |name: &str| fields.get_or_null(name).is_some();
    let (is_new, is_new_max) = (is_new("token_ttl"), is_new("token_max_ttl"));
    let (lifetime, maximum) = (if is_new { new } else { old }, if is_new_max { new_max } else { old_max });
    if let (Some(lifetime), Some(maximum)) = (lifetime, maximum)
        && lifetime > maximum
    {
        let (name, max) =
            (if is_new { "token_ttl" } else { "ttl" }, if is_new_max { "token_max_ttl" } else { "max_ttl" });
        fields.conflict(name, format!("{lifetime} s is more than {max}, {maximum} s"));
    }
    [lifetime, maximum, explicit].into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn jwt_role_with_empty_bindings_alone_is_rejected() {
        for (name, empty) in [
            ("bound_audiences", json!([])),
            ("bound_audiences", json!("")),
            ("bound_subject", json!("")),
            ("bound_claims", json!({})),
            ("bound_claims", json!([])),
        ] {
            let mut role = json!({"role_type": "jwt", "user_claim": "sub"});
            role[name] = empty.clone();
            let errors = LoginRole::read("r", &role).unwrap_err();
            let [LoginRoleError::Missing { path, .. }] = &errors[..] else {
                panic!("{name} {empty}: {errors:?}")
            };
            assert_eq!(path, "r.bound_audiences", "{name} {empty}");
        }
    }
}
