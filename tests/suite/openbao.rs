//! Login roles against a running OpenBao, whose decisions are compared with those of cc-jwt.
//!
//! The cases are made here, out of the rules, not out of rows. `cargo test --test suite record --
//! --ignored` runs all of them against `bao server -dev` and writes what it answered into
//! `tests/data/login-roles/own.jsonl` (OpenBao 2.7.2); the normal tests replay that file with the
//! clock of the recording, and run a part of the cases live where `bao` is installed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::parse::{read_public, read_signing};
use cc_auth::key::{KeySet, KeyStrength};
use cc_auth::policy::Verbosity;
use cc_auth::policy::login_role::{Flow, LoginRole, RoleConfig, evaluate};
use cc_auth::token::{Unverified, verify};
use cc_auth::util::note::Notes;
use cc_auth::util::time::Timestamp;
use serde_json::{Map, Value, json};

use crate::openbao_server::OpenBao;
use crate::support::{has, is_updating};

pub fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/login-roles").join(name)
}

/// Seconds from the time of the test, to be put in as a number.
fn at(seconds: i64) -> Value {
    json!({ "now": seconds })
}

#[derive(Debug, Clone)]
struct Case {
    name: String,
    /// Beside the keys.
    config: Value,
    role: Value,
    header: Value,
    claims: Value,
    /// The file of the key, without its ending.
    key: &'static str,
    /// Whether the server decides by accident here, so that cc-jwt may be stricter.
    quirk: bool,
}

fn role() -> Value {
    json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["https://vault.example"]})
}

fn claims() -> Value {
    json!({"iss": "https://issuer.example", "sub": "alice", "aud": "https://vault.example",
           "iat": at(-10), "nbf": at(-10), "exp": at(300)})
}

/// The object with these members set; `"-"` takes one out.
fn with(mut base: Value, changes: Value) -> Value {
    let members = base.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        if value == "-" {
            members.remove(name);
        } else {
            members.insert(name.clone(), value.clone());
        }
    }
    base
}

#[derive(Default)]
struct Cases(Vec<Case>);

impl Cases {
    fn add(&mut self, name: impl Into<String>, role_changes: Value, claim_changes: Value) -> &mut Case {
        self.0.push(Case {
            name: name.into(),
            config: json!({}),
            role: with(role(), role_changes),
            header: json!({"alg": "EdDSA", "typ": "JWT"}),
            claims: with(claims(), claim_changes),
            key: "ed25519",
            quirk: false,
        });
        self.0.last_mut().unwrap()
    }
}

/// A small generator, so that the cases are the same every time.
struct Dice(u64);

impl Dice {
    fn roll<'a, T>(&mut self, faces: &'a [T]) -> &'a T {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        &faces[usize::try_from(self.0 >> 33).unwrap() % faces.len()]
    }
}

/// Every combination of the three times that are there, under every leeway at its default, 0,
/// positive and negative, with instants on both sides of each limit.
fn times(cases: &mut Cases) {
    let mut dice = Dice(1);
    let leeways = [
        json!({}),
        json!({"clock_skew_leeway": 0}),
        json!({"clock_skew_leeway": 30}),
        json!({"clock_skew_leeway": "10m"}),
        json!({"clock_skew_leeway": -1}),
        json!({"expiration_leeway": 0}),
        json!({"expiration_leeway": "30s"}),
        json!({"expiration_leeway": 900}),
        json!({"expiration_leeway": -5}),
        json!({"not_before_leeway": 0}),
        json!({"not_before_leeway": 30}),
        json!({"not_before_leeway": "15m"}),
        json!({"not_before_leeway": "-1s"}),
        json!({"clock_skew_leeway": -1, "expiration_leeway": 500, "not_before_leeway": 500}),
        json!({"clock_skew_leeway": 200, "expiration_leeway": -1, "not_before_leeway": -1}),
    ];
    let past = [-1000, -640, -250, -195, -140, -75, -45, -20, -5];
    let future = [5, 20, 45, 75, 140, 195, 250, 640, 1000];
    let any: Vec<i64> = past.iter().chain(&future).copied().collect();
    for (number, leeway) in leeways.iter().enumerate() {
        for there in 0..8_u8 {
            for round in 0..3 {
                let begins = if round == 2 { &any[..] } else { &past[..] };
                let ends = if round == 1 { &any[..] } else { &future[..] };
                let mut changes = json!({"iat": "-", "nbf": "-", "exp": "-"});
                for (bit, name, choices) in [(1, "iat", begins), (2, "nbf", begins), (4, "exp", ends)] {
                    if there & bit != 0 {
                        changes[name] = at(*dice.roll(choices));
                    }
                }
                cases.add(format!("times/{number}-{there}-{round}"), leeway.clone(), changes);
            }
        }
    }
    for (name, changes) in [
        ("null", json!({"iat": null, "nbf": null, "exp": at(40)})),
        ("zero", json!({"iat": 0, "nbf": 0, "exp": at(40)})),
        ("zero-all", json!({"iat": 0, "nbf": 0, "exp": 0})),
        ("fraction-zero", json!({"iat": 0.9, "nbf": -0.9, "exp": at(40)})),
        ("exp-zero", json!({"exp": 0})),
        ("iat-zero-exp-far", json!({"iat": 0, "nbf": "-", "exp": at(5_000)})),
        ("text", json!({"exp": "9999999999"})),
        ("bool", json!({"nbf": true})),
        ("list", json!({"iat": [1]})),
        ("object", json!({"exp": {}})),
        ("float", json!({"exp": 9_999_999_999.5})),
        ("exponent", json!({"exp": 9.9e9})),
        ("far", json!({"exp": 1_152_921_504_606_846_976_i64})),
        ("negative", json!({"exp": -5, "iat": "-", "nbf": "-"})),
        ("auth_time-text", json!({"auth_time": "x"})),
    ] {
        cases.add(format!("times/{name}"), json!({}), changes);
    }
    cases.add("times/beyond", json!({}), json!({"exp": 1e19})).quirk = true;
}

