//! Maps the tokens of a provider to a user: verifies and checks the ID token, fetches and compares
//! UserInfo, evaluates the login role, and maps the claims.

use std::sync::RwLock;

use serde_json::{Map, Value};

use super::error::{OidcError, ProviderToken};
use crate::key::{Algorithm, KeyStrength};
use crate::oidc::discovery::ProviderEndpoint;
use crate::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks};
use crate::oidc::oauth::{Provider, TokenResponse, Userinfo};
use crate::policy::Verbosity;
use crate::policy::id_token::{self, ExpectedIdToken};
use crate::policy::login_role::{Flow, Login, LoginRole, RoleConfig, evaluate};
use crate::policy::oidc_identity::{self, OidcIdentity};
use crate::policy::{CheckState, Verdict};
use crate::token::{TokenError, Unverified, Verified};
use crate::util::json_text::serialize_json;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::{Clock, Timestamp};
use crate::verify::verify_with_refetch;

/// The rules for an ID token.
#[derive(Debug, Clone, Copy)]
pub struct IdTokenPolicy<'a> {
    /// The login role, if one is used.
    pub role: Option<(&'a RoleConfig, &'a LoginRole)>,
    /// The accepted signature algorithms; only those that the provider also announces are used.
    pub algorithms: &'a [Algorithm],
    /// The maximum age of the login at the provider, in seconds.
    pub max_age: Option<i64>,
    /// The cache of the provider's keys.
    pub cache: &'a Cache,
    /// The clock.
    pub clock: Clock,
}

