//! Tokens for the Open Science Data Federation at XRootD, its storage server, with the plugin that checks
//! them: the answers to many questions are compared with those of `cc-jwt verify`.

mod differences;
mod questions;
mod scopes;
mod server;

use std::collections::BTreeMap;
use std::slice::from_ref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;

use crate::osdf::python;
use crate::renew::Watch;
use crate::support::{Run, TestEnv, has_python};
use differences::Difference;
use questions::{ANY, Answer, FILES, Names, Question};
use server::{IssuerServer, Site, WHOLE_TREE, XrootdServer, has_xrootd};

/// Signs payloads as they are, also those that no library would issue.
const SIGN: &str = "import json, sys, jwt\n\
    for line in sys.stdin:\n    \
        case = json.loads(line)\n    \
        key = open(case['key']).read() if case['key'] else None\n    \
        payload = json.dumps(case['claims'], ensure_ascii=False).encode()\n    \
        print(jwt.PyJWS().encode(payload, key, case['alg'], headers=case['headers']))\n";

/// Key files of the issuer, and its published set: the keys `k1`, `k2`, `rsa`, `p384` and `ed`.
fn make_keys(directory: &TestEnv, issuer: &IssuerServer) {
    directory
        .sh("set -e
             for key in key second other; do openssl ecparam -name prime256v1 -genkey -noout -out $key.pem; done
             openssl genrsa -out rsa.pem 2048 2>/dev/null
             openssl ecparam -name secp384r1 -genkey -noout -out p384.pem
             openssl genpkey -algorithm ed25519 -out ed.pem
             head -c 48 /dev/urandom | base64 > secret")
        .ended(0);
    directory
        .sh(&format!(
            "cc-jwt jwks -q --issuer {} --out-dir {} k1=key.pem k2=second.pem rsa=rsa.pem p384=p384.pem ed=ed.pem",
            issuer.url(),
            issuer.directory.path().display()
        ))
        .ended(0);
}

fn sign(directory: &TestEnv, questions: &[Question]) -> Vec<String> {
    directory.write("sign.py", SIGN);
    let lines: String = questions
        .iter()
        .map(|question| {
            let mut header = json!({"typ": "JWT"});
            for (name, value) in question.header.as_object().unwrap() {
                header[name] = value.clone();
            }
            let case = json!({"claims": question.claims, "headers": header, "alg": question.algorithm,
                "key": question.key});
            format!("{case}\n")
        })
        .collect();
    let output: Run = python(directory).arg("sign.py").write_stdin(lines).output().unwrap().into();
    let tokens: Vec<String> = output.ended(0).stdout.lines().map(str::to_owned).collect();
    assert_eq!(tokens.len(), questions.len());
    questions.iter().zip(tokens).map(|(question, token)| (question.change)(token)).collect()
}

/// The arguments of `cc-jwt verify` for a request to a site.
fn arguments(form: &str, issuer: &IssuerServer, names: &Names, request: &str) -> [String; 12] {
    let keys = issuer.directory.path().join("jwks.json").display().to_string();
    [
        "verify",
        form,
        "--key",
        &keys,
        "--profile",
        "auto",
        "--issuer",
        &names.issuer,
        "--audience",
        &names.audience,
        "--scope",
        request,
    ]
    .map(str::to_owned)
}

/// The report of `cc-jwt verify` on one token.
fn verify_report(
    directory: &TestEnv,
    issuer: &IssuerServer,
    names: &Names,
    question: &Question,
    token: &str,
) -> serde_json::Value {
    let request = format!("{}:{}", question.operation, question.path);
    let mut arguments = arguments("--json", issuer, names, &request).to_vec();
    arguments.push(token.to_owned());
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    directory.run("cc-jwt", &arguments).json()
}

/// Whether `cc-jwt verify` finds each token valid for its request; otherwise the first failure.
fn verify(
    directory: &TestEnv,
    issuer: &IssuerServer,
    names: &Names,
    questions: &[Question],
    tokens: &[String],
) -> Vec<Result<(), String>> {
    let mut groups: BTreeMap<String, Vec<usize>> = BTreeMap::new();
    for (at, question) in questions.iter().enumerate() {
        groups.entry(format!("{}:{}", question.operation, question.path)).or_default().push(at);
    }
    let mut answers = vec![Ok(()); questions.len()];
    for (request, places) in groups {
        let lines: String = places.iter().map(|at| format!("{}\n", tokens[*at])).collect();
        let run = directory.run_with(
            "cc-jwt",
            &arguments("--stream", issuer, names, &request).each_ref().map(String::as_str),
            lines,
        );
        let printed: Vec<&str> = run.stdout.lines().collect();
        assert_eq!(printed.len(), places.len(), "{request}: {}{}", run.stdout, run.stderr);
        for (at, printed) in places.into_iter().zip(printed) {
            answers[at] = if printed == "ok" { Ok(()) } else { Err(printed.to_owned()) };
        }
    }
    answers
}

/// The request by which XRootD is asked for an operation over https.
fn method(operation: &str) -> &'static str {
    match operation {
        "storage.read" | "read" => "GET",
        "storage.create" => "MKCOL",
        "storage.modify" | "write" => "PUT",
        other => panic!("{other}"),
    }
}

