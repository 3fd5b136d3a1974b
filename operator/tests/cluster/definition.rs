//! The custom resource definition: it accepts what the library accepts, and what it stores.

use cc_auth::osdf::{SourceName, reader};
use cc_auth::util::note::Notes;
use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, jwt};

pub const TESTS: &[Test] = &[
    ("definition::accepts_and_rejects_as_the_library_does", agreement),
    ("definition::claims_are_stored_unchanged", claims),
    ("definition::printed_definition_is_the_one_of_the_manifests", printed),
];

/// Changes of `spec` with what the definition and the library both answer.
fn cases() -> Vec<(&'static str, Value, bool)> {
    let reference = |name: &str, key: &str| json!({"key": {"secret": {"name": name, "key": key}}});
    vec![
        ("unchanged", json!({}), true),
        ("no issuer", json!({"issuer": null}), false),
        ("empty issuer", json!({"issuer": ""}), false),
        ("issuer without scheme", json!({"issuer": "issuer.example.com"}), false),
        ("issuer with white space", json!({"issuer": "https://issuer.example.com/a b"}), false),
        ("issuer by http", json!({"issuer": "http://issuer.example.com"}), true),
        ("issuer is a number", json!({"issuer": 1}), false),
        ("no keyId", json!({"keyId": null}), false),
        ("empty keyId", json!({"keyId": ""}), false),
        ("no algorithm", json!({"algorithm": null}), false),
        ("symmetric algorithm", json!({"algorithm": "HS256"}), false),
        ("unsigned", json!({"algorithm": "none"}), false),
        ("EdDSA", json!({"algorithm": "EdDSA"}), true),
        ("no data", json!({"data": null}), false),
        ("empty data", json!({"data": {}}), true),
        ("data is a list", json!({"data": []}), false),
        ("nested data", json!({"data": {"a": {"b": [1, 2.5, true, {"c": "d"}]}}}), true),
        ("same iss", json!({"data": {"iss": "https://issuer.example.com"}}), true),
        ("other iss", json!({"data": {"iss": "https://other.example.com/"}}), false),
        ("iss is a number", json!({"data": {"iss": 1}}), false),
        ("no expiryTime", json!({"expiryTime": null}), false),
        ("empty expiryTime", json!({"expiryTime": {}}), false),
        ("two units", json!({"expiryTime": {"days": 1, "hours": 2}}), false),
        ("zero", json!({"expiryTime": {"hours": 0}}), false),
        ("negative", json!({"expiryTime": {"hours": -1}}), false),
        ("fraction", json!({"expiryTime": {"hours": 1.5}}), false),
        ("text", json!({"expiryTime": {"hours": "6"}}), false),
        ("unknown unit", json!({"expiryTime": {"seconds": 90}}), false),
        ("a hundred years", json!({"expiryTime": {"days": 36500}}), true),
        ("more than a hundred years", json!({"expiryTime": {"days": 36501}}), false),
        ("no resignBefore", json!({"resignBefore": null}), true),
        ("resignBefore as long", json!({"resignBefore": {"hours": 6}}), false),
        ("resignBefore in minutes", json!({"resignBefore": {"minutes": 359}}), true),
        ("resignBefore in minutes, as long", json!({"resignBefore": {"minutes": 360}}), false),
        ("no key", json!({"key": null}), false),
        ("empty key", json!({"key": {}}), false),
        ("two keys", json!({"key": {"value": "x", "secret": {"name": "a", "key": "b"}}}), false),
        ("unknown source", json!({"key": {"vault": {"name": "a"}}}), false),
        ("reference without name", json!({"key": {"secret": {"key": "b"}}}), false),
        ("reference without key", json!({"key": {"secret": {"name": "a"}}}), false),
        ("reference with a path", reference("../etc", "passwd"), false),
        ("member with a path", reference("a", "../../passwd"), false),
        ("member with a blank", reference("a", "tls key"), false),
        ("hidden member", reference("a", ".key"), true),
        ("capital letters", reference("Signing", "tls.key"), false),
        ("config map", json!({"key": {"configMap": {"name": "a", "key": "b"}}}), true),
        ("misspelt member", json!({"resignbefore": {"hours": 1}}), false),
    ]
}

fn agreement(server: &Server) {
    let space = Space::new(server, "agreement");
    let url = format!(
        "/apis/tokens.osg-htc.org/v1/namespaces/{}/jwts?dryRun=All&fieldValidation=Strict",
        space.name
    );
    let mut differences = Vec::new();
    for (name, changes, expected) in cases() {
        let jwt = jwt("case", &changes);
        let api = server.request("POST", &url, Some(&jwt));
        let library = reader::read(&jwt.to_string(), &SourceName("case".to_owned()), &[], &mut Notes::new());
        if (api.is_ok(), library.is_ok()) != (expected, expected) {
            differences.push(format!("{name}: {:?}, {:?}", api.err(), library.err()));
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}

fn claims(server: &Server) {
    let space = Space::new(server, "claims");
    let data = json!({"wlcg.ver": "1.0", "deep": {"null": null, "list": [1, 2.5, {"a": "b"}]}, "big": 9_007_199_254_740_993_i64});
    let stored = space.create_jwt("a", &json!({"data": data}));
    assert_eq!(stored["spec"]["data"], data);
}

fn printed(server: &Server) {
    let space = Space::new(server, "printed");
    let output = space.command(&["crd"]).output().unwrap();
    let file = std::fs::read(crate::harness::path("manifests/crd.yaml")).unwrap();
    assert!(output.status.success() && output.stdout == file);
}
