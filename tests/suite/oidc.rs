//! Login through a provider: against one of the tests' own that is wrong in every way, with `curl`
//! as the browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::httpd::{Reply, parameter};
use crate::idp::{Behavior, Idp, Signed};
use crate::support::{Run, TestEnv, has, session_path};

/// A directory of a site with this provider; `more` goes into `auth.oidc`.
pub fn directory_for(issuer: &str, more: &Value) -> TestEnv {
    let directory = TestEnv::new();
    directory.sh("cc-user init -q").ended(0);
    configure(&directory, issuer, more, &json!({}));
    directory
}

/// Sets `auth.oidc` and whatever else belongs into `auth`.
pub fn configure(directory: &TestEnv, issuer: &str, more: &Value, auth: &Value) {
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    let mut entry = json!({"provider": issuer, "sync-user-on-login": true});
    entry.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    config["auth"]["oidc"] = entry;
    config["auth"].as_object_mut().unwrap().extend(auth.as_object().unwrap().clone());
    directory.write("config.json", config.to_string());
    let env = directory.read(".env");
    if !env.contains("OID_CLIENT_ID") {
        directory.write(".env", format!("{env}\nOID_CLIENT_ID=cc\nOID_CLIENT_SECRET=s3cret\n"));
    }
}

/// `cc-login` through this provider, with `curl` as the browser: it follows to the last page,
/// which is then in `page.html`, and the address it ended on in `address.txt`.
pub fn log_in(directory: &TestEnv, more: &str) -> Run {
    let browser = "curl -sL -c /dev/null --max-time 20 -o page.html -w '%{url_effective}' %s > address.txt";
    directory.sh(&format!(
        "cc-login --method oidc --port 0 --browser \"{browser}\" {more}; e=$?; sleep 0.2; exit $e"
    ))
}

/// The only session of the account.
pub fn session(directory: &TestEnv) -> Option<Value> {
    let sessions = std::fs::read_dir(directory.file(".home/.local/state/cc-auth/sessions")).ok()?;
    let mut files = sessions
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"));
    let path = files.next()?;
    assert_eq!(files.next(), None, "a second session");
    Some(serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap())
}

#[test]
fn login_stores_a_session_and_leaves_no_secret() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    let done = log_in(&directory, "clara").ended(0);
    assert!(done.stdout.starts_with("logged in: clara (manager) by oidc, until "), "{done:?}");
    let page = directory.read("page.html");
    assert!(page.contains("You are logged in") && page.contains("clara"), "{page}");
    let address = directory.read("address.txt");
    assert!(address.ends_with("/oidc/done"), "the address bar: {address}");
    let kept = session(&directory).unwrap();
    assert_eq!(kept["username"], "clara");
    assert_eq!(kept["name"], "Clara Müller");
    assert_eq!(kept["projects"], json!(["fusion"]));
    assert_eq!(kept["refresh"]["token"], "the-refresh-token");
    let mode = std::fs::metadata(session_path(directory.path())).unwrap().mode();
    assert_eq!(mode & 0o777, 0o600);
    directory.sh("cc-jwt verify \"$(cc-login token)\" --at +1m -q").ended(0);
    // What was asked: PKCE, state, nonce, the scopes, the hint; and at the token endpoint the
    // secret in the header only.
    let asked = idp.last("/auth").query;
    let value = |name: &str| parameter(&asked, name).unwrap_or_default();
    assert_eq!(value("code_challenge_method"), "S256");
    assert_eq!(value("scope"), "openid profile roles");
    assert_eq!(value("login_hint"), "clara");
    assert!(value("redirect_uri").starts_with("http://localhost:"));
    assert!(value("state").len() >= 43 && value("nonce").len() >= 43 && value("state") != value("nonce"));
    let token = idp.last("/token");
    assert!(token.header("authorization").unwrap().starts_with("Basic "));
    assert!(!token.body.contains("s3cret"), "{}", token.body);
    for secret in ["s3cret", "the-access-token", "the-refresh-token", "code-0"] {
        assert!(!done.stderr.contains(secret) && !done.stdout.contains(secret), "{secret}: {done:?}");
        assert!(!page.contains(secret), "{secret}: {page}");
    }
}

