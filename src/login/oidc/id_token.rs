//! From a provider's tokens to a person: the ID token verified and judged, userinfo asked and
//! compared, the login role applied, the identity mapped.

use std::sync::RwLock;

use serde_json::{Map, Value};

use super::error::OidcError;
use crate::key::{Algorithm, KeyStrength};
use crate::oidc::discovery::ProviderEndpoint;
use crate::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks};
use crate::oidc::oauth::{Provider, TokenResponse, Userinfo};
use crate::policy::Verbosity;
use crate::policy::id_token::{self, Expected};
use crate::policy::login_role::{Flow, Login, LoginRole, RoleConfig, evaluate};
use crate::policy::oidc_identity::{self, OidcIdentity};
use crate::policy::{CheckState, Verdict};
use crate::token::{Claims, TokenError, Verified};
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::{Clock, Timestamp};
use crate::verify::verify_with_refetch;

/// By what a person is judged.
#[derive(Debug, Clone, Copy)]
pub struct IdTokenPolicy<'a> {
    /// The login role, if one is used.
    pub role: Option<(&'a RoleConfig, &'a LoginRole)>,
    /// The algorithms an ID token may have; the provider's own list narrows them further.
    pub algorithms: &'a [Algorithm],
    /// How long ago the person may have logged in at the provider, in seconds.
    pub max_age: Option<i64>,
    /// Where the provider's keys are kept.
    pub cache: &'a Cache,
    /// The present.
    pub clock: Clock,
}

