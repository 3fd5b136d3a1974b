//! Random login roles and tokens: the decision here is compared with that of a running OpenBao.
//!
//! `BAO_PREDICTIONS=long` runs 1,000 logins and 1,000 requests for the URL of a provider, `BAO_COUNT=N` another
//! number of them, and `BAO_SEED=N` repeats a run. Each prediction has to agree in the decision and in the kind of the
//! reason, or to name a setting that only the server can check. A decision that is stricter on purpose
//! names the reference server in its reason.

use std::collections::BTreeMap;
use std::sync::RwLock;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::jwk::write_public;
use cc_auth::key::parse::read_signing;
use cc_auth::key::{KeyStrength, SigningKey};
use cc_auth::policy::Verbosity;
use cc_auth::policy::login_role::{
    AuthUrlDecision, AuthUrlRejection, CallbackMode, Flow, LoginRole, LoginRoleError, RoleConfig, ServerOnly,
    evaluate, predict_auth_url, server_only,
};
use cc_auth::util::note::Notes;
use cc_auth::util::time::Timestamp;
use cc_auth::verify::{GivenKeys, LoginRoleKeys, VerifyError, verify_with_refetch};
use serde_json::{Map, Value, json};

use crate::httpd::{Reply, Server};
use crate::openbao::{KEYS, data, pems, seconds};
use crate::openbao_server::OpenBao;
use crate::rng::Rng;
use crate::support::has;

/// The number of comparisons in this run.
fn count(short: usize) -> usize {
    let is_long = std::env::var("BAO_PREDICTIONS").is_ok_and(|form| form == "long");
    let usual = if is_long { 1_000 } else { short };
    std::env::var("BAO_COUNT").map_or(usual, |count| count.parse().expect("BAO_COUNT is a number"))
}

/// The seed of this run; it is printed with each difference.
fn seed() -> u64 {
    std::env::var("BAO_SEED").map_or(20_261_127, |seed| seed.parse().expect("BAO_SEED is a number"))
}

/// A mount with its configuration and the keys that are read from it.
struct Mount {
    name: String,
    config: RoleConfig,
    keys: RwLock<LoginRoleKeys>,
    /// The private keys, by file name, and algorithms that the mount accepts.
    accepted: Vec<(&'static str, &'static str)>,
}

const ED25519: (&str, &str) = ("ed25519", "EdDSA");
const ALL_KEYS: [(&str, &str); 10] = [
    ED25519,
    ("es256", "ES256"),
    ("es384", "ES384"),
    ("es512", "ES512"),
    ("rs256", "RS256"),
    ("rs256", "RS384"),
    ("rs256", "RS512"),
    ("rs256", "PS256"),
    ("rs256", "PS384"),
    ("rs256", "PS512"),
];

/// The key sets and the discovery document that the mounts use.
fn key_server() -> Server {
    let jwk = |name: &str| -> Value {
        let file = std::fs::read(data(&format!("{name}.key.pem"))).unwrap();
        let key = read_signing(&file, KeyStrength::Enforce, &mut Notes::new()).unwrap();
        let public = key.private_key().unwrap().public();
        serde_json::from_str(&write_public(&public, Some(name), None)).unwrap()
    };
    let all = json!({"keys": KEYS.map(jwk)});
    let other = json!({"keys": [jwk("ed25519_b")]});
    Server::start(move |request| {
        let own = format!("http://{}", request.header("host").unwrap());
        match request.path.as_str() {
            "/all" => Reply::json(&all),
            "/other" => Reply::json(&other),
            "/device" => Reply::json(&json!({
                "device_code": "d", "user_code": "WDJB-MJHT", "verification_uri": format!("{own}/enter"),
                "expires_in": 600, "interval": 5,
            })),
            "/.well-known/openid-configuration" => Reply::json(&json!({
                "issuer": own, "authorization_endpoint": format!("{own}/auth"),
                "token_endpoint": format!("{own}/token"), "jwks_uri": format!("{own}/all"),
                "device_authorization_endpoint": format!("{own}/device"),
                "response_types_supported": ["code"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["EdDSA", "ES256", "RS256"],
            })),
            _ => Reply::status(404, "text/plain", ""),
        }
    })
}

const ISSUER: &str = "https://issuer.example";

fn configurations(keys: &Server) -> Vec<(Value, Vec<(&'static str, &'static str)>)> {
    let (all, other) = (format!("{}/all", keys.url()), format!("{}/other", keys.url()));
    let every = || ALL_KEYS.to_vec();
    vec![
        (json!({"jwt_validation_pubkeys": pems()}), every()),
        (json!({"jwt_validation_pubkeys": pems(), "bound_issuer": ISSUER, "default_role": "Case"}), every()),
        (
            json!({"jwt_validation_pubkeys": pems(), "jwt_supported_algs": ["EdDSA", "ES256"]}),
            ALL_KEYS[..2].to_vec(),
        ),
        (json!({"jwt_validation_pubkeys": [pems()[0]]}), vec![ED25519]),
        (json!({"jwks_url": all, "bound_issuer": ISSUER}), every()),
        (
            json!({"jwt_validation_pubkeys": pems(), "jwt_supported_algs": ["PS512", "RS512", "PS512"]}),
            vec![("rs256", "PS512"), ("rs256", "RS512")],
        ),
        (json!({"jwks_url": all, "jwt_supported_algs": "", "default_role": "case"}), every()),
        (
            json!({"oidc_discovery_url": keys.url(), "jwt_supported_algs": ["ES384", " EdDSA"]}),
            vec![("es384", "ES384"), ED25519],
        ),
        (
            json!({"jwks_url": all, "jwt_supported_algs": "RS256, PS384,ES512"}),
            vec![("rs256", "RS256"), ("rs256", "PS384"), ("es512", "ES512")],
        ),
        (json!({"jwks_url": other}), vec![("ed25519_b", "EdDSA")]),
        (json!({"oidc_discovery_url": keys.url()}), every()),
    ]
}

/// Reads the keys of a configuration.
fn open_keys(config: &RoleConfig) -> Result<LoginRoleKeys, VerifyError> {
    let GivenKeys { mut access, .. } = GivenKeys::none();
    access.cache.offline = false;
    let now = Timestamp(seconds());
    LoginRoleKeys::open(config, &access, None, now, now, &mut Notes::new())
}

/// Writes the configurations to mounts, and reads each as the server returns it.
fn mounts(bao: &OpenBao, keys: &Server) -> Vec<Mount> {
    let mut mounts = Vec::new();
    for (number, (written, accepted)) in configurations(keys).into_iter().enumerate() {
        let name = format!("jwt-{number}");
        bao.call("POST", &format!("sys/auth/{name}"), &json!({"type": "jwt"}));
        let (status, answer) = bao.call("POST", &format!("auth/{name}/config"), &written);
        assert!(status < 300, "{written}: {answer}");
        let config = RoleConfig::read("config", &written).unwrap();
        let keys = RwLock::new(open_keys(&config).unwrap());
        mounts.push(Mount { name, config, keys, accepted });
    }
    mounts
}

const AUDIENCES: [&str; 6] = ["https://vault.example", "vault", "a", "b", "", "a b"];
const CLAIMS: [&str; 34] = [
    "team",
    "/team",
    "/realm/roles",
    "realm",
    "level",
    "admin",
    "email",
    "/nested/deep/x",
    "nested",
    "https://x.example/y",
    "/https:~1~1x.example~1y",
    "a.b",
    "sub",
    "iss",
    "aud",
    "/aud",
    "jti",
    "/list/1",
    "/list/0",
    "/list/01",
    "/list/-",
    "/list/-0",
    "/list/",
    "/list/x",
    "/a~0b",
    "/a~1b/c~01d",
    "/a~2b",
    "/",
    "",
    "//x",
    "/nested/",
    "~1",
    "exp",
    "/Exp",
];
const WORDS: [&str; 10] = ["core", "edge", "Core", "core-eu", "", "5", "true", "a/b", "жук", " core"];
const PATTERNS: [&str; 12] =
    ["core*", "*", "*eu", "c*e*u", "core", "", "*/*", "?ore", "**", "[c]ore", "\\*", "ж*к"];

fn scalar(rng: &mut Rng) -> Value {
    match rng.below(8) {
        0 => json!(rng.pick(&[5, 0, -5, 1_000_000])),
        1 => json!(rng.percent(50)),
        _ => json!(rng.pick(&WORDS)),
    }
}

fn any_value(rng: &mut Rng) -> Value {
    match rng.below(9) {
        0 => Value::Null,
        1 => json!({}),
        2 => json!({"core": 1}),
        3 => json!([]),
        4 => json!([scalar(rng), scalar(rng)]),
        5 => json!(5.0),
        _ => scalar(rng),
    }
}

fn leeway(rng: &mut Rng) -> Value {
    rng.pick(&[
        json!(0),
        json!(-1),
        json!(30),
        json!("5m"),
        json!("1d"),
        json!("-1s"),
        json!("90"),
        json!(600),
        json!(null),
    ])
}

/// A duration of any form, often an invalid one.
fn odd_duration(rng: &mut Rng) -> Value {
    rng.pick(&[
        json!(0),
        json!(-1),
        json!(-600),
        json!(31_536_000),
        json!(9_223_372_036_i64),
        json!(9_223_372_037_i64),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1.5),
        json!(60.0),
        json!(1e3),
        json!(true),
        json!([]),
        json!([5]),
        json!({}),
        json!(""),
        json!("0"),
        json!("-0"),
        json!("-1"),
        json!("-5m"),
        json!("1.5s"),
        json!("0.9s"),
        json!("-0.5s"),
        json!("1h30m"),
        json!("1d12h"),
        json!("0.5d"),
        json!("-1d"),
        json!("1w"),
        json!("5 "),
        json!(" 5"),
        json!("+5"),
        json!("+5m"),
        json!("1_000"),
        json!("0x10"),
        json!("1e3"),
        json!("300ms"),
        json!("5M"),
        json!("99999999999d"),
        json!("9223372037"),
        json!("5\u{661}"),
        json!("x"),
    ])
}