fn audiences(cases: &mut Cases) {
    let bounds = [
        json!("-"),
        json!([]),
        json!(["a"]),
        json!(["a", "b"]),
        json!("a,b"),
        json!(" a , b "),
        json!([" a "]),
        json!(["a,b"]),
        json!(""),
        json!(["A"]),
        json!(42),
        json!(["", "z"]),
    ];
    let founds = [
        json!("-"),
        json!([]),
        json!("a"),
        json!("b"),
        json!(["x", "b"]),
        json!("a,b"),
        json!(" a "),
        json!("42"),
        json!(""),
        json!(["a", 5]),
        json!({"a": 1}),
    ];
    for (b, bound) in bounds.iter().enumerate() {
        for (f, found) in founds.iter().enumerate() {
            let role = json!({"bound_audiences": bound, "bound_subject": "alice"});
            cases.add(format!("audience/{b}-{f}"), role, json!({"aud": found}));
        }
    }
}

fn subjects_and_issuers(cases: &mut Cases) {
    for (n, (bound, found)) in [
        (json!("alice"), json!("alice")),
        (json!("alice"), json!("alice ")),
        (json!("alice"), json!("ALICE")),
        (json!("al*"), json!("alice")),
        (json!("al*"), json!("al*")),
        (json!(""), json!("alice")),
        (json!(42), json!("42")),
        (json!("42"), json!(42)),
        (json!("null"), json!(null)),
        (json!("alice"), json!("-")),
        (json!("alice"), json!(["alice"])),
        (json!("жук"), json!("жук")),
    ]
    .into_iter()
    .enumerate()
    {
        let role = json!({"bound_subject": bound, "user_claim": "iss"});
        cases.add(format!("subject/{n}"), role, json!({"sub": found}));
    }
    for (n, (bound, found)) in [
        ("https://issuer.example", json!("https://issuer.example")),
        ("https://issuer.example", json!("https://issuer.example/")),
        ("https://issuer.example/", json!("https://issuer.example")),
        ("https://issuer.example", json!("https://ISSUER.example")),
        ("https://issuer.example", json!("-")),
        ("https://issuer.example", json!(null)),
        ("https://issuer.example", json!("")),
        ("https://issuer.example", json!(["https://issuer.example"])),
        ("", json!("anything")),
        ("", json!("-")),
        ("", json!(5)),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("issuer/{n}"), json!({}), json!({"iss": found})).config =
            json!({"bound_issuer": bound});
    }
    for (n, name) in
        ["SUB", "Iss", "auD", "eXp", "NBF", "Iat", "jTI", "\u{17f}ub", "i\u{17f}\u{17f}", "\u{131}at", "sub "]
            .into_iter()
            .enumerate()
    {
        cases.add(format!("folded/{n}"), json!({}), json!({name: "x"}));
        cases.add(format!("folded/nested-{n}"), json!({}), json!({"inside": {name: "x"}}));
    }
    for (n, value) in
        [json!("x"), json!(""), json!(null), json!(5), json!(true), json!([])].into_iter().enumerate()
    {
        cases.add(format!("jti/{n}"), json!({}), json!({"jti": value}));
    }
}

/// Every kind of bound value against every kind of claim.
fn bound_claims(cases: &mut Cases) {
    let bounds = [
        json!("core"),
        json!("5"),
        json!("true"),
        json!(""),
        json!(5),
        json!(0),
        json!(-5),
        json!(true),
        json!(false),
        json!([]),
        json!(["core", "edge"]),
        json!([5, "core"]),
        json!([true]),
        json!({"core": 1}),
        json!(["x", ["core"]]),
    ];
    let founds = [
        json!("core"),
        json!("Core"),
        json!(" core"),
        json!("5"),
        json!("true"),
        json!(""),
        json!(5),
        json!(5.0),
        json!(0),
        json!(-5),
        json!(true),
        json!(false),
        json!(null),
        json!("-"),
        json!([]),
        json!(["edge"]),
        json!(["x", 5]),
        json!([true, "5"]),
        json!({"core": 1}),
    ];
    for (b, bound) in bounds.iter().enumerate() {
        for (f, found) in founds.iter().enumerate() {
            cases.add(format!("bound/{b}-{f}"), json!({"bound_claims": {"c": bound}}), json!({"c": found}));
        }
    }
    let several = json!({"bound_claims": {"a": "1", "b": ["2", "3"]}});
    for (n, found) in [
        json!({"a": "1", "b": "3"}),
        json!({"a": "1", "b": "4"}),
        json!({"a": "1"}),
        json!({"b": "2"}),
        json!({"a": ["0", "1"], "b": ["9", "2"]}),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("bound/several-{n}"), several.clone(), found);
    }
    for (n, (name, claims)) in [
        ("aud", json!({})),
        ("/aud", json!({})),
        ("/aud/0", json!({})),
        ("/aud/0", json!({"aud": ["https://vault.example"]})),
        ("aud", json!({"aud": ["x", "https://vault.example"]})),
    ]
    .into_iter()
    .enumerate()
    {
        let role = json!({"bound_claims": {name: "https://vault.example"}});
        cases.add(format!("bound/aud-{n}"), role, claims);
    }
    for (n, (bound, found)) in
        [(json!(5), json!(5.5)), (json!(-3), json!(-3.9)), (json!(0), json!(0.5))].into_iter().enumerate()
    {
        cases
            .add(format!("bound/cut-{n}"), json!({"bound_claims": {"c": bound}}), json!({"c": found}))
            .quirk = true;
    }
}

