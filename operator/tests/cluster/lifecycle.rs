//! From a resource to its Secret, through renewals, to the deletion of both.

use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Server, Space, Test, claims, header, path};

pub const TESTS: &[Test] = &[
    ("lifecycle::new_resource_gets_a_secret_within_a_second", new_resource),
    ("lifecycle::published_manifest_yields_a_token_that_scitokens_accepts", published_manifest),
    ("lifecycle::scitokens_cpp_accepts_the_token", scitokens_cpp),
    ("lifecycle::token_is_renewed_before_it_expires", renewal),
    ("lifecycle::changed_claims_and_key_id_are_signed_again", changed_spec),
    ("lifecycle::deleted_resource_leaves_nothing", deletion),
    ("lifecycle::recreated_resource_gets_a_new_secret", recreation),
    ("lifecycle::deleted_secret_comes_back", deleted_secret),
    ("lifecycle::edited_secret_is_repaired", repair),
    ("lifecycle::labels_by_which_other_tools_delete_are_not_copied", labels),
    ("lifecycle::idle_resource_is_not_written", idle),
    ("lifecycle::restart_changes_nothing", restart),
    ("lifecycle::resource_without_resign_before_expires_and_says_so", never_renewed),
    ("lifecycle::resources_created_together_are_not_renewed_together", jitter),
    ("lifecycle::clock_that_is_behind_signs_nothing", clock_behind),
];

fn new_resource(server: &Server) {
    let space = Space::with_operator(server, "new");
    space.create_jwt("warm-up", &json!({}));
    space.wait_token("warm-up");
    // The fastest of several: other work of the computer delays one.
    let times = (0..20).map(|number| {
        let name = format!("other-{number}");
        let begin = Instant::now();
        space.create_jwt(&name, &json!({}));
        space.wait_token(&name);
        begin.elapsed()
    });
    assert!(times.into_iter().any(|time| time < Duration::from_secs(1)), "never\n{}", space.log());
    let jwt = space.create_jwt("first", &json!({}));
    let token = space.wait_token("first");
    assert_eq!(header(&token), json!({"alg": "ES256", "kid": "key-1", "typ": "JWT"}));
    let claims = claims(&token);
    assert_eq!(claims["iss"], "https://issuer.example.com");
    assert_eq!(claims["sub"], "jane");
    assert_eq!(claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap(), 6 * 3600);
    space.wait_ready("first");

    let secret = space.get("secrets", "first").unwrap();
    assert_eq!(secret["type"], "Opaque");
    assert_eq!(secret["data"].as_object().unwrap().len(), 1);
    assert_eq!(secret["metadata"]["labels"], json!({"app.kubernetes.io/managed-by": "cc-jwt-operator"}));
    let owner = &secret["metadata"]["ownerReferences"][0];
    assert_eq!((&owner["uid"], &owner["controller"]), (&jwt["metadata"]["uid"], &json!(true)));
    assert_eq!(owner["blockOwnerDeletion"], Value::Null, "it would need a right on finalizers");

    let status = space.get("jwts", "first").unwrap()["status"].clone();
    assert_eq!(status["tokenId"], claims["jti"]);
    assert_eq!(status["observedGeneration"], 1);
    assert_eq!(
        secret["metadata"]["annotations"]["tokens.osg-htc.org/last-signing-time"],
        status["lastSigned"]
    );
    assert!(status["notAfter"].as_str() > status["renewalTime"].as_str());
    assert_eq!(status["keyThumbprint"].as_str().unwrap().len(), 43);
    assert_eq!(space.condition("first", "KeyValid").unwrap().0, "True");
    assert_eq!(space.condition("first", "Degraded").unwrap().0, "False");
    space.wait("an Event", || (space.event_reasons("first") == ["Signed"]).then_some(()));
    server.kubectl(&["-n", &space.name, "wait", "--for=condition=Ready", "jwt/first", "--timeout=5s"]);
    let row = server.kubectl(&["-n", &space.name, "get", "jwt", "first", "-o", "wide", "--no-headers"]);
    assert!(row.contains("True") && row.contains("Signed") && !row.contains("invalid"), "{row}");
}

/// The example that the National Research Platform publishes, unchanged.
fn published_manifest(server: &Server) {
    let space = Space::with_operator(server, "published");
    server.kubectl(&["-n", &space.name, "apply", "-f", &path("tests/data/published.yaml")]);
    let token = space.wait_token("seed");
    space.wait_ready("seed");
    assert_eq!(claims(&token)["iss"], "https://issuer.example.com/");
    space.wait("the warnings", || {
        let events = space.events("seed");
        let has = |text: &str| {
            events.iter().any(|(_, reason, note)| reason == "LintWarning" && note.contains(text))
        };
        (has("spec.key.value") && has("whose private key is published")).then_some(())
    });
    let public = Command::new("python3")
        .args(["-c", SCITOKENS, &token, &space.file("key.pem", &published_key(server, &space))])
        .output()
        .unwrap();
    assert!(public.status.success(), "{}", String::from_utf8_lossy(&public.stderr));
    assert_eq!(String::from_utf8_lossy(&public.stdout).trim(), "john.doe storage.read:/ storage.create:/");
}