/// Changes a field of a role to a value that roles seldom have.
fn odd_field(rng: &mut Rng, role: &mut Value) {
    let odd_text = |rng: &mut Rng| {
        rng.pick(&[
            json!(42),
            json!(-0.0),
            json!(5.0),
            json!(true),
            json!(false),
            json!(null),
            json!([]),
            json!(["sub"]),
            json!({}),
            json!(""),
            json!(" sub"),
            json!(1u64 << 60),
        ])
    };
    let names = [
        "bound_audiences",
        "bound_claims",
        "bound_claims_type",
        "user_claim",
        "user_claim_json_pointer",
        "groups_claim",
        "claim_mappings",
        "clock_skew_leeway",
        "expiration_leeway",
        "not_before_leeway",
        "max_age",
        "verbose_oidc_logging",
        "token_bound_cidrs",
        "token_ttl",
        "token_max_ttl",
        "token_explicit_max_ttl",
        "token_period",
        "token_num_uses",
        "oidc_scopes",
        "bound_subject",
        "token_policies",
        "poll_interval",
        "bound_cidrs",
        "ttl",
        "max_ttl",
        "period",
        "num_uses",
    ];
    let name = rng.pick(&names);
    role[name] = match name {
        "bound_audiences" | "oidc_scopes" | "token_policies" => rng.pick(&[
            json!(42),
            json!(true),
            json!(1.5),
            json!(5.0),
            json!(["a", 42]),
            json!([true]),
            json!([5.0]),
            json!([null]),
            json!([["a"]]),
            json!([{}]),
            json!({}),
            json!({"a": 1}),
            json!(""),
            json!(","),
            json!("a,,b"),
            json!(["a,b"]),
            json!(["", "a"]),
            json!([" a "]),
            json!("[\"a\"]"),
            json!(null),
        ]),
        "bound_claims" => rng.pick(&[
            json!([]),
            json!(null),
            json!("team=core"),
            json!(5),
            json!([{"team": "core"}]),
            json!({"": "x"}),
            json!({"team": [["core"]]}),
            json!({"team": [null]}),
            json!({"team": ["core", {"a": 1}]}),
            json!({"team": null}),
            json!({"team": {}}),
            json!({"team": "core", "Team": "core"}),
            json!({"level": 5.0}),
            json!({"level": [5, "5", true]}),
            json!({"exp": 5}),
            json!({"aud": "vault", "sub": ["alice", "bob"]}),
            json!({"/list/0": "x"}),
            json!({"/list": ["core"]}),
            json!({"/list/5": "x"}),
        ]),
        "bound_claims_type" => rng.pick(&[
            json!(""),
            json!(null),
            json!("Glob"),
            json!(" glob"),
            json!(5),
            json!(true),
            json!(["glob"]),
            json!("regex"),
        ]),
        "claim_mappings" => rng.pick(&[
            json!([]),
            json!(null),
            json!("team=m"),
            json!({"team": 42}),
            json!({"team": true}),
            json!({"team": null}),
            json!({"team": ""}),
            json!({"team": ["m"]}),
            json!({"team": {}}),
            json!({"team": "role"}),
            json!({"team": "m", "email": "m"}),
            json!({"": "m"}),
            json!({"none": "m", "/none/x": "n"}),
            json!({"team": "vault-x"}),
            json!({"team": "ж"}),
            json!({"/list/0": "m"}),
            json!({"list": "m"}),
            json!({"exp": "m"}),
            json!({"iss": "m", "jti": "n"}),
            json!([{"team": "m"}]),
            json!({"team": 1.5}),
        ]),
        "user_claim_json_pointer" | "verbose_oidc_logging" => rng.pick(&[
            json!("TRUE"),
            json!("t"),
            json!("yes"),
            json!(2),
            json!(-1),
            json!(0.0),
            json!(1.0),
            json!(""),
            json!(null),
            json!([]),
            json!({}),
            json!(" true"),
        ]),
        "token_bound_cidrs" | "bound_cidrs" => rng.pick(&[
            json!("127.0.0.1/8"),
            json!(["127.0.0.1/33"]),
            json!(""),
            json!([""]),
            json!([]),
            json!("::1"),
            json!(["[::1]:80"]),
            json!(5),
            json!(true),
            json!("localhost"),
            json!("127.0.0.1:80"),
            json!("0.0.0.0/0"),
            json!("127.1"),
            json!("127.0.0.01"),
            json!("fe80::1%lo"),
            json!("10.0.0.0/8, 127.0.0.0/8"),
            json!(" 127.0.0.1 "),
            json!("/var/run/x.sock"),
            json!(null),
        ]),
        "token_num_uses" | "poll_interval" | "num_uses" => rng.pick(&[
            json!("5"),
            json!(""),
            json!("x"),
            json!(1.5),
            json!(2.0),
            json!(true),
            json!(null),
            json!([]),
            json!("-1"),
            json!("0x10"),
            json!("+3"),
            json!(" 3"),
            json!("010"),
            json!(u64::MAX),
            json!("1_0"),
            json!("3.0"),
            json!("08"),
        ]),
        "user_claim" | "groups_claim" | "bound_subject" => odd_text(rng),
        _ => odd_duration(rng),
    };
}