fn pointers(cases: &mut Cases) {
    let claims = json!({
        "a": {"b": "x", "c": {"d": "x"}, "": "x", "e/f": "x", "g~h": "x", "l": ["x", "y", {"m": "x"}],
              "n": 5, "t": true, "u": null, "o": {}, "~1": "x", "list": [["x"], []]},
        "/a/b": "literal", "https://x/y": "x", "": {"": "x"}
    });
    for (n, name) in [
        "/a/b",
        "/a/c/d",
        "/a/",
        "/a/e~1f",
        "/a/g~0h",
        "/a/~01",
        "/a/l",
        "/a/l/0",
        "/a/l/1",
        "/a/l/2/m",
        "/a/l/3",
        "/a/l/-1",
        "/a/l/-",
        "/a/l/x",
        "/a/l/",
        "/a/n",
        "/a/u",
        "/a/o",
        "/a/b/c",
        "/a/zz",
        "/zz/b",
        "a/b",
        "a.b",
        "https://x/y",
        "/https:~1~1x~1y",
        "/",
        "//",
        "/A/b",
        "/a/b/",
        "/a/l/00000000000000000000",
        "/a/list",
    ]
    .into_iter()
    .enumerate()
    {
        // The server takes these two for the index 0.
        let quirk = matches!(name, "/a/l/" | "/a/l/00000000000000000000");
        let user = json!({"user_claim": name, "user_claim_json_pointer": true});
        for (kind, role) in [
            ("bound", json!({"bound_claims": {name: "x"}})),
            ("groups", json!({"groups_claim": name})),
            ("map", json!({"claim_mappings": {name: "m"}})),
            ("user", user),
        ] {
            cases.add(format!("pointer/{kind}-{n}"), role, claims.clone()).quirk = quirk;
        }
        cases.add(format!("pointer/user-plain-{n}"), json!({"user_claim": name}), claims.clone());
    }
    for (n, name) in ["/a/l/00", "/a/l/+1", "/a/l/0x1", "/a/l/01"].into_iter().enumerate() {
        cases
            .add(format!("pointer/odd-{n}"), json!({"bound_claims": {name: ["x", "y"]}}), claims.clone())
            .quirk = true;
    }
}

fn globs(cases: &mut Cases) {
    let patterns = [
        "", "*", "**", "a", "a*", "*a", "*a*", "a*a", "ab*ba", "*/b", "a/*", "?", "[ab]", "a\\*", "A*",
        "*é*", "a*b*c", "{a,b}",
    ];
    let texts =
        ["", "a", "aa", "aba", "abba", "a/b", "a/b/c", "b", "*", "?", "é", "abc", "a-b-c", "axxbyyc", " a"];
    for (p, pattern) in patterns.iter().enumerate() {
        for (t, text) in texts.iter().enumerate() {
            let role = json!({"bound_claims_type": "glob", "bound_claims": {"c": pattern}});
            cases.add(format!("glob/{p}-{t}"), role, json!({"c": text}));
        }
    }
    for (n, found) in
        [json!(5), json!(true), json!(null), json!([1, "ab"]), json!([]), json!({"ab": 1}), json!([["ab"]])]
            .into_iter()
            .enumerate()
    {
        let role = json!({"bound_claims_type": "glob", "bound_claims": {"c": ["x*", "a*"]}});
        cases.add(format!("glob/kind-{n}"), role, json!({"c": found}));
    }
    for (n, pattern) in
        [json!(5), json!(["a", 5]), json!(null), json!(true), json!([]), json!({})].into_iter().enumerate()
    {
        let role = json!({"bound_claims_type": "glob", "bound_claims": {"c": pattern}});
        cases.add(format!("glob/pattern-{n}"), role, json!({"c": "a"}));
    }
    for (n, kind) in
        [json!("string"), json!("Glob"), json!("regex"), json!(""), json!(null)].into_iter().enumerate()
    {
        cases.add(format!("glob/type-{n}"), json!({"bound_claims_type": kind}), json!({}));
    }
}

/// The groups that the recording server knows by name.
const GROUPS: [&str; 7] = ["g1", "g2", "Admins", " g1 ", "a/b", "ünï", "alice"];

