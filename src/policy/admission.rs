//! Whether an endpoint admits a token, decided as the server decides; where this is stricter,
//! the reason says that the server would take it.

use super::endpoint::{Endpoint, is_kept_at_login};
use super::times::{self, IssuedAt};
use super::verdict::{Detail, Verdict};
use crate::base::file::shell_word;
use crate::base::quote::quote;
use crate::base::time::Timestamp;
use crate::token::{Claims, Header, Inspection, TokenError, Verified};
use crate::user::{AuthSource, Role, User};

/// The server's rules that a decision depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    /// The user must be in the user table, and the roles there count.
    pub validate_user: bool,
    /// The `iss` for which the cross-login key counts.
    pub trusted_issuer: Option<String>,
    /// A login adds an unknown user to the table.
    pub adds_users: bool,
    /// A login changes a known user in the table.
    pub updates_users: bool,
    /// Settings that must be there for the login by cookie and are not.
    pub cookie_login_lacks: Vec<String>,
    /// Settings that must be there for `/jwt-login` and are not.
    pub jwt_login_lacks: Vec<String>,
    /// Roles that must be there besides.
    pub required_roles: Vec<Role>,
}

/// Whose key a token was verified with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signer {
    /// The server's own, `JWT_PUBLIC_KEY`.
    Own,
    /// The trusted issuer's, `CROSS_LOGIN_JWT_PUBLIC_KEY`.
    CrossLogin,
    /// The shared one, `CROSS_LOGIN_JWT_HS512_KEY`.
    Shared,
    /// One that was given for this, in the place of whichever belongs there.
    Given,
}

impl Signer {
    /// What it is called in a reason.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Own => "JWT_PUBLIC_KEY",
            Self::CrossLogin => "CROSS_LOGIN_JWT_PUBLIC_KEY",
            Self::Shared => "CROSS_LOGIN_JWT_HS512_KEY",
            Self::Given => "the key given",
        }
    }
}

