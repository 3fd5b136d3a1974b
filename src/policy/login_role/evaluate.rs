//! Checks a token against a login role.

use serde_json::{Map, Value};

use super::bound_claims;
use super::check_sequence::{CheckResult, CheckSequence, Failure, Pass};
use super::config::{RoleConfig, RoleKeySource};
use super::identity::{self, Login};
use super::registered::{self, RegisteredClaims};
use super::role::{LoginRole, RoleType};
use super::times;
use crate::key::{Algorithm, Jwk, KeyStrength};
use crate::policy::verdict::{Verbosity, Verdict};
use crate::token::{TokenError, Verified};
use crate::util::diagnostic::Diagnostic;
use crate::util::quote::quote;
use crate::util::suggest::nearest;
use crate::util::time::Timestamp;

/// The names of the checks, in the order in which they are made.
pub const CHECKS: [&str; 15] = [
    "role",
    "role-type",
    "token",
    "signature",
    "algorithm",
    "registered-claims",
    "issuer",
    "subject",
    "audience",
    "times",
    "user-claim",
    "claim-mappings",
    "groups",
    "bound-claims",
    "identity",
];

/// The origin of the token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow<'a> {
    /// The user gave the token: the role must be of type `jwt`.
    Token,
    /// The token is the ID token of an OpenID Connect login, whose audience, nonce and times that login
    /// has checked (`policy::id_token`): the role must be of type `oidc`.
    Provider {
        /// The verified UserInfo of the token's subject. For identity and bound claims it takes precedence
        /// over the token, except for registered claims.
        userinfo: Option<&'a Map<String, Value>>,
    },
}

/// The registered claims (RFC 7519 4.1), which UserInfo does not replace.
const REGISTERED: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

/// Checks whether a token can log in with a role. `token` is the result of [`fn@crate::token::verify`];
/// the caller must verify it with the keys of `config`. The checks are made in the order of [`CHECKS`]
/// until one fails. Returns a [`Login`] if and only if the verdict accepts.
pub fn evaluate(
    config: &RoleConfig,
    role: &LoginRole,
    token: Result<&Verified, &TokenError>,
    flow: Flow<'_>,
    now: Timestamp,
    verbosity: Verbosity,
) -> (Verdict, Option<Login>) {
    let mut sequence = CheckSequence::new(&CHECKS, verbosity);
    let login = run_checks(&mut sequence, config, role, token, flow, now);
    let verdict = sequence.finish();
    let login = login.filter(|_| verdict.accepts());
    (verdict, login)
}

/// Returns the verdict for an unknown role.
pub fn unknown_role<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Verdict {
    let mut sequence = CheckSequence::new(&CHECKS, Verbosity::All);
    let failure = Failure::new(format!("unknown login role {}", quote(name)));
    let failure = match nearest(name, known) {
        Some(near) => failure.hint(format!("did you mean {}?", quote(near))),
        None => failure,
    };
    sequence.record::<()>(Err(failure));
    sequence.finish()
}

fn run_checks(
    sequence: &mut CheckSequence,
    config: &RoleConfig,
    role: &LoginRole,
    token: Result<&Verified, &TokenError>,
    flow: Flow<'_>,
    now: Timestamp,
) -> Option<Login> {
    sequence.record(Ok(Pass::new((), quote(&role.name))))?;
    sequence.record(role_type(role, flow))?;
    sequence.record(form(token))?;
    let verified = sequence.record(signature(config, token))?;
    let claims = verified.claims().as_object();
    // The reference server rejects an ambiguous claim when it parses the payload, before the algorithm.
    let ambiguous = registered::reject_ambiguous(claims);
    sequence.record(before(algorithm(config, verified), ambiguous.is_err()))?;
    let registered = sequence.record(ambiguous.and_then(|()| registered::read(claims)))?;
    sequence.record(issuer(config, &registered))?;
    sequence.record(subject(role, &registered))?;
    // The times of an ID token have rules of their own (OpenID Connect Core 3.1.3.7), which the caller
    // has checked.
    let times = match flow {
        Flow::Token => times::check(role, &registered, now),
        Flow::Provider { .. } => Ok(Pass::new((), "checked as those of an ID token")),
    };
    // The reference server compares the audiences before the times, and checks that a role has audiences
    // at all after them.
    let is_later = role.bound_audiences.is_empty() && times.is_err();
    sequence.record(before(audience(role, &registered, claims, flow), is_later))?;
    sequence.record(times)?;
    let merged = with_userinfo(claims, flow);
    let claims = merged.as_ref().unwrap_or(claims);
    let username = sequence.record(identity::user_name(role, claims))?;
    let metadata = sequence.record(identity::metadata(role, claims))?;
    let groups = sequence.record(identity::groups(role, claims))?;
    sequence.record(bound_claims::check(role, claims))?;
    sequence.record(identity::check_limits(role, &username, &metadata))?;
    Some(Login { username, groups, metadata, session_seconds: role.session_seconds })
}