/// A role with any fields, mostly valid.
fn random_role(rng: &mut Rng) -> Value {
    let mut role = json!({"role_type": "jwt", "user_claim": "sub"});
    let mut set = |name: &str, value: Value| role[name] = value;
    if rng.percent(6) {
        set("role_type", rng.pick(&[json!("oidc"), json!(""), json!(null), json!("JWT"), json!("jwt ")]));
    }
    if rng.percent(25) {
        set("user_claim", json!(rng.pick(&CLAIMS)));
    }
    if rng.percent(30) {
        set("user_claim_json_pointer", rng.pick(&[json!(true), json!(false), json!("true"), json!(1)]));
    }
    if rng.percent(85) {
        let many = json!(rng.some(&AUDIENCES, 3));
        set(
            "bound_audiences",
            if rng.percent(60) { many } else { json!(rng.pick(&["vault", "a,b", " a , b "])) },
        );
    }
    if rng.percent(20) {
        set("bound_subject", rng.pick(&[json!("alice"), json!("al*"), json!("Alice"), json!(42), json!("")]));
    }
    let is_glob = rng.percent(25);
    if is_glob {
        set("bound_claims_type", json!("glob"));
    } else if rng.percent(20) {
        set("bound_claims_type", json!("string"));
    }
    if rng.percent(45) {
        let mut bound = Map::new();
        for _ in 0..=rng.below(3) {
            let one = |rng: &mut Rng| if is_glob { json!(rng.pick(&PATTERNS)) } else { scalar(rng) };
            let value = match rng.below(12) {
                0 => json!([]),
                1 => any_value(rng),
                2..6 => one(rng),
                _ => (0..=rng.below(3)).map(|_| one(rng)).collect(),
            };
            bound.insert(rng.pick(&CLAIMS).to_owned(), value);
        }
        set("bound_claims", Value::Object(bound));
    }
    if rng.percent(20) {
        set("groups_claim", json!(rng.pick(&CLAIMS)));
    }
    if rng.percent(20) {
        let keys = ["m", "n", "email", "x y", "a-b", "Role"];
        let mapped: Map<String, Value> =
            (0..=rng.below(3)).map(|_| (rng.pick(&CLAIMS).to_owned(), json!(rng.pick(&keys)))).collect();
        set("claim_mappings", Value::Object(mapped));
    }
    for name in ["clock_skew_leeway", "expiration_leeway", "not_before_leeway"] {
        if rng.percent(20) {
            set(name, leeway(rng));
        }
    }
    if rng.percent(8) {
        let networks = [json!(["127.0.0.0/8"]), json!("10.0.0.0/8"), json!(["10.1.2.3", "127.0.0.1"])];
        set("token_bound_cidrs", rng.pick(&networks));
    }
    for (name, values) in [
        ("max_age", vec![json!("1h"), json!(30)]),
        ("allowed_redirect_uris", vec![json!(["http://localhost:8250/oidc/callback"]), json!([])]),
        ("oidc_scopes", vec![json!("email,profile"), json!([])]),
        ("verbose_oidc_logging", vec![json!(true), json!("false")]),
        ("token_ttl", vec![json!("1h"), json!(60), json!(0)]),
        ("token_max_ttl", vec![json!("2h"), json!("30m")]),
        ("token_explicit_max_ttl", vec![json!("2h")]),
        ("ttl", vec![json!("10m"), json!("3h")]),
        ("token_policies", vec![json!(["a", "b"]), json!("a"), json!(["Root"])]),
        ("policies", vec![json!(["a"]), json!("c,d")]),
        ("token_no_default_policy", vec![json!(true)]),
        ("token_num_uses", vec![json!(3), json!(0), json!(-1)]),
        ("token_period", vec![json!("1h"), json!(0)]),
        ("token_strictly_bind_ip", vec![json!(true)]),
        ("token_type", vec![json!("batch"), json!("service"), json!("default"), json!("x")]),
        ("callback_mode", vec![json!("direct"), json!("device"), json!("client"), json!("x")]),
        ("poll_interval", vec![json!(5), json!("5")]),
        ("oauth2_metadata", vec![json!("id_token"), json!(["access_token"])]),
        ("oidc_disable_confirmation", vec![json!(true)]),
        ("token_policies_template_claims", vec![json!(true)]),
    ] {
        if rng.percent(5) {
            set(name, rng.pick(&values));
        }
    }
    if rng.percent(4) {
        set("token_policies_template_claims", json!(true));
        set(
            "token_policies",
            json!([rng.pick(&["{{.sub}}", "p-{{ .list }}", "{{.nope", "{{sub}}", "plain"])]),
        );
    }
    // A typing error in a value.
    if rng.percent(4) {
        let name = rng.pick(&[
            "user_claim",
            "bound_subject",
            "groups_claim",
            "bound_claims",
            "token_ttl",
            "max_age",
        ]);
        set(name, rng.pick(&[json!(["x"]), json!({"a": {}}), json!(1.5), json!("x y")]));
    }
    if rng.percent(30) {
        odd_field(rng, &mut role);
    }
    role
}