/// The C++ library of SciTokens accepts a token, with its key ID and its profile.
fn scitokens_cpp(server: &Server) {
    let space = Space::with_operator(server, "cpp");
    space.create_jwt("a", &json!({}));
    let token = space.wait_token("a");
    let (private, public) = (space.file("key.pem", crate::harness::KEY), space.file("public.pem", ""));
    let run = |program: &str, arguments: &[&str]| {
        Command::new(program).args(arguments).env("XDG_CACHE_HOME", space.file_directory()).output().unwrap()
    };
    assert!(run("openssl", &["pkey", "-in", &private, "-pubout", "-out", &public]).status.success());
    let verify = |kid: &str, token: &str| {
        run(
            "scitokens-verify",
            &["-c", &public, "-i", "https://issuer.example.com", "-K", kid, "-p", "wlcg", token],
        )
    };
    let output = verify("key-1", &token);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let at = token.rfind('.').unwrap() + 5;
    let other = if &token[at..=at] == "A" { "B" } else { "A" };
    let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
    assert!(!verify("key-1", &forged).status.success(), "a changed signature is rejected");
}

fn published_key(server: &Server, space: &Space<'_>) -> String {
    server.kubectl(&["-n", &space.name, "get", "jwt", "seed", "-o", "jsonpath={.spec.key.value}"])
}

/// Accepts the token with the published key, and rejects it with another.
const SCITOKENS: &str = r"
import sys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
import scitokens
token, file = sys.argv[1:]
pem = lambda key: key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
key = serialization.load_pem_private_key(open(file, 'rb').read(), None)
audience = 'https://wlcg.cern.ch/jwt/v1/any'
read = scitokens.SciToken.deserialize(token, audience=audience, insecure=True, public_key=pem(key))
print(read['sub'], read['scope'])
try:
    scitokens.SciToken.deserialize(token, audience=audience, insecure=True, public_key=pem(ec.generate_private_key(ec.SECP256R1())))
except Exception:
    sys.exit(0)
sys.exit('accepted with another key')
";

fn renewal(server: &Server) {
    let space = Space::with_operator(server, "renewal");
    space.create_jwt("short", &json!({"expiryTime": {"minutes": 2}, "resignBefore": {"minutes": 1}}));
    let first = space.wait_token("short");
    space.wait_ready("short");
    let second = space.wait_for(Duration::from_secs(120), "another token", || {
        space.token("short").filter(|token| *token != first)
    });
    let (old, new) = (claims(&first), claims(&second));
    let seconds = |claims: &Value, name: &str| claims[name].as_i64().unwrap();
    // Not how late: other work of the computer can delay it.
    let left = seconds(&old, "exp") - seconds(&new, "iat");
    assert!((1..=66).contains(&left), "renewed {left} seconds before the expiry");
    assert_ne!(old["jti"], new["jti"]);
    space.wait("an Event", || (space.event_reasons("short").last()? == "Renewed").then_some(()));
    space.wait("the status", || {
        (space.get("jwts", "short")?["status"]["tokenId"] == new["jti"]).then_some(())
    });
}

fn changed_spec(server: &Server) {
    let space = Space::with_operator(server, "changed");
    space.create_jwt("a", &json!({}));
    let first = space.wait_token("a");
    space.patch("jwts", "a", &json!({"spec": {"data": {"sub": "joe", "deep": {"list": [1, 2.5, null]}}}}));
    let second = space.wait("other claims", || space.token("a").filter(|token| *token != first));
    assert_eq!(claims(&second)["sub"], "joe");
    assert_eq!(claims(&second)["deep"], json!({"list": [1, 2.5, null]}));
    space.patch("jwts", "a", &json!({"spec": {"keyId": "key-2"}}));
    let third = space.wait("another kid", || space.token("a").filter(|token| *token != second));
    assert_eq!(header(&third)["kid"], "key-2");
    space.wait("the status", || (space.get("jwts", "a")?["status"]["observedGeneration"] == 3).then_some(()));
    space.settle();
    assert_eq!(space.token("a").unwrap(), third, "the token fits: it is not signed again");
}

