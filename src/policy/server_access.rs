//! Whether an endpoint accepts a token, decided as the server decides; where this is stricter,
//! the reason says that the server would accept it.

use super::client_address;
use super::endpoint::Endpoint;
use super::remedy::rights_in_words;
pub use super::rules::{Account, AllowedAddresses, ServerNote, ServerRules, ServerState, Signer};
use super::subject::Subject;
pub use super::subject::kept_roles;
use super::times::{self, IssuedAt};
use super::verdict::{Verbosity, Verdict};
use crate::token::{Claims, Header, Inspection, TokenError, Verified};
use crate::util::quote::quote;
use crate::util::time::Timestamp;

/// Whether the endpoint accepts a verified token; without an endpoint, whether the token is valid
/// by itself.
pub fn evaluate(
    endpoint: Option<Endpoint>,
    token: &Verified,
    signer: Signer,
    rules: &ServerRules,
    account: Account<'_>,
    now: Timestamp,
    detail: Verbosity,
) -> Verdict {
    if let Some(verdict) = endpoint.and_then(|endpoint| off(endpoint, rules)) {
        return verdict;
    }
    let mut verdict = Verdict::with_verbosity(detail);
    if let Some(endpoint) = endpoint {
        rejected_by_server(&mut verdict, endpoint, rules);
    }
    verdict.pass("signature", || format!("{} by {}", token.algorithm(), signer.name()));
    let asked = EndpointCheck { endpoint, signer: Some(signer), rules, account, now };
    asked.check_cookie(&mut verdict, token.header(), token.claims());
    asked.server(&mut verdict);
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

/// The verdict where the endpoint rejects every token, or accepts every request: for a token that
/// could not be verified.
#[must_use]
pub fn rejected_by_server_state(endpoint: Endpoint, rules: &ServerRules) -> Option<Verdict> {
    let mut verdict = Verdict::new();
    rejected_by_server(&mut verdict, endpoint, rules);
    if verdict.first_failure().is_some() { Some(verdict) } else { off(endpoint, rules) }
}

/// Adds why the server does not start with its configuration, or rejects every token.
fn rejected_by_server(verdict: &mut Verdict, endpoint: Endpoint, rules: &ServerRules) {
    if !endpoint.is_backend() {
        return;
    }
    for note in &rules.server {
        let reason = match note.state {
            ServerState::NoStart => format!("the server does not start: {}", note.reason),
            ServerState::NoTokens => format!("the server accepts no token: {}", note.reason),
            // A login checks the own key by itself, and reports it as missing.
            ServerState::NoOwnTokens if !endpoint.is_login() && endpoint != Endpoint::Config => {
                format!("the server rejects every token: {}", note.reason)
            }
            _ => continue,
        };
        verdict.fail("server", reason, note.hint.clone());
    }
}

/// The verdict where the endpoint is off, or does not check tokens.
fn off(endpoint: Endpoint, rules: &ServerRules) -> Option<Verdict> {
    const CHECK: &str = "endpoint";
    let mut verdict = Verdict::new();
    let no_authentication = rules.server.iter().find(|note| note.state == ServerState::NoAuthentication);
    if let Some(note) = no_authentication.filter(|_| endpoint.is_backend()) {
        without_authentication(&mut verdict, endpoint, note);
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
        Endpoint::CookieLogin => &rules.cookie_login_lacks,
        Endpoint::JwtLogin => &rules.jwt_login_lacks,
        _ => return None,
    };
    if missing.is_empty() {
        return None;
    }
    verdict.fail(CHECK, format!("{} is off: {}", endpoint.place(), missing.join(", ")), None);
    Some(verdict)
}

/// What the endpoints do where authentication is off.
fn without_authentication(verdict: &mut Verdict, endpoint: Endpoint, note: &ServerNote) {
    const CHECK: &str = "server";
    let reason = &note.reason;
    match endpoint {
        // The routes that need no user.
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
            format!("{reason}: the server answers {} with an error (500)", endpoint.route()),
            note.hint.clone(),
        ),
        Endpoint::JwtLogin | Endpoint::CookieLogin => {
            verdict.fail(CHECK, format!("{reason}: the login does not exist (404)"), note.hint.clone())
        }
        Endpoint::MetricStore => {}
    }
}

/// Adds what the caller requires of a verified token besides: an issuer, an audience (RFC 7519 4.1.3).
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

/// Whether the endpoint would accept a token if its signature were valid: for a look at it without
/// a key. The user table is not read.
pub fn forecast(endpoint: Endpoint, token: &Inspection, rules: &ServerRules, now: Timestamp) -> Verdict {
    if let Some(verdict) = rejected_by_server_state(endpoint, rules) {
        return verdict;
    }
    let mut verdict = Verdict::new();
    match (token.unproven(), &token.refusal) {
        (Some((header, claims)), _) => {
            let asked = EndpointCheck {
                endpoint: Some(endpoint),
                signer: None,
                rules,
                account: Account::NotQueried,
                now,
            };
            asked.check_cookie(&mut verdict, header, claims);
        }
        (None, Some(error)) => verdict = rejected_token(error),
        (None, None) => {}
    }
    verdict
}

/// The verdict on a token that could not be parsed or verified.
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

/// What the server does not check.
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

struct EndpointCheck<'a> {
    /// Without one the token is checked by itself.
    endpoint: Option<Endpoint>,
    /// Without one the signature was not checked.
    signer: Option<Signer>,
    rules: &'a ServerRules,
    account: Account<'a>,
    now: Timestamp,
}

impl EndpointCheck<'_> {
    fn check_cookie(&self, verdict: &mut Verdict, header: &Header, claims: &Claims) {
        self.algorithm(verdict, header, claims);
        self.key(verdict, claims);
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

    /// What the configuration does besides, where the answer of the server depends on it.
    fn server(&self, verdict: &mut Verdict) {
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

    /// Whether the key that verified the token is the one that counts, which depends on `iss` for
    /// some.
    fn key(&self, verdict: &mut Verdict, claims: &Claims) {
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
                (issuer, trusted) => untrusted(verdict, issuer, trusted),
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
        let strange = claims.get("iss").is_some_and(|value| !value.is_string());
        let expected = match issuer {
            None => Signer::Own,
            Some(issuer) if Some(issuer) == trusted => Signer::CrossLogin,
            Some(issuer) => return untrusted(verdict, Some(issuer), trusted),
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
                None if strange => verdict.warn(
                    CHECK,
                    "'iss' is not a string: the server reads it as none, and uses its own key",
                    None,
                ),
                None => verdict.pass(CHECK, "none: the server uses its own key"),
            },
        }
    }

    /// The server does not check the audience. A token for another audience is worth a warning.
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

/// The rights that the roles give in GraphQL and on the web pages.
fn rights(verdict: &mut Verdict, roles: &[&str]) {
    const CHECK: &str = "rights";
    if super::remedy::query_rights(roles).is_some() {
        verdict.pass(CHECK, || rights_in_words(roles));
    } else {
        verdict.warn(CHECK, || rights_in_words(roles), None);
    }
}

/// The command that issues a token with the key that the endpoint expects, for the same user.
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

fn untrusted(verdict: &mut Verdict, issuer: Option<&str>, trusted: Option<&str>) {
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