/// What the user table says of the token's subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Account<'a> {
    /// Nobody asked: there is no database, or nothing to ask for.
    Unasked,
    /// There is no such user.
    Missing,
    /// The row is broken; the server can't read it either.
    Broken(&'a str),
    /// The user's record.
    Known(&'a User),
}

/// Whether the endpoint admits a verified token; without an endpoint, whether the token is good by
/// itself.
pub fn judge(
    endpoint: Option<Endpoint>,
    token: &Verified,
    signer: Signer,
    rules: &Rules,
    account: Account<'_>,
    now: Timestamp,
    detail: Detail,
) -> Verdict {
    if let Some(verdict) = endpoint.and_then(|endpoint| closed(endpoint, rules)) {
        return verdict;
    }
    let mut verdict = Verdict::telling(detail);
    verdict.holds("signature", || format!("{} by {}", token.algorithm(), signer.name()));
    let asked = Asked { endpoint, signer: Some(signer), rules, account, now };
    asked.judge(&mut verdict, token.header(), token.claims());
    verdict
}

/// The verdict where the endpoint is closed for every token.
#[must_use]
pub fn closed(endpoint: Endpoint, rules: &Rules) -> Option<Verdict> {
    const CHECK: &str = "endpoint";
    let mut verdict = Verdict::new();
    let missing = match endpoint {
        Endpoint::Config => {
            verdict.fails(
                CHECK,
                "the web configuration takes no token, only a web session of somebody with the role admin",
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
    let names = missing.join(", ");
    let verb = if missing.len() == 1 { "is" } else { "are" };
    verdict.fails(
        CHECK,
        format!("{} is off: {names} {verb} not set", endpoint.place()),
        Some(format!("set {names}")),
    );
    Some(verdict)
}

/// Adds what somebody demands of a verified token besides: an issuer, an audience (RFC 7519 4.1.3).
pub fn demand(verdict: &mut Verdict, claims: &Claims, issuer: Option<&str>, audience: Option<&str>) {
    if let Some(wanted) = issuer {
        match claims.issuer() {
            Some(found) if found == wanted => verdict.holds("required-issuer", || quote(found)),
            found => {
                let found = found.map_or_else(|| "none".to_owned(), quote);
                let reason = format!("found {found}, wanted {}", quote(wanted));
                verdict.fails("required-issuer", reason, None);
            }
        }
    }
    if let Some(wanted) = audience {
        let found = claims.audiences();
        if found.contains(&wanted) {
            verdict.holds("required-audience", || quote(wanted));
        } else {
            let shown: Vec<String> = found.into_iter().map(quote).collect();
            let reason = format!("found [{}], wanted {}", shown.join(", "), quote(wanted));
            verdict.fails("required-audience", reason, None);
        }
    }
}

/// Whether the endpoint would admit a token if its signature held: for looking at it without a
/// key. The user table is not asked.
pub fn forecast(endpoint: Endpoint, token: &Inspection, rules: &Rules, now: Timestamp) -> Verdict {
    if let Some(verdict) = closed(endpoint, rules) {
        return verdict;
    }
    let mut verdict = Verdict::new();
    match (token.unproven(), &token.refusal) {
        (Some((header, claims)), _) => {
            let asked =
                Asked { endpoint: Some(endpoint), signer: None, rules, account: Account::Unasked, now };
            asked.judge(&mut verdict, header, claims);
        }
        (None, Some(error)) => verdict = refused(error),
        (None, None) => {}
    }
    verdict
}

/// The verdict on a token that did not get as far as being judged.
pub fn refused(error: &TokenError) -> Verdict {
    use crate::base::fault::Fault as _;
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
        verdict.holds("form", "three parts, each readable in one way only");
    }
    verdict.fails(check, format!("{error}{server}"), error.hint());
    verdict
}

/// What the server does not notice, or does not mind.
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

struct Asked<'a> {
    /// Without one the token is judged by itself.
    endpoint: Option<Endpoint>,
    /// Without one the signature was not looked at.
    signer: Option<Signer>,
    rules: &'a Rules,
    account: Account<'a>,
    now: Timestamp,
}

impl Asked<'_> {
    fn judge(&self, verdict: &mut Verdict, header: &Header, claims: &Claims) {
        self.algorithm(verdict, header);
        self.key(verdict, claims);
        let issued_at = match self.endpoint {
            Some(Endpoint::MetricStore) => IssuedAt::Checked,
            _ => IssuedAt::Told,
        };
        times::judge(verdict, claims, self.now, issued_at);
        self.audience(verdict, claims);
        if self.endpoint == Some(Endpoint::MetricStore) {
            verdict.holds("subject", "cc-metric-store does not ask who it is, nor for roles");
        } else {
            self.person(verdict, claims);
        }
    }

    fn algorithm(&self, verdict: &mut Verdict, header: &Header) {
        let Some(endpoint) = self.endpoint else { return };
        let found = header.algorithm();
        let taken = endpoint.algorithms();
        if taken.contains(&found) {
            verdict.holds("algorithm", || format!("{} takes {}", endpoint.place(), taken.join(" or ")));
        } else {
            let hint = match endpoint {
                Endpoint::JwtLogin => "sign it with the shared key: cc-jwt issue NAME --algorithm hs512",
                _ => "get one of the server's own: cc-jwt issue NAME",
            };
            verdict.fails(
                "algorithm",
                format!("{} takes only {}, found {}", endpoint.place(), taken.join(" or "), quote(found)),
                Some(hint.to_owned()),
            );
        }
    }

    /// Whether the key that fits is the one that counts, which depends on `iss` for some.
    fn key(&self, verdict: &mut Verdict, claims: &Claims) {
        const CHECK: &str = "issuer";
        let trusted = self.rules.trusted_issuer.as_deref().filter(|issuer| !issuer.is_empty());
        match (self.endpoint, self.signer) {
            (Some(Endpoint::CookieLogin), _) => self.cookie_issuer(verdict, claims, trusted),
            (Some(Endpoint::JwtLogin), signer) => match signer {
                Some(Signer::Shared | Signer::Given) | None => {
                    if let Some(issuer) = claims.issuer() {
                        verdict.holds(CHECK, || format!("{}; /jwt-login does not look at it", quote(issuer)));
                    }
                }
                Some(other) => wrong_key(verdict, Endpoint::JwtLogin, other),
            },
            (Some(endpoint), Some(signer @ (Signer::CrossLogin | Signer::Shared))) => {
                wrong_key(verdict, endpoint, signer);
            }
            (Some(_), _) => {
                if let Some(issuer) = claims.issuer() {
                    verdict.holds(CHECK, || format!("{}; this endpoint does not look at it", quote(issuer)));
                }
            }
            (None, Some(Signer::CrossLogin)) => match (claims.issuer(), trusted) {
                (Some(issuer), Some(trusted)) if issuer == trusted => {
                    verdict.holds(CHECK, || format!("{}, the trusted issuer", quote(issuer)));
                }
                (issuer, trusted) => untrusted(verdict, issuer, trusted),
            },
            (None, _) => {
                if let Some(issuer) = claims.issuer() {
                    verdict.holds(CHECK, || format!("it says {}", quote(issuer)));
                }
            }
        }
    }

    fn cookie_issuer(&self, verdict: &mut Verdict, claims: &Claims, trusted: Option<&str>) {
        const CHECK: &str = "issuer";
        // The server reads an `iss` that is no text as none.
        let issuer = claims.issuer().filter(|issuer| !issuer.is_empty());
        let strange = claims.get("iss").is_some_and(|value| !value.is_string());
        let wanted = match issuer {
            None => Signer::Own,
            Some(issuer) if Some(issuer) == trusted => Signer::CrossLogin,
            Some(issuer) => return untrusted(verdict, Some(issuer), trusted),
        };
        match self.signer {
            Some(signer) if signer != wanted && signer != Signer::Given => {
                let said =
                    issuer.map_or_else(|| "without an issuer".to_owned(), |iss| format!("of {}", quote(iss)));
                verdict.fails(
                    CHECK,
                    format!(
                        "for a token {said} only {} counts, it is signed by {}",
                        wanted.name(),
                        signer.name()
                    ),
                    Some("issue it with the key that belongs to its issuer".to_owned()),
                );
            }
            _ => match issuer {
                Some(issuer) => verdict.holds(CHECK, || format!("{}, the trusted issuer", quote(issuer))),
                None if strange => verdict.warns(
                    CHECK,
                    "'iss' is no text: the server takes that for none, and its own key counts",
                    None,
                ),
                None => verdict.holds(CHECK, "none: the server's own key counts"),
            },
        }
    }

    /// The server looks at no audience. A token that is meant for somebody else is worth a word.
    fn audience(&self, verdict: &mut Verdict, claims: &Claims) {
        if claims.get("aud").is_some() {
            let shown: Vec<String> = claims.audiences().into_iter().map(quote).collect();
            verdict.warns(
                "audience",
                || format!("it is meant for {}; the server does not look at that", shown.join(", ")),
                None,
            );
        }
    }

    fn person(&self, verdict: &mut Verdict, claims: &Claims) {
        const CHECK: &str = "subject";
        let name = match (claims.subject(), claims.get("sub")) {
            (Some(name), _) if !name.is_empty() => name,
            (None, Some(_)) => return verdict.fails(CHECK, "'sub' is no text: nobody is named", None),
            _ => {
                let hint = "issue it for a user: cc-jwt issue NAME".to_owned();
                return verdict.fails(CHECK, "there is no 'sub': nobody is named", Some(hint));
            }
        };
        verdict.holds(CHECK, || quote(name));
        let Some(roles) = self.counted_roles(verdict, name, claims) else { return };
        self.tell_of_roles(verdict, &roles);
        self.roles(verdict, name, &roles);
        self.required(verdict, name, &roles);
    }

    /// The roles that count: the table's with validate-user, the token's without.
    fn counted_roles<'c>(
        &'c self,
        verdict: &mut Verdict,
        name: &str,
        claims: &'c Claims,
    ) -> Option<Vec<&'c str>> {
        const CHECK: &str = "user";
        let own = claims.roles();
        if !self.rules.validate_user {
            match self.account {
                Account::Known(user) => self.tell_of_account(verdict, user, &own),
                Account::Missing if self.endpoint.is_some_and(Endpoint::is_login) => {
                    let what = if self.rules.adds_users {
                        "not in the user table: the login adds the user"
                    } else {
                        "not in the user table, and the login does not add the user: the session works, \
                         but no token can be had with it"
                    };
                    verdict.warns(CHECK, what, None);
                }
                Account::Missing => verdict.warns(
                    CHECK,
                    "not in the user table; the server does not look (validate-user is off)",
                    None,
                ),
                Account::Broken(why) => {
                    verdict.warns(
                        CHECK,
                        || format!("{why}; the server does not look (validate-user is off)"),
                        None,
                    );
                }
                Account::Unasked => {}
            }
            return Some(own);
        }
        match self.account {
            Account::Known(user) => {
                verdict.holds(CHECK, "in the user table, whose roles count (validate-user is on)");
                let table: Vec<&str> = user.roles.iter().map(String::as_str).collect();
                if claims.get("roles").is_some() && own != table {
                    verdict.warns(
                        CHECK,
                        || format!("the roles in the token ({}) do not count", listed(&own)),
                        None,
                    );
                }
                Some(table)
            }
            Account::Missing => {
                verdict.fails(
                    CHECK,
                    format!("{} is not in the user table, and validate-user is on", quote(name)),
                    Some(format!("cc-user add {} --role api --no-password", shell_word(name))),
                );
                None
            }
            Account::Broken(why) => {
                verdict.fails(CHECK, format!("{why}; the server can't read the user either"), None);
                None
            }
            Account::Unasked if self.signer.is_none() => Some(own),
            Account::Unasked => {
                verdict.fails(
                    CHECK,
                    "validate-user is on, but the user table was not asked",
                    Some("name the database with --db FILE".to_owned()),
                );
                None
            }
        }
    }

    /// What a table that does not decide says otherwise.
    fn tell_of_account(&self, verdict: &mut Verdict, user: &User, own: &[&str]) {
        const CHECK: &str = "user";
        let login = self.endpoint.is_some_and(Endpoint::is_login);
        if login && self.rules.updates_users && user.source != Ok(AuthSource::Token) {
            let source = match user.source {
                Ok(source) => source.name().to_owned(),
                Err(number) => format!("auth source {number}"),
            };
            verdict.warns(
                CHECK,
                || {
                    format!(
                        "in the user table as {source}: with update-user-on-login the server overwrites this \
                     user's name and roles"
                    )
                },
                Some("set auth.jwts.validate-user, so that the table counts".to_owned()),
            );
        } else if !same(own, &user.roles) {
            let table: Vec<&str> = user.roles.iter().map(String::as_str).collect();
            verdict.warns(
                CHECK,
                || format!("the user table has other roles ({}); the token's count", listed(&table)),
                Some("issue a new token after changing roles".to_owned()),
            );
        } else {
            verdict.holds(CHECK, "in the user table with the same roles");
        }
    }

    /// What stands out in the roles, whatever the endpoint.
    fn tell_of_roles(&self, verdict: &mut Verdict, roles: &[&str]) {
        const CHECK: &str = "roles";
        let mut seen: Vec<&str> = Vec::new();
        let mut doubles: Vec<&str> = Vec::new();
        for role in roles {
            let list = if seen.contains(role) { &mut doubles } else { &mut seen };
            if !list.contains(role) {
                list.push(role);
            }
        }
        if !doubles.is_empty() {
            let shown = listed(&doubles);
            verdict.warns(
                CHECK,
                || format!("{shown} stands twice: the server counts entries, not roles"),
                None,
            );
        }
        let unknown: Vec<&str> = seen.into_iter().filter(|role| role.parse::<Role>().is_err()).collect();
        if !unknown.is_empty() {
            let known = Role::ALL.map(Role::name).join(", ");
            verdict.warns(
                CHECK,
                || format!("the server does not know {}", listed(&unknown)),
                Some(format!("the roles are {known}, in lower case")),
            );
        }
    }

    fn roles(&self, verdict: &mut Verdict, name: &str, roles: &[&str]) {
        const CHECK: &str = "roles";
        let Some(endpoint) = self.endpoint else {
            if roles.is_empty() {
                verdict.warns(CHECK, "none: no endpoint of the server admits it", None);
            } else {
                verdict.holds(CHECK, || format!("{}; {}", listed(roles), opened(roles)));
            }
            return;
        };
        if endpoint.opens_for(roles) {
            return verdict.holds(CHECK, || {
                format!("{}: {} admits {}", listed(roles), endpoint.place(), endpoint.wants())
            });
        }
        if endpoint.is_login() {
            return verdict.fails(
                CHECK,
                format!(
                    "{}: no role the server knows; it would let the user in, but to a session that is dead",
                    listed(roles)
                ),
                Some(self.role_hint(endpoint, name, roles)),
            );
        }
        verdict.fails(
            CHECK,
            format!("{}: {} admits only {}", listed(roles), endpoint.place(), endpoint.wants()),
            Some(self.role_hint(endpoint, name, roles)),
        );
    }

    /// The change of roles that opens the endpoint, and with which nothing else is lost.
    fn role_hint(&self, endpoint: Endpoint, name: &str, roles: &[&str]) -> String {
        let user = shell_word(name);
        let change = match endpoint {
            Endpoint::Api if roles.contains(&"api") => {
                let others: Vec<String> = distinct(roles)
                    .into_iter()
                    .filter(|role| *role != "api" && *role != "admin")
                    .map(shell_word)
                    .collect();
                if others.is_empty() {
                    "name each role once".to_owned()
                } else if Endpoint::UserApi.opens_for(roles) {
                    format!(
                        "use /userapi, or a user with api alone: cc-user role remove {user} {}",
                        others.join(" ")
                    )
                } else {
                    format!("cc-user role remove {user} {}", others.join(" "))
                }
            }
            Endpoint::MetricStoreApi if roles.contains(&"api") => format!("cc-user role add {user} user"),
            _ if endpoint.is_login() => format!("cc-user role add {user} user"),
            _ if Endpoint::Api == endpoint && !roles.is_empty() && !roles.contains(&"admin") => {
                "make a user with the role api alone: cc-user add NAME --role api --no-password".to_owned()
            }
            _ => format!("cc-user role add {user} api"),
        };
        if self.rules.validate_user { change } else { format!("{change}; then issue a new token") }
    }

    fn required(&self, verdict: &mut Verdict, name: &str, roles: &[&str]) {
        const CHECK: &str = "required-role";
        for role in &self.rules.required_roles {
            if roles.contains(&role.name()) {
                verdict.holds(CHECK, role.name());
            } else {
                verdict.fails(
                    CHECK,
                    format!("{role} is not among the roles ({})", listed(roles)),
                    Some(format!("cc-user role add {} {role}", shell_word(name))),
                );
            }
        }
    }
}

