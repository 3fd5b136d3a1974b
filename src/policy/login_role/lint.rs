//! What a role or configuration does that its author may not expect.

use super::bound_claims;
use super::config::{RoleConfig, RoleKeySource};
use super::field::describe;
use super::role::{LoginRole, Matching, RoleType};
use super::times::{effective, leeways};
use crate::policy::pointer;
use crate::util::note::Notes;
use crate::util::quote::quote;

/// The surprises of a role that was read without fault.
#[must_use]
pub fn role_warnings(role: &LoginRole) -> Notes {
    let mut notes = Notes::new();
    kind(role, &mut notes);
    audience(role, &mut notes);
    leeway(role, &mut notes);
    bound_claims(role, &mut notes);
    names(role, &mut notes);
    if !role.bound_cidrs.is_empty() {
        notes.note("token_bound_cidrs are not checked here: a token on a command line comes from no address");
    }
    if role.verbose_logging {
        notes.warn("verbose_oidc_logging shows the claims of every token with -v");
    }
    notes
}

fn kind(role: &LoginRole, notes: &mut Notes) {
    if role.role_type == RoleType::Oidc {
        notes.note("an oidc role refuses every token that is brought along; it serves logins at a provider");
    }
    if role.role_type == RoleType::Jwt {
        for (given, field) in [
            (role.max_age.is_some(), "max_age"),
            (!role.allowed_redirect_uris.is_empty(), "allowed_redirect_uris"),
            (!role.oidc_scopes.is_empty(), "oidc_scopes"),
        ] {
            if given {
                notes.warn(format!("{field} does nothing in a jwt role"));
            }
        }
    }
}

fn audience(role: &LoginRole, notes: &mut Notes) {
    if role.bound_audiences.is_empty() && role.role_type == RoleType::Jwt {
        notes.warn_with(
            "without bound_audiences, every token that has an aud is refused",
            "add the aud of the issuer's tokens: \"bound_audiences\": [\"…\"]",
        );
        if role
            .bound_claims
            .iter()
            .any(|bound| bound.name == "aud" || bound.name.starts_with("/aud/") || bound.name == "/aud")
        {
            notes.warn(
                NEVER.to_owned() + ": bound_claims asks for an aud, and the role has no bound_audiences",
            );
        }
    }
    for audience in &role.bound_audiences {
        if audience.is_empty() {
            notes.warn("bound_audiences has an empty text, which matches an empty aud");
        }
        if audience.contains('*') {
            notes.warn(format!("{} in bound_audiences: * stands for itself", quote(audience)));
        }
    }
    if let Some(subject) = role.bound_subject.as_ref().filter(|subject| subject.contains('*')) {
        notes.warn(format!("bound_subject {}: * stands for itself", quote(subject)));
    }
}

const NEVER: &str = "this role can never admit anyone";

fn leeway(role: &LoginRole, notes: &mut Notes) {
    let (skew, exp, nbf) = leeways(role);
    for (field, given, default, works) in [
        ("clock_skew_leeway", role.clock_skew_leeway, 60, skew),
        ("expiration_leeway", role.expiration_leeway, 150, exp),
        ("not_before_leeway", role.not_before_leeway, 150, nbf),
    ] {
        if given == Some(0) {
            notes.warn_with(
                format!("{field} of 0 means the default, {default} s, not none"),
                format!("\"{field}\": -1 means none"),
            );
        }
        if given.is_some_and(|seconds| seconds < -1) {
            notes.note(format!("{field}: any negative value means none; it does not shorten anything"));
        }
        if works > 3_600 && effective(given, default) == works {
            notes.warn(format!("{field} is {works} s, more than an hour"));
        }
    }
    if role.expiration_leeway.is_some_and(|seconds| seconds > 0) {
        notes.note("expiration_leeway only counts for tokens without exp");
    }
    if role.not_before_leeway.is_some_and(|seconds| seconds > 0) {
        notes.note("not_before_leeway only counts for tokens that have neither nbf nor iat");
    }
}