/// Returns a failure as a warning if the reference server makes a check that is listed later first, and that
/// check fails: it names that one.
fn before(outcome: CheckResult<()>, is_later: bool) -> CheckResult<()> {
    match outcome {
        Err(Failure { reason, hint }) if is_later => Ok(Pass { hint, ..Pass::warning((), reason) }),
        outcome => outcome,
    }
}

/// Merges the claims of UserInfo over those of the token, as the reference server does; `None` without
/// UserInfo.
fn with_userinfo(claims: &Map<String, Value>, flow: Flow<'_>) -> Option<Map<String, Value>> {
    let Flow::Provider { userinfo: Some(userinfo) } = flow else { return None };
    let mut merged = claims.clone();
    for (name, value) in userinfo.iter().filter(|(name, _)| !REGISTERED.contains(&name.as_str())) {
        merged.insert(name.clone(), value.clone());
    }
    Some(merged)
}

fn role_type(role: &LoginRole, flow: Flow<'_>) -> CheckResult<()> {
    let (expected, what) = match flow {
        Flow::Token => (RoleType::Jwt, "a token that is brought along"),
        Flow::Provider { .. } => (RoleType::Oidc, "a login at a provider"),
    };
    if role.role_type == expected {
        return Ok(Pass::new((), expected.name()));
    }
    Err(Failure::new(format!(
        "the role is of type '{}', expected '{}' for {what}",
        role.role_type.name(),
        expected.name()
    ))
    .hint(format!("set \"role_type\": \"{}\" in the role (without it, a role is oidc)", expected.name())))
}

/// Returns whether the token is well formed and only its signature is the error.
const fn is_about_signature(error: &TokenError) -> bool {
    matches!(
        error,
        TokenError::Unsigned(_)
            | TokenError::SignatureEmpty
            | TokenError::AlgorithmUnknown(_)
            | TokenError::AlgorithmMismatch { .. }
            | TokenError::NoKey
            | TokenError::KeyUnknown { .. }
            | TokenError::OtherIssuer { .. }
            | TokenError::Signature(_)
            | TokenError::TooManyKeys { .. }
    )
}

/// Returns a clause on a malformed token that the reference server can accept; empty if it cannot.
fn server_leniency(error: &TokenError) -> &'static str {
    match error {
        TokenError::Parts(1) => {
            "; a token in JSON form, which the reference server takes, is refused here as well"
        }
        TokenError::Base64 { .. } => {
            "; the reference server drops white space and padding, here they are refused"
        }
        TokenError::HeaderType { name: "kid", found: "null", .. } => {
            "; the reference server reads it as a missing one"
        }
        TokenError::TooLong(_)
        | TokenError::TooDeep(_)
        | TokenError::SpareBits(_)
        | TokenError::NotUtf8(_)
        | TokenError::Duplicate { .. }
        | TokenError::Critical(_)
        | TokenError::Unencoded
        | TokenError::EmbeddedKey(_) => "; the reference server is not always that strict",
        _ => "",
    }
}

fn form(token: Result<&Verified, &TokenError>) -> CheckResult<()> {
    match token {
        Err(error) if !is_about_signature(error) => {
            Err(Failure { reason: format!("{error}{}", server_leniency(error)), hint: error.hint() })
        }
        Ok(verified) => {
            header(verified.header().as_object())?;
            Ok(Pass::new((), "well formed"))
        }
        Err(_) => Ok(Pass::new((), "well formed")),
    }
}

/// Checks the header parameters that the reference server parses without using them: it rejects a `nonce`
/// that is not a string and a `jwk` that is not a public key.
fn header(members: &Map<String, Value>) -> Result<(), Failure> {
    let given = |name: &str| members.get(name).filter(|value| !value.is_null());
    if given("nonce").is_some_and(|nonce| !nonce.is_string()) {
        return Err(Failure::new("the token's header has a 'nonce' that is not text"));
    }
    if let Some(jwk) = given("jwk") {
        Jwk::parse(&jwk.to_string()).and_then(|jwk| jwk.verifying_key(KeyStrength::AllowWeak)).map_err(
            |error| Failure::new(format!("the token's header has a 'jwk' that is not a public key: {error}")),
        )?;
    }
    Ok(())
}

fn signature<'a>(config: &RoleConfig, token: Result<&'a Verified, &TokenError>) -> CheckResult<&'a Verified> {
    match token {
        Ok(verified) => {
            let is_named = verified.header().key_id().is_some_and(|kid| !kid.is_empty());
            if matches!(config.keys, RoleKeySource::KeySets(_)) && !is_named {
                return Err(Failure::new(
                    "the token's header names no key ('kid'), which jwks_pairs needs to find the right set",
                ));
            }
            // RFC 9864 has the name Ed25519, which the reference server does not support.
            let name = verified.header().algorithm();
            if name != verified.algorithm().name() {
                return Err(Failure::new(format!(
                    "the token has 'alg' {}, the reference server supports only {}",
                    quote(name),
                    verified.algorithm()
                )));
            }
            let reason = match verified.header().key_id() {
                Some(kid) => format!("{} by the key {}", verified.algorithm(), quote(kid)),
                None => verified.algorithm().to_string(),
            };
            Ok(Pass::new(verified, reason))
        }
        Err(error) => Err(token_failure(error)),
    }
}

