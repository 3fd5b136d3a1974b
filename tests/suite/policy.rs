//! Tests of the decisions, against what the real systems decided.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::{Algorithm, KeyStrength, SigningKey, VerifyingKey};
use cc_auth::policy::server_access::{self, Account, ServerRules, Signer};
use cc_auth::policy::{CheckState, Endpoint, Verbosity, Verdict};
use cc_auth::token::{self, Unverified};
use cc_auth::user::{AuthSource, Role, User};
use cc_auth::util::secret::SecretText;
use cc_auth::util::time::Timestamp;
use serde_json::{Value, json};

use crate::support::{data, rows};
use crate::token::PRIVATE;

/// The row's user as the store reads it, or why the server cannot.
fn account_of(users: &[Value], name: &str) -> Result<Option<User>, String> {
    // The last one stands: the broken rows are put into the same table.
    let Some(row) = users.iter().rev().find(|row| row["username"] == name) else { return Ok(None) };
    let list = |column: &str| -> Result<Vec<String>, String> {
        match &row[column] {
            Value::Null => Ok(Vec::new()),
            Value::String(text) => serde_json::from_str::<Option<Vec<String>>>(text)
                .map(Option::unwrap_or_default)
                .map_err(|error| format!("{column}: {error}")),
            value => serde_json::from_value(value.clone()).map_err(|error| format!("{column}: {error}")),
        }
    };
    let number = row["ldap"].as_i64().unwrap_or(0);
    Ok(Some(User {
        username: name.to_owned(),
        name: None,
        roles: list("roles")?,
        projects: list("projects")?,
        email: None,
        source: AuthSource::from_number(number),
    }))
}

/// The keys of a server, with what they are used for.
#[derive(Default)]
struct Keys(Vec<(Signer, VerifyingKey)>);

impl Keys {
    fn of_server(env: &Value) -> Self {
        let mut keys = Self::default();
        for (name, signer) in
            [("JWT_PUBLIC_KEY", Signer::Own), ("CROSS_LOGIN_JWT_PUBLIC_KEY", Signer::CrossLogin)]
        {
            if let Some(Ok(key)) = env[name].as_str().map(VerifyingKey::from_server_base64) {
                keys.0.push((signer, key));
            }
        }
        let shared = env["CROSS_LOGIN_JWT_HS512_KEY"].as_str().unwrap_or_default();
        if let Ok(key) =
            VerifyingKey::hmac_secret_from_base64(&SecretText::new(shared.to_owned()), KeyStrength::AllowWeak)
        {
            keys.0.push((Signer::HmacSecret, key));
        }
        keys
    }
}

fn decide(
    endpoint: Endpoint,
    text: &str,
    keys: &Keys,
    rules: &ServerRules,
    users: &[Value],
    at: f64,
) -> Verdict {
    let verified =
        Unverified::parse(text).and_then(|token| token::verify(token, keys.0.iter().map(|(_, key)| key)));
    let verified = match verified {
        Ok(verified) => verified,
        Err(error) => return server_access::rejected_token(&error),
    };
    let signer = keys.0[verified.key()].0;
    let looked_up = verified.claims().subject().map(|name| account_of(users, name));
    let account = match &looked_up {
        None | Some(Ok(None)) => Account::Missing,
        Some(Ok(Some(user))) => Account::Known(user),
        Some(Err(why)) => Account::Invalid(why),
    };
    let check_key = |detail| {
        let now = Timestamp(at.floor() as i64);
        server_access::evaluate(Some(endpoint), &verified, signer, rules, account, now, detail)
    };
    let verdict = check_key(Verbosity::All);
    let brief = check_key(Verbosity::Failures);
    assert_eq!(brief.accepts(), verdict.accepts(), "{verdict:?}");
    assert_eq!(brief.into_failure(), verdict.clone().into_failure());
    verdict
}

fn header<'a>(row: &'a Value, expected: &str) -> Option<&'a str> {
    row.as_array().unwrap().iter().find_map(|line| {
        let (name, value) = line.as_str().unwrap().split_once(':')?;
        name.eq_ignore_ascii_case(expected).then(|| value.trim_matches([' ', '\t']))
    })
}

/// The token of a request's header lines, found as the server finds it.
fn from_headers(headers: &Value, custom_header: bool) -> String {
    let custom = header(headers, "X-Auth-Token").filter(|value| custom_header && !value.is_empty());
    let value = custom.or_else(|| header(headers, "Authorization")).unwrap_or_default();
    // A folded line is one line with a blank.
    let value = value.replace("\r\n ", " ");
    value.strip_prefix("Bearer ").unwrap_or(if custom.is_some() { &value } else { "" }).to_owned()
}

