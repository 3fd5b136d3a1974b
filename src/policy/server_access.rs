//! Decides whether an endpoint accepts a token, by the rules of cc-backend. Where a check is stricter
//! than the server, its reason says that the server accepts the token.

use super::client_address;
use super::endpoint::Endpoint;
use super::remedy::describe_rights;
pub use super::rules::{Account, AllowedAddresses, ServerNote, ServerRules, ServerState, Signer};
use super::subject::Subject;
pub use super::subject::session_roles;
use super::times::{self, IssuedAt};
use super::verdict::{Verbosity, Verdict};
use crate::token::{Claims, Header, Inspection, TokenError, Verified};
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// Checks whether the endpoint accepts a verified token. Without an endpoint, checks the token alone:
/// its times, subject and roles.
pub fn evaluate(
    endpoint: Option<Endpoint>,
    token: &Verified,
    signer: Signer,
    rules: &ServerRules,
    account: Account<'_>,
    now: Timestamp,
    verbosity: Verbosity,
) -> Verdict {
    if let Some(verdict) = endpoint.and_then(|endpoint| disabled_endpoint(endpoint, rules)) {
        return verdict;
    }
    let mut verdict = Verdict::with_verbosity(verbosity);
    if let Some(endpoint) = endpoint {
        server_failures(&mut verdict, endpoint, rules);
    }
    verdict.pass("signature", || format!("{} by {}", token.algorithm(), signer.name()));
    let access = AccessCheck { endpoint, signer: Some(signer), rules, account, now };
    access.check_claims(&mut verdict, token.header(), token.claims());
    access.server_notes(&mut verdict);
    if let (Some(from), Some(endpoint)) = (&rules.client_address, endpoint)
        && endpoint != Endpoint::Api
    {
        verdict.pass("address", || {
            format!("{}: this endpoint accepts every address", client_address::quote_address(*from))
        });
    }
    if endpoint == Some(Endpoint::Api) {
        client_address::check(&mut verdict, rules);
        if rules.jobs_over_nats {
            verdict.warn(
                "job-api",
                "main.api-subjects is set: POST /api/jobs/start_job/ and /api/jobs/stop_job/ do not exist (404)",
                Some("send job events over NATS".to_owned()),
            );
        }
    }
    verdict
}

/// Returns the verdict on a token that could not be verified, if the server's configuration alone
/// decides: the endpoint rejects every token or accepts every request.
#[must_use]
pub fn rejected_by_server_state(endpoint: Endpoint, rules: &ServerRules) -> Option<Verdict> {
    let mut verdict = Verdict::new();
    server_failures(&mut verdict, endpoint, rules);
    if verdict.first_failure().is_some() { Some(verdict) } else { disabled_endpoint(endpoint, rules) }
}

/// Adds a failure for each part of the configuration with which the server does not start or rejects
/// every token.
fn server_failures(verdict: &mut Verdict, endpoint: Endpoint, rules: &ServerRules) {
    if !endpoint.is_backend() {
        return;
    }
    for note in &rules.server {
        let reason = match note.state {
            ServerState::NoStart => format!("the server does not start: {}", note.reason),
            ServerState::NoTokens => format!("the server accepts no token: {}", note.reason),
            // A login endpoint reports a missing key in its own 'endpoint' check.
            ServerState::NoOwnTokens if !endpoint.is_login() && endpoint != Endpoint::Config => {
                format!("the server rejects every token: {}", note.reason)
            }
            _ => continue,
        };
        verdict.fail("server", reason, note.hint.clone());
    }
}

/// Returns the verdict if the endpoint is disabled or does not check tokens.
fn disabled_endpoint(endpoint: Endpoint, rules: &ServerRules) -> Option<Verdict> {
    const CHECK: &str = "endpoint";
    let mut verdict = Verdict::new();
    let no_authentication = rules.server.iter().find(|note| note.state == ServerState::NoAuthentication);
    if let Some(note) = no_authentication.filter(|_| endpoint.is_backend()) {
        authentication_disabled(&mut verdict, endpoint, note);
        return Some(verdict);
    }
    let missing = match endpoint {
        Endpoint::Config => {
            verdict.fail(
                CHECK,
                "the web configuration accepts no token, only a web session with the role admin",
                Some("log in to the web interface as an admin".to_owned()),
            );
            return Some(verdict);
        }
        Endpoint::CookieLogin => &rules.cookie_login_missing,
        Endpoint::JwtLogin => &rules.jwt_login_missing,
        _ => return None,
    };
    if missing.is_empty() {
        return None;
    }
    verdict.fail(CHECK, format!("{} is off: {}", endpoint.title(), missing.join(", ")), None);
    Some(verdict)
}