#[test]
fn secrets_are_not_printed_at_any_verbosity() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    let done = log_in(&directory, "-vvv").ended(0);
    for secret in ["s3cret", "the-access-token", "the-refresh-token", "code-0", "eyJ", "czNjcmV0"] {
        assert!(!done.stderr.contains(secret), "{secret}: {}", done.stderr);
    }
}

/// What a login at a provider that behaves like this ends in: the status, and a piece of what is
/// printed, in the terminal and on the page alike. No session may come of it.
#[track_caller]
fn refused(behavior: Behavior, status: i32, words: &str) -> (Idp, Run) {
    let idp = Idp::start(behavior);
    let directory = directory_for(&idp.issuer(), &json!({}));
    let run = log_in(&directory, "--timeout 3s --connect-timeout 2s").ended(status);
    assert!(run.stderr.contains(words), "expected {words:?}: {}", run.stderr);
    assert_eq!(run.stdout, "");
    assert!(session(&directory).is_none(), "a session was kept");
    if directory.file("page.html").exists() {
        let page = directory.read("page.html");
        assert!(page.contains("Login failed") || page.contains("Not part of this login"), "{page}");
    }
    (idp, run)
}

fn claims(change: impl Fn(&mut serde_json::Map<String, Value>) + Send + Sync + 'static) -> Behavior {
    Behavior { claims: Box::new(change), ..Behavior::default() }
}

fn claim(name: &'static str, value: impl Fn() -> Value + Send + Sync + 'static) -> Behavior {
    claims(move |claims| {
        claims.insert(name.to_owned(), value());
    })
}

fn from_now(seconds: i64) -> Value {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    json!(i64::try_from(now).unwrap() + seconds)
}

#[test]
fn id_token_of_another_login_is_rejected() {
    if !has("curl") {
        return;
    }
    refused(claim("iss", || json!("https://evil.example")), 1, "from the issuer 'https://evil.example'");
    refused(claim("nonce", || json!("another")), 1, "another 'nonce' than this login");
    refused(claim("nonce", || Value::Null), 1, "does not have a nonce");
    refused(claim("aud", || json!("another-client")), 1, "is for 'another-client': expected 'cc'");
    refused(
        claim("aud", || json!(["cc", "x"])),
        1,
        "has several audiences ('cc', 'x') and no authorized party ('azp')",
    );
    refused(claim("azp", || json!("x")), 1, "was made for 'x': expected 'cc'");
    refused(claim("exp", || from_now(-1)), 1, "the ID token expired");
    refused(claim("iat", || from_now(400)), 1, "in the future");
    refused(claim("nbf", || from_now(400)), 1, "is not valid until");
    refused(
        claim("at_hash", || json!("AAAAAAAAAAAAAAAAAAAAAA")),
        1,
        "not the one of the ID token ('at_hash')",
    );
    refused(claim("sub", || Value::Null), 1, "does not have a subject");
}

#[test]
fn id_token_not_signed_by_the_provider_is_rejected() {
    if !has("curl") {
        return;
    }
    let signed = |signed| Behavior { signed, ..Behavior::default() };
    refused(signed(Signed::Not), 1, "is not signed");
    refused(signed(Signed::ByAnother), 1, "the signature does not fit");
    refused(signed(Signed::WithThePublicKey), 1, "it is signed with HS256, whose key is a secret");
    refused(signed(Signed::ByUnannounced), 1, "signed with EdDSA: expected ES256");
    let behavior = Behavior {
        tokens: Box::new(|tokens| {
            tokens.insert("id_token".to_owned(), Value::Null);
        }),
        ..Behavior::default()
    };
    refused(behavior, 78, "sent no ID token");
}