/// What binds the tokens to this login.
#[derive(Debug, Clone, Copy)]
pub enum TokenBinding<'a> {
    /// The nonce of a login in a browser.
    Nonce(&'a SecretText),
    /// No additional binding, for the tokens of a device code.
    Device,
    /// The `sub` of an earlier login.
    Subject(&'a str),
    /// No additional binding, for the tokens of a token exchange, which may have no ID token.
    TokenExchange,
}

/// The subject of an ID token.
#[derive(Debug, Clone)]
pub struct IdTokenSubject {
    /// The user for the server.
    pub identity: OidcIdentity,
    /// The `sub` at the provider.
    pub subject: String,
    /// The result of the login role, if there is one.
    pub login: Option<Login>,
    /// The ID token, for a logout at the provider; a refresh may have none.
    pub id_token: Option<SecretText>,
    /// The refresh token, if the provider sent one.
    pub refresh_token: Option<SecretText>,
}

/// The default signature algorithms of ID tokens: all except HMAC, whose key would be the client
/// secret.
pub const ALGORITHMS: [Algorithm; 10] = [
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::EdDsa,
];

/// Verifies the tokens and returns their subject.
///
/// # Errors
/// [`OidcError`]; a failed check rejects the login.
pub fn identify(
    provider: &Provider<'_>,
    tokens: TokenResponse,
    binding: TokenBinding<'_>,
    rules: &IdTokenPolicy<'_>,
    notes: &mut Notes,
) -> Result<IdTokenSubject, OidcError> {
    let TokenResponse { id_token, access_token, refresh_token, refresh_seconds: _, expires_in: _ } = tokens;
    let Some(id_token) = id_token else {
        return match (binding, access_token) {
            (TokenBinding::Subject(subject), Some(access_token)) if rules.role.is_none() => {
                identify_by_userinfo(provider, Some(subject), &access_token, refresh_token, rules, notes)
            }
            (TokenBinding::TokenExchange, Some(access_token)) if rules.role.is_none() => {
                identify_by_userinfo(provider, None, &access_token, refresh_token, rules, notes)
            }
            _ => Err(OidcError::NoIdToken),
        };
    };
    let discovery = provider.discovery;
    let now = rules.clock.now();
    let verified = verified(provider, &id_token, rules.cache, now, notes)?
        .map_err(|error| invalid(ProviderToken::IdToken, &id_token, error))?;
    let algorithms = allowed(rules.algorithms, &discovery.id_token_algorithms());
    let (nonce, subject) = match binding {
        TokenBinding::Nonce(nonce) => (Some(nonce), None),
        TokenBinding::Device | TokenBinding::TokenExchange => (None, None),
        TokenBinding::Subject(subject) => (None, Some(subject)),
    };
    let expected = ExpectedIdToken {
        issuer: &discovery.issuer,
        client_id: &provider.registration.client_id,
        client_id_setting: &provider.registration.names.client_id,
        algorithms: &algorithms,
        nonce,
        access_token: access_token.as_ref(),
        subject,
        // A refresh is not a new login of the user, so its age is not checked.
        max_age: rules.max_age.filter(|_| subject.is_none()),
    };
    require_acceptance(&id_token::evaluate(&verified, &expected, now), notes)?;
    let userinfo = match &access_token {
        Some(access_token) if discovery.names(ProviderEndpoint::Userinfo) => {
            let userinfo = userinfo(provider, access_token, rules, notes)?;
            require_acceptance(&id_token::check_userinfo(&verified, &userinfo), notes)?;
            Some(userinfo)
        }
        _ => None,
    };
    let is_verbose = rules.role.is_some_and(|(_, role)| role.verbose_logging);
    if is_verbose {
        let shown = |claims: &Map<String, Value>| escape(&serialize_json(claims));
        log::info!("claims of the ID token: {}", shown(verified.claims().as_object()));
        if let Some(userinfo) = &userinfo {
            log::info!("claims of userinfo: {}", shown(userinfo));
        }
        notes.warn(
            "verbose-logging",
            "the login role has verbose_oidc_logging: -v prints the claims of users",
        );
    }
    let mut login = None;
    if let Some((config, role)) = rules.role {
        let flow = Flow::Provider { userinfo: userinfo.as_ref() };
        let (verdict, found) = evaluate(config, role, Ok(&verified), flow, now, Verbosity::All);
        require_acceptance(&verdict, notes)?;
        login = found;
    }
    let username = login.as_ref().map(|login| login.username.as_str());
    let claims = verified.claims();
    if subject.is_none() {
        oidc_identity::warn_about_missing_roles(claims, notes);
    }
    let identity = oidc_identity::identify(Some(claims), userinfo.as_ref(), username, notes)?;
    let subject = claims.subject().unwrap_or_default().to_owned();
    Ok(IdTokenSubject { identity, subject, login, id_token: Some(id_token), refresh_token })
}

/// Returns the subject of a refresh or token exchange without an ID token, which OpenID Connect Core 12.2
/// and RFC 8693 2.2 permit. UserInfo must contain the `sub` of the login that is refreshed.
fn identify_by_userinfo(
    provider: &Provider<'_>,
    expected: Option<&str>,
    access_token: &SecretText,
    refresh_token: Option<SecretText>,
    rules: &IdTokenPolicy<'_>,
    notes: &mut Notes,
) -> Result<IdTokenSubject, OidcError> {
    let userinfo = userinfo(provider, access_token, rules, notes)?;
    let subject = userinfo.get("sub").and_then(Value::as_str).unwrap_or_default().to_owned();
    if let Some(expected) = expected.filter(|expected| **expected != subject) {
        return Err(OidcError::NotAccepted {
            check: "userinfo",
            reason: format!(
                "UserInfo has the subject {}, expected {} as at the login",
                quote(&subject),
                quote(expected)
            ),
            hint: None,
        });
    }
    let identity = oidc_identity::identify(None, Some(&userinfo), None, notes)?;
    Ok(IdTokenSubject { identity, subject, login: None, id_token: None, refresh_token })
}

/// Returns the claims of UserInfo; a signed response is verified.
fn userinfo(
    provider: &Provider<'_>,
    access_token: &SecretText,
    rules: &IdTokenPolicy<'_>,
    notes: &mut Notes,
) -> Result<Map<String, Value>, OidcError> {
    let token = match provider.userinfo(access_token)? {
        Userinfo::Plain(members) => return Ok(members),
        Userinfo::Signed(token) => token,
    };
    let verified = verified(provider, &token, rules.cache, rules.clock.now(), notes)?
        .map_err(|error| invalid(ProviderToken::Userinfo, &token, error))?;
    let (issuer, client_id) = (&provider.discovery.issuer, &provider.registration.client_id);
    require_acceptance(
        &id_token::check_signed_userinfo(&verified, issuer, client_id, rules.algorithms),
        notes,
    )?;
    Ok(verified.claims().as_object().clone())
}

/// Returns the error of a token that cannot be verified. For a token whose key is the client secret, this is not
/// that no key matches.
fn invalid(kind: ProviderToken, token: &SecretText, error: TokenError) -> OidcError {
    let algorithm = Unverified::parse(token.expose()).ok();
    let algorithm = algorithm.as_ref().and_then(|token| token.algorithm_hint().parse::<Algorithm>().ok());
    match algorithm.filter(|algorithm| algorithm.is_symmetric()) {
        Some(algorithm) => OidcError::TokenWithSecret { token: kind, algorithm },
        None => OidcError::InvalidToken { token: kind, error },
    }
}

/// Verifies a token with the keys of the provider, and fetches them once more if none matches. The
/// outer error is about the keys, the inner error about the token.
fn verified(
    provider: &Provider<'_>,
    token: &SecretText,
    cache: &Cache,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Result<Verified, TokenError>, OidcError> {
    let origin = JwksSource::KeySet(provider.discovery.need(ProviderEndpoint::Keys, provider.http)?);
    let client = provider.http.clone();
    let keys = RemoteJwks::open(client, origin, cache.clone(), KeyStrength::Enforce, now, notes)?;
    Ok(verify_with_refetch(&RwLock::new(keys), token.expose(), now, notes).require_keys()?)
}

/// Returns the algorithms in both lists, or the first list if the provider announces none.
fn allowed(ours: &[Algorithm], theirs: &[String]) -> Vec<Algorithm> {
    let named: Vec<Algorithm> =
        ours.iter().copied().filter(|ours| theirs.iter().any(|theirs| theirs == ours.name())).collect();
    if theirs.is_empty() { ours.to_vec() } else { named }
}

/// Returns an error for a negative verdict; warnings become notes.
fn require_acceptance(verdict: &Verdict, notes: &mut Notes) -> Result<(), OidcError> {
    for finding in verdict.findings() {
        log::info!("{}: {} ({})", finding.check, finding.reason, finding.state.name());
        if finding.state == CheckState::Warn {
            match &finding.hint {
                Some(hint) => notes.warn_with(finding.check, finding.reason.clone(), hint.clone()),
                None => notes.warn(finding.check, finding.reason.clone()),
            }
        }
    }
    if verdict.accepts() {
        return Ok(());
    }
    let (check, reason, hint) = verdict.first_failure().map_or_else(
        || ("verdict", "nothing was checked".to_owned(), None),
        |finding| (finding.check, finding.reason.clone(), finding.hint.clone()),
    );
    Err(OidcError::NotAccepted { check, reason, hint })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn allowed_never_exceeds_our_algorithms() {
        let theirs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(allowed(&ALGORITHMS, &theirs(&["RS256", "HS256", "none"])), [Algorithm::Rs256]);
        assert_eq!(allowed(&ALGORITHMS, &theirs(&["HS256"])), []);
        assert_eq!(allowed(&[Algorithm::EdDsa], &theirs(&[])), [Algorithm::EdDsa]);
    }
}