fn deletion(server: &Server) {
    let space = Space::with_operator(server, "deletion");
    space.create_jwt("a", &json!({}));
    space.wait_ready("a");
    let jwt = space.get("jwts", "a").unwrap();
    assert_eq!(jwt["metadata"]["finalizers"], Value::Null);
    space.delete("jwts", "a");
    space.wait("the Secret is gone", || space.get("secrets", "a").is_none().then_some(()));
    assert!(space.get("secrets", "signing-key").is_some());
    space.settle();
    assert!(space.get("secrets", "a").is_none(), "it came back\n{}", space.log());
    assert!(!space.log().contains("\"error\""), "{}", space.log());
}

/// As often as a script repeats it: the writes of the former resources do not delay the new one's.
fn recreation(server: &Server) {
    let space = Space::with_operator(server, "recreation");
    space.create_jwt("a", &json!({}));
    let mut tokens = vec![space.wait_token("a")];
    for _ in 0..8 {
        space.delete("jwts", "a");
        let uid = space.create_jwt("a", &json!({}))["metadata"]["uid"].clone();
        space.wait("the new resource's Secret", || {
            (space.get("secrets", "a")?["metadata"]["ownerReferences"][0]["uid"] == uid).then_some(())
        });
        space.wait_ready("a");
        let token = space.token("a").unwrap();
        assert!(!tokens.contains(&token));
        tokens.push(token);
    }
    assert!(!space.log().contains("postponed"), "{}", space.log());
}

fn deleted_secret(server: &Server) {
    let space = Space::with_operator(server, "deleted-secret");
    space.create_jwt("a", &json!({}));
    let first = space.wait_token("a");
    space.wait_ready("a");
    space.delete("secrets", "a");
    let second = space.wait_token("a");
    assert_ne!(first, second);
}

fn repair(server: &Server) {
    let space = Space::with_operator(server, "repair");
    space.create("jwts", &{
        let mut jwt = crate::harness::jwt("a", &json!({}));
        jwt["metadata"]["labels"] = json!({"team": "physics", "site": "north"});
        jwt
    });
    let token = space.wait_token("a");
    space.wait_ready("a");
    // A label removed, another changed, the annotation removed, a member of another program added.
    space.patch(
        "secrets",
        "a",
        &json!({
            "metadata": {
                "labels": {"app.kubernetes.io/managed-by": null, "team": "chemistry", "theirs": "x"},
                "annotations": {"tokens.osg-htc.org/last-signing-time": null},
            },
            "data": {"other": "eA=="},
        }),
    );
    space.wait("the labels are back", || {
        let metadata = &space.get("secrets", "a")?["metadata"];
        (metadata["labels"]["app.kubernetes.io/managed-by"] == "cc-jwt-operator"
            && metadata["labels"]["team"] == "physics"
            && metadata["annotations"]["tokens.osg-htc.org/last-signing-time"].is_string())
        .then_some(())
    });
    let secret = space.get("secrets", "a").unwrap();
    assert_eq!(secret["metadata"]["labels"]["theirs"], "x", "labels of others stay");
    assert_eq!(secret["data"]["other"], "eA==", "members of others stay");
    assert_eq!(space.token("a").unwrap(), token, "the token was right");
    // Another token, and none.
    for broken in [json!("eA=="), Value::Null, json!("Z2FyYmFnZQ==")] {
        space.patch("secrets", "a", &json!({"data": {"token": broken}}));
        space.wait("a token again", || space.token("a").filter(|token| token.len() > 100));
    }
    // A label that the resource no longer has.
    space.patch("jwts", "a", &json!({"metadata": {"labels": {"site": null}}}));
    space.wait("the label goes", || {
        space.get("secrets", "a")?["metadata"]["labels"]["site"].is_null().then_some(())
    });
    space.wait_ready("a");
    let version = space.get("secrets", "a").unwrap()["metadata"]["resourceVersion"].clone();
    space.settle();
    assert_eq!(space.get("secrets", "a").unwrap()["metadata"]["resourceVersion"], version);
}

fn labels(server: &Server) {
    let space = Space::with_operator(server, "labels");
    let mut jwt = crate::harness::jwt("a", &json!({}));
    jwt["metadata"]["labels"] = json!({
        "team": "physics",
        "app.kubernetes.io/name": "science",
        "app.kubernetes.io/instance": "argo",
        "app.kubernetes.io/managed-by": "Helm",
        "argocd.argoproj.io/instance": "argo",
        "kustomize.toolkit.fluxcd.io/name": "flux",
        "applyset.kubernetes.io/part-of": "x",
    });
    jwt["metadata"]["annotations"] = json!({"secret-note": "x"});
    space.create("jwts", &jwt);
    space.wait_token("a");
    let metadata = space.get("secrets", "a").unwrap()["metadata"].clone();
    let expected = json!({
        "team": "physics", "app.kubernetes.io/name": "science", "app.kubernetes.io/managed-by": "cc-jwt-operator",
    });
    assert_eq!(metadata["labels"], expected);
    assert_eq!(metadata["annotations"].as_object().unwrap().len(), 1);
}