#[test]
fn userinfo_of_another_subject_and_a_missing_or_bad_name_are_refused() {
    if !has("curl") {
        return;
    }
    let userinfo = |name: &'static str, value: Value| Behavior {
        userinfo: Box::new(move |userinfo| {
            userinfo.insert(name.to_owned(), value.clone());
        }),
        ..Behavior::default()
    };
    refused(userinfo("sub", json!("s-2")), 1, "UserInfo is for another user");
    refused(userinfo("sub", Value::Null), 1, "UserInfo does not have a subject ('sub')");
    refused(userinfo("preferred_username", Value::Null), 1, "the provider gives no username");
    refused(userinfo("preferred_username", json!("a\u{1b}[2J")), 1, "control or invisible character");
    let (_, run) = refused(userinfo("preferred_username", json!("<b>\u{202e}")), 1, "cannot be used");
    assert!(!run.stderr.contains('\u{202e}'));
}

#[test]
fn signed_userinfo_is_verified_and_one_that_is_not_for_this_client_is_refused() {
    if !has("curl") {
        return;
    }
    let signed = |signed, name: &'static str, value: Value| Behavior {
        userinfo: Box::new(move |userinfo| {
            userinfo.insert(name.to_owned(), value.clone());
        }),
        userinfo_signed: Some(signed),
        ..Behavior::default()
    };
    for aud in [Value::Null, json!("cc"), json!(["other", "cc"])] {
        let idp = Idp::start(signed(Signed::Properly, "aud", aud));
        let directory = directory_for(&idp.issuer(), &json!({}));
        assert!(log_in(&directory, "").ended(0).stdout.contains("clara (manager)"));
    }
    refused(signed(Signed::Properly, "aud", json!("other")), 1, "userinfo is for ['other']: expected 'cc'");
    refused(signed(Signed::Properly, "aud", json!(5)), 1, "userinfo is for []: expected 'cc'");
    refused(
        signed(Signed::Properly, "iss", json!("https://x")),
        1,
        "userinfo is from the issuer 'https://x'",
    );
    refused(signed(Signed::Properly, "sub", json!("s-2")), 1, "UserInfo is for another user");
    for by in [Signed::Not, Signed::ByAnother, Signed::WithThePublicKey] {
        refused(signed(by, "x", Value::Null), 1, "invalid signed UserInfo");
    }
}

#[test]
fn error_of_the_provider_is_printed_in_browser_and_terminal() {
    if !has("curl") {
        return;
    }
    let behavior = |code: &'static str, text: &'static str| Behavior {
        callback: Box::new(move |answer| {
            answer.remove("code");
            answer.insert("error".to_owned(), json!(code));
            answer.insert("error_description".to_owned(), json!(text));
        }),
        ..Behavior::default()
    };
    let idp = Idp::start(behavior("access_denied", "<script>alert('no')</script>\u{1b}[2J"));
    let directory = directory_for(&idp.issuer(), &json!({}));
    let run = log_in(&directory, "").ended(1);
    assert!(
        run.stderr.contains("'access_denied': '<script>alert(\\'no\\')</script>\\u{1b}[2J'"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("hint: the login was canceled"), "{}", run.stderr);
    let page = directory.read("page.html");
    assert!(!page.contains("<script>") && page.contains("&lt;script&gt;alert("), "{page}");
    assert_eq!(idp.count("/token"), 0);
    refused(behavior("temporarily_unavailable", "back at nine"), 69, "'back at nine'");
    let (_, run) =
        refused(behavior("invalid_request", "redirect_uri is not registered"), 78, "not registered");
    assert!(
        run.stderr.contains("register exactly this redirect URI with the provider: http://localhost:"),
        "{}",
        run.stderr
    );
}

#[test]
fn refusals_and_faults_of_the_token_endpoint_come_through() {
    if !has("curl") {
        return;
    }
    let at = |path: &'static str, reply: Reply| Behavior {
        instead: Box::new(move |request| (request.path == path).then(|| reply.clone())),
        ..Behavior::default()
    };
    let refusal = |code: &str| Reply::status(400, "application/json", json!({"error": code}).to_string());
    refused(at("/token", refusal("invalid_grant")), 1, "rejected the authorization code: 'invalid_grant'");
    let (_, run) = refused(at("/token", refusal("invalid_client")), 77, "'invalid_client'");
    assert!(run.stderr.contains("hint: check OID_CLIENT_ID and OID_CLIENT_SECRET"), "{}", run.stderr);
    refused(at("/token", Reply::Endless), 69, "more than 1048576 bytes");
    refused(at("/token", Reply::Die), 69, "invalid HTTP response from");
    refused(at("/token", Reply::redirect(307, "http://127.0.0.1:1/token")), 69, "which is not followed");
    refused(at("/token", Reply::status(200, "text/html", "<html>")), 69, "the response is a web page");
    refused(at("/userinfo", Reply::status(500, "text/plain", "ouch")), 69, "status 500: 'ouch'");
    refused(at("/keys", Reply::json(&json!({"keys": []}))), 1, "no key to verify");
    let missing = at("/.well-known/openid-configuration", Reply::status(404, "text/plain", "no"));
    let (_, run) = refused(missing, 69, "status 404");
    assert!(run.stderr.contains("hint: check the path of the issuer"), "{}", run.stderr);
}