/// A token to be signed.
struct Draft {
    key: &'static str,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Sets a claim, or what a JSON pointer selects.
fn put(claims: &mut Map<String, Value>, name: &str, value: Value) {
    let Some(path) = name.strip_prefix('/') else {
        claims.insert(name.to_owned(), value);
        return;
    };
    let pieces: Vec<String> =
        path.split('/').map(|piece| piece.replace("~1", "/").replace("~0", "~")).collect();
    let (last, parents) = pieces.split_last().unwrap();
    let mut at = claims;
    for parent in parents {
        let slot = at.entry(parent.clone()).or_insert_with(|| json!({}));
        if !slot.is_object() {
            *slot = json!({});
        }
        at = slot.as_object_mut().unwrap();
    }
    at.insert(last.clone(), value);
}

/// A value that a bound accepts, if there is one.
fn matching(rng: &mut Rng, bound: &Value) -> Value {
    let one = match bound {
        Value::Array(values) if !values.is_empty() => rng.pick(values),
        other => other.clone(),
    };
    let one = match one {
        Value::String(text) => json!(text.replace('*', rng.pick(&["", "re-", "x/y"]))),
        other => other,
    };
    if rng.percent(30) { json!(["other", one]) } else { one }
}

/// A token that the role accepts, where there is one.
fn fitting(rng: &mut Rng, mount: &Mount, role: &Value, now: i64) -> Draft {
    let choices = if rng.percent(90) { &mount.accepted[..] } else { &ALL_KEYS };
    let (key, algorithm) = rng.pick(choices);
    let mut header = Map::from_iter([("alg".to_owned(), json!(algorithm)), ("typ".to_owned(), json!("JWT"))]);
    if rng.percent(85) {
        header.insert("kid".to_owned(), json!(key));
    }
    let mut claims = Map::new();
    for (name, value) in [
        ("iss", json!(ISSUER)),
        ("sub", json!("alice")),
        ("iat", json!(now - 10)),
        ("nbf", json!(now - 10)),
        ("exp", json!(now + 300)),
        ("list", json!(["x", "core"])),
    ] {
        claims.insert(name.to_owned(), value);
    }
    if let Some(subject) = role["bound_subject"].as_str().filter(|subject| !subject.is_empty()) {
        claims.insert("sub".to_owned(), json!(subject));
    }
    if let Some(bound) = role["bound_claims"].as_object() {
        for (name, value) in bound {
            let value = matching(rng, value);
            put(&mut claims, name, value);
        }
    }
    if let Some(name) = role["groups_claim"].as_str() {
        let mut groups = rng.pick(&[json!("g1"), json!(["g1", "g2"]), json!([]), json!(["g1", ""])]);
        if rng.percent(25) {
            groups = rng.pick(&[
                json!(5),
                json!(true),
                json!({}),
                json!({"a": "b"}),
                json!([5]),
                json!(["g1", null]),
                json!([["g1"]]),
                json!(["g1", 5.5]),
                json!("g1,g2"),
                json!(""),
                json!([true]),
                json!([""]),
            ]);
        }
        put(&mut claims, name, groups);
    }
    for (name, _) in role["claim_mappings"].as_object().into_iter().flatten() {
        if rng.percent(80) {
            put(&mut claims, name, json!("mapped"));
        }
    }
    if let Some(name) = role["user_claim"].as_str().filter(|name| *name != "sub") {
        let name = if role["user_claim_json_pointer"] == true {
            name.to_owned()
        } else {
            format!("/{}", name.replace('~', "~0").replace('/', "~1"))
        };
        put(&mut claims, &name, json!("alice"));
    }
    match &role["bound_audiences"] {
        Value::Array(all) if !all.is_empty() => {
            let one = rng.pick(all);
            claims.insert("aud".to_owned(), if rng.percent(50) { one } else { json!(["other", one]) });
        }
        Value::String(text) => {
            let first = text.split(',').next().unwrap().trim();
            claims.insert("aud".to_owned(), json!(first));
        }
        _ => {}
    }
    Draft { key, header, claims }
}

const INSTANTS: [i64; 16] =
    [-90_000, -5_000, -500, -215, -205, -155, -65, -55, -20, 20, 55, 65, 155, 215, 5_000, 90_000];

/// Changes a token in one way.
fn spoil(rng: &mut Rng, draft: &mut Draft, now: i64) {
    let claims = &mut draft.claims;
    match rng.below(21) {
        20 => {
            let name = rng.pick(&["iat", "nbf", "exp"]);
            let odd = [
                serde_json::from_str(&format!("{now}.5")).unwrap(),
                json!(-1),
                json!(0.5),
                json!(-0.5),
                json!(1e10),
                json!(253_402_300_800_i64),
                json!(9_007_199_254_740_993_i64),
                json!(1e18),
                json!(i64::MAX),
                json!(i64::MIN),
                json!(u64::MAX),
                json!(1e19),
                json!(1e300),
                json!(now * 1000),
                json!(now.to_string()),
            ];
            claims.insert(name.to_owned(), rng.pick(&odd));
        }
        0..3 => {
            let name = rng.pick(&["iat", "nbf", "exp"]);
            claims.insert(name.to_owned(), json!(now + rng.pick(&INSTANTS)));
        }
        3 => {
            let kept = rng.below(8);
            for (bit, name) in ["iat", "nbf", "exp"].into_iter().enumerate() {
                if kept & (1 << bit) == 0 {
                    claims.remove(name);
                }
            }
        }
        4 => {
            let name = rng.pick(&["iat", "nbf", "exp", "iss", "sub", "jti", "aud"]);
            let odd =
                [json!("x"), json!(true), json!([]), json!({}), json!(0), json!(null), json!(5.5), json!(42)];
            claims.insert(name.to_owned(), rng.pick(&odd));
        }
        5 => {
            let issuers =
                [json!("https://issuer.example/"), json!("https://other.example"), json!(null), json!("")];
            claims.insert("iss".to_owned(), rng.pick(&issuers));
        }
        6 => {
            claims.insert(
                "sub".to_owned(),
                rng.pick(&[json!("bob"), json!("Alice"), json!(""), json!("42"), json!("al*")]),
            );
        }
        7 => {
            let odd = [json!("z"), json!([]), json!(["z", "vault"]), json!(""), json!("a,b"), json!(" a ")];
            claims.insert("aud".to_owned(), rng.pick(&odd));
        }
        8 => {
            claims.remove("aud");
        }
        9..14 => {
            let names: Vec<String> = claims.keys().cloned().collect();
            let Some(name) = (!names.is_empty()).then(|| rng.pick(&names)) else { return };
            if rng.percent(40) {
                claims.remove(&name);
            } else {
                claims.insert(name, any_value(rng));
            }
        }
        14 => {
            let value = any_value(rng);
            put(claims, rng.pick(&CLAIMS), value);
        }
        15 => {
            claims.insert(rng.pick(&["SUB", "Exp", "iSs", "AUD", "sub ", "Nbf"]).to_owned(), json!("x"));
        }
        16 => draft.key = rng.pick(&["attacker_ed25519", "ed25519_b", "attacker_rs256"]),
        17 => {
            let algorithms = ["none", "HS256", "EdDSA", "RS256", "eddsa", "Ed25519", ""];
            draft.header.insert("alg".to_owned(), json!(rng.pick(&algorithms)));
        }
        18 => {
            let kids = [json!("unknown"), json!(""), json!(null), json!("es256"), json!(5)];
            draft.header.insert("kid".to_owned(), rng.pick(&kids));
        }
        _ => {
            let (name, value) = rng.pick(&[
                ("nonce", json!(5)),
                ("jwk", json!({})),
                ("crit", json!(["exp"])),
                ("typ", json!("at+jwt")),
                ("b64", json!(false)),
                ("cty", json!("JWT")),
            ]);
            draft.header.insert(name.to_owned(), value);
        }
    }
}

/// The text of a token, at times with a fault in its form.
fn write_token(rng: &mut Rng, draft: &Draft, keys: &BTreeMap<&'static str, SigningKey>) -> String {
    let key = &keys[draft.key];
    let own = key.verifying_key().algorithms().to_vec();
    let named = draft.header["alg"].as_str().and_then(|name| name.parse().ok());
    let algorithm = named.filter(|algorithm| own.contains(algorithm)).unwrap_or(own[0]);
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let mut payload = Value::Object(draft.claims.clone()).to_string();
    let form = rng.below(200);
    if form == 0 {
        payload = payload.replacen('{', "{\"sub\":\"bob\",", 1);
    }
    let header = Value::Object(draft.header.clone()).to_string();
    let message = format!("{}.{}", part(&header), part(&payload));
    let signature = URL_SAFE_NO_PAD.encode(key.sign(algorithm, message.as_bytes()).unwrap());
    match form {
        1 => format!("{message}."),
        2 => message,
        3 => format!("{message}.{}", &signature[1..]),
        4 => format!("{message}.{signature}="),
        5 => format!(" {message}.{signature}\n"),
        6 => format!("{message}.{signature}.x"),
        7 => "x".to_owned(),
        8 => String::new(),
        9 => format!("{}.{}.{signature}", part(&header), part("[]")),
        10 => format!("{}.{}.{signature}", part("{}"), part(&payload)),
        _ => format!("{message}.{signature}"),
    }
}

/// What a prediction and the server's response have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Decision {
    Accepted(String),
    /// The name of the check, as here.
    Rejected(&'static str),
}

/// The check that a message of OpenBao 2.7.2 belongs to.
fn kind_of(message: &str) -> Option<&'static str> {
    let table = [
        ("cannot create root tokens", "policies"),
        ("role could not be found", "role"),
        ("missing role", "role"),
        ("role with oidc role_type is not allowed", "role-type"),
        ("missing token", "signature"),
        ("error parsing token", "signature"),
        ("permission denied", "client-address"),
        ("no issued at (iat)", "times"),
        ("(nbf)", "times"),
        ("(exp)", "times"),
        ("(iat)", "times"),
        ("invalid issuer", "issuer"),
        ("invalid subject", "subject"),
        ("invalid audience", "audience"),
        ("audience claim found in JWT but no audiences", "audience"),
        ("ambiguous claim", "registered-claims"),
        ("to unmarshal to Audience", "registered-claims"),
        ("to unmarshal NumericDate", "registered-claims"),
        ("Go struct field Claims", "registered-claims"),
        ("token signed with unexpected algorithm", "algorithm"),
        ("invalid embedded jwk", "signature"),
        ("failed to unmarshal", "signature"),
        ("verifying token signature", "signature"),
        ("groups", "groups"),
        ("string list", "groups"),
        ("error validating claims", "bound-claims"),
        ("error converting claim", "claim-mappings"),
        ("invalid alias metadata", "identity"),
        ("not found in token", "user-claim"),
        ("could not be converted to string", "user-claim"),
        ("missing name in alias", "identity"),
    ];
    if message.starts_with("role \"") {
        return Some("role");
    }
    table.into_iter().find(|(part, _)| message.contains(part)).map(|(_, kind)| kind)
}