fn idle(server: &Server) {
    let space = Space::with_operator(server, "idle");
    for name in ["a", "b"] {
        space.create_jwt(name, &json!({}));
        space.wait_ready(name);
    }
    space.create_jwt("broken", &json!({"key": {"secret": {"name": "absent", "key": "x"}}}));
    space.wait_condition("broken", "Ready", "False", "KeyNotFound");
    let versions = |kind: &str| {
        let list = space.list(kind).into_iter().filter(|object| object["metadata"]["name"] != "broken");
        list.map(|object| object["metadata"]["resourceVersion"].to_string()).collect::<Vec<_>>()
    };
    space.settle();
    let before = (versions("jwts"), versions("secrets"));
    std::thread::sleep(Duration::from_secs(20));
    assert_eq!((versions("jwts"), versions("secrets")), before);
    let failed = space.get("jwts", "broken").unwrap();
    assert!(failed["status"]["failedAttempts"].as_i64().unwrap() <= 4, "{failed}");
    assert_eq!(space.event_reasons("broken"), ["KeyNotFound"], "one Event for one transition");
}

fn restart(server: &Server) {
    let space = Space::with_operator(server, "restart");
    space.create_jwt("a", &json!({}));
    space.create_jwt("b", &json!({"key": {"secret": {"name": "absent", "key": "x"}}}));
    space.wait_ready("a");
    space.wait_condition("b", "Ready", "False", "KeyNotFound");
    let token = space.token("a");
    space.settle();
    assert_eq!(space.terminate(), Some(0));
    let version = |name: &str| space.get("jwts", name).unwrap()["metadata"]["resourceVersion"].clone();
    let before = (version("a"), version("b"), space.list("events").len());
    for round in 2..5 {
        space.start(&[]);
        // A signal that arrives before the program waits for it would end it with another status.
        space.wait("the first lists", || (space.log().matches("\"ready\"").count() == round).then_some(()));
        space.settle();
        assert_eq!(space.terminate(), Some(0));
    }
    assert_eq!((version("a"), version("b"), space.list("events").len()), before);
    assert_eq!(space.token("a"), token);
}

fn never_renewed(server: &Server) {
    let space = Space::with_operator(server, "never");
    space.create_jwt("a", &json!({"resignBefore": null, "expiryTime": {"hours": 1}}));
    let token = space.wait_token("a");
    space.wait_ready("a");
    assert_eq!(space.get("jwts", "a").unwrap()["status"]["renewalTime"], Value::Null);
    space.wait("an Event", || space.event_reasons("a").contains(&"NeverRenewed".to_owned()).then_some(()));
    space.terminate();
    space.start_with_clock("+61m", &[]);
    space.wait_condition("a", "Ready", "False", "Expired");
    assert_eq!(space.token("a").unwrap(), token);
    space.patch("jwts", "a", &json!({"spec": {"resignBefore": {"minutes": 10}}}));
    space.wait_ready("a");
    assert_ne!(space.token("a").unwrap(), token);
}

fn jitter(server: &Server) {
    let space = Space::with_operator(server, "jitter");
    let names: Vec<String> = (0..12).map(|number| format!("r{number}")).collect();
    for name in &names {
        space.create_jwt(name, &json!({"expiryTime": {"days": 2}, "resignBefore": {"days": 1}}));
    }
    let lead = |name: &str| {
        let status = space.get("jwts", name).unwrap()["status"].clone();
        let seconds = |member: &str| {
            let time: k8s_openapi::jiff::Timestamp = status[member].as_str().unwrap().parse().unwrap();
            time.as_second()
        };
        seconds("notAfter") - seconds("renewalTime")
    };
    names.iter().for_each(|name| space.wait_ready(name));
    let leads: std::collections::BTreeSet<i64> = names.iter().map(|name| lead(name)).collect();
    assert!(leads.len() >= 10, "{leads:?}");
    assert!(
        leads.iter().all(|lead| (86_400..=86_400 + 1800).contains(lead)),
        "never late, at most 30 minutes early: {leads:?}"
    );
}

fn clock_behind(server: &Server) {
    let space = Space::with_operator(server, "clock");
    space.create_jwt("a", &json!({}));
    let token = space.wait_token("a");
    space.wait_ready("a");
    space.terminate();
    space.start_with_clock("-30m", &[]);
    space.wait_condition("a", "Degraded", "True", "ClockBehind");
    assert_eq!(space.condition("a", "Ready").unwrap().0, "True", "the token is valid");
    space.terminate();
    space.start(&[]);
    space.wait_condition("a", "Degraded", "False", "AsExpected");
    assert_eq!(space.token("a").unwrap(), token);
}