/// Whether a status means that the operation is permitted: not found and conflict come after the check.
fn is_permitted(status: u16) -> Option<bool> {
    match status {
        200 | 201 | 207 | 404 | 405 | 409 => Some(true),
        403 => Some(false),
        _ => None,
    }
}

fn percent_decoded(path: &str) -> String {
    cc_auth::policy::scope::ScopePath::parse(path).unwrap().to_string()
}

fn expected(answer: Answer) -> (bool, bool) {
    match answer {
        Answer::Yes => (true, true),
        Answer::No => (false, false),
        Answer::Differs(difference) => (difference.is_wider_there(), !difference.is_wider_there()),
    }
}

#[test]
fn page_has_every_difference_to_xrootd() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/osdf-tokens.md")).unwrap();
    for difference in Difference::ALL {
        assert!(page.contains(&format!("| {} |", difference.title())), "{difference:?}");
    }
}

#[test]
fn verify_gives_the_answers_of_xrootd_except_for_known_differences() {
    if !has_xrootd() || !has_python("jwt") {
        return;
    }
    let (directory, issuer) = (TestEnv::new(), IssuerServer::start());
    make_keys(&directory, &issuer);
    let server = XrootdServer::start(&issuer, &WHOLE_TREE, &FILES);
    let names = Names { issuer: issuer.url(), audience: server.audience() };
    let questions = names.all();
    let tokens = sign(&directory, &questions);
    let requests: Vec<(&str, &str, &str)> = questions
        .iter()
        .zip(&tokens)
        .map(|(question, token)| (method(question.operation), question.path, token.as_str()))
        .collect();
    let statuses = server.https(&requests);
    let ours = verify(&directory, &issuer, &names, &questions, &tokens);
    let mut wrong = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for ((question, status), ours) in questions.iter().zip(&statuses).zip(&ours) {
        *counts.entry(format!("{:?}", question.answer)).or_default() += 1;
        let (there, here) = expected(question.answer);
        if is_permitted(*status) != Some(there) || ours.is_ok() != here {
            wrong.push(format!(
                "{} asks {}:{}: expected {:?}, XRootD {status}, verify {ours:?}",
                question.name, question.operation, question.path, question.answer
            ));
        }
    }
    // What only XRootD rejects is named by a warning.
    for (question, token) in questions.iter().zip(&tokens) {
        if expected(question.answer) == (false, true) {
            let report = verify_report(&directory, &issuer, &names, question, token);
            let checks = report["checks"].as_array().unwrap().clone();
            if !checks.iter().any(|check| check["state"] == "warn") {
                wrong.push(format!("{}: no warning in {report}", question.name));
            }
        }
    }
    // The other protocol gives the same answers.
    let mut over_root = 0;
    let readers = questions.iter().zip(&tokens).zip(&statuses).filter(|((question, token), _)| {
        method(question.operation) == "GET" && token.split('.').all(|part| !part.is_empty())
    });
    for ((question, token), status) in readers.step_by(3) {
        over_root += 1;
        let path = percent_decoded(question.path);
        let answer = server.root(&["stat", &path], token);
        let is_same = match &answer {
            Ok(()) => is_permitted(*status) == Some(true),
            Err(message) if message.contains("[3011]") => is_permitted(*status) == Some(true),
            Err(_) => is_permitted(*status) == Some(false),
        };
        if !is_same {
            wrong.push(format!("{} asks for {path}: https {status}, root {answer:?}", question.name));
        }
    }
    println!("{over_root} of them over root:// as well");
    println!("{} questions to XRootD and cc-jwt verify: {counts:?}", questions.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), questions.len(), wrong.join("\n"));
}

/// A site whose tree below `/vo` belongs to the issuer, and of that only two directories to its tokens.
const PART_OF_TREE: Site<'static> =
    Site { has_audience: false, issuer: "base_path = /vo\nrestricted_path = /data, /scratch\n" };