/// Adds what the endpoint does when the server's authentication is disabled.
fn authentication_disabled(verdict: &mut Verdict, endpoint: Endpoint, note: &ServerNote) {
    const CHECK: &str = "server";
    let reason = &note.reason;
    match endpoint {
        // These routes do not need a user.
        Endpoint::Query | Endpoint::MetricStoreApi => verdict.warn(
            CHECK,
            || {
                format!(
                    "{reason}: every request to {} is accepted, without a token as well",
                    endpoint.route()
                )
            },
            note.hint.clone(),
        ),
        Endpoint::Api | Endpoint::UserApi | Endpoint::Config => verdict.fail(
            CHECK,
            format!("{reason}: the server responds to {} with an error (500)", endpoint.route()),
            note.hint.clone(),
        ),
        Endpoint::JwtLogin | Endpoint::CookieLogin => {
            verdict.fail(CHECK, format!("{reason}: the login does not exist (404)"), note.hint.clone())
        }
        Endpoint::MetricStore => {}
    }
}

/// Adds the checks `required-issuer` and `required-audience` (RFC 7519 4.1.1, 4.1.3), which the server
/// does not make.
pub fn require(verdict: &mut Verdict, claims: &Claims, issuer: Option<&str>, audience: Option<&str>) {
    if let Some(expected) = issuer {
        match claims.issuer() {
            Some(found) if found == expected => verdict.pass("required-issuer", || quote(found)),
            found => {
                let found = found.map_or_else(|| "no issuer".to_owned(), quote);
                let reason = format!("expected {}, found {found}", quote(expected));
                verdict.fail("required-issuer", reason, None);
            }
        }
    }
    if let Some(expected) = audience {
        let found = claims.audiences();
        if found.contains(&expected) {
            verdict.pass("required-audience", || quote(expected));
        } else {
            let shown: Vec<String> = found.into_iter().map(quote).collect();
            let reason = format!("expected {}, found [{}]", quote(expected), shown.join(", "));
            verdict.fail("required-audience", reason, None);
        }
    }
}

/// Checks whether the endpoint would accept a token with a valid signature, without a key to verify it.
/// The user table is not read.
pub fn preview(endpoint: Endpoint, token: &Inspection, rules: &ServerRules, now: Timestamp) -> Verdict {
    if let Some(verdict) = rejected_by_server_state(endpoint, rules) {
        return verdict;
    }
    let mut verdict = Verdict::new();
    match (token.unproven(), &token.refusal) {
        (Some((header, claims)), _) => {
            let access = AccessCheck {
                endpoint: Some(endpoint),
                signer: None,
                rules,
                account: Account::NotQueried,
                now,
            };
            access.check_claims(&mut verdict, header, claims);
        }
        (None, Some(error)) => verdict = rejected_token(error),
        (None, None) => {}
    }
    verdict
}

/// Returns the verdict on a token that could not be parsed or verified.
pub fn rejected_token(error: &TokenError) -> Verdict {
    use crate::util::diagnostic::Diagnostic as _;
    let mut verdict = Verdict::new();
    let check = match error {
        TokenError::Signature(_)
        | TokenError::NoKey
        | TokenError::KeyUnknown { .. }
        | TokenError::TooManyKeys { .. } => "signature",
        TokenError::AlgorithmMissing
        | TokenError::AlgorithmUnknown(_)
        | TokenError::AlgorithmMismatch { .. }
        | TokenError::Unsigned(_) => "algorithm",
        TokenError::OtherIssuer { .. } => "issuer",
        _ => "form",
    };
    let server = if server_overlooks(error) { "; rejected here, accepted by the server" } else { "" };
    if check != "form" {
        verdict.pass("form", "three parts, each with one meaning");
    }
    verdict.fail(check, format!("{error}{server}"), error.hint());
    verdict
}

