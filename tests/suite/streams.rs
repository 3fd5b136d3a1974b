//! Streams of tokens through the programs: keys that change in between, odd lines, readers that go.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use cc_auth::key::{Algorithm, PrivateKey, SigningKey, jwk};
use cc_auth::token::{self, Claims, HeaderParams};
use serde_json::json;

use crate::httpd::{Authority, Reply, Server};
use crate::support::{TestEnv, path_with_programs, programs};

fn key(kid: &str) -> SigningKey {
    SigningKey::private(PrivateKey::generate(Algorithm::EdDsa).unwrap()).unwrap().with_kid(kid)
}

/// A token that says to be signed by the key of this name.
fn token(key: &SigningKey, kid: &str) -> String {
    token_of(key, kid, None)
}

fn token_of(key: &SigningKey, kid: &str, issuer: Option<&str>) -> String {
    let mut claims = Claims::new();
    if let Some(issuer) = issuer {
        claims.set("iss", issuer);
    }
    claims.set("sub", "fritz");
    claims.set("roles", json!(["api"]));
    claims.set("iat", 1_700_000_000);
    claims.set("exp", 4_000_000_000_u64);
    let heading = HeaderParams { kid: Some(kid.to_owned()), ..HeaderParams::for_key(key) };
    token::sign(&heading, &claims, key).unwrap().expose().to_owned()
}

fn set(keys: &[&SigningKey]) -> String {
    let keys: Vec<String> = keys
        .iter()
        .map(|key| {
            let public = key.private_key().unwrap().public();
            jwk::write_public(&public, key.kid(), Some(Algorithm::EdDsa))
        })
        .collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

/// A server with these key sets, one after the other; what comes after the last one is as broken
/// as a server can be.
fn rotating(sets: Vec<String>) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| match sets.get(count.fetch_add(1, Ordering::SeqCst)) {
        Some(set) => Reply::status(200, "application/json", set.clone()),
        None => Reply::Die,
    })
}

fn lines(token: &str, count: usize) -> String {
    format!("{token}\n").repeat(count)
}

/// A login role that asks for nothing but the signature and a name.
fn write_role(directory: &TestEnv) {
    directory.write(
        "r.json",
        r#"{"role_type":"jwt","user_claim":"sub","bound_subject":"fritz","bound_audiences":[]}"#,
    );
}

#[test]
fn new_key_during_a_stream_is_fetched_once() {
    let (old, new) = (key("old"), key("new"));
    let (good, late) = (token(&old, "old"), token(&new, "new"));
    let input = lines(&good, 700) + &lines(&late, 900) + &lines(&good, 5);
    for role in [&[][..], &["--login-role", "r.json"]] {
        let directory = TestEnv::new();
        write_role(&directory);
        let server = rotating(vec![set(&[&old]), set(&[&old, &new])]);
        let url = format!("{}/jwks", server.url());
        let arguments = [&["verify", "--stream", "-j2", "--jwks", &url][..], role].concat();
        let run = directory.run_with("cc-jwt", &arguments, input.clone()).ended(0);
        assert_eq!(run.stdout, "ok\n".repeat(1605), "{role:?}");
        assert_eq!(server.count("/jwks"), 2, "{role:?}");
    }
}

#[test]
fn made_up_key_names_cost_one_request_however_many_they_are() {
    let (old, other) = (key("old"), key("other"));
    let good = token(&old, "old");
    let mut input = lines(&good, 3);
    for number in 0..1500 {
        input += &lines(&token(&other, &format!("k{number}")), 1);
    }
    input += &lines(&good, 2);
    // The second answer is the same set, or none at all: those who have the right key notice nothing.
    for sets in [vec![set(&[&old]), set(&[&old])], vec![set(&[&old])]] {
        for role in [&[][..], &["--login-role", "r.json"]] {
            let directory = TestEnv::new();
            write_role(&directory);
            let server = rotating(sets.clone());
            let url = format!("{}/jwks", server.url());
            let arguments = [&["verify", "--stream", "-j2", "--jwks", &url][..], role].concat();
            let run = directory.run_with("cc-jwt", &arguments, input.clone()).ended(1);
            assert_eq!(run.stdout.lines().filter(|line| *line == "ok").count(), 5, "{role:?}");
            let refused = run.stdout.lines().filter(|line| line.starts_with("signature: "));
            assert_eq!(refused.count(), 1500, "{role:?}");
            assert_eq!(server.count("/jwks"), 2, "{role:?}");
        }
    }
}

#[test]
fn issuer_with_private_ca_is_cached_for_offline_use() {
    let signing = key("k");
    let directory = TestEnv::new();
    let authority = Authority::new();
    directory.write("ca.pem", authority.pem());
    let keys = set(&[&signing]);
    let port = std::sync::Arc::new(std::sync::OnceLock::<u16>::new());
    let own = std::sync::Arc::clone(&port);
    let server = Server::start_tls(authority.server("localhost", false), move |request| {
        let base = format!("https://localhost:{}", own.get().unwrap());
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                Reply::json(&json!({"issuer": base, "jwks_uri": format!("{base}/keys")}))
            }
            "/keys" => Reply::status(200, "application/json", keys.clone()),
            _ => Reply::status(404, "text/plain", "no"),
        }
    });
    port.set(server.port()).unwrap();
    let issuer = format!("https://localhost:{}", server.port());
    directory.write("tokens", lines(&token_of(&signing, "k", Some(&issuer)), 3));
    let verify = |further: &[&str]| {
        let common = ["verify", "--stream", "--token-file", "tokens", "--discovery", &issuer];
        directory.run("cc-jwt", &[&common[..], further].concat())
    };

    let untrusted = verify(&[]);
    assert!(!matches!(untrusted.status, 0 | 1), "{untrusted:?}");
    assert_eq!(untrusted.stdout, "");
    assert_eq!(server.seen().len(), 0, "a request was sent to an unknown server");
    let nothing_kept = verify(&["--ca-file", "ca.pem", "--offline"]).ended(69);
    assert!(nothing_kept.stderr.contains("no cached keys of"), "{}", nothing_kept.stderr);

    assert_eq!(verify(&["--ca-file", "ca.pem"]).ended(0).stdout, "ok\nok\nok\n");
    assert_eq!(server.seen().len(), 2);
    drop(server);
    assert_eq!(verify(&["--ca-file", "ca.pem", "--offline"]).ended(0).stdout, "ok\nok\nok\n");
    // What was fetched under that authority's word counts under it only.
    verify(&["--offline"]).ended(69);
}