/// Where this toolkit is stricter than the server, by the check that refuses and what it says.
const STRICTER: [&str; 12] = [
    // Line ends inside a token, which Go passes over.
    "is '\\n'",
    "is '\\r'",
    "twice",
    "critical extensions",
    "brings a key of its own",
    "unused bits",
    "not UTF-8",
    "nested deeper",
    "beyond any date",
    "is not JSON",
    "no role that the server knows",
    // A key that this toolkit does not use.
    "a key that is not used",
];

struct Count {
    same: usize,
    stricter: BTreeSet<String>,
    wrong: Vec<String>,
}

impl Count {
    const fn new() -> Self {
        Self { same: 0, stricter: BTreeSet::new(), wrong: Vec::new() }
    }

    fn add(&mut self, case: &str, server: bool, verdict: &Verdict) {
        let reason = verdict.first_failure().map_or("", |finding| finding.reason.as_str());
        if verdict.accepts() == server {
            self.same += 1;
        } else if server && STRICTER.iter().any(|known| reason.contains(known)) {
            self.stricter.insert(case.to_owned());
        } else {
            self.wrong.push(format!("{case}: the server says {server}, here {verdict:#?}"));
        }
    }

    /// Compares with what is known: how many decisions were the same, and which cases stricter.
    #[track_caller]
    fn end(self, what: &str, same: usize, stricter: &[&str]) {
        println!("{what}: {} decided as recorded, {} cases stricter", self.same, self.stricter.len());
        assert_eq!(self.same, same, "{what}: decisions that are the same");
        assert!(self.wrong.is_empty(), "{} differ:\n{}", self.wrong.len(), self.wrong.join("\n"));
        assert_eq!(self.stricter.iter().map(String::as_str).collect::<Vec<_>>(), stricter);
    }
}

fn json_file(name: &str) -> Value {
    serde_json::from_str(&std::fs::read_to_string(data(name)).unwrap()).unwrap()
}

/// Recorded on cc-backend 1.5.
#[test]
fn api_endpoints_accept_what_the_server_accepted() {
    let setup = json_file("endpoints-setup.json");
    let keys = Keys::of_server(&setup["env"]);
    let sound = setup["hpc_user"].as_array().unwrap().clone();
    let mut with_broken = sound.clone();
    with_broken.extend(setup["hpc_user_corrupt"].as_array().unwrap().iter().cloned());
    let mut count = Count::new();
    let rows = rows("endpoints.jsonl");
    assert_eq!(rows.len(), 370);
    let mut unrecorded = 0;
    for row in rows {
        let case = row["case"].as_str().unwrap();
        let rules =
            ServerRules { validate_user: row["validate_user"].as_bool().unwrap(), ..ServerRules::default() };
        let users = if row["db"] == "corrupt" { &with_broken } else { &sound };
        let text = from_headers(&row["headers"], true);
        for endpoint in [Endpoint::Api, Endpoint::UserApi, Endpoint::MetricStoreApi] {
            // The server rejected the request before this check, or crashed.
            let Some(server) = row["admitted"][endpoint.name()].as_bool() else {
                assert!(row["admitted"][endpoint.name()].is_null(), "{row}");
                unrecorded += 1;
                continue;
            };
            let verdict = decide(endpoint, &text, &keys, &rules, users, row["at"].as_f64().unwrap());
            count.add(case, server, &verdict);
        }
    }
    assert_eq!(unrecorded, 18, "answers that were not recorded");
    count.end(
        "endpoints.jsonl",
        1044,
        &[
            "b64 false",
            "deep nesting 9000",
            "duplicate roles claim, last [user]",
            "jwk own key",
            "last char other unused bits",
            "nbf 2^63",
            "payload segment with unused bits set",
            "sub invalid UTF-8",
            "x5u",
        ],
    );
}

/// Recorded on cc-metric-store's token check.
#[test]
fn metric_store_accepts_what_it_accepted() {
    let mut count = Count::new();
    let rows = rows("metric-store.jsonl");
    assert_eq!(rows.len(), 153);
    for row in rows {
        let case = row["case"].as_str().unwrap();
        let server = row["admitted"].as_bool().unwrap();
        let key = row["public_key"].as_str().unwrap();
        let key = match VerifyingKey::from_server_base64(key) {
            Ok(key) => key,
            Err(error) => {
                // Such a key ends `cc-jwt verify` with an error, whatever the token.
                let mut verdict = Verdict::new();
                verdict.fail("signature", format!("a key that is not used: {error}"), None);
                count.add(case, server, &verdict);
                continue;
            }
        };
        let keys = Keys(vec![(Signer::Own, key)]);
        let text = from_headers(&row["headers"], false);
        let at = row["at"].as_f64().unwrap();
        let verdict = decide(Endpoint::MetricStore, &text, &keys, &ServerRules::default(), &[], at);
        count.add(case, server, &verdict);
    }
    count.end(
        "metric-store.jsonl",
        143,
        &[
            "b64 false",
            "crit b64",
            "crit empty",
            "header duplicate alg none,EdDSA",
            "jku",
            "nbf 2^63",
            "nbf literal -1e300",
            "nbf literal 1e300",
            "payload NUL after",
            "payload trailing junk",
        ],
    );
}