/// What ties the tokens to something that was before.
#[derive(Debug, Clone, Copy)]
pub enum TokenBinding<'a> {
    /// A login in the browser, by the nonce that was sent.
    Nonce(&'a SecretText),
    /// A login on another device: the device code is the tie.
    Device,
    /// An earlier login of this `sub`.
    Subject(&'a str),
}

/// Somebody who logged in.
#[derive(Debug, Clone)]
pub struct IdTokenSubject {
    /// Who it is for the server.
    pub identity: OidcIdentity,
    /// Who it is for the provider.
    pub subject: String,
    /// What the login role found, where one was used.
    pub login: Option<Login>,
    /// The ID token, for ending the login at the provider later; a refresh may bring none.
    pub id_token: Option<SecretText>,
    /// The token for a new session later, if the provider gave one.
    pub refresh_token: Option<SecretText>,
}

/// The signature algorithms of ID tokens that are taken where nobody says otherwise: all but the
/// shared ones, whose secret would have to be the client's.
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

/// Finds out who the tokens are about.
///
/// # Errors
/// [`OidcError`]; every check that fails refuses the login.
pub fn identify(
    provider: &Provider<'_>,
    tokens: TokenResponse,
    tie: TokenBinding<'_>,
    rules: &IdTokenPolicy<'_>,
    notes: &mut Notes,
) -> Result<IdTokenSubject, OidcError> {
    let TokenResponse { id_token, access_token, refresh_token } = tokens;
    let Some(id_token) = id_token else {
        return match (tie, access_token) {
            (TokenBinding::Subject(subject), Some(access_token)) if rules.role.is_none() => {
                identify_by_userinfo(provider, subject, &access_token, refresh_token, rules, notes)
            }
            _ => Err(OidcError::NoIdToken),
        };
    };
    let discovery = provider.discovery;
    let now = rules.clock.now();
    let verified =
        verified(provider, &id_token, rules.cache, now, notes)?.map_err(OidcError::InvalidIdToken)?;
    let algorithms = allowed(rules.algorithms, &discovery.id_token_algorithms());
    let (nonce, subject) = match tie {
        TokenBinding::Nonce(nonce) => (Some(nonce), None),
        TokenBinding::Device => (None, None),
        TokenBinding::Subject(subject) => (None, Some(subject)),
    };
    let expected = Expected {
        issuer: &discovery.issuer,
        client_id: &provider.registration.client_id,
        algorithms: &algorithms,
        nonce,
        access_token: access_token.as_ref(),
        subject,
        // A refresh does not make the person log in again, so that its age says nothing new.
        max_age: rules.max_age.filter(|_| subject.is_none()),
    };
    require_acceptance(&id_token::evaluate(&verified, &expected, now), notes)?;
    let userinfo = match &access_token {
        Some(access_token) if discovery.names(ProviderEndpoint::Userinfo) => {
            let userinfo = userinfo(provider, access_token, rules, notes)?;
            require_acceptance(&id_token::judge_userinfo(&verified, &userinfo), notes)?;
            Some(userinfo)
        }
        _ => None,
    };
    let is_verbose = rules.role.is_some_and(|(_, role)| role.verbose_logging);
    if is_verbose {
        let shown = |claims: &Map<String, Value>| {
            serde_json::to_string(claims).map(|text| escape(&text)).unwrap_or_default()
        };
        log::info!("claims of the ID token: {}", shown(verified.claims().as_object()));
        if let Some(userinfo) = &userinfo {
            log::info!("claims of userinfo: {}", shown(userinfo));
        }
        notes.warn(
            "verbose-logging",
            "the login role has verbose_oidc_logging: -v shows what the provider says about people",
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
    let identity = oidc_identity::identify(verified.claims(), userinfo.as_ref(), username, notes)?;
    let subject = verified.claims().subject().unwrap_or_default().to_owned();
    Ok(IdTokenSubject { identity, subject, login, id_token: Some(id_token), refresh_token })
}

/// A refresh whose answer has no ID token (OpenID Connect Core 12.2 allows it): userinfo tells who
/// it is, and it must be the person of the login.
fn identify_by_userinfo(
    provider: &Provider<'_>,
    subject: &str,
    access_token: &SecretText,
    refresh_token: Option<SecretText>,
    rules: &IdTokenPolicy<'_>,
    notes: &mut Notes,
) -> Result<IdTokenSubject, OidcError> {
    let userinfo = userinfo(provider, access_token, rules, notes)?;
    let found = userinfo.get("sub").and_then(Value::as_str);
    if found != Some(subject) {
        return Err(OidcError::NotAccepted {
            check: "userinfo",
            reason: format!(
                "userinfo is about {}, the login was that of {}",
                quote(found.unwrap_or_default()),
                quote(subject)
            ),
            hint: None,
        });
    }
    let identity = oidc_identity::identify(&Claims::new(), Some(&userinfo), None, notes)?;
    Ok(IdTokenSubject { identity, subject: subject.to_owned(), login: None, id_token: None, refresh_token })
}

/// What userinfo tells; where it is a signed token, that is verified first.
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
        .map_err(OidcError::InvalidUserinfo)?;
    let (issuer, client_id) = (&provider.discovery.issuer, &provider.registration.client_id);
    require_acceptance(
        &id_token::judge_signed_userinfo(&verified, issuer, client_id, rules.algorithms),
        notes,
    )?;
    Ok(verified.claims().as_object().clone())
}

/// A token of the provider, verified with its keys; when none fits, they are fetched once more.
/// The outer error is about the keys, the inner one about the token.
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

/// The algorithms that both sides have; ours where the provider does not say.
fn allowed(ours: &[Algorithm], theirs: &[String]) -> Vec<Algorithm> {
    let named: Vec<Algorithm> =
        ours.iter().copied().filter(|ours| theirs.iter().any(|theirs| theirs == ours.name())).collect();
    if theirs.is_empty() { ours.to_vec() } else { named }
}

/// Refuses what the verdict refuses; its warnings become notes.
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
    fn a_provider_cannot_widen_the_algorithms() {
        let theirs = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        assert_eq!(allowed(&ALGORITHMS, &theirs(&["RS256", "HS256", "none"])), [Algorithm::Rs256]);
        assert_eq!(allowed(&ALGORITHMS, &theirs(&["HS256"])), []);
        assert_eq!(allowed(&[Algorithm::EdDsa], &theirs(&[])), [Algorithm::EdDsa]);
    }
}