fn token_failure(error: &TokenError) -> Failure {
    Failure { reason: error.to_string(), hint: error.hint() }
}

fn algorithm(config: &RoleConfig, verified: &Verified) -> CheckResult<()> {
    let name = verified.algorithm().name();
    if config.algorithms.contains(&verified.algorithm()) {
        return Ok(Pass::new((), format!("{name} is allowed")));
    }
    let allowed: Vec<&str> = config.algorithms.iter().map(|algorithm: &Algorithm| algorithm.name()).collect();
    Err(Failure::new(format!("{name} is not among jwt_supported_algs ({})", allowed.join(", "))))
}

fn issuer(config: &RoleConfig, claims: &RegisteredClaims) -> CheckResult<()> {
    let Some(expected) = &config.bound_issuer else {
        let reason = match &claims.iss {
            Some(iss) => format!("any will do, found {}", quote(iss)),
            None => "any will do, found none".to_owned(),
        };
        return Ok(match config.keys {
            RoleKeySource::Discovery(_) => Pass {
                hint: Some("set bound_issuer in the configuration".to_owned()),
                ..Pass::warning((), format!("{reason}: oidc_discovery_url alone binds no issuer"))
            },
            _ => Pass::new((), reason),
        });
    };
    exact("iss", "bound_issuer", expected, claims.iss.as_deref())
}

fn subject(role: &LoginRole, claims: &RegisteredClaims) -> CheckResult<()> {
    match &role.bound_subject {
        None => Ok(Pass::new((), "any will do")),
        Some(expected) => exact("sub", "bound_subject", expected, claims.sub.as_deref()),
    }
}

fn exact(claim: &str, field: &str, expected: &str, found: Option<&str>) -> CheckResult<()> {
    match found {
        Some(found) if found == expected => Ok(Pass::new((), quote(found))),
        Some(found) => {
            let failure =
                Failure::new(format!("{claim} is {}, expected {} ({field})", quote(found), quote(expected)));
            Err(match bound_claims::text_difference(expected, found) {
                Some(hint) => failure.hint(hint),
                None if expected.contains('*') => failure.hint("* is not a wildcard here"),
                None => failure,
            })
        }
        None => {
            Err(Failure::new(format!("the token has no {claim}, expected {} ({field})", quote(expected))))
        }
    }
}

fn audience(
    role: &LoginRole,
    registered: &RegisteredClaims,
    claims: &Map<String, Value>,
    flow: Flow<'_>,
) -> CheckResult<()> {
    let (expected, found) = (&role.bound_audiences, &registered.aud);
    let listed = |values: &[String]| {
        let mut shown: Vec<String> = values.iter().take(5).map(|value| quote(value)).collect();
        if values.len() > shown.len() {
            shown.push(format!("{} more", values.len() - shown.len()));
        }
        shown.join(" or ")
    };
    if expected.is_empty() {
        return if found.is_empty() || matches!(flow, Flow::Provider { .. }) {
            Ok(Pass::new((), if found.is_empty() { "none, and the role binds none" } else { "the client's" }))
        } else {
            let first = Value::from(found[0].as_str());
            Err(Failure::new(format!(
                "the token is for {}, but the role has no bound_audiences: such a role rejects every token with an aud",
                listed(found)
            ))
            .hint(format!("if this service is meant, set \"bound_audiences\": [{first}] in the role")))
        };
    }
    if let Some(matched) = found.iter().find(|audience| expected.contains(audience)) {
        return Ok(Pass::new((), quote(matched)));
    }
    if found.is_empty() {
        return Err(Failure::new(format!(
            "the token has no aud, expected {} (bound_audiences)",
            listed(expected)
        ))
        .hint(
            bound_claims::keycloak_mapper(claims)
                .unwrap_or_else(|| "ask the issuer for a token for this audience".to_owned()),
        ));
    }
    let failure =
        Failure::new(format!("aud is {}, expected {} (bound_audiences)", listed(found), listed(expected)));
    let difference = expected
        .iter()
        .find_map(|expected| found.iter().find_map(|found| bound_claims::text_difference(expected, found)));
    Err(match difference {
        Some(hint) => failure.hint(hint),
        None if expected.iter().any(|expected| expected.contains('*')) => {
            failure.hint("audiences are compared letter by letter; * is not a wildcard")
        }
        None => failure,
    })
}