fn bound_claims(role: &LoginRole, notes: &mut Notes) {
    for claim in &role.bound_claims {
        let name = quote(&claim.name);
        let matchable = |value: &serde_json::Value| match value {
            serde_json::Value::Number(number) => bound_claims::exact(number).is_some(),
            serde_json::Value::String(_) | serde_json::Value::Bool(_) => true,
            _ => false,
        };
        for odd in claim.values.iter().filter(|value| !matchable(value)) {
            notes.warn(format!("bound_claims: {} under {name} matches nothing", describe(odd)));
        }
        if !claim.is_comparable || !claim.values.iter().any(matchable) {
            let what = if claim.values.is_empty() { "an empty list" } else { "nothing that can match" };
            notes.warn(format!("{NEVER}: {name} is bound to {what}"));
        }
        for value in claim.values.iter().filter_map(serde_json::Value::as_str) {
            if role.matching == Matching::Exact && value.contains('*') {
                notes.warn_with(
                    format!("bound_claims: {} under {name}: * stands for itself", quote(value)),
                    "\"bound_claims_type\": \"glob\" makes it a pattern",
                );
            }
            if role.matching == Matching::Glob && value.contains(['?', '[']) {
                notes
                    .note(format!("bound_claims: {} under {name}: of patterns, only * counts", quote(value)));
            }
            if role.matching == Matching::Glob && !value.is_empty() && value.chars().all(|c| c == '*') {
                notes.note(format!("bound_claims: {} under {name} matches every text", quote(value)));
            }
        }
    }
}

fn names(role: &LoginRole, notes: &mut Notes) {
    let all = role
        .bound_claims
        .iter()
        .map(|bound| bound.name.as_str())
        .chain(role.groups_claim.as_deref())
        .chain(role.claim_mappings.iter().map(|(source, _)| source.as_str()))
        .chain(role.user_claim_is_pointer.then_some(role.user_claim.as_str()));
    for name in all.filter(|name| pointer::has_odd_index(name)) {
        notes.warn(format!(
            "{}: an index is written as 0, 1, 2, …; this one is never found here",
            quote(name)
        ));
    }
    if role.user_claim.starts_with('/') && !role.user_claim_is_pointer {
        notes.warn_with(
            format!("user_claim {} is the name of a claim as it stands", quote(&role.user_claim)),
            "\"user_claim_json_pointer\": true makes it a JSON pointer",
        );
    }
    if matches!(role.user_claim.as_str(), "exp" | "nbf" | "iat")
        || (role.user_claim == "aud" && role.user_claim_is_pointer)
    {
        notes.warn(format!("{NEVER}: user_claim {} is never a text", quote(&role.user_claim)));
    }
    for (source, _) in &role.claim_mappings {
        if source == "aud" {
            notes.warn_with(
                "claim_mappings: aud is always seen as a list, so that a token with an aud is refused",
                "\"/aud\" is seen as it stands",
            );
        } else if matches!(source.as_str(), "exp" | "nbf" | "iat") {
            notes.warn(format!(
                "claim_mappings: {source} is a number, so that a token that has it is refused"
            ));
        }
    }
    if matches!(role.groups_claim.as_deref(), Some("exp" | "nbf" | "iat")) {
        notes.warn(format!("{NEVER}: groups_claim is a time, which is no group"));
    }
}

/// The surprises of a configuration that was read without fault.
#[must_use]
pub fn config_warnings(config: &RoleConfig) -> Notes {
    let mut notes = Notes::new();
    if config.bound_issuer.is_none() {
        if matches!(config.keys, RoleKeySource::Discovery(_)) {
            notes.warn_with(
                "oidc_discovery_url alone binds no issuer: a token with any iss passes",
                "set bound_issuer to the same address",
            );
        } else {
            notes.note("without bound_issuer, a token with any iss passes");
        }
    }
    let key_sets = match &config.keys {
        RoleKeySource::Pem(_) => &[][..],
        RoleKeySource::KeySet(set) | RoleKeySource::Discovery(set) => std::slice::from_ref(set),
        RoleKeySource::KeySets(sets) => sets,
    };
    for set in key_sets.iter().filter(|set| set.url.starts_with("http://")) {
        notes.warn(format!("{} is not encrypted: whoever is on the way chooses the keys", quote(&set.url)));
    }
    notes
}