/// The token of a login request, and which of the two logins looks at it.
fn of_login(row: &Value, cookie_name: Option<&str>) -> (Endpoint, String) {
    let request = &row["request"];
    let path = request["path"].as_str().unwrap();
    let query = path.split_once('?').map_or("", |(_, query)| query);
    let from_query = query.split('&').find_map(|pair| pair.strip_prefix("login-token="));
    if let Some(text) = from_query {
        let text = text.replace("%0A", "\n").replace("%0D", "\r").replace("%20", " ").replace('+', " ");
        return (Endpoint::JwtLogin, text);
    }
    let cookies = request["headers"]
        .as_array()
        .unwrap()
        .iter()
        .find_map(|line| line.as_str()?.strip_prefix("Cookie: "));
    if let Some(cookies) = cookies {
        let expected = cookie_name.unwrap_or("access_cc");
        let value = cookies.split("; ").find_map(|pair| pair.strip_prefix(expected)?.strip_prefix('='));
        return (Endpoint::CookieLogin, value.unwrap_or_default().trim_matches('"').to_owned());
    }
    (Endpoint::JwtLogin, from_headers(&request["headers"], false))
}

/// Recorded on cc-backend 1.5.
#[test]
fn logins_by_token_and_cookie_accept_what_the_server_accepted() {
    let setup = json_file("login-setup.json");
    let mut count = Count::new();
    let mut other_matters = 0;
    let rows = rows("login.jsonl");
    assert_eq!(rows.len(), 336);
    for row in rows {
        let name = row["config"].as_str().unwrap();
        let case = row["case"].as_str().unwrap();
        let by_token = name.starts_with("jwt-login") || name.starts_with("cookie");
        let request = row["request"].to_string();
        // Passwords, several methods at once, limits of attempts and pages without a login are
        // not a question of the token.
        let other = request.contains("password=")
            || name.contains("ldap")
            || case.contains("rate limit")
            || case.contains("GET /login")
            || case.contains("without login")
            || row["status"] == 200;
        if !by_token || other {
            other_matters += 1;
            continue;
        }
        let config = &setup["configs"][name];
        let jwts = &config["config"]["auth"]["jwts"];
        let env = &config["env"];
        let keys = Keys::of_server(env);
        let text = |name: &str| jwts[name].as_str().filter(|value| !value.is_empty());
        let flag = |name: &str| jwts[name].as_bool().unwrap_or(false);
        let mut lacks = Vec::new();
        for setting in ["cookie-name", "trusted-issuer"] {
            if text(setting).is_none() {
                lacks.push(setting.to_owned());
            }
        }
        for signer in [Signer::Own, Signer::CrossLogin] {
            if !keys.0.iter().any(|(own, _)| *own == signer) {
                lacks.push(signer.name().to_owned());
            }
        }
        let rules = ServerRules {
            validate_user: flag("validate-user"),
            trusted_issuer: text("trusted-issuer").map(str::to_owned),
            adds_users: flag("sync-user-on-login"),
            updates_users: flag("update-user-on-login"),
            cookie_login_missing: lacks,
            ..ServerRules::default()
        };
        let (endpoint, token) = of_login(&row, text("cookie-name"));
        let users = config["hpc_user"].as_array().unwrap();
        let at = row["at"].as_f64().unwrap();
        let server = row["status"] == 302;
        let verdict = decide(endpoint, &token, &keys, &rules, users, at);
        count.add(&format!("{name}: {case}"), server, &verdict);
    }
    assert_eq!(other_matters, 134, "rows that do not depend on the token");
    count.end(
        "login.jsonl",
        192,
        &[
            "cookie sync-user-on-login: duplicate iss: other then trusted",
            "jwt-login sync + update: roles string",
            "jwt-login sync-user-on-login: roles null",
            "jwt-login update-user-on-login: known user, no roles claim",
            "jwt-login update-user-on-login: roles missing",
            "jwt-login: crit unknown",
            "jwt-login: known user, no roles claim",
            "jwt-login: query token with newline %0A at the end",
            "jwt-login: query token with newline inside the signature",
            "jwt-login: roles unknown only",
        ],
    );
}