#[test]
fn odd_lines_get_their_answers_and_do_not_disturb_the_others() {
    let directory = TestEnv::with_setup();
    let token = directory.read("token.txt").trim().to_owned();
    let huge = "x".repeat(10 << 20);
    let (head, tail) = token.split_at(20);
    let input = [
        format!("{token}\r\n"),
        "\n".to_owned(),
        "\r\n".to_owned(),
        format!("{head}\0{tail}\n"),
        format!("{huge}\n"),
        format!("{token}\0\n"),
        format!("Bearer {token}  \n"),
        format!("{token}{huge}\n"),
        "\u{feff}\n".to_owned(),
        token.clone(),
    ]
    .concat();
    let run = directory.run_with("cc-jwt", &["verify", "--stream"], input.clone()).ended(1);
    let answers: Vec<&str> = run.stdout.lines().collect();
    let expected = [
        "ok",
        "form: the token is empty",
        "form: the token is empty",
        "form: ",
        "form: the line is longer than any token",
        "form: ",
        "ok",
        "form: the line is longer than any token",
        "form: ",
        "ok",
    ];
    assert_eq!(answers.len(), expected.len(), "{answers:?}");
    for (answer, expected) in answers.iter().zip(expected) {
        assert!(
            answer.starts_with(expected) && (expected != "ok" || *answer == "ok"),
            "{answer:?}, {expected:?}"
        );
    }
    assert!(run.stderr.contains("10 tokens, 7 not valid"), "{}", run.stderr);

    let mut bytes = input.into_bytes();
    bytes.splice(0..0, *b"\xff\xfe\n");
    let run = directory.run_with("cc-jwt", &["verify", "--stream", "--json", "-j1"], bytes).ended(1);
    let answers: Vec<serde_json::Value> =
        run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), expected.len() + 1);
    assert_eq!(
        answers[0],
        json!({"line": 1, "valid": false, "subject": null, "check": "form",
               "reason": "the line is not UTF-8"})
    );
    assert_eq!(
        answers[1],
        json!({"line": 2, "valid": true, "subject": "fritz", "check": null, "reason": null})
    );
}

fn start(directory: &TestEnv, arguments: &[&str]) -> Child {
    std::process::Command::new(programs().join("cc-jwt"))
        .args(arguments)
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", path_with_programs())
        .env("HOME", directory.file(".home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

#[test]
fn answers_come_while_the_input_is_still_open_and_an_interrupt_ends_the_program_as_shells_expect() {
    let directory = TestEnv::with_setup();
    let token = directory.read("token.txt");
    let mut child = start(&directory, &["verify", "--stream"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    for line in [token.as_str(), "nonsense\n", token.as_str()] {
        input.write_all(line.as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        assert_eq!(answer == "ok\n", line == token, "{answer}");
    }
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.signal(), Some(2), "{status:?}");
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    assert_eq!(printed, "");
}

#[test]
fn stream_ends_when_its_output_closes() {
    let directory = TestEnv::with_setup();
    let token = directory.read("token.txt");
    let mut child = start(&directory, &["verify", "--stream", "-j2"]);
    let mut input = child.stdin.take().unwrap();
    let output = child.stdout.take().unwrap();
    input.write_all(token.as_bytes()).unwrap();
    let mut answers = BufReader::new(output);
    let mut answer = String::new();
    answers.read_line(&mut answer).unwrap();
    assert_eq!(answer, "ok\n");
    drop(answers);
    // The input has no end; the writer learns of it by a broken pipe.
    let mut written = 0;
    while input.write_all(token.as_bytes()).is_ok() {
        written += 1;
        assert!(written < 200_000, "it reads on");
    }
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(0), "{status:?}");
    let mut printed = String::new();
    child.stderr.take().unwrap().read_to_string(&mut printed).unwrap();
    assert!(!printed.contains("error") && !printed.contains("panicked"), "{printed}");
}

#[test]
fn stream_uses_the_current_time_for_each_token() {
    let directory = TestEnv::with_setup();
    let short = directory.sh("cc-jwt issue fritz -q --ttl 6s").ended(0).stdout;
    let mut child = start(&directory, &["verify", "--stream", "-q"]);
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut ask = || {
        input.write_all(short.as_bytes()).unwrap();
        let mut answer = String::new();
        output.read_line(&mut answer).unwrap();
        answer
    };
    // It holds as long as it says, and no longer: the answer changes once, without a word from us.
    assert_eq!(ask(), "ok\n", "the lifetime passed before the first answer");
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    let answer = loop {
        let answer = ask();
        if answer != "ok\n" {
            break answer;
        }
        assert!(std::time::Instant::now() < deadline, "the token never expires");
        std::thread::sleep(std::time::Duration::from_millis(100));
    };
    assert!(answer.starts_with("expiry: expired"), "{answer}");
    drop(input);
    assert_eq!(child.wait().unwrap().code(), Some(1));
}