// A path in a scope is relative to the site's base path, and a site without an audience accepts only tokens
// for any service: with these two translated, the answers are the same.
#[test]
fn site_with_base_path_and_without_audience_answers_for_any_service() {
    if !has_xrootd() || !has_python("jwt") {
        return;
    }
    let (directory, issuer) = (TestEnv::new(), IssuerServer::start());
    make_keys(&directory, &issuer);
    let server =
        XrootdServer::start(&issuer, &PART_OF_TREE, &["/vo/data/file", "/vo/other/file", "/data/file"]);
    let names = Names { issuer: issuer.url(), audience: "https://site.example".to_owned() };
    let questions = names.at_part_of_tree();
    let tokens = sign(&directory, &questions);
    let paths: Vec<String> = questions.iter().map(|question| format!("/vo{}", question.path)).collect();
    let requests: Vec<(&str, &str, &str)> = questions
        .iter()
        .zip(&tokens)
        .zip(&paths)
        .map(|((question, token), path)| (method(question.operation), path.as_str(), token.as_str()))
        .collect();
    let statuses = server.https(&requests);
    let mut wrong = Vec::new();
    for (((question, token), status), path) in questions.iter().zip(&tokens).zip(statuses).zip(&paths) {
        let any = if question.name.starts_with("wlcg") { ANY } else { "ANY" };
        let names = Names { audience: any.to_owned(), ..names.clone() };
        let ours = &verify(&directory, &issuer, &names, from_ref(question), from_ref(token))[0];
        let (there, here) = expected(question.answer);
        if is_permitted(status) != Some(there) || ours.is_ok() != here {
            wrong.push(format!("{} asks for {path}: XRootD {status}, verify {ours:?}", question.name));
        }
    }
    // What is not below the base path belongs to another issuer.
    let outside = server.https(&[("GET", "/data/file", &tokens[0])]);
    assert_eq!(outside, [403]);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

// Found with XRootD 5.5: create and modify grant the change, and not the question for the file's status that
// comes before it.
#[test]
fn write_scope_without_read_scope_does_not_delete() {
    if !has_xrootd() || !has_python("jwt") {
        return;
    }
    let (directory, issuer) = (TestEnv::new(), IssuerServer::start());
    make_keys(&directory, &issuer);
    let server = XrootdServer::start(&issuer, &WHOLE_TREE, &["/data/one", "/data/two", "/data/three"]);
    let names = Names { issuer: issuer.url(), audience: server.audience() };
    let scopes = [
        ("storage.modify:/data", "/data/one", 403),
        ("storage.modify:/data storage.read:/other", "/data/one", 403),
        ("storage.modify:/data storage.read:/data", "/data/one", 200),
        ("storage.modify:/data storage.read:/", "/data/two", 200),
    ];
    for (scope, path, expected) in scopes {
        let question = names.with_scope(scope);
        let token = &sign(&directory, &[question])[0];
        assert_eq!(server.https(&[("DELETE", path, token)]), [expected], "{scope}");
    }
}

/// Signs with `cc-jwt`, with the key ID of the published set.
fn resource(directory: &TestEnv, issuer: &IssuerServer, kid: &str, key: &str) {
    directory.write(
        "r.yaml",
        format!(
            "apiVersion: tokens.osg-htc.org/v1\nkind: JWT\nmetadata: {{name: short}}\nspec:\n  issuer: {}\n  \
             keyId: {kid}\n  algorithm: ES256\n  data: {{sub: jane, aud: '{ANY}', scope: 'storage.read:/', \
             wlcg.ver: '1.0'}}\n  expiryTime: {{minutes: 2}}\n  resignBefore: {{minutes: 1}}\n  \
             key: {{file: {key}}}\n",
            issuer.url()
        ),
    );
    directory.sh(&format!("chmod 600 {key}")).ended(0);
}

/// Ends the readers when it is dropped.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[test]
fn readers_see_no_failure_while_a_watched_token_is_renewed() {
    if !has_xrootd() {
        return;
    }
    let (directory, issuer) = (TestEnv::new(), IssuerServer::start());
    make_keys(&directory, &issuer);
    resource(&directory, &issuer, "k1", "key.pem");
    let server = XrootdServer::start(&issuer, &WHOLE_TREE, &["/data/file"]);
    // A token that is to be renewed in three seconds.
    let almost_due = "cc-jwt spec issue r.yaml -q -o next --force --at -57s && mv next token";
    directory.sh(almost_due).ended(0);
    let watch = Watch::start(&directory, &["-o", "token"], &[]);
    let is_over = AtomicBool::new(false);
    let file = directory.file("token");
    std::thread::scope(|scope| {
        // The readers end with this closure, also when it fails.
        let _end = End(&is_over);
        let https = scope.spawn(|| {
            let mut reads = 0;
            while !is_over.load(Ordering::SeqCst) {
                let token = std::fs::read_to_string(&file).unwrap();
                let requests = vec![("GET", "/data/file", token.trim()); 5];
                assert_eq!(server.https(&requests), [200; 5], "read {reads}: {}", server.log());
                reads += 5;
            }
            reads
        });
        let root = scope.spawn(|| {
            let mut reads = 0;
            while !is_over.load(Ordering::SeqCst) {
                let answer = server.root_with_file(&["cat", "/data/file"], &file);
                assert_eq!(answer, Ok(()), "read {reads}: {}", server.log());
                reads += 1;
            }
            reads
        });
        assert_eq!(watch.event("renewed")["reason"], "expires-soon");
        directory.sh(almost_due).ended(0);
        assert_eq!(watch.event("renewed")["reason"], "expires-soon");
        std::thread::sleep(Duration::from_millis(500));
        is_over.store(true, Ordering::SeqCst);
        let (https, root) = (https.join().unwrap(), root.join().unwrap());
        println!("{https} reads over https and {root} over root:// through two renewals");
        assert!(https > 50 && root > 10, "{https} {root}");
    });
    assert_eq!(watch.end("TERM"), Some(0));
}

#[test]
fn key_rotation_in_the_documented_order_loses_no_token() {
    if !has_xrootd() || !has_python("jwt") {
        return;
    }
    let (directory, issuer) = (TestEnv::new(), IssuerServer::start());
    make_keys(&directory, &issuer);
    let mut tokens = Vec::new();
    for (kid, key) in [("old", "key.pem"), ("new", "second.pem")] {
        resource(&directory, &issuer, kid, key);
        tokens.push(directory.sh("cc-jwt spec issue r.yaml -q").ended(0).stdout.trim().to_owned());
    }
    let publish = |keys: &str, more: &str| {
        let out = issuer.directory.path().display();
        let line = format!("cc-jwt jwks -q --issuer {} --out-dir {out} {keys} {more}", issuer.url());
        directory.sh(&line).ended(0);
    };
    let read = |server: &XrootdServer| {
        let requests: Vec<(&str, &str, &str)> =
            tokens.iter().map(|token| ("GET", "/data/file", token.as_str())).collect();
        server.https(&requests)
    };
    let ca = directory.write("ca.pem", std::fs::read(issuer.authority.file()).unwrap());
    let verified = || {
        // Without a cache, as a validator that has just been started.
        let cache = tempfile::tempdir().unwrap();
        let status = |token: &String| {
            let run: Run = directory
                .command(crate::support::programs().join("cc-jwt"))
                .args(["verify", "-q", "-", "--profile", "wlcg", "--discovery", &issuer.url(), "--ca-file"])
                .arg(&ca)
                .env("XDG_CACHE_HOME", cache.path())
                .write_stdin(token.as_str())
                .output()
                .unwrap()
                .into();
            run.status
        };
        tokens.iter().map(status).collect::<Vec<_>>()
    };
    publish("old=key.pem", "--force");
    let first = XrootdServer::start(&issuer, &WHOLE_TREE, &["/data/file"]);
    assert_eq!((read(&first), verified()), (vec![200, 403], vec![0, 1]));
    // With one published key XRootD does not need its key ID; the profile requires it.
    let names = Names { issuer: issuer.url(), audience: first.audience() };
    let mut question = names.with_scope("storage.read:/");
    question.header = json!({});
    let token = &sign(&directory, from_ref(&question))[0];
    assert_eq!(first.https(&[("GET", "/data/file", token)]), [200]);
    let ours = &verify(&directory, &issuer, &names, &[question], from_ref(token))[0];
    assert!(ours.as_ref().is_err_and(|why| why.starts_with("kid:")), "{ours:?}");
    publish("old=key.pem new=second.pem", "");
    // A validator that has read the set keeps it for a while: sign with the new key later.
    assert_eq!(read(&first), [200, 403]);
    let second = XrootdServer::start(&issuer, &WHOLE_TREE, &["/data/file"]);
    assert_eq!((read(&second), verified()), (vec![200, 200], vec![0, 0]));
    publish("new=second.pem", "--force");
    assert_eq!(read(&second), [200, 200]);
    let third = XrootdServer::start(&issuer, &WHOLE_TREE, &["/data/file"]);
    assert_eq!((read(&third), verified()), (vec![403, 200], vec![1, 0]));
}

// The client of XRootD ignores a token file with any permission for its group or for others.
#[test]
fn xrootd_client_reads_token_files_of_the_owner_only() {
    if !has_xrootd() {
        return;
    }
    let (directory, issuer) = (TestEnv::new(), IssuerServer::start());
    make_keys(&directory, &issuer);
    resource(&directory, &issuer, "k1", "key.pem");
    let server = XrootdServer::start(&issuer, &WHOLE_TREE, &["/data/file"]);
    for (mode, is_read) in [("0600", true), ("0400", true), ("0640", false), ("0604", false), ("0644", false)]
    {
        directory.sh(&format!("cc-jwt spec issue r.yaml -q -o token --force --mode {mode}")).ended(0);
        let answer = server.root_with_file(&["stat", "/data/file"], &directory.file("token"));
        assert_eq!(answer.is_ok(), is_read, "{mode}: {answer:?}");
    }
}
