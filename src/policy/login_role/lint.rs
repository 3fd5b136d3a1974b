//! Warnings about valid settings of a login role or configuration that are probably mistakes.

use serde_json::Value;

use super::bound_claims;
use super::config::{RoleConfig, RoleKeySource};
use super::field::describe;
use super::role::{LoginRole, Matching, RoleType};
use super::times::{effective_leeway, leeways};
use crate::policy::pointer;
use crate::util::note::Warning;
use crate::util::quote::quote;

/// Returns the warnings about a role.
#[must_use]
pub fn role_warnings(role: &LoginRole) -> Vec<Warning> {
    let mut warnings = Vec::new();
    role_type(role, &mut warnings);
    audience(role, &mut warnings);
    leeway(role, &mut warnings);
    bound_claims(role, &mut warnings);
    claim_names(role, &mut warnings);
    if role.verbose_logging {
        warnings.push(Warning::new(
            "verbose-logging",
            "verbose_oidc_logging prints the claims of every token with -v",
        ));
    }
    warnings
}

fn role_type(role: &LoginRole, warnings: &mut Vec<Warning>) {
    if role.role_type == RoleType::Oidc {
        warnings.push(Warning::new(
            "role-type",
            "an oidc role rejects every token given by the user: it is for logins at a provider",
        ));
    }
    if role.role_type == RoleType::Jwt {
        for (is_set, field) in [
            (role.max_age.is_some(), "max_age"),
            (!role.allowed_redirect_uris.is_empty(), "allowed_redirect_uris"),
            (!role.oidc_scopes.is_empty(), "oidc_scopes"),
        ] {
            if is_set {
                warnings.push(Warning::new("unused-field", format!("{field} has no effect in a jwt role")));
            }
        }
    }
}

fn audience(role: &LoginRole, warnings: &mut Vec<Warning>) {
    if role.bound_audiences.is_empty() && role.role_type == RoleType::Jwt {
        warnings.push(
            Warning::new(
                "no-audience",
                "without bound_audiences, every token with an 'aud' claim is rejected",
            )
            .hint("add the audience of the issuer's tokens: \"bound_audiences\": [\"…\"]"),
        );
        if role
            .bound_claims
            .iter()
            .any(|bound| bound.name == "aud" || bound.name.starts_with("/aud/") || bound.name == "/aud")
        {
            warnings
                .push(rejects_all("bound_claims requires an 'aud' claim, and bound_audiences is not set"));
        }
    }
    for audience in &role.bound_audiences {
        if audience.is_empty() {
            warnings.push(Warning::new(
                "empty-audience",
                "bound_audiences has an empty string, which matches an empty 'aud' claim",
            ));
        }
        if audience.contains('*') {
            warnings.push(literal_star(&format!("{} in bound_audiences", quote(audience))));
        }
    }
    if let Some(subject) = role.bound_subject.as_ref().filter(|subject| subject.contains('*')) {
        warnings.push(literal_star(&format!("bound_subject {}", quote(subject))));
    }
}

/// Returns the warning that the role rejects every token.
fn rejects_all(reason: impl std::fmt::Display) -> Warning {
    Warning::new("rejects-all", format!("this role rejects every token: {reason}"))
}

fn literal_star(place: &str) -> Warning {
    Warning::new("literal-star", format!("{place}: '*' matches only itself"))
}

fn leeway(role: &LoginRole, warnings: &mut Vec<Warning>) {
    let (skew, exp, nbf) = leeways(role);
    for (field, given, default, result) in [
        ("clock_skew_leeway", role.clock_skew_leeway, 60, skew),
        ("expiration_leeway", role.expiration_leeway, 150, exp),
        ("not_before_leeway", role.not_before_leeway, 150, nbf),
    ] {
        if given == Some(0) {
            warnings.push(
                Warning::new("leeway-default", format!("{field} of 0 means the default, {default} s"))
                    .hint(format!("\"{field}\": -1 means no leeway")),
            );
        }
        if given.is_some_and(|seconds| seconds < -1) {
            warnings.push(Warning::new(
                "leeway-negative",
                format!("{field}: every negative value means no leeway"),
            ));
        }
        if result > 3_600 && effective_leeway(given, default) == result {
            warnings.push(Warning::new("leeway-long", format!("{field} is {result} s, more than an hour")));
        }
    }
    if role.expiration_leeway.is_some_and(|seconds| seconds > 0) {
        warnings
            .push(Warning::new("leeway-condition", "expiration_leeway applies only to tokens without 'exp'"));
    }
    if role.not_before_leeway.is_some_and(|seconds| seconds > 0) {
        warnings.push(Warning::new(
            "leeway-condition",
            "not_before_leeway applies only to tokens without 'nbf' and 'iat'",
        ));
    }
}