fn identities(cases: &mut Cases) {
    for (n, found) in [
        json!("g1"),
        json!(""),
        json!(["g1", "g2"]),
        json!(["g1", "", "g1"]),
        json!([]),
        json!(["Admins", " g1 ", "a/b", "ünï"]),
        json!(null),
        json!("-"),
        json!(5),
        json!(true),
        json!({"g1": 1}),
        json!(["g1", 5]),
        json!(["g1", null]),
        json!([["g1"]]),
        json!("g1,g2"),
        json!("g1 g2"),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("groups/{n}"), json!({"groups_claim": "g"}), json!({"g": found}));
    }
    for (n, name) in ["sub", "aud", "/aud", "exp", "iss", "", "jti"].into_iter().enumerate() {
        cases.add(format!("groups/registered-{n}"), json!({"groups_claim": name}), json!({}));
        cases.add(format!("user/registered-{n}"), json!({"user_claim": name}), json!({}));
        let pointer = json!({"user_claim": name, "user_claim_json_pointer": true});
        cases.add(format!("user/registered-pointer-{n}"), pointer, json!({}));
        cases.add(format!("map/registered-{n}"), json!({"claim_mappings": {name: "m"}}), json!({}));
    }
    for (n, found) in [
        json!("bob"),
        json!(""),
        json!(" bob"),
        json!("Bob"),
        json!("b/o b"),
        json!("жук"),
        json!(5),
        json!(1.5),
        json!(true),
        json!(null),
        json!("-"),
        json!(["bob"]),
        json!({"bob": 1}),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("user/{n}"), json!({"user_claim": "u"}), json!({"u": found}));
        cases.add(format!("map/{n}"), json!({"claim_mappings": {"u": "m"}}), json!({"u": found}));
    }
    cases.add("user/blank", json!({"user_claim": "u"}), json!({"u": " \t "})).quirk = true;
    cases.add("user/control", json!({"user_claim": "u"}), json!({"u": "a\nb"})).quirk = true;
    for (n, mappings) in [
        json!({"a": "role"}),
        json!({"a": "Role"}),
        json!({"a": "m", "b": "m"}),
        json!({"a": "m", "b": "M"}),
        json!({"a": "m", "/a": "n"}),
        json!({"a": 42}),
        json!({"a": ["m"]}),
        json!({}),
        json!(null),
        json!(5),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("map/role-{n}"), json!({"claim_mappings": mappings}), json!({"a": "x", "b": "y"}));
    }
    let long = ["k".repeat(128), "k".repeat(129), "\u{fc}".to_owned()];
    for key in ["x y", "a.b", "a:b", "a/b=c+d_e-f", "vault-x", "vault", "bao-x"]
        .into_iter()
        .chain(long.iter().map(String::as_str))
    {
        let name = key.get(..12).unwrap_or(key);
        for (there, claims) in [("there", json!({"a": "x"})), ("missing", json!({}))] {
            let mappings = json!({"claim_mappings": {"a": key}});
            cases.add(format!("map/key-{name}-{}-{there}", key.len()), mappings, claims);
        }
    }
    for length in [511, 512, 513] {
        let value = json!({"a": "v".repeat(length)});
        cases.add(format!("map/value-{length}"), json!({"claim_mappings": {"a": "m"}}), value);
        let value = json!({"a": "\u{fc}".repeat(length / 2)});
        cases.add(format!("map/wide-value-{length}"), json!({"claim_mappings": {"a": "m"}}), value);
    }
    for count in [63, 64] {
        let all: Map<String, Value> = (0..count).map(|n| (format!("c{n}"), json!(format!("m{n}")))).collect();
        cases.add(format!("map/count-{count}"), json!({"claim_mappings": all}), Value::Object(all.clone()));
    }
}