fn wrong_key(verdict: &mut Verdict, endpoint: Endpoint, signer: Signer) {
    let (wanted, hint) = match endpoint {
        Endpoint::JwtLogin => {
            (Signer::Shared, "sign it with the shared key: cc-jwt issue NAME --algorithm hs512")
        }
        _ => (Signer::Own, "get one of the server's own: cc-jwt issue NAME"),
    };
    verdict.fails(
        "issuer",
        format!(
            "{} takes only what {} verifies, it is signed by {}",
            endpoint.place(),
            wanted.name(),
            signer.name()
        ),
        Some(hint.to_owned()),
    );
}

fn untrusted(verdict: &mut Verdict, issuer: Option<&str>, trusted: Option<&str>) {
    let found = issuer.map_or_else(|| "no issuer".to_owned(), quote);
    let wanted = trusted.map_or_else(|| "none is trusted (auth.jwts.trusted-issuer)".to_owned(), quote);
    verdict.fails(
        "issuer",
        format!("found {found}, wanted {wanted}"),
        Some("compare it letter by letter: a final slash and the case count".to_owned()),
    );
}

fn distinct<'a>(roles: &[&'a str]) -> Vec<&'a str> {
    let mut seen = Vec::new();
    for role in roles {
        if !seen.contains(role) {
            seen.push(*role);
        }
    }
    seen
}