/// A login with everything that a message about a difference needs.
struct Attempt {
    number: usize,
    /// The name of the role in the login; the role is `case`.
    name: &'static str,
    mount: String,
    role: Value,
    token: String,
    claims: Value,
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let header = self.token.split('.').next().unwrap_or_default();
        let header = URL_SAFE_NO_PAD.decode(header).unwrap_or_default();
        let Self { number, name, mount, role, token: _, claims } = self;
        let header = String::from_utf8_lossy(&header);
        write!(formatter, "#{number} {mount}\n  role {name:?} {role}\n  header {header}\n  claims {claims}")
    }
}

#[derive(Debug, Default)]
struct Tally {
    /// The same decision, with the same kind of reason.
    same: usize,
    accepted: usize,
    /// Decided by a setting that is reported as unknown here.
    only_server: usize,
    /// Rejected here on purpose, by the reason.
    stricter: BTreeMap<String, usize>,
    /// How often the server gave a reason of this kind.
    kinds: BTreeMap<&'static str, usize>,
    differences: Vec<String>,
}

fn predict(mount: &Mount, role: &LoginRole, attempt: &Attempt) -> (Decision, String) {
    let named =
        if attempt.name.is_empty() { mount.config.default_role.as_deref() } else { Some(attempt.name) };
    if named.is_none_or(|name| name.to_lowercase() != role.name) {
        return (Decision::Rejected("role"), String::new());
    }
    let now = Timestamp(seconds());
    let verified = verify_with_refetch(&mount.keys, &attempt.token, now, &mut Notes::new()).outcome;
    let (verdict, login) = evaluate(&mount.config, role, verified.as_ref(), Flow::Token, now, Verbosity::All);
    match login {
        Some(login) => (Decision::Accepted(login.username), String::new()),
        None => {
            let failure = verdict.first_failure().unwrap();
            // The server parses a token while it verifies the signature.
            let check = if failure.check == "token" { "signature" } else { failure.check };
            (Decision::Rejected(check), failure.reason.clone())
        }
    }
}