/// Returns whether the server accepts a token with this error.
fn server_overlooks(error: &TokenError) -> bool {
    matches!(
        error,
        TokenError::Duplicate { .. }
            | TokenError::TooDeep(_)
            | TokenError::Critical(_)
            | TokenError::Unencoded
            | TokenError::EmbeddedKey(_)
            | TokenError::SpareBits(_)
            | TokenError::NotUtf8(_)
            | TokenError::Surrogate(_)
            | TokenError::HeaderType { name: "kid", .. }
    )
}

/// The input of the checks of one token.
struct AccessCheck<'a> {
    /// The endpoint; `None` checks the token alone.
    endpoint: Option<Endpoint>,
    /// The owner of the key that verified the token; `None` if the signature was not verified.
    signer: Option<Signer>,
    rules: &'a ServerRules,
    account: Account<'a>,
    now: Timestamp,
}

impl AccessCheck<'_> {
    fn check_claims(&self, verdict: &mut Verdict, header: &Header, claims: &Claims) {
        self.algorithm(verdict, header, claims);
        self.issuer(verdict, claims);
        let issued_at = match self.endpoint {
            Some(Endpoint::MetricStore) => IssuedAt::Checked,
            _ => IssuedAt::Reported,
        };
        times::check(verdict, claims, self.now, issued_at);
        self.audience(verdict, claims);
        if self.endpoint == Some(Endpoint::MetricStore) {
            verdict.pass("subject", "cc-metric-store checks neither the subject nor roles");
            return;
        }
        let Self { endpoint, signer, rules, account, .. } = *self;
        let subject = Subject { endpoint, is_verified: signer.is_some(), rules, account };
        if let Some(roles) = subject.check(verdict, claims)
            && endpoint == Some(Endpoint::Query)
        {
            rights(verdict, &roles);
        }
    }

    /// Adds a warning for each note on the configuration that is not reported as a failure.
    fn server_notes(&self, verdict: &mut Verdict) {
        if self.endpoint.is_some_and(|endpoint| !endpoint.is_backend()) {
            return;
        }
        for note in &self.rules.server {
            let reason = match note.state {
                ServerState::Warning => note.reason.clone(),
                ServerState::NoOwnTokens if self.endpoint.is_some() => continue,
                ServerState::NoStart => format!("the server does not start: {}", note.reason),
                ServerState::NoTokens => format!("the server accepts no token: {}", note.reason),
                ServerState::NoOwnTokens => format!("the server rejects every token: {}", note.reason),
                ServerState::NoAuthentication => note.reason.clone(),
            };
            verdict.warn("server", reason, note.hint.clone());
        }
    }

    fn algorithm(&self, verdict: &mut Verdict, header: &Header, claims: &Claims) {
        let Some(endpoint) = self.endpoint else { return };
        let found = header.algorithm();
        let accepted = endpoint.algorithms();
        if accepted.contains(&found) {
            verdict.pass("algorithm", || found.to_owned());
        } else {
            verdict.fail(
                "algorithm",
                format!("expected {}, found {}", accepted.join(" or "), quote(found)),
                Some(issue_hint(endpoint, claims)),
            );
        }
    }

    /// Checks that the endpoint uses the key that verified the token. Which key it uses can depend on
    /// `iss`.
    fn issuer(&self, verdict: &mut Verdict, claims: &Claims) {
        const CHECK: &str = "issuer";
        let trusted = self.rules.trusted_issuer.as_deref().filter(|issuer| !issuer.is_empty());
        match (self.endpoint, self.signer) {
            (Some(Endpoint::CookieLogin), _) => self.cookie_issuer(verdict, claims, trusted),
            (Some(Endpoint::JwtLogin), signer) => match signer {
                Some(Signer::HmacSecret | Signer::Given) | None => {
                    if let Some(issuer) = claims.issuer() {
                        verdict.pass(CHECK, || format!("{}; /jwt-login does not check it", quote(issuer)));
                    }
                }
                Some(other) => wrong_key(verdict, Endpoint::JwtLogin, other, claims),
            },
            (Some(endpoint), Some(signer @ (Signer::CrossLogin | Signer::HmacSecret))) => {
                wrong_key(verdict, endpoint, signer, claims);
            }
            (Some(_), _) => {
                if let Some(issuer) = claims.issuer() {
                    verdict.pass(CHECK, || format!("{}; this endpoint does not check it", quote(issuer)));
                }
            }
            (None, Some(Signer::CrossLogin)) => match (claims.issuer(), trusted) {
                (Some(issuer), Some(trusted)) if issuer == trusted => {
                    verdict.pass(CHECK, || format!("{}, the trusted issuer", quote(issuer)));
                }
                (issuer, trusted) => untrusted_issuer(verdict, issuer, trusted),
            },
            (None, _) => {
                if let Some(issuer) = claims.issuer() {
                    verdict.pass(CHECK, || quote(issuer));
                }
            }
        }
    }

    fn cookie_issuer(&self, verdict: &mut Verdict, claims: &Claims, trusted: Option<&str>) {
        const CHECK: &str = "issuer";
        // The server reads an `iss` that is not a string as none.
        let issuer = claims.issuer().filter(|issuer| !issuer.is_empty());
        let is_malformed = claims.get("iss").is_some_and(|value| !value.is_string());
        let expected = match issuer {
            None => Signer::Own,
            Some(issuer) if Some(issuer) == trusted => Signer::CrossLogin,
            Some(issuer) => return untrusted_issuer(verdict, Some(issuer), trusted),
        };
        match self.signer {
            Some(signer) if signer != expected && signer != Signer::Given => {
                let origin =
                    issuer.map_or_else(|| "without an issuer".to_owned(), |iss| format!("of {}", quote(iss)));
                verdict.fail(
                    CHECK,
                    format!(
                        "a token {origin} must be signed with {}, this one is signed with {}",
                        expected.name(),
                        signer.name()
                    ),
                    Some("issue it with the key of its issuer".to_owned()),
                );
            }
            _ => match issuer {
                Some(issuer) => verdict.pass(CHECK, || format!("{}, the trusted issuer", quote(issuer))),
                None if is_malformed => verdict.warn(
                    CHECK,
                    "'iss' is not a string: the server reads it as none, and uses its own key",
                    None,
                ),
                None => verdict.pass(CHECK, "none: the server uses its own key"),
            },
        }
    }

    /// Warns of an audience: the server does not check it.
    fn audience(&self, verdict: &mut Verdict, claims: &Claims) {
        if claims.get("aud").is_some() {
            let shown: Vec<String> = claims.audiences().into_iter().map(quote).collect();
            verdict.warn(
                "audience",
                || format!("the token is for {}; the server does not check the audience", shown.join(", ")),
                None,
            );
        }
    }
}