fn roles(cases: &mut Cases) {
    for (n, change) in [
        json!({"role_type": "oidc"}),
        json!({"role_type": "-"}),
        json!({"role_type": "oidc", "allowed_redirect_uris": ["http://localhost/"]}),
        json!({"role_type": "", "allowed_redirect_uris": "http://localhost/"}),
        json!({"role_type": "JWT"}),
        json!({"role_type": "jwt "}),
        json!({"user_claim": "-"}),
        json!({"user_claim": ""}),
        json!({"user_claim": null}),
        json!({"bound_audiences": "-"}),
        json!({"bound_audiences": "-", "bound_claims": {}}),
        json!({"bound_audiences": "-", "bound_claims": []}),
        json!({"bound_audiences": "-", "bound_subject": ""}),
        json!({"bound_audiences": "-", "token_bound_cidrs": ["127.0.0.0/8"]}),
        json!({"bound_audiences": [""]}),
        json!({"bound_claims": "x"}),
        json!({"bound_claims": ["x"]}),
        json!({"bound_claims": null}),
        json!({"user_claim_json_pointer": "true"}),
        json!({"user_claim_json_pointer": "yes"}),
        json!({"user_claim_json_pointer": 1}),
        json!({"user_claim_json_pointer": 2}),
        json!({"user_claim_json_pointer": null}),
        json!({"groups_claim": ["g"]}),
        json!({"bound_subject": ["alice"]}),
        json!({"bound_subject": {"a": 1}}),
        json!({"max_age": "1h"}),
        json!({"max_age": -1}),
        json!({"token_ttl": "1h", "token_max_ttl": "2h"}),
        json!({"token_ttl": "2h", "token_max_ttl": "1h"}),
        json!({"ttl": "1d", "max_ttl": "1h"}),
        json!({"token_ttl": -1}),
        json!({"token_policies": ["a", "b"]}),
        json!({"policies": "a,b"}),
        json!({"verbose_oidc_logging": "maybe"}),
        json!({"oidc_scopes": "a,b"}),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("role/{n}"), change, json!({}));
    }
    for (n, change) in [
        json!({"token_bound_cidrs": "x"}),
        json!({"bound_cidrs": "127.0.0.1,"}),
        json!({"token_bound_cidrs": ["127.0.0.0/8", "localhost"]}),
        json!({"token_bound_cidrs": ["127.0.0.1", "127.0.0.1:80", "[::1]:80", "::1", "/run/x", " 127.0.0.1 "]}),
        json!({"token_bound_cidrs": ["127.0.0.1", "010.0.0.1"]}),
        json!({"token_bound_cidrs": ["127.0.0.1", "fe80::1%eth0"]}),
        json!({"token_type": "x"}),
        json!({"token_type": "Batch"}),
        json!({"token_type": "default-service"}),
        json!({"token_type": "batch"}),
        json!({"token_type": ""}),
        json!({"token_type": "batch", "token_num_uses": 3}),
        json!({"token_type": "batch", "token_period": "1h"}),
        json!({"token_num_uses": -1}),
        json!({"token_num_uses": "x"}),
        json!({"token_num_uses": 1.5}),
        json!({"token_num_uses": []}),
        json!({"token_num_uses": "3"}),
        json!({"num_uses": -1}),
        json!({"num_uses": "x"}),
        json!({"token_num_uses": ""}),
        json!({"token_num_uses": "08"}),
        json!({"token_bound_cidrs": null, "bound_cidrs": "localhost"}),
        json!({"token_bound_cidrs": "127.0.0.1", "bound_cidrs": "localhost"}),
        json!({"token_ttl": 0, "token_max_ttl": "1h", "ttl": "2h"}),
        json!({"token_policies": null, "policies": "Root"}),
        json!({"period": "-1s"}),
        json!({"token_period": "x"}),
        json!({"token_period": ""}),
        json!({"token_no_default_policy": "x"}),
        json!({"token_strictly_bind_ip": {}}),
        json!({"token_policies_template_claims": "x"}),
        json!({"oidc_disable_confirmation": "x"}),
        json!({"oidc_disable_confirmation": ""}),
        json!({"callback_mode": "x"}),
        json!({"callback_mode": ""}),
        json!({"callback_mode": "device"}),
        json!({"poll_interval": "5s"}),
        json!({"poll_interval": -1}),
        json!({"oauth2_metadata": "x"}),
        json!({"oauth2_metadata": "id_token,access_token"}),
        json!({"policies": "a,root"}),
        json!({"policies": "root", "token_policies": ["a"]}),
        json!({"policies": "a", "token_policies": ["ROOT"]}),
        json!({"policies": [[]]}),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("role/issued-{n}"), change, json!({}));
    }
    for field in ["clock_skew_leeway", "expiration_leeway", "not_before_leeway"] {
        for (n, value) in [
            json!("5m"),
            json!("1d"),
            json!("-1d"),
            json!("1.5d"),
            json!("1d1h"),
            json!(" 5m"),
            json!("1.5"),
            json!("1500ms"),
            json!(1.5),
            json!(5.0),
            json!(true),
            json!([5]),
            json!({}),
            json!(null),
            json!("9223372036"),
            json!(9_223_372_037_i64),
            json!("x"),
            json!("µs"),
            json!("1µs"),
        ]
        .into_iter()
        .enumerate()
        {
            cases.add(format!("role/{field}-{n}"), json!({field: value}), json!({}));
        }
    }
}

fn algorithms(cases: &mut Cases) {
    const ALGORITHMS: [(&str, &str); 10] = [
        ("EdDSA", "ed25519"),
        ("ES256", "es256"),
        ("ES384", "es384"),
        ("ES512", "es512"),
        ("RS256", "rs256"),
        ("RS384", "rs256"),
        ("RS512", "rs256"),
        ("PS256", "rs256"),
        ("PS384", "rs256"),
        ("PS512", "rs256"),
    ];
    for (name, key) in ALGORITHMS {
        for allowed in [json!("-"), json!(["ES256", "EdDSA"]), json!("RS256,PS384")] {
            let number = cases.0.len();
            let case = cases.add(format!("algorithm/{name}-{number}"), json!({}), json!({}));
            case.key = key;
            case.header = json!({"alg": name, "kid": "whatever"});
            case.config = with(json!({}), json!({"jwt_supported_algs": allowed}));
        }
    }
    // The signature is of the key's own algorithm; the header says something else.
    for (n, alg) in
        ["none", "HS256", "ES256", "eddsa", "Ed25519", "EdDSA ", "", "RS256"].into_iter().enumerate()
    {
        cases.add(format!("algorithm/header-{n}"), json!({}), json!({})).header = json!({"alg": alg});
    }
    for (n, change) in [
        json!({"nonce": 5}),
        json!({"nonce": null}),
        json!({"nonce": "x"}),
        json!({"jwk": null}),
        json!({"jwk": {}}),
        json!({"jwk": 5}),
        json!({"jwk": {"kty": "oct", "k": "AAAA"}}),
        json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}}),
        json!({"jwk": {"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
                       "d": "nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A"}}),
        json!({"typ": 5, "cty": [], "x5t": 5, "x5u": 5}),
    ]
    .into_iter()
    .enumerate()
    {
        cases.add(format!("header/{n}"), json!({}), json!({})).header = with(json!({"alg": "EdDSA"}), change);
    }
    for (n, key) in ["attacker_ed25519", "ed25519_b"].into_iter().enumerate() {
        cases.add(format!("algorithm/other-{n}"), json!({}), json!({})).key = key;
    }
}