fn same(own: &[&str], table: &[String]) -> bool {
    let mut own = distinct(own);
    let table: Vec<&str> = table.iter().map(String::as_str).collect();
    let mut table = distinct(&table);
    own.sort_unstable();
    table.sort_unstable();
    own == table
}

/// Roles as a list in brackets; unfamiliar ones quoted.
fn listed(roles: &[&str]) -> String {
    let shown: Vec<String> = roles
        .iter()
        .map(|role| if role.parse::<Role>().is_ok() { (*role).to_owned() } else { quote(role) })
        .collect();
    format!("[{}]", shown.join(", "))
}

/// Which of the endpoints for tokens these roles open.
fn opened(roles: &[&str]) -> String {
    let open: Vec<&str> = [Endpoint::Api, Endpoint::UserApi, Endpoint::MetricStoreApi]
        .into_iter()
        .filter(|endpoint| endpoint.opens_for(roles))
        .map(Endpoint::name)
        .collect();
    if open.is_empty() {
        "they open no endpoint for tokens".to_owned()
    } else {
        format!("they open {}", open.join(", "))
    }
}

/// The roles of a token that a login by token keeps.
#[must_use]
pub fn kept_roles<'a>(roles: &[&'a str]) -> Vec<&'a str> {
    roles.iter().copied().filter(|role| is_kept_at_login(role)).collect()
}
