//! Login with a token: signed with the HMAC secret, as at the server's `/jwt-login`, or issued by
//! the server itself or the trusted issuer, as in its login cookie.

use serde_json::Value;

use super::error::LoginError;
use super::identity::{Identity, Method};
use super::row::{self, RowChange, RowPermissions};
use crate::config::{ServerKeys, Settings};
use crate::history::DisabledUsers;
use crate::key::{KeyStrength, VerifyingKey};
use crate::policy::Verbosity;
use crate::policy::server_access::{evaluate, rejected_by_server_state, session_roles};
use crate::policy::{Account, CheckState, Endpoint, ServerRules, Signer, Verdict};
use crate::token::{Claims, Unverified, Verified, verify};
use crate::user::{AuthSource, User, Username};
use crate::user_db::UserDb;
use crate::util::note::Notes;
use crate::util::quote::quote;
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// Logs in the subject of the token if the server would accept it.
///
/// This is stricter than the server: a token with only unknown roles is rejected (the server starts
/// a session without effect), a user with an invalid name is not added, and a known user of another
/// auth source is never changed.
///
/// # Errors
/// [`LoginError::TokenRejected`] with the first reason, [`LoginError::Config`] for invalid keys, [`LoginError::UserDb`].
pub fn login(
    settings: &Settings,
    store: &mut UserDb,
    text: &SecretText,
    now: Timestamp,
    notes: &mut Notes,
) -> Result<Identity, LoginError> {
    let rejected = |reason: String, hint: Option<String>| LoginError::TokenRejected { reason, hint };
    let from_token = |error: crate::token::TokenError| {
        use crate::util::diagnostic::Diagnostic as _;
        rejected(error.to_string(), error.hint())
    };
    let found = crate::token::text::one(text.expose()).map_err(|error| {
        use crate::util::diagnostic::Diagnostic as _;
        rejected(error.to_string(), error.hint())
    })?;
    let token = Unverified::parse(&found.token).map_err(from_token)?;
    let endpoint = endpoint_of(&token);
    let rules = server_rules(settings);
    let keys = endpoint_keys(settings, endpoint, &rules, notes)?;
    let verified = verify(token, keys.iter().map(|(_, key)| key)).map_err(from_token)?;
    let signer = keys.get(verified.key()).map_or(Signer::Own, |(signer, _)| *signer);
    let subject = verified.claims().subject().unwrap_or_default().to_owned();
    let known = if subject.is_empty() { None } else { store.find(&subject)? };
    let restored = known
        .as_ref()
        .and_then(|user| DisabledUsers::restored_roles(store.path(), &user.username, &user.roles));
    let account = known.as_ref().map_or(Account::Missing, |user| Account::of(user, restored.as_deref()));
    let verdict = evaluate(Some(endpoint), &verified, signer, &rules, account, now, Verbosity::All);
    if let Some(reason) = first_failure(&verdict) {
        return Err(reason);
    }
    warn_of_username("subject", &verdict, notes);
    let user = if rules.validate_user {
        known.ok_or_else(|| rejected(format!("{} is not in the user table", quote(&subject)), None))?
    } else {
        update_user_db(settings, store, &verified, known.as_ref(), notes)?
    };
    Ok(Identity { user, method: Method::Token })
}

/// Whether the server uses such a token; without the required settings, it ignores tokens.
#[must_use]
pub fn applies_to(settings: &Settings, text: &SecretText) -> bool {
    let found = crate::token::text::one(text.expose());
    let Some(token) = found.as_ref().ok().and_then(|found| Unverified::parse(&found.token).ok()) else {
        // A malformed token is rejected as soon as any kind of token is accepted.
        let shared = settings.hmac_secret(KeyStrength::Enforce).is_ok();
        return shared || server_rules(settings).cookie_login_missing.is_empty();
    };
    let mut notes = Notes::new();
    let rules = server_rules(settings);
    endpoint_keys(settings, endpoint_of(&token), &rules, &mut notes).is_ok()
}

/// Returns the endpoint for this kind of token.
fn endpoint_of(token: &Unverified<'_>) -> Endpoint {
    if Endpoint::JwtLogin.algorithms().contains(&token.algorithm_hint()) {
        Endpoint::JwtLogin
    } else {
        Endpoint::CookieLogin
    }
}