/// Adds the rights that the roles give in GraphQL and on the web pages.
fn rights(verdict: &mut Verdict, roles: &[&str]) {
    const CHECK: &str = "rights";
    if super::remedy::query_rights(roles).is_some() {
        verdict.pass(CHECK, || describe_rights(roles));
    } else {
        verdict.warn(CHECK, || describe_rights(roles), None);
    }
}

/// Returns a hint with the command that issues a token for the same user with the endpoint's key.
fn issue_hint(endpoint: Endpoint, claims: &Claims) -> String {
    let name = super::subject::subject_word(claims);
    match endpoint {
        Endpoint::JwtLogin => format!("sign it with the HMAC secret: cc-jwt issue {name} --algorithm hs512"),
        _ => format!("issue a token with the server's key: cc-jwt issue {name}"),
    }
}

fn wrong_key(verdict: &mut Verdict, endpoint: Endpoint, signer: Signer, claims: &Claims) {
    let expected = match endpoint {
        Endpoint::JwtLogin => Signer::HmacSecret,
        _ => Signer::Own,
    };
    verdict.fail(
        "issuer",
        format!(
            "expected a token signed with {}, this one is signed with {}",
            expected.name(),
            signer.name()
        ),
        Some(issue_hint(endpoint, claims)),
    );
}

fn untrusted_issuer(verdict: &mut Verdict, issuer: Option<&str>, trusted: Option<&str>) {
    let found = issuer.map_or_else(|| "no issuer".to_owned(), quote);
    match trusted {
        Some(trusted) => verdict.fail(
            "issuer",
            format!("expected {}, found {found}", quote(trusted)),
            Some("compare them character by character: a final slash and the case count".to_owned()),
        ),
        None => verdict.fail(
            "issuer",
            format!("no issuer is trusted (auth.jwts.trusted-issuer is not set), found {found}"),
            None,
        ),
    }
}