fn all() -> Vec<Case> {
    let mut cases = Cases::default();
    times(&mut cases);
    audiences(&mut cases);
    subjects_and_issuers(&mut cases);
    bound_claims(&mut cases);
    pointers(&mut cases);
    globs(&mut cases);
    identities(&mut cases);
    roles(&mut cases);
    algorithms(&mut cases);
    cases.0
}

pub const KEYS: [&str; 5] = ["ed25519", "es256", "es384", "es512", "rs256"];

pub fn pems() -> Vec<String> {
    KEYS.iter().map(|name| fs::read_to_string(data(&format!("{name}.pub.pem"))).unwrap()).collect()
}

/// The claims with their instants put in.
fn placed(value: &Value, now: i64) -> Value {
    match value {
        Value::Object(members) => match members.get("now").and_then(Value::as_i64) {
            Some(seconds) if members.len() == 1 => json!(now + seconds),
            _ => Value::Object(
                members.iter().map(|(name, value)| (name.clone(), placed(value, now))).collect(),
            ),
        },
        Value::Array(elements) => elements.iter().map(|element| placed(element, now)).collect(),
        other => other.clone(),
    }
}

fn signed(case: &Case, now: i64) -> String {
    let mut notes = Notes::new();
    let file = fs::read(data(&format!("{}.key.pem", case.key))).unwrap();
    let key = read_signing(&file, KeyStrength::Enforce, &mut notes).unwrap();
    let named = case.header["alg"].as_str().unwrap_or_default();
    let algorithm =
        named.parse().ok().filter(|algorithm| key.verifying_key().algorithms().contains(algorithm));
    let algorithm = algorithm.unwrap_or(key.verifying_key().algorithms()[0]);
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", part(&case.header), part(&placed(&case.claims, now)));
    let signature = key.sign(algorithm, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A decision.
#[derive(Debug, Clone, PartialEq)]
struct Answer {
    user: Option<String>,
    groups: Vec<String>,
    metadata: Map<String, Value>,
    why: String,
}

impl Answer {
    fn no(why: impl Into<String>) -> Self {
        Self { user: None, groups: Vec::new(), metadata: Map::new(), why: why.into() }
    }

    /// Whether both say the same; the reasons are each one's own.
    fn agrees(&self, other: &Self) -> bool {
        let (mut one, mut two) = (self.groups.clone(), other.groups.clone());
        one.sort();
        two.sort();
        self.user == other.user && one == two && self.metadata == other.metadata
    }
}

fn ours(config: &Value, role: &Value, token: &str, now: i64) -> Answer {
    let mut written = with(json!({"jwt_validation_pubkeys": pems()}), config.clone());
    written.as_object_mut().unwrap().retain(|_, value| value != "");
    let config = match RoleConfig::read("config", &written) {
        Ok(config) => config,
        Err(faults) => return Answer::no(faults[0].to_string()),
    };
    let role = match LoginRole::read("case", role) {
        Ok(role) => role,
        Err(faults) => return Answer::no(faults[0].to_string()),
    };
    let mut notes = Notes::new();
    let keys: KeySet = pems()
        .iter()
        .map(|pem| read_public(pem.as_bytes(), KeyStrength::Enforce, &mut notes).unwrap().key)
        .collect();
    let verified = Unverified::parse_with_embedded_keys(token)
        .and_then(|token| verify(token, config.keys.candidates(&keys, None).keys()));
    let (verdict, login) =
        evaluate(&config, &role, verified.as_ref(), Flow::Token, Timestamp(now), Verbosity::All);
    match login {
        Some(login) => Answer {
            user: Some(login.username),
            groups: login.groups,
            metadata: login.metadata.into_iter().map(|(key, value)| (key, json!(value))).collect(),
            why: String::new(),
        },
        None => {
            let failure = verdict.first_failure().unwrap();
            Answer::no(format!("{}: {}", failure.check, failure.reason))
        }
    }
}

/// A server of a test's own, with the state of its mount `jwt`.
struct Bao {
    server: OpenBao,
    config: Value,
    groups: BTreeMap<String, String>,
}

impl Bao {
    fn start() -> Self {
        let server = OpenBao::start();
        server.call("POST", "sys/auth/jwt", &json!({"type": "jwt"}));
        let accessor = server.call("GET", "sys/auth", &Value::Null).1["jwt/"]["accessor"].clone();
        let mut groups = BTreeMap::new();
        for (number, name) in GROUPS.iter().enumerate() {
            let group = json!({"name": format!("group-{number}"), "type": "external"});
            let id = server.call("POST", "identity/group", &group).1["data"]["id"].clone();
            let alias = json!({"name": name, "mount_accessor": accessor, "canonical_id": id});
            assert_eq!(server.call("POST", "identity/group-alias", &alias).0, 200);
            groups.insert(id.as_str().unwrap().to_owned(), (*name).to_owned());
        }
        Self { server, config: Value::Null, groups }
    }

    fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.server.call(method, path, body)
    }

    fn decide(&mut self, case: &Case, token: &str) -> Answer {
        let config = with(
            json!({"jwt_validation_pubkeys": pems(), "bound_issuer": "", "jwt_supported_algs": []}),
            case.config.clone(),
        );
        if config != self.config {
            let (status, answer) = self.call("POST", "auth/jwt/config", &config);
            assert!(status < 300, "{}: {answer}", case.name);
            self.config = config;
        }
        let (status, answer) = self.call("DELETE", "auth/jwt/role/case", &Value::Null);
        assert!(status < 300, "{answer}");
        let (status, answer) = self.call("POST", "auth/jwt/role/case", &case.role);
        if status >= 300 {
            return Answer::no(format!("role: {}", answer["errors"][0].as_str().unwrap_or_default()));
        }
        let login = json!({"role": "case", "jwt": token});
        let (status, answer) = self.server.call_without_token("POST", "auth/jwt/login", &login);
        if status != 200 {
            return Answer::no(answer["errors"][0].as_str().unwrap_or_default());
        }
        let auth = &answer["auth"];
        let entity = format!("identity/entity/id/{}", auth["entity_id"].as_str().unwrap());
        let known = self.call("GET", &entity, &Value::Null).1;
        // The next login must not find what this one left: groups stay, and names are merged by case.
        self.call("DELETE", &entity, &Value::Null);
        let ids = known["data"]["group_ids"].as_array().cloned().unwrap_or_default();
        let mut groups: Vec<String> =
            ids.iter().map(|id| self.groups[id.as_str().unwrap()].clone()).collect();
        groups.sort();
        Answer {
            user: known["data"]["aliases"][0]["name"].as_str().map(str::to_owned),
            groups,
            metadata: auth["metadata"].as_object().cloned().unwrap_or_default(),
            why: String::new(),
        }
    }
}

pub fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// Groups that the recording server has no name for are not among its answers.
fn with_known_groups(mut answer: Answer) -> Answer {
    answer.groups.retain(|group| GROUPS.contains(&group.as_str()));
    answer
}

fn difference(quirk: bool, theirs: &Answer, ours: &Answer) -> Option<String> {
    if theirs.agrees(ours) || (theirs.user.is_some() && ours.user.is_none() && quirk) {
        return None;
    }
    Some(format!("theirs {theirs:?}\n    ours   {ours:?}"))
}

/// Asks a live server all cases and writes down its answers (`RECORD_OPENBAO=1`).
fn record() {
    let mut bao = Bao::start();
    let mut out = String::new();
    let mut differences = Vec::new();
    for case in all() {
        let now = seconds();
        let token = signed(&case, now);
        let theirs = bao.decide(&case, &token);
        let ours = with_known_groups(ours(&case.config, &case.role, &token, now));
        differences
            .extend(difference(case.quirk, &theirs, &ours).map(|text| format!("{}: {text}", case.name)));
        let mut row =
            json!({"name": case.name, "config": case.config, "role": case.role, "token": token, "at": now});
        if case.quirk {
            row["quirk"] = json!(true);
        }
        match theirs.user {
            Some(user) => {
                row["user"] = json!(user);
                row["groups"] = json!(theirs.groups);
                row["metadata"] = Value::Object(theirs.metadata);
            }
            None => row["error"] = json!(theirs.why),
        }
        out.push_str(&row.to_string());
        out.push('\n');
    }
    fs::write(data("own.jsonl"), out).unwrap();
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn decisions_equal_those_recorded_from_openbao() {
    if is_updating("RECORD_OPENBAO") {
        record();
    }
    let text = fs::read_to_string(data("own.jsonl")).unwrap();
    let (mut count, mut accepted, mut differences) = (0, 0, Vec::new());
    for line in text.lines() {
        let row: Value = serde_json::from_str(line).unwrap();
        let theirs = match row["user"].as_str() {
            Some(user) => Answer {
                user: Some(user.to_owned()),
                groups: serde_json::from_value(row["groups"].clone()).unwrap(),
                metadata: row["metadata"].as_object().unwrap().clone(),
                why: String::new(),
            },
            None => Answer::no(row["error"].as_str().unwrap()),
        };
        let token = row["token"].as_str().unwrap();
        let ours = with_known_groups(ours(&row["config"], &row["role"], token, row["at"].as_i64().unwrap()));
        count += 1;
        accepted += usize::from(theirs.user.is_some());
        let quirk = row["quirk"] == true;
        differences.extend(difference(quirk, &theirs, &ours).map(|text| format!("{}: {text}", row["name"])));
    }
    println!("{count} decisions, {accepted} of them yes");
    assert!(count >= 300 && accepted >= 100, "{count} cases, {accepted} accepted");
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

#[test]
fn decisions_equal_those_of_a_running_openbao() {
    if !has("bao") {
        return;
    }
    let mut bao = Bao::start();
    let mut differences = Vec::new();
    // Every 7th, from another place each day.
    let first = usize::try_from(seconds() / 86_400 % 7).unwrap();
    for case in all().iter().skip(first).step_by(7) {
        let now = seconds();
        let token = signed(case, now);
        let theirs = bao.decide(case, &token);
        let ours = with_known_groups(ours(&case.config, &case.role, &token, now));
        differences
            .extend(difference(case.quirk, &theirs, &ours).map(|text| format!("{}: {text}", case.name)));
    }
    assert!(differences.is_empty(), "{} differ:\n{}", differences.len(), differences.join("\n"));
}

/// The answer of OpenBao 2.7.2 to a configuration, beside one good key.
#[test]
fn configuration_is_accepted_as_by_the_reference_server() {
    for (change, taken) in [
        (json!({}), true),
        (json!({"oidc_response_mode": "form_post"}), true),
        (json!({"oidc_response_mode": ""}), true),
        (json!({"oidc_response_mode": "Query"}), false),
        (json!({"oidc_response_types": "code"}), true),
        (json!({"oidc_response_types": []}), true),
        (json!({"oidc_response_types": [""]}), false),
        (json!({"oidc_response_types": ["x"]}), false),
        (json!({"oidc_response_types": ["id_token"]}), false),
        (json!({"oidc_response_types": ["code", "id_token"], "oidc_response_mode": "query"}), false),
        (json!({"oidc_response_types": ["code", "id_token"], "oidc_response_mode": "form_post"}), true),
        (json!({"provider_config": {}}), true),
        (json!({"provider_config": []}), true),
        (json!({"provider_config": "x"}), false),
        (json!({"namespace_in_state": 1}), true),
        (json!({"namespace_in_state": "x"}), false),
        (json!({"skip_jwks_validation": "x"}), false),
        (json!({"override_allowed_server_names": "a,b"}), true),
        (json!({"jwt_validation_pubkeys": [pems()[0], ""]}), false),
        (json!({"jwt_validation_pubkeys": [""]}), false),
        (json!({"jwt_validation_pubkeys": []}), false),
        (json!({"jwks_url": ""}), true),
        (json!({"jwks_url": "https://127.0.0.1:1/jwks"}), false),
        (json!({"jwks_pairs": []}), true),
        (json!({"jwt_supported_algs": "EdDSA, RS256"}), true),
        (json!({"jwt_supported_algs": "EdDSA,"}), false),
        (json!({"jwt_supported_algs": ["Ed25519"]}), false),
        (json!({"bound_issuer": 1}), true),
        (json!({"bound_issuer": ["x"]}), false),
    ] {
        let config = with(json!({"jwt_validation_pubkeys": pems()}), change);
        let read = RoleConfig::read("config", &config);
        assert_eq!(read.is_ok(), taken, "{config}: {read:?}");
    }
}

/// The providers and clients of a configuration as the public documentation of the reference server
/// has them (API of the auth method "JWT/OIDC", parameters `provider_config`, `oidc_client_id`,
/// `oidc_client_secret` and `jwks_pairs`). The rejected rows follow from the names and types that it
/// lists. No server was asked: the URLs would have to exist.
#[test]
fn configuration_of_provider_or_client_is_accepted_as_documented() {
    for (change, accepted) in [
        (json!({"oidc_client_secret": "x"}), false),
        (json!({"provider_config": {"provider": "azure"}}), true),
        (json!({"provider_config": {"provider": "gsuite"}}), true),
        (json!({"provider_config": {"provider": "ibmisam"}}), true),
        (json!({"provider_config": {"provider": "kubernetes"}}), true),
        (json!({"provider_config": {"provider": "secureauth"}}), true),
        (json!({"provider_config": {"provider": "Azure"}}), false),
        (json!({"provider_config": {"provider": "okta"}}), false),
        (json!({"provider_config": {"provider": 1}}), false),
        (json!({"provider_config": {"fetch_groups": true}}), false),
    ] {
        let config = with(json!({"jwt_validation_pubkeys": pems()}), change);
        let read = RoleConfig::read("config", &config);
        assert_eq!(read.is_ok(), accepted, "{config}: {read:?}");
    }
    for (client, accepted) in [
        (json!({"oidc_client_id": "c", "oidc_client_secret": "s"}), true),
        (json!({"oidc_client_id": "", "oidc_client_secret": ""}), true),
        (json!({"oidc_client_id": "c"}), false),
        (json!({"oidc_client_id": "c", "oidc_client_secret": ""}), false),
        (json!({"oidc_client_secret": "s"}), false),
    ] {
        let config = with(json!({"oidc_discovery_url": "https://idp.example"}), client);
        let read = RoleConfig::read("config", &config);
        assert_eq!(read.is_ok(), accepted, "{config}: {read:?}");
    }
    let pairs = json!([{"jwks_url": "https://a/jwks"}, {"jwks_url": "https://b/jwks"}]);
    assert!(RoleConfig::read("config", &json!({"jwks_pairs": pairs})).is_ok());
    let bound = json!({"jwks_pairs": pairs, "bound_issuer": "https://a"});
    let faults = RoleConfig::read("config", &bound).unwrap_err();
    assert_eq!(faults[0].to_string(), "config.bound_issuer: does not go with jwks_pairs");
}
