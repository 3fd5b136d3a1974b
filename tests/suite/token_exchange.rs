//! The exchange of a job's identity at an OpenID provider (RFC 8693).

use serde_json::{Value, json};

use crate::ci_providers::CiProvider;
use crate::httpd::{Reply, Request};
use crate::idp::{Behavior, Idp};
use crate::oidc::{directory_for, session};
use crate::support::{Run, TestEnv};

const AUDIENCE: &str = "https://idp.example.org";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A provider whose token endpoint gives this answer.
fn provider(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Idp {
    Idp::start(Behavior {
        instead: Box::new(move |request| (request.path == "/token").then(|| answer(request))),
        ..Behavior::default()
    })
}

/// The answer to an exchange, with other members.
fn exchanged(change: &Value) -> Reply {
    let mut answer = json!({
        "access_token": "the-exchanged-token", "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
        "expires_in": 300,
    });
    answer.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
    answer.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    Reply::json(&answer)
}

/// A directory of a site with this provider, and the identity of a job in `identity`.
fn site(idp: &Idp, more: &Value) -> (TestEnv, String) {
    let directory = directory_for(&idp.issuer(), more);
    let identity = CiProvider::gitlab().token(AUDIENCE);
    directory.write("identity", &identity);
    directory.sh("chmod 600 identity").ended(0);
    (directory, identity)
}

const LOGIN: &str = "cc-login --method oidc --identity file:identity";

#[test]
fn identity_of_a_job_is_sent_as_the_subject_token_and_the_answer_is_used() {
    let idp = provider(|_| exchanged(&json!({})));
    let (directory, identity) =
        site(&idp, &json!({"parameters": {"audience": "entry", "resource": "https://r"}}));
    let run = directory.sh(&format!("{LOGIN} --scope hpc --parameter audience=cc-api")).ended(0);
    assert!(run.stdout.starts_with("logged in: clara "), "{} {}", run.stdout, run.stderr);
    let request = idp.last("/token");
    for (field, expected) in [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", &*identity),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("requested_token_type", ACCESS_TOKEN),
        ("audience", "cc-api"),
        ("resource", "https://r"),
    ] {
        let sent =
            url::form_urlencoded::parse(request.body.as_bytes()).filter(|(name, _)| name == field).count();
        assert_eq!((request.field(field).as_deref(), sent), (Some(expected), 1), "{field}");
    }
    let scope = request.field("scope").unwrap();
    assert!(
        scope.split(' ').any(|scope| scope == "openid") && scope.split(' ').any(|scope| scope == "hpc"),
        "{scope}"
    );
    // The client authenticates itself with its secret, and not with the identity of the job.
    assert!(request.header("authorization").is_some_and(|value| value.starts_with("Basic ")));
    assert_eq!((request.field("client_assertion"), request.field("login_hint")), (None, None));
    // The user is the one of UserInfo for the new token.
    assert_eq!(idp.last("/userinfo").header("authorization"), Some("Bearer the-exchanged-token"));
    assert_eq!(directory.sh("cc-login token --kind access").ended(0).stdout, "the-exchanged-token\n");
    let files = format!("{}{}{}", run.stdout, run.stderr, session(&directory).unwrap());
    assert!(!files.contains(&identity), "the identity is in the session or in the output");
    let other = directory.sh(&format!("{LOGIN} fritz")).ended(1);
    assert!(other.stderr.contains("'clara'") && other.stderr.contains("'fritz'"), "{}", other.stderr);
    // In memory, for one command.
    let run = directory.sh(
        "cc-login logout -q; cc-login run --method oidc --identity file:identity --kind access -- printenv TOKEN",
    );
    assert_eq!(run.ended(0).stdout, "the-exchanged-token\n");
    assert_eq!(session(&directory), None);
}

#[test]
fn answer_to_a_token_exchange_that_cannot_be_used_is_an_error() {
    let answer =
        |change: Value| -> Box<dyn Fn() -> Reply + Send + Sync> { Box::new(move || exchanged(&change)) };
    let refusal = |status, code: &'static str, text: &'static str| -> Box<dyn Fn() -> Reply + Send + Sync> {
        Box::new(move || {
            let body = json!({"error": code, "error_description": text});
            Reply::status(status, "application/json", body.to_string())
        })
    };
    let invalid = "invalid response of the provider to the token exchange: ";
    for (reply, status, message, hint) in [
        (
            answer(json!({"issued_token_type": "urn:ietf:params:oauth:token-type:id_token"})),
            69,
            format!(
                "{invalid}its issued_token_type is 'urn:ietf:params:oauth:token-type:id_token', expected an access token"
            ),
            "",
        ),
        (
            answer(json!({"issued_token_type": 7})),
            69,
            format!("{invalid}its issued_token_type is not a string"),
            "",
        ),
        (answer(json!({"token_type": "N_A"})), 69, format!("{invalid}its token_type is 'N_A'"), ""),
        (answer(json!({"access_token": null})), 69, format!("{invalid}it has no access_token"), ""),
        (answer(json!({"access_token": ""})), 69, format!("{invalid}it has no access_token"), ""),
        (
            refusal(400, "invalid_request", "Invalid token"),
            78,
            "the provider rejected the token exchange: 'invalid_request': 'Invalid token'".to_owned(),
            "must trust the issuer of the exchanged token",
        ),
        (
            refusal(400, "invalid_target", "no such audience"),
            78,
            "the provider rejected the token exchange: 'invalid_target': 'no such audience'".to_owned(),
            "check --parameter and 'parameters' of the provider entry",
        ),
        (
            refusal(
                400,
                "invalid_request",
                "Standard token exchange is not enabled for the requested client",
            ),
            78,
            "the provider rejected the token exchange".to_owned(),
            "'Standard Token Exchange'",
        ),
        (refusal(401, "invalid_client", "no"), 77, "'invalid_client'".to_owned(), "OID_CLIENT_SECRET"),
        (
            Box::new(|| Reply::redirect(307, "https://other.example/token")),
            69,
            "redirects to 'https://other.example/token', which is not followed".to_owned(),
            "",
        ),
    ] {
        let idp = provider(move |_| reply());
        let (directory, identity) = site(&idp, &json!({}));
        let run: Run = directory.sh(LOGIN);
        let has_hint = hint.is_empty()
            || run.stderr.lines().any(|line| line.starts_with("hint: ") && line.contains(hint));
        assert!(
            run.status == status && run.stderr.contains(&message) && has_hint,
            "expected {status} {message}: {} {}",
            run.status,
            run.stderr
        );
        assert!(!run.stderr.contains(&identity) && session(&directory).is_none(), "{}", run.stderr);
    }
    // A JWT may be an access token, and old providers do not name the type.
    for change in [
        json!({"issued_token_type": "urn:ietf:params:oauth:token-type:jwt"}),
        json!({"issued_token_type": null}),
    ] {
        let idp = provider(move |_| exchanged(&change));
        let (directory, _) = site(&idp, &json!({}));
        directory.sh(LOGIN).ended(0);
    }
}

#[test]
fn parameter_that_the_token_exchange_sets_is_rejected() {
    let idp = provider(|_| exchanged(&json!({})));
    let (directory, _) = site(&idp, &json!({}));
    for name in ["subject_token", "subject_token_type", "requested_token_type", "client_assertion"] {
        let run = directory.sh(&format!("{LOGIN} --parameter {name}=x"));
        assert!(run.status != 0 && run.stderr.contains(name), "{}", run.stderr);
    }
    assert_eq!(idp.count("/token"), 0);
}