#[test]
fn stalled_provider_is_given_up() {
    let idp = Idp::start(Behavior {
        instead: Box::new(|request| request.path.starts_with("/.well-known").then_some(Reply::Stall)),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let start = Instant::now();
    let run = directory.sh("cc-login --method oidc --skip-browser --port 0").ended(69);
    assert!(run.stderr.contains("did not respond in time"), "{}", run.stderr);
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn discovery_document_unsafe_or_foreign_is_rejected_before_a_redirect() {
    let document = |name: &'static str, value: &'static str| Behavior {
        discovery: Box::new(move |document| {
            document.insert(name.to_owned(), json!(value));
        }),
        ..Behavior::default()
    };
    for (name, value, status) in [
        ("issuer", "https://evil.example", 78),
        ("authorization_endpoint", "http://evil.example/auth", 69),
        ("authorization_endpoint", "javascript:alert(1)", 69),
        ("token_endpoint", "http://evil.example/token", 69),
        ("jwks_uri", "http://evil.example/keys", 69),
    ] {
        let idp = Idp::start(document(name, value));
        let directory = directory_for(&idp.issuer(), &json!({}));
        let run = directory.sh("cc-login --method oidc --skip-browser --port 0 --timeout 2s").ended(status);
        assert!(!run.stderr.contains("Log in with a browser"), "{}", run.stderr);
    }
    let directory = directory_for("http://idp.example", &json!({}));
    let run = directory.sh("cc-login --method oidc --skip-browser").ended(78);
    assert!(run.stderr.contains("plain http"), "{}", run.stderr);
}

#[test]
fn wrong_state_or_issuer_never_reaches_the_token_endpoint() {
    if !has("curl") {
        return;
    }
    let callback = |name: &'static str, value: Value| Behavior {
        callback: Box::new(move |answer| {
            answer.insert(name.to_owned(), value.clone());
        }),
        ..Behavior::default()
    };
    for (behavior, words) in [
        (callback("state", json!("wrong")), "its 'state' differs"),
        (callback("state", Value::Null), "it has no 'state'"),
        (callback("iss", json!("https://evil.example")), "from the issuer 'https://evil.example'"),
        (callback("iss", Value::Null), "from an unknown issuer"),
        (callback("code", Value::Null), "neither a code nor an error"),
    ] {
        let (idp, _) = refused(behavior, 1, words);
        assert_eq!(idp.count("/token"), 0, "{words}");
    }
}

/// A login that waits, with its URL taken from standard error, and started by a first browser.
pub struct Waiting {
    pub child: Child,
    /// The URL that was printed, which starts the login in a browser.
    pub start: String,
    /// Where the start led to: the provider.
    pub address: String,
    /// The cookie that the first browser got.
    pub cookie: String,
    /// The port that is listened on.
    port: u16,
    host: String,
}

impl Waiting {
    pub fn start(directory: &TestEnv, arguments: &str) -> Self {
        let mut waiting = Self::before_the_start(directory, arguments);
        let answer = waiting.get(&waiting.start_path());
        assert!(answer.starts_with("HTTP/1.1 303"), "{answer}");
        let header = |name: &str| {
            let line = answer.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
            line.trim().to_owned()
        };
        waiting.address = header("Location:");
        waiting.cookie = header("Set-Cookie:").split(';').next().unwrap().to_owned();
        waiting
    }

    /// A login that waits for its first browser.
    pub fn before_the_start(directory: &TestEnv, arguments: &str) -> Self {
        let mut command = std::process::Command::new("sh");
        command
            .args(["-c", &format!("exec cc-login --method oidc --skip-browser -v {arguments}")])
            .current_dir(directory.path())
            .env_clear()
            .env("PATH", crate::support::path_with_programs())
            .env("HOME", directory.file(".home"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let stderr = child.stderr.as_mut().unwrap();
        let mut text = Vec::new();
        let start = loop {
            let mut byte = [0];
            assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&text));
            text.push(byte[0]);
            let shown = String::from_utf8_lossy(&text);
            let line = shown.lines().find(|line| line.trim_start().starts_with("http"));
            if let Some(line) = line.filter(|_| byte[0] == b'\n') {
                break line.trim().to_owned();
            }
        };
        let shown = String::from_utf8_lossy(&text).into_owned();
        let bound = shown.split("waiting for the browser on ").nth(1).unwrap().lines().next().unwrap();
        let bound: std::net::SocketAddr = bound.trim().parse().unwrap();
        let (host, port) = (bound.ip().to_string(), bound.port());
        Self { child, start, address: String::new(), cookie: String::new(), port, host }
    }

    /// The path of the URL that was printed.
    pub fn start_path(&self) -> String {
        url::Url::parse(&self.start).unwrap().path().to_owned()
    }

    pub fn parameter(&self, name: &str) -> String {
        parameter(self.address.split_once('?').unwrap().1, name).unwrap()
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Sends bytes to the port and reads all of the answer.
    pub fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect((self.host.as_str(), self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// A request of the first browser.
    pub fn get(&self, target: &str) -> String {
        self.get_with(target, &format!("Host: localhost\r\nCookie: {}", self.cookie))
    }

    pub fn get_with(&self, target: &str, headers: &str) -> String {
        self.send(format!("GET {target} HTTP/1.1\r\n{headers}\r\n\r\n").as_bytes())
    }

    /// Where the provider sends the browser after the login: path and query.
    pub fn callback(&self) -> String {
        let back = std::process::Command::new("curl")
            .args(["-s", "-o", "/dev/null", "-w", "%{redirect_url}", &self.address])
            .output()
            .unwrap();
        let back = url::Url::parse(&String::from_utf8(back.stdout).unwrap()).unwrap();
        format!("{}?{}", back.path(), back.query().unwrap())
    }

    /// Lets curl log in, and returns how the program ended.
    pub fn finish(self) -> Run {
        let browser = std::process::Command::new("curl")
            .args(["-sL", "--max-time", "30", "-o", "/dev/null", "-b", &self.cookie, &self.address])
            .status()
            .unwrap();
        assert!(browser.success());
        self.child.wait_with_output().unwrap().into()
    }
}

#[test]
fn stray_requests_are_answered_and_the_login_goes_on_waiting() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    let waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    let state = waiting.parameter("state");
    assert!(waiting.get("/").starts_with("HTTP/1.1 404"));
    assert!(waiting.get("/favicon.ico").starts_with("HTTP/1.1 404"));
    assert!(waiting.get("/oidc/callback/x?code=c&state=y").starts_with("HTTP/1.1 404"));
    assert!(waiting.get("/oidc/done").starts_with("HTTP/1.1 404"), "nothing to see before the end");
    assert!(waiting.get("/oidc/callback?code=c&state=wrong").starts_with("HTTP/1.1 400"));
    assert!(waiting.get("/oidc/callback").starts_with("HTTP/1.1 400"));
    for method in ["POST", "HEAD", "OPTIONS", "PUT"] {
        let request =
            format!("{method} /oidc/callback?code=c&state={state} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        assert!(waiting.send(request.as_bytes()).starts_with("HTTP/1.1 405"), "{method}");
    }
    assert!(waiting.send(b"\x16\x03\x01\x02\r\n\r\n").starts_with("HTTP/1.1 400"), "TLS");
    let huge = format!("GET /oidc/callback?code=c&state={state} HTTP/1.1\r\nx: {}\r\n", "y".repeat(64 << 10));
    let answer = waiting.send(huge.as_bytes());
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
    let refusal = waiting.get("/oidc/callback?error=access_denied&error_description=%3Cb%3Ex");
    assert!(refusal.contains("&lt;b&gt;x") && !refusal.contains("<b>"), "{refusal}");
    for header in [
        "content-security-policy: default-src 'none'",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(refusal.to_lowercase().contains(header), "{header}: {refusal}");
    }
    assert_eq!(idp.count("/token"), 0);
    waiting.finish().ended(0);
    assert_eq!(idp.count("/token"), 1);
}

#[test]
fn slow_clients_and_a_thousand_connections_do_not_keep_the_browser_out() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    let waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    let connections: Vec<TcpStream> = (0..1000)
        .filter_map(|count| {
            let mut stream = TcpStream::connect(("127.0.0.1", waiting.port())).ok()?;
            if count % 2 == 0 {
                let _ = stream.write_all(b"GET /oidc/call");
            }
            Some(stream)
        })
        .collect();
    assert!(connections.len() > 900, "{}", connections.len());
    let start = Instant::now();
    waiting.finish().ended(0);
    assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
}

#[test]
fn authorization_code_is_sent_once_for_repeated_callbacks() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior {
        instead: Box::new(|request| {
            // Long enough for the browser to be back a second time.
            if request.path == "/token" {
                std::thread::sleep(Duration::from_millis(700));
            }
            None
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let waiting = Waiting::start(&directory, "--port 0 --timeout 60s");
    let target = waiting.callback();
    let target = target.as_str();
    let answer = waiting.get(target);
    assert!(answer.starts_with("HTTP/1.1 303") && answer.contains("Location: /oidc/done\r\n"), "{answer}");
    let again = waiting.get(target);
    assert!(again.starts_with("HTTP/1.1 303"), "{again}");
    let page = waiting.get("/oidc/done");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("You are logged in"), "{page}");
    let Waiting { child, .. } = waiting;
    Run::from(child.wait_with_output().unwrap()).ended(0);
    assert_eq!(idp.count("/token"), 1);
}

#[test]
fn login_without_a_callback_ends_at_the_time_limit_with_the_redirect_uri() {
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    let start = Instant::now();
    let run = directory.sh("cc-login --method oidc --skip-browser --port 0 --timeout 500ms").ended(1);
    assert!(start.elapsed() < Duration::from_secs(10));
    assert!(run.stderr.contains("no login within the time limit of 500ms"), "{}", run.stderr);
    assert!(run.stderr.contains("register exactly the redirect URI http://localhost:"), "{}", run.stderr);
    let json = directory.sh("cc-login --method oidc --skip-browser --port 0 --timeout 100ms --json").ended(1);
    let last: Value = serde_json::from_str(json.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(last["error"]["kind"], "login-timeout");
}