fn bound_claims(role: &LoginRole, warnings: &mut Vec<Warning>) {
    for claim in &role.bound_claims {
        let name = quote(&claim.name);
        let can_match = |value: &Value| match value {
            Value::Number(number) => bound_claims::exact_integer(number).is_some(),
            Value::String(_) | Value::Bool(_) => true,
            _ => false,
        };
        for value in claim.values.iter().filter(|value| !can_match(value)) {
            warnings.push(Warning::new(
                "never-matches",
                format!("bound_claims: {} for {name} never matches", describe(value)),
            ));
        }
        if !claim.is_comparable || !claim.values.iter().any(can_match) {
            warnings.push(rejects_all(if claim.values.is_empty() {
                format!("the list of values for {name} is empty")
            } else {
                format!("no value for {name} can match")
            }));
        }
        for value in claim.values.iter().filter_map(Value::as_str) {
            if role.matching == Matching::Exact && value.contains('*') {
                warnings.push(
                    literal_star(&format!("bound_claims: {} for {name}", quote(value)))
                        .hint("\"bound_claims_type\": \"glob\" makes it a pattern"),
                );
            }
            if role.matching == Matching::Glob && value.contains(['?', '[']) {
                warnings.push(Warning::new(
                    "pattern",
                    format!("bound_claims: {} for {name}: '*' is the only wildcard", quote(value)),
                ));
            }
            if role.matching == Matching::Glob && !value.is_empty() && value.chars().all(|c| c == '*') {
                warnings.push(Warning::new(
                    "pattern",
                    format!("bound_claims: {} for {name} matches every string", quote(value)),
                ));
            }
        }
    }
}

fn claim_names(role: &LoginRole, warnings: &mut Vec<Warning>) {
    let names = role
        .bound_claims
        .iter()
        .map(|bound| bound.name.as_str())
        .chain(role.groups_claim.as_deref())
        .chain(role.claim_mappings.iter().map(|(source, _)| source.as_str()))
        .chain(role.user_claim_is_pointer.then_some(role.user_claim.as_str()));
    for name in names.filter(|name| pointer::has_lenient_index(name)) {
        warnings.push(Warning::new(
            "pointer-index",
            format!("{}: never found: an array index is written 0, 1, 2, …", quote(name)),
        ));
    }
    if role.user_claim.starts_with('/') && !role.user_claim_is_pointer {
        warnings.push(
            Warning::new(
                "literal-pointer",
                format!("user_claim {} is a claim name, not a JSON pointer", quote(&role.user_claim)),
            )
            .hint("\"user_claim_json_pointer\": true makes it a JSON pointer"),
        );
    }
    if matches!(role.user_claim.as_str(), "exp" | "nbf" | "iat")
        || (role.user_claim == "aud" && role.user_claim_is_pointer)
    {
        warnings.push(rejects_all(format!("user_claim {} is never a string", quote(&role.user_claim))));
    }
    for (source, _) in &role.claim_mappings {
        if source == "aud" {
            warnings.push(
                Warning::new(
                    "claim-type",
                    "claim_mappings: 'aud' is always read as an array, so a token with an 'aud' claim is rejected",
                )
                .hint("\"/aud\" is read as it is in the token"),
            );
        } else if matches!(source.as_str(), "exp" | "nbf" | "iat") {
            warnings.push(Warning::new(
                "claim-type",
                format!("claim_mappings: {source} is a number, so a token with this claim is rejected"),
            ));
        }
    }
    if matches!(role.groups_claim.as_deref(), Some("exp" | "nbf" | "iat")) {
        warnings.push(rejects_all("groups_claim is a time, not a list of groups"));
    }
}

/// Returns the warnings about a configuration.
#[must_use]
pub fn config_warnings(config: &RoleConfig) -> Vec<Warning> {
    let mut warnings = Vec::new();
    if config.bound_issuer.is_none() {
        warnings.push(if matches!(config.keys, RoleKeySource::Discovery(_)) {
            Warning::new(
                "discovery-issuer",
                "oidc_discovery_url does not bind the issuer: a token with any 'iss' passes",
            )
            .hint("set bound_issuer to the same URL")
        } else {
            Warning::new(ANY_ISSUER, "without bound_issuer, a token with any 'iss' passes")
        });
    }
    let key_sets = match &config.keys {
        RoleKeySource::Pem(_) => &[][..],
        RoleKeySource::KeySet(set) | RoleKeySource::Discovery(set) => std::slice::from_ref(set),
        RoleKeySource::KeySets(sets) => sets,
    };
    for set in key_sets.iter().filter(|set| set.url.starts_with("http://")) {
        warnings.push(Warning::new(
            "plain-http",
            format!("{} is not encrypted: an on-path attacker chooses the keys", quote(&set.url)),
        ));
    }
    warnings
}

/// The check name of a configuration without `bound_issuer`, which a verdict reports too.
pub const ANY_ISSUER: &str = "any-issuer";