#[test]
fn predictions_for_random_roles_and_tokens_equal_the_answers_of_openbao() {
    if !has("bao") {
        return;
    }
    let count = count(150);
    let mut rng = Rng(seed());
    let (bao, key_server) = (OpenBao::start(), key_server());
    let mounts = mounts(&bao, &key_server);
    let mut names = KEYS.to_vec();
    names.extend(["attacker_ed25519", "ed25519_b", "attacker_rs256"]);
    let keys: BTreeMap<&'static str, SigningKey> = names
        .into_iter()
        .map(|name| {
            let file = std::fs::read(data(&format!("{name}.key.pem"))).unwrap();
            (name, read_signing(&file, KeyStrength::Enforce, &mut Notes::new()).unwrap())
        })
        .collect();
    let mut tally = Tally::default();
    for number in 0..count {
        let mount = &mounts[rng.below(mounts.len())];
        let written = random_role(&mut rng);
        let now = seconds();
        let mut draft = fitting(&mut rng, mount, &written, now);
        for _ in 0..rng.pick(&[0, 0, 0, 0, 1, 1, 2, 3]) {
            spoil(&mut rng, &mut draft, now);
        }
        let token = write_token(&mut rng, &draft, &keys);
        let attempt = Attempt {
            number,
            name: if rng.percent(90) { "case" } else { rng.pick(&["CASE", "", "nope"]) },
            mount: mount.name.clone(),
            role: written.clone(),
            token: token.clone(),
            claims: Value::Object(draft.claims),
        };
        compare(&bao, mount, &attempt, &mut tally);
    }
    println!("seed {}: {count} logins: {tally:?}", seed());
    let differences = &tally.differences;
    assert!(
        differences.is_empty(),
        "seed {}: {} differ:\n{}",
        seed(),
        differences.len(),
        differences.join("\n")
    );
    assert_eq!(tally.same + tally.only_server + tally.stricter.values().sum::<usize>(), count);
    assert!(tally.same * 100 > count * 90 && tally.accepted * 100 > count * 15, "{tally:?}");
    let checks = ["signature", "registered-claims", "audience", "bound-claims", "subject", "times", "role"];
    assert!(checks.iter().all(|check| tally.kinds.contains_key(check)), "{tally:?}");
}

/// A configuration with any fields.
fn random_config(rng: &mut Rng, keys: &Server) -> Value {
    let mut config = json!({});
    match rng.below(8) {
        0 | 1 => config["jwks_url"] = json!(format!("{}/all", keys.url())),
        2 | 3 => config["oidc_discovery_url"] = json!(keys.url()),
        _ => config["jwt_validation_pubkeys"] = json!(pems()),
    }
    let text = |rng: &mut Rng| {
        rng.pick(&[
            json!("x"),
            json!(""),
            json!(42),
            json!(null),
            json!(true),
            json!([]),
            json!({}),
            json!(1.5),
        ])
    };
    for _ in 0..=rng.below(3) {
        let name = rng.pick(&[
            "jwt_supported_algs",
            "jwt_supported_algs",
            "jwt_supported_algs",
            "bound_issuer",
            "default_role",
            "oidc_response_mode",
            "oidc_response_types",
            "namespace_in_state",
            "provider_config",
            "oidc_client_id",
            "oidc_client_secret",
            "jwt_validation_pubkeys",
            "jwks_url",
            "jwks_ca_pem",
            "oidc_discovery_url",
            "oidc_discovery_ca_pem",
            "skip_jwks_validation",
            "override_allowed_server_names",
        ]);
        config[name] = match name {
            "jwt_supported_algs" => rng.pick(&[
                json!(["RS256", "ES256"]),
                json!("RS256,ES256"),
                json!(" RS256 , EdDSA "),
                json!(["RS256", "RS256"]),
                json!(["HS256"]),
                json!(["none"]),
                json!(["rs256"]),
                json!(["Ed25519"]),
                json!(["ES256K"]),
                json!([""]),
                json!("RS256,"),
                json!([" RS256 "]),
                json!([]),
                json!(null),
                json!(""),
                json!(5),
                json!([5]),
                json!(true),
                json!({}),
                json!([null]),
                json!([["RS256"]]),
                json!("[\"RS256\"]"),
            ]),
            "oidc_response_mode" => rng.pick(&[
                json!("query"),
                json!("form_post"),
                json!(""),
                json!("x"),
                json!("Query"),
                json!(null),
            ]),
            "oidc_response_types" => rng.pick(&[
                json!("code"),
                json!("id_token"),
                json!("code,id_token"),
                json!(["code", "id_token"]),
                json!("token"),
                json!([]),
                json!(""),
                json!(" code "),
                json!(["code "]),
            ]),
            "namespace_in_state" | "skip_jwks_validation" => rng.pick(&[
                json!(true),
                json!("false"),
                json!(""),
                json!("yes"),
                json!(1),
                json!(2),
                json!(null),
                json!([]),
            ]),
            "provider_config" => rng.pick(&[
                json!({}),
                json!([]),
                json!(null),
                json!({"provider": "azure"}),
                json!({"provider": "x"}),
                json!({"provider": ""}),
                json!({"provider": 5}),
                json!({"x": 1}),
                json!("azure"),
                json!({"provider": "Azure"}),
            ]),
            "jwt_validation_pubkeys" => rng.pick(&[
                json!(pems()[0]),
                json!([pems()[0], ""]),
                json!("x"),
                json!(["x"]),
                json!([]),
                json!(""),
                json!(null),
                json!(5),
                json!(pems().join(",")),
                json!([format!(" {}", pems()[1])]),
                json!([pems().concat()]),
            ]),
            "jwks_ca_pem" | "oidc_discovery_ca_pem" => {
                rng.pick(&[json!(""), json!(null), json!("x"), json!(pems()[0]), json!([])])
            }
            _ => text(rng),
        };
    }
    config
}

/// Configurations that the server saves and that are errors here, on purpose. Each error names the field.
fn stricter_config(error: &LoginRoleError) -> Option<String> {
    match error {
        // The server converts most types to another.
        LoginRoleError::Type { found, expected, .. } if !found.starts_with("the string ") => {
            Some(format!("{found} for {expected}"))
        }
        LoginRoleError::Conflict { path, reason } if reason.contains("which is not given") => {
            Some(format!("{path} without effect"))
        }
        _ => None,
    }
}

#[test]
fn predictions_for_random_configurations_equal_the_answers_of_openbao() {
    if !has("bao") {
        return;
    }
    let count = count(200);
    let mut rng = Rng(seed());
    let (bao, key_server) = (OpenBao::start(), key_server());
    let (mut accepted, mut differences) = (0, Vec::new());
    let mut stricter: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..count {
        let written = random_config(&mut rng, &key_server);
        // A configuration that exists gives its fields to the next one.
        let mount = format!("config-{number}");
        bao.call("POST", &format!("sys/auth/{mount}"), &json!({"type": "jwt"}));
        let (status, answer) = bao.call("POST", &format!("auth/{mount}/config"), &written);
        // The server reads the keys and certificates at once.
        let read = RoleConfig::read("config", &written);
        if status >= 300 && read.as_ref().is_ok_and(|config| open_keys(config).is_err()) {
            continue;
        }
        match (status < 300, &read) {
            (true, Ok(_)) => {
                accepted += 1;
                let mut returned =
                    bao.call("GET", &format!("auth/{mount}/config"), &Value::Null).1["data"].take();
                returned.as_object_mut().unwrap().remove("status");
                if let Err(errors) = RoleConfig::read("config", &returned) {
                    differences.push(format!("{written}\n  returned {returned}\n  here {}", errors[0]));
                }
            }
            (false, Err(_)) => {}
            (true, Err(errors)) => match errors.iter().find_map(stricter_config) {
                Some(kind) => *stricter.entry(kind).or_default() += 1,
                None => differences.push(format!("{written}\n  only here rejected: {}", errors[0])),
            },
            (false, Ok(_)) => differences.push(format!("{written}\n  the server rejects it: {answer}")),
        }
        bao.call("DELETE", &format!("sys/auth/{mount}"), &Value::Null);
    }
    println!("seed {}: {count} configurations: {accepted} accepted, {stricter:?}", seed());
    assert!(
        differences.is_empty(),
        "seed {}: {} differ:\n{}",
        seed(),
        differences.len(),
        differences.join("\n")
    );
    assert!(accepted * 100 > count * 15 && accepted < count, "{accepted}");
}

