//! Warnings before tokens are signed, for tokens that the server would reject or that permit less than
//! expected.

use super::recipients::{FEW, Recipient, RecipientSummary};
use super::request::{IssueRequest, KeyOwner, Lifetime};
use crate::config::{ServerEffect, ServerKeys, Settings};
use crate::history::DisabledUsers;
use crate::key::Algorithm;
use crate::policy::Endpoint;
use crate::policy::remedy::{Remedy, describe_endpoints};
use crate::token::HeaderParams;
use crate::user::Role;
use crate::util::count::counted;
use crate::util::file::shell_word;
use crate::util::note::{Level, Note, Notes};
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// Adds all warnings for the tokens of a request.
pub(super) fn check(
    request: &IssueRequest,
    header: &HeaderParams,
    summary: &RecipientSummary,
    expires_at: Option<Timestamp>,
    settings: &Settings,
    notes: &mut Notes,
) {
    if expires_at.is_none() && request.lifetime != Lifetime::Unlimited {
        notes.warn_with(
            "no-max-age",
            "auth.jwts.max-age is not set: the token never expires",
            "use --ttl 24h, or --no-expiry for such a token",
        );
    }
    check_issuer(request, header, settings, notes);
    if request.key_owner == KeyOwner::Server {
        check_server(header.algorithm, settings, notes);
    }
    if summary.count > FEW {
        check_all_roles(summary, header.algorithm, notes);
    } else {
        let validates_user = settings.jwts.validate_user.value;
        for recipient in &summary.first {
            let restored_roles =
                if request.roles.is_none() { restored_roles(recipient, settings) } else { None };
            check_roles(recipient, restored_roles.as_deref(), header.algorithm, validates_user, notes);
        }
    }
}

/// Checks the issuer: the cookie login verifies tokens of the trusted issuer only with that issuer's
/// key.
fn check_issuer(request: &IssueRequest, header: &HeaderParams, settings: &Settings, notes: &mut Notes) {
    let trusted = settings.jwts.trusted_issuer.as_ref().map(|issuer| issuer.value.as_str());
    let Some(issuer) = request.issuer.as_deref() else { return };
    let is_server_key = request.key_owner == KeyOwner::Server && header.algorithm == Algorithm::EdDsa;
    if Some(issuer) == trusted && is_server_key {
        notes.warn_with(
            "trusted-issuer",
            format!(
                "{} is the trusted issuer: the login by cookie verifies its tokens with \
                 CROSS_LOGIN_JWT_PUBLIC_KEY, but this token is signed with the server's own key",
                quote(issuer)
            ),
            "sign with the private key of the issuer: --key FILE",
        );
    }
}

/// Warns about a server that does not start with this configuration or rejects all tokens.
fn check_server(algorithm: Algorithm, settings: &Settings, notes: &mut Notes) {
    for finding in settings.server_findings(ServerKeys::Configured) {
        let text = match finding.effect {
            ServerEffect::NoServer => continue,
            ServerEffect::NoOwnTokens if algorithm.is_symmetric() => continue,
            ServerEffect::NoOwnTokens => format!("the server rejects every token: {}", finding.reason),
            ServerEffect::NoStart => format!("the server does not start: {}", finding.reason),
            ServerEffect::NoTokens => format!("the server accepts no token: {}", finding.reason),
            ServerEffect::NoAuthentication | ServerEffect::Warning => finding.reason,
        };
        notes.add(Note { level: Level::Warning, check: Some("server"), text, hint: finding.hint });
    }
}

/// Returns the roles that 'cc-user enable' restores to a disabled recipient, with the roles of the user table.
fn restored_roles(recipient: &Recipient, settings: &Settings) -> Option<Vec<String>> {
    DisabledUsers::restored_roles(settings.database().ok()?, &recipient.name, &recipient.roles)
}

/// Returns the API endpoint that would accept a user's token after the smallest change of roles.
fn nearest_api(roles: &[&str]) -> Endpoint {
    if roles.is_empty() || roles.contains(&Role::Admin.name()) { Endpoint::Api } else { Endpoint::UserApi }
}

fn check_roles(
    recipient: &Recipient,
    restored_roles: Option<&[String]>,
    algorithm: Algorithm,
    validates_user: bool,
    notes: &mut Notes,
) {
    let Recipient { name, roles } = recipient;
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    if restored_roles.is_some() {
        notes.warn_with(
            "user-disabled",
            format!("{} is disabled: this token is {}", quote(name), describe_endpoints(&roles)),
            format!("cc-user enable {}; then issue a new token", shell_word(name)),
        );
        return;
    }
    let accepts = |endpoint: Endpoint| endpoint.accepts_roles(&roles);
    if algorithm.is_symmetric() {
        if !accepts(Endpoint::JwtLogin) {
            notes.warn_with(
                "no-known-role",
                format!(
                    "{} does not have a role that the server knows: a login with this token has no effect",
                    quote(name)
                ),
                Remedy::of(Endpoint::JwtLogin, &roles).hint(name, validates_user),
            );
        }
    } else if !roles.contains(&Role::Api.name()) {
        let endpoint = nearest_api(&roles);
        let hint = Remedy::of(endpoint, &roles).hint(name, validates_user);
        notes.warn_with(
            "no-api-role",
            format!(
                "{} does not have the role 'api': this token is {}",
                quote(name),
                describe_endpoints(&roles)
            ),
            format!("for {}: {hint}", endpoint.title()),
        );
    } else if !accepts(Endpoint::Api) && accepts(Endpoint::UserApi) {
        notes.note(format!(
            "{} has other roles beside 'api': /userapi accepts this token, /api rejects it",
            quote(name)
        ));
    }
}

/// Returns whether no API endpoint accepts this user's token or, for HS256 and HS512, a login with it
/// has no effect.
pub(super) fn is_without_access(recipient: &Recipient, algorithm: Algorithm) -> bool {
    let roles: Vec<&str> = recipient.roles.iter().map(String::as_str).collect();
    if algorithm.is_symmetric() {
        !Endpoint::JwtLogin.accepts_roles(&roles)
    } else {
        !roles.contains(&Role::Api.name())
    }
}

/// Adds one warning for all users without access.
fn check_all_roles(summary: &RecipientSummary, algorithm: Algorithm, notes: &mut Notes) {
    let Some(first) = &summary.first_matching else { return };
    let (check, what) = if algorithm.is_symmetric() {
        ("no-known-role", "do not have a role that the server knows: logins with their tokens have no effect")
    } else {
        ("no-api-role", "do not have the role 'api': only GraphQL and the web pages accept their tokens")
    };
    notes.warn(
        check,
        format!(
            "{} of {} {what}; the first is {}",
            summary.matching,
            counted(summary.count, "user"),
            quote(first)
        ),
    );
}