pub(super) fn first_failure(verdict: &Verdict) -> Option<LoginError> {
    if verdict.accepts() {
        return None;
    }
    let failure = verdict.first_failure();
    Some(LoginError::TokenRejected {
        reason: failure.map_or_else(
            || "nothing was checked".to_owned(),
            |finding| format!("{}: {}", finding.check, finding.reason),
        ),
        hint: failure.and_then(|finding| finding.hint.clone()),
    })
}

/// Warns of the claim with the username as the check of the claim does.
pub(super) fn warn_of_username(check: &'static str, verdict: &Verdict, notes: &mut Notes) {
    for finding in verdict.findings().iter().filter(|finding| finding.check == check) {
        if let (CheckState::Warn, Some(hint)) = (finding.state, &finding.hint) {
            notes.warn_with(check, finding.reason.clone(), hint.clone());
        }
    }
}

fn server_rules(settings: &Settings) -> ServerRules {
    let jwts = &settings.jwts;
    ServerRules {
        validate_user: jwts.validate_user.value,
        trusted_issuer: jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.clone()),
        adds_users: jwts.sync_user_on_login.value,
        updates_users: jwts.update_user_on_login.value,
        cookie_login_missing: settings.cookie_login_lacks(ServerKeys::Configured),
        jwt_login_missing: settings.jwt_login_lacks(ServerKeys::Configured),
        ..ServerRules::default()
    }
}

/// Returns the keys of this endpoint.
fn endpoint_keys(
    settings: &Settings,
    endpoint: Endpoint,
    rules: &ServerRules,
    notes: &mut Notes,
) -> Result<Vec<(Signer, VerifyingKey)>, LoginError> {
    if let Some(refusal) = rejected_by_server_state(endpoint, rules).as_ref().and_then(first_failure) {
        return Err(refusal);
    }
    if endpoint == Endpoint::JwtLogin {
        return Ok(vec![(Signer::HmacSecret, settings.hmac_secret(KeyStrength::Enforce)?)]);
    }
    Ok(vec![
        (Signer::Own, settings.verifying_key(notes)?),
        (Signer::CrossLogin, settings.cross_login_key(notes)?),
    ])
}

/// Returns the user of the token, added or updated in the user table if the settings permit it.
fn update_user_db(
    settings: &Settings,
    store: &mut UserDb,
    token: &Verified,
    known: Option<&User>,
    notes: &mut Notes,
) -> Result<User, LoginError> {
    let claims = token.claims();
    let user = User {
        username: claims.subject().unwrap_or_default().to_owned(),
        name: name(claims),
        roles: session_roles(&claims.roles()).into_iter().map(str::to_owned).collect(),
        projects: claims.texts("projects").into_iter().map(str::to_owned).collect(),
        email: None,
        source: AuthSource::Token,
    };
    let adds = settings.jwts.sync_user_on_login.value;
    let updates = settings.jwts.update_user_on_login.value;
    if known.is_none() && adds {
        user.username.parse::<Username>().map_err(|error| LoginError::TokenRejected {
            reason: format!("the user cannot be added: {error}"),
            hint: None,
        })?;
    }
    let name = quote(&user.username);
    Ok(
        match row::apply(
            store,
            &user,
            RowPermissions { may_add: adds, may_update: updates, preserved_roles: &[] },
        )? {
            RowChange::Unknown => user,
            RowChange::Added => {
                notes.note(format!("added {name} with the data of the token"));
                user
            }
            RowChange::Updated { row, is_enabled, .. } => {
                if is_enabled {
                    row::warn_of_enabled(&row.username, "issuer", notes);
                }
                *row
            }
            RowChange::Known(row) => {
                if row.source != user.source && updates {
                    notes.note(format!(
                    "{name} is not a user of source token and was not changed; the server would overwrite name and roles"
                ));
                }
                User { source: row.source, email: row.email, ..user }
            }
        },
    )
}

/// Returns the claim `name`: a string, or an object whose `values` are joined with spaces.
fn name(claims: &Claims) -> Option<String> {
    let text = match claims.get("name")? {
        Value::String(text) => text.clone(),
        Value::Object(object) => {
            let values = object.get("values")?.as_array()?;
            let plain = |value: &Value| match value {
                Value::String(text) => Some(text.clone()),
                Value::Number(number) => Some(number.to_string()),
                Value::Bool(truth) => Some(truth.to_string()),
                _ => None,
            };
            values.iter().filter_map(plain).collect::<Vec<_>>().join(" ")
        }
        _ => return None,
    };
    Some(text).filter(|text| !text.is_empty())
}