/// Whether the server's message on a role is about the field of an error here.
fn is_about(error: &LoginRoleError, answer: &Value) -> bool {
    let message = answer["errors"][0].as_str().unwrap_or_default();
    let text = error.to_string();
    let field = text.strip_prefix("case.").unwrap_or_default();
    let field = field.split([':', '.', '[']).next().unwrap_or_default();
    let other = match field {
        "user_claim" => "user claim",
        "bound_audiences" => "bound constraint",
        "bound_claims" => "claim is not a string",
        "claim_mappings" => "metadata key",
        "token_bound_cidrs" | "bound_cidrs" => "address",
        "token_policies" => "template policy",
        "token_ttl" => "ttl",
        _ => field,
    };
    message.contains(field) || message.contains(other)
}

/// Roles that the server saves and that are errors here, on purpose. Each error names the field.
fn stricter_role(error: &LoginRoleError) -> Option<String> {
    match error {
        // The server converts most types to another, such as true to the string "1" and null to an empty string.
        LoginRoleError::Type { path, found, expected } => {
            let is_text = found.starts_with("the string ");
            let is_converted = match *expected {
                "a whole number" => true,
                "an object" => ["case.claim_mappings", "case.bound_claims"].contains(&path.as_str()),
                _ => !is_text,
            };
            is_converted.then(|| format!("role: {} for {expected}", if is_text { "a string" } else { found }))
        }
        LoginRoleError::Conflict { reason, .. } if reason.contains("rejects every login") => {
            Some("role: the policy root".to_owned())
        }
        // The server does not see the conflict with the old name, bound_cidrs.
        LoginRoleError::Conflict { path, .. } if path == "case.token_strictly_bind_ip" => {
            Some("role: two bindings to addresses".to_owned())
        }
        // The server rejects each login with the claim.
        LoginRoleError::Missing { path, .. } if path.starts_with("case.claim_mappings.") => {
            Some("role: an empty metadata key".to_owned())
        }
        // The server saves it under the old name, num_uses, only, and accepts none of its tokens.
        LoginRoleError::Conflict { path, .. } if path == "case.token_num_uses" => {
            Some("role: a negative number of uses".to_owned())
        }
        _ => None,
    }
}

/// Whether the server rejects a role because of a setting of its own: the maximum lifetime of a mount, or the
/// syntax of its templates.
fn is_of_server(role: &Value, message: &Value) -> bool {
    let message = message.to_string();
    message.contains("the backend's maximum lease TTL")
        || (role["token_policies_template_claims"] == true && message.contains("unable to parse template"))
}

/// Whether the server rejected the login because of a setting that is unknown here.
fn decides(unknown: &ServerOnly, theirs: &Decision) -> bool {
    let check = match unknown.setting {
        "token_bound_cidrs" => "client-address",
        "token_policies_template_claims" => "policies",
        other => panic!("{other} has no kind of reason"),
    };
    *theirs == Decision::Rejected(check)
}

fn compare(bao: &OpenBao, mount: &Mount, attempt: &Attempt, tally: &mut Tally) {
    let path = format!("auth/{}/role/case", mount.name);
    bao.call("DELETE", &path, &Value::Null);
    let (status, answer) = bao.call("POST", &path, &attempt.role);
    let read = LoginRole::read("case", &attempt.role);
    if status >= 300 {
        match &read {
            Err(errors) if errors.iter().any(|error| is_about(error, &answer)) => tally.same += 1,
            _ if is_of_server(&attempt.role, &answer) => tally.only_server += 1,
            Err(errors) => tally.differences.push(format!("{attempt}\n  server {answer}, here {errors:?}")),
            Ok(_) => tally.differences.push(format!("{attempt}\n  the server rejects the role: {answer}")),
        }
        return;
    }
    let role = match read {
        Ok(role) => role,
        Err(errors) => {
            match errors.iter().find_map(stricter_role) {
                Some(kind) => *tally.stricter.entry(kind).or_default() += 1,
                None => tally
                    .differences
                    .push(format!("{attempt}\n  only here the role is rejected: {}", errors[0])),
            }
            return;
        }
    };
    // The role as the server returns it is read without an error, and decides as the written one.
    let (_, answer) = bao.call("GET", &path, &Value::Null);
    let returned = match LoginRole::read("case", &answer["data"]) {
        Ok(returned) => returned,
        Err(errors) => {
            match stricter_role(&errors[0]) {
                Some(kind) => *tally.stricter.entry(kind).or_default() += 1,
                None => tally.differences.push(format!(
                    "{attempt}\n  returned {}\n  only here rejected: {errors:?}",
                    answer["data"]
                )),
            }
            return;
        }
    };
    let (of_returned, _) = predict(mount, &returned, attempt);
    let login = json!({"role": attempt.name, "jwt": attempt.token});
    let (status, answer) = bao.call_without_token("POST", &format!("auth/{}/login", mount.name), &login);
    let (ours, why) = predict(mount, &role, attempt);
    if of_returned != ours {
        tally
            .differences
            .push(format!("{attempt}\n  returned {answer}\n  decides {of_returned:?}, {ours:?}"));
    }
    let message = answer["errors"][0].as_str().unwrap_or_default();
    let theirs = if status == 200 {
        let entity = answer["auth"]["entity_id"].as_str().unwrap_or_default().to_owned();
        let known = bao.call("GET", &format!("identity/entity/id/{entity}"), &Value::Null).1;
        bao.call("DELETE", &format!("identity/entity/id/{entity}"), &Value::Null);
        let name = known["data"]["aliases"][0]["name"].as_str().unwrap_or_default();
        Decision::Accepted(name.to_owned())
    } else {
        match kind_of(message) {
            Some(kind) => Decision::Rejected(kind),
            None => {
                tally
                    .differences
                    .push(format!("{attempt}\n  an unknown message of the server: {status} {answer}"));
                return;
            }
        }
    };
    if let Decision::Rejected(kind) = &theirs {
        *tally.kinds.entry(kind).or_default() += 1;
    }
    if theirs == ours {
        tally.same += 1;
        tally.accepted += usize::from(status == 200);
    } else if server_only(&role).iter().any(|unknown| unknown.can_reject && decides(unknown, &theirs)) {
        tally.only_server += 1;
    } else if let (Decision::Rejected(check), true) = (&ours, why.contains("reference server")) {
        // Stricter on purpose, and the reason states it. The server accepts, or rejects for another reason.
        *tally.stricter.entry(format!("{check}: {why}")).or_default() += 1;
    } else {
        tally.differences.push(format!("{attempt}\n  theirs {theirs:?} {message}\n  ours   {ours:?} {why}"));
    }
}