/// A token of these claims, verified.
fn verified(claims: &Value) -> token::Verified {
    let key = SigningKey::from_server_base64(&SecretText::new(PRIVATE.to_owned())).unwrap();
    let claims = token::Claims::from(claims.as_object().unwrap().clone());
    let text = token::sign(&token::HeaderParams::for_key(&key), &claims, &key).unwrap();
    token::verify(Unverified::parse(text.expose()).unwrap(), &[key.verifying_key()]).unwrap()
}

/// The first check that fails.
fn failing(verdict: &Verdict) -> Option<&str> {
    verdict.first_failure().map(|finding| finding.check)
}

#[test]
fn times_are_compared_to_the_second() {
    let checked = |endpoint, claims: Value| {
        let token = verified(&claims);
        let verdict = server_access::evaluate(
            Some(endpoint),
            &token,
            Signer::Own,
            &ServerRules::default(),
            Account::NotQueried,
            Timestamp(1_000),
            Verbosity::All,
        );
        failing(&verdict).map(str::to_owned)
    };
    let refused = |check: &str| Some(check.to_owned());
    for (change, api, store) in [
        (json!({"exp": 1_000}), refused("expiry"), refused("expiry")),
        (json!({"exp": 1_001}), None, None),
        (json!({"nbf": 1_000}), None, None),
        (json!({"nbf": 1_001}), refused("not-before"), refused("not-before")),
        (json!({"iat": 1_000}), None, None),
        (json!({"iat": 1_001}), None, refused("issued-at")),
    ] {
        let mut claims = json!({"sub": "a", "roles": ["api"]});
        claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        assert_eq!(checked(Endpoint::Api, claims.clone()), api, "{claims}");
        assert_eq!(checked(Endpoint::MetricStore, claims.clone()), store, "{claims}");
    }
}

#[test]
fn required_claims_are_compared_exactly() {
    let token = verified(&json!({"sub": "a", "iss": "https://i/", "aud": ["one", "two"], "roles": ["user"]}));
    let demanded = |issuer, audience| {
        let mut verdict = Verdict::new();
        server_access::require(&mut verdict, token.claims(), issuer, audience);
        failing(&verdict).map(str::to_owned)
    };
    assert_eq!(demanded(Some("https://i/"), Some("two")), None);
    for issuer in ["https://i", "https://i/x", "HTTPS://i/", ""] {
        assert_eq!(demanded(Some(issuer), None).as_deref(), Some("required-issuer"), "{issuer}");
    }
    for audience in ["o", "tw", "twoo", "ONE", "", "one two"] {
        assert_eq!(demanded(None, Some(audience)).as_deref(), Some("required-audience"), "{audience}");
    }
    for (role, expected) in [(Role::User, None), (Role::Admin, Some("required-role"))] {
        let rules = ServerRules { required_roles: vec![role], ..ServerRules::default() };
        let verdict = server_access::evaluate(
            None,
            &token,
            Signer::Own,
            &rules,
            Account::NotQueried,
            Timestamp(0),
            Verbosity::All,
        );
        assert_eq!(failing(&verdict), expected, "{role}");
    }
}

#[test]
fn cookie_login_warns_of_an_issuer_that_is_not_a_string() {
    let key = SigningKey::from_server_base64(&SecretText::new(PRIVATE.to_owned())).unwrap();
    let keys = Keys(vec![(Signer::Own, key.verifying_key())]);
    let users = [json!({"username": "demo", "roles": "[\"user\"]", "projects": "[]", "ldap": 0})];
    for (issuer, state) in [
        (None, CheckState::Pass),
        (Some(json!("")), CheckState::Pass),
        (Some(json!(5)), CheckState::Warn),
        (Some(json!("https://i.example")), CheckState::Fail),
    ] {
        let mut claims = json!({"sub": "demo", "roles": ["user"], "iat": 1000, "exp": 4600});
        if let Some(issuer) = &issuer {
            claims["iss"] = issuer.clone();
        }
        let header = json!({"alg": "EdDSA", "typ": "JWT"}).to_string();
        let message = [header, claims.to_string()].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
        let signature = key.sign(Algorithm::EdDsa, message.as_bytes()).unwrap();
        let text = format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
        let verdict = decide(Endpoint::CookieLogin, &text, &keys, &ServerRules::default(), &users, 2000.0);
        let finding = verdict.findings().iter().find(|finding| finding.check == "issuer").unwrap();
        assert_eq!(finding.state, state, "{issuer:?}: {verdict:?}");
    }
}