const URIS: [&str; 26] = [
    "http://localhost:8250/oidc/callback",
    "http://localhost/oidc/callback",
    "http://127.0.0.1:8250/oidc/callback",
    "http://[::1]:8250/oidc/callback",
    "HTTP://localhost:1/oidc/callback",
    "http://LOCALHOST/oidc/callback",
    "https://localhost/oidc/callback",
    "http://localhost:8250/oidc/callback/",
    "http://localhost:8250",
    "http://localhost/",
    "http://localhost:/a?x=%2f",
    "http://localhost/a?x=%2F",
    "http://localhost/a?",
    "http://localhost/a#f",
    "http://localhost/%41",
    "http://localhost/ä b",
    "http://localhost/%C3%A4%20b",
    "http://user@localhost:7/a",
    "http://us%65r:p@localhost/a",
    "https://portal.example/cb",
    "https://portal.example:444/cb",
    "https://PORTAL.example/cb",
    "http://localhost:x/a",
    "%zz",
    "localhost:8250",
    "http://localhost/a?namespace=team&x=1",
];

/// A prediction for a request of the provider's URL, and the server's response.
fn compare_auth_url(
    bao: &OpenBao,
    config: &RoleConfig,
    mount: &str,
    rng: &mut Rng,
) -> Result<&'static str, String> {
    let mut role = json!({"user_claim": "sub", "allowed_redirect_uris": rng.some(&URIS, 4)});
    if rng.percent(30) {
        role["role_type"] = rng.pick(&[json!("jwt"), json!("oidc")]);
        role["bound_audiences"] = json!("cc");
    }
    if rng.percent(40) {
        role["callback_mode"] = json!(rng.pick(&["client", "direct", "device"]));
    }
    if rng.percent(20) {
        role["oidc_scopes"] = json!("email,profile");
        role["max_age"] = json!("1h");
    }
    let path = format!("auth/{mount}/role/case");
    bao.call("DELETE", &path, &Value::Null);
    let (status, answer) = bao.call("POST", &path, &role);
    let read = LoginRole::read("case", &role);
    assert_eq!(status < 300, read.is_ok(), "{role}: {answer} {read:?}");
    let Ok(role_read) = read else { return Ok("role") };
    let mut uri = if rng.percent(60) && !role_read.allowed_redirect_uris.is_empty() {
        rng.pick(&role_read.allowed_redirect_uris)
    } else {
        rng.pick(&URIS).to_owned()
    };
    if rng.percent(20) {
        uri = uri.replace(":8250", &format!(":{}", rng.below(60_000)));
    }
    if rng.percent(4) {
        uri.clear();
    }
    let request = json!({"role": "case", "redirect_uri": uri, "client_nonce": "nonce"});
    let (status, answer) = bao.call_without_token("POST", &format!("auth/{mount}/oidc/auth_url"), &request);
    let message = answer["errors"][0].as_str().unwrap_or_default();
    let url = answer["data"]["auth_url"].as_str().unwrap_or_default();
    let decision = predict_auth_url(Some(config), &role_read, &uri);
    let agrees = match &decision {
        AuthUrlDecision::Accepted(mode) => {
            let state = answer["data"].get("poll_interval").is_some();
            status == 200 && !url.is_empty() && state == (*mode != CallbackMode::Client)
        }
        AuthUrlDecision::Rejected(AuthUrlRejection::NoClient) => message.contains("is not configured"),
        AuthUrlDecision::Rejected(AuthUrlRejection::NoRedirectUri) => message == "missing redirect_uri",
        AuthUrlDecision::Rejected(_) => status == 200 && url.is_empty(),
        AuthUrlDecision::Unknown(ServerOnly { setting, .. }) => {
            *setting == "namespace_in_state" && uri.contains("namespace")
        }
    };
    if !agrees {
        return Err(format!("{mount} {role} {uri:?}\n  theirs {status} {answer}\n  ours   {decision:?}"));
    }
    Ok(match decision {
        AuthUrlDecision::Accepted(mode) => mode.name(),
        AuthUrlDecision::Rejected(AuthUrlRejection::NoClient) => "no client",
        AuthUrlDecision::Rejected(AuthUrlRejection::NoRedirectUri) => "no redirect URI",
        AuthUrlDecision::Rejected(AuthUrlRejection::Malformed(_)) => "malformed",
        AuthUrlDecision::Rejected(AuthUrlRejection::NotAllowed { .. }) => "not allowed",
        AuthUrlDecision::Rejected(AuthUrlRejection::MalformedEntry { .. }) => "malformed entry",
        AuthUrlDecision::Unknown(_) => "only the server knows",
    })
}

#[test]
fn predictions_for_random_provider_logins_equal_the_answers_of_openbao() {
    if !has("bao") {
        return;
    }
    let count = count(200);
    let mut rng = Rng(seed());
    let (bao, key_server) = (OpenBao::start(), key_server());
    let client =
        json!({"oidc_discovery_url": key_server.url(), "oidc_client_id": "cc", "oidc_client_secret": "s"});
    let configs = [client, json!({"jwt_validation_pubkeys": pems()})];
    for (number, config) in configs.iter().enumerate() {
        bao.set(&format!("sys/auth/oidc-{number}"), &json!({"type": "oidc"}));
        bao.set(&format!("auth/oidc-{number}/config"), config);
    }
    let read = configs.map(|config| RoleConfig::read("config", &config).unwrap());
    let mut kinds: BTreeMap<&'static str, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for _ in 0..count {
        let number = usize::from(rng.percent(4));
        match compare_auth_url(&bao, &read[number], &format!("oidc-{number}"), &mut rng) {
            Ok(kind) => *kinds.entry(kind).or_default() += 1,
            Err(difference) => differences.push(difference),
        }
    }
    println!("seed {}: {count} requests: {kinds:?}", seed());
    assert!(
        differences.is_empty(),
        "seed {}: {} differ:\n{}",
        seed(),
        differences.len(),
        differences.join("\n")
    );
    let expected = [
        "client",
        "direct",
        "device",
        "no client",
        "no redirect URI",
        "malformed",
        "not allowed",
        "malformed entry",
        "only the server knows",
    ];
    assert!(expected.iter().all(|kind| kinds.contains_key(kind)), "{kinds:?}");
}
