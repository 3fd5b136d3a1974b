//! Tokens from a running server, simulated by one that responds as the recorded server does
//! (cc-backend 1.5: `POST /login` 302 with a cookie, 401; `GET /frontend/jwt/`), and by other
//! servers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::httpd::{Reply, Request, Server, parameter};
use crate::oidc::session;
use crate::support::{Run, TestEnv};

pub fn token(name: &str, claims: &Value) -> String {
    let mut all = json!({"sub": name, "roles": ["user", "api"], "iat": 1, "exp": 4_000_000_000_i64});
    all.as_object_mut().unwrap().extend(claims.as_object().unwrap().clone());
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(&json!({"alg": "EdDSA", "typ": "JWT"})),
        part(&all),
        URL_SAFE_NO_PAD.encode([7; 64])
    )
}

/// The recorded server: clara (admin) and fritz have the password `pw`.
pub fn clustercockpit(request: &Request) -> Reply {
    let page = |status, text: &str| Reply::status(status, "text/html", format!("<html>{text}</html>"));
    match (request.method.as_str(), request.path.as_str()) {
        // The real server fails on an old cookie.
        ("POST", "/login") if request.header("cookie").is_some() => page(500, "securecookie"),
        ("POST", "/login") => {
            let field = |name| request.field(name).unwrap_or_default();
            match (field("username").as_str(), field("password").as_str()) {
                ("busy", _) => page(401, "Too many login attempts, try again in a few minutes."),
                ("limited", _) => page(429, "no").with("retry-after", "77"),
                (name @ ("clara" | "fritz" | "old" | "newborn"), "pw") => Reply::redirect(302, "/")
                    .with("set-cookie", "other=1; Path=/")
                    .with("set-cookie", &format!("session=of-{name}; Path=/; HttpOnly; SameSite=Lax")),
                _ => page(401, "Login failed"),
            }
        }
        ("GET", "/frontend/jwt/") => {
            let expected = request.parameter("username").unwrap_or_default();
            match (request.header("cookie"), expected.as_str()) {
                (None, _) => Reply::status(401, "text/plain", "authentication failed"),
                (Some("session=of-clara"), "unknown") => {
                    Reply::status(422, "text/plain", "sql: no rows in result set")
                }
                (Some("session=of-clara"), name) => Reply::status(200, "text/plain", token(name, &json!({}))),
                (Some("session=of-fritz"), "fritz") => {
                    Reply::status(200, "text/plain", token("fritz", &json!({})))
                }
                (Some("session=of-old"), "old") => {
                    Reply::status(200, "text/plain", token("old", &json!({"exp": 5})))
                }
                (Some("session=of-newborn"), name) => {
                    Reply::status(200, "text/plain", token(name, &json!({"iat": 9, "exp": 9})))
                }
                _ => Reply::status(403, "text/plain", "only admins may do that"),
            }
        }
        _ => page(404, "not found"),
    }
}

pub fn log_in(directory: &TestEnv, server: &str, arguments: &str) -> Run {
    directory
        .sh(&format!("echo pw | cc-login --method remote --server {server} --password-stdin {arguments}"))
}

#[test]
fn remote_login_stores_the_token_but_not_the_cookie() {
    let server = Server::start(clustercockpit);
    let directory = TestEnv::new();
    for _ in 0..2 {
        let done = log_in(&directory, &server.url(), "fritz").ended(0);
        assert!(
            done.stdout.starts_with(&format!(
                "logged in: fritz (user, api) by remote at {}, until 2096-",
                server.url()
            )),
            "{}",
            done.stdout
        );
    }
    assert_eq!(directory.sh("cc-login token").ended(0).stdout.trim(), token("fritz", &json!({})));
    let logins: Vec<Request> = server.seen().into_iter().filter(|seen| seen.path == "/login").collect();
    assert!(logins.iter().all(|seen| seen.header("cookie").is_none()), "an old cookie was sent");
    let files = directory.sh("grep -rl of-fritz . || true").ended(0);
    assert_eq!(files.stdout, "", "the cookie was written down");
    let body = &logins[0].body;
    assert_eq!(parameter(body, "username").as_deref(), Some("fritz"));
    let by_keys = directory
        .sh(&format!("echo pw | cc-login fritz method=remote server={}/ --password-stdin", server.url()));
    by_keys.ended(0);
}

#[test]
fn administrator_gets_a_token_for_another_user_and_others_an_error() {
    let server = Server::start(clustercockpit);
    let directory = TestEnv::new();
    let done = log_in(&directory, &server.url(), "clara --for 'w x&y'").ended(0);
    assert!(done.stdout.starts_with("logged in: w x&y "), "{}", done.stdout);
    let refused = log_in(&directory, &server.url(), "fritz --for clara").ended(77);
    assert!(
        refused.stderr.contains("does not issue a token for 'clara' to 'fritz': 'only admins may do that'"),
        "{}",
        refused.stderr
    );
    assert!(refused.stderr.contains("hint: --for requires the role admin"), "{}", refused.stderr);
    let unknown = log_in(&directory, &server.url(), "clara --for unknown").ended(1);
    assert!(unknown.stderr.contains("did not issue a token for 'unknown': status 422"), "{}", unknown.stderr);
}

#[test]
fn server_errors_are_reported() {
    let server = Server::start(clustercockpit);
    let directory = TestEnv::new();
    let wrong = directory
        .sh(&format!("echo no | cc-login fritz --method remote --server {} --password-stdin", server.url()));
    let wrong = wrong.ended(1);
    assert!(
        wrong.stderr.contains("rejected the login of 'fritz': wrong username or password"),
        "{}",
        wrong.stderr
    );
    let busy = log_in(&directory, &server.url(), "busy").ended(75);
    assert!(
        busy.stderr.contains("too many login attempts") && busy.stderr.contains("hint: wait 3 minutes: the server permits 5 attempts in 15 minutes for each client address and username"),
        "{}",
        busy.stderr
    );
    let limited = log_in(&directory, &server.url(), "limited").ended(75);
    assert!(limited.stderr.contains("hint: wait 77 seconds"), "{}", limited.stderr);
    let old = log_in(&directory, &server.url(), "old").ended(69);
    assert!(old.stderr.contains("issued a token that is already expired"), "{}", old.stderr);
    let newborn = log_in(&directory, &server.url(), "newborn").ended(69);
    assert!(
        newborn.stderr.contains("lifetime of 0") && newborn.stderr.contains("max-age"),
        "{}",
        newborn.stderr
    );
    assert!(session(&directory).is_none());
    let missing = directory.sh("echo pw | cc-login fritz --method remote --password-stdin").ended(2);
    assert!(missing.stderr.contains("requires --server URL"), "{}", missing.stderr);
}

#[test]
fn password_is_not_sent_over_plain_http_or_after_a_redirect() {
    let directory = TestEnv::new();
    let plain = log_in(&directory, "http://cc.example.org", "fritz").ended(78);
    assert!(plain.stderr.contains("plain http"), "{}", plain.stderr);
    assert!(plain.stderr.contains("hint: use https://cc.example.org"), "{}", plain.stderr);
    let elsewhere = Server::start(clustercockpit);
    let to = format!("{}/login", elsewhere.url());
    let server = Server::start(move |_| Reply::redirect(307, &to));
    let sent = log_in(&directory, &server.url(), "fritz").ended(69);
    assert!(sent.stderr.contains("which is not followed"), "{}", sent.stderr);
    assert_eq!(elsewhere.seen().len(), 0);
}

#[test]
fn host_without_clustercockpit_is_reported() {
    let directory = TestEnv::new();
    let cases: [(Reply, &str); 7] = [
        (Reply::status(404, "text/html", "<html>"), "the login form responds with status 404"),
        (Reply::status(200, "text/html", "<html>welcome</html>"), "the login form responds with status 200"),
        (Reply::redirect(302, "/"), "the login sets no cookie 'session'"),
        (Reply::redirect(302, "/").with("set-cookie", "sessionid=1"), "the login sets no cookie 'session'"),
        (Reply::redirect(302, "/").with("set-cookie", "session=1"), "it does not issue tokens"),
        (Reply::status(500, "text/plain", "boom"), "failed during the login: status 500: 'boom'"),
        (Reply::Die, "invalid HTTP response from"),
    ];
    for (reply, words) in cases {
        let server = Server::start(move |request| match request.path.as_str() {
            "/login" => reply.clone(),
            _ => Reply::status(404, "text/html", "<html>"),
        });
        let run = log_in(&directory, &server.url(), "fritz").ended(69);
        assert!(run.stderr.contains(words), "expected {words:?}: {}", run.stderr);
        assert!(session(&directory).is_none());
    }
    let liar = Server::start(|request| match request.path.as_str() {
        "/login" => Reply::redirect(302, "/").with("set-cookie", "session=1"),
        _ => Reply::status(200, "text/html", "<html>log in</html>"),
    });
    let run = log_in(&directory, &liar.url(), "fritz").ended(69);
    assert!(run.stderr.contains("its response is not a token"), "{}", run.stderr);
    let other = Server::start(|request| match request.path.as_str() {
        "/login" => Reply::redirect(302, "/").with("set-cookie", "session=1"),
        _ => Reply::status(200, "text/plain", token("eve", &json!({}))),
    });
    let run = log_in(&directory, &other.url(), "fritz").ended(69);
    assert!(run.stderr.contains("issued a token for 'eve', expected 'fritz'"), "{}", run.stderr);
}

#[test]
fn server_without_authentication_and_tls_port_are_reported() {
    let directory = TestEnv::new();
    // main.disable-authentication: GraphQL is open and there are no logins.
    let open = Server::start(|request| match request.path.as_str() {
        "/query" => Reply::json(&json!({"data": {"__typename": "Query"}})),
        _ => Reply::status(404, "text/plain", "404 page not found"),
    });
    let run = log_in(&directory, &open.url(), "fritz").ended(69);
    assert!(run.stderr.contains("authentication is disabled at the server"), "{}", run.stderr);
    assert!(run.stderr.contains("main.disable-authentication"), "{}", run.stderr);
    for (kind, body) in [
        ("text/plain", "Client sent an HTTP request to an HTTPS server.\n"),
        ("text/html", "<html><center>The plain HTTP request was sent to HTTPS port</center></html>"),
        ("text/html", "<p>You're speaking plain HTTP to an SSL-enabled server port.</p>"),
    ] {
        let server = Server::start(move |_| Reply::status(400, kind, body));
        let run = log_in(&directory, &server.url(), "fritz").ended(69);
        assert!(run.stderr.contains("expects https"), "{}", run.stderr);
        let expected = format!("hint: use {}", server.url().replace("http:", "https:"));
        assert!(run.stderr.contains(&expected), "{}", run.stderr);
    }
}

#[test]
fn certificate_of_a_ca_with_another_key_type_has_an_unknown_issuer() {
    if !crate::support::has("openssl") {
        return;
    }
    // Two authorities with the same name: the trusted one has an RSA key, the other one an EC key.
    let directory = TestEnv::new();
    let name = "-subj /CN=authority -addext basicConstraints=critical,CA:TRUE";
    directory
        .sh(&format!(
            "openssl req -x509 -newkey rsa:2048 -nodes -keyout a.key -out a.pem -days 9 {name} &&
             openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout b.key -out b.pem -days 9 {name} &&
             openssl req -newkey rsa:2048 -nodes -keyout s.key -out s.csr -subj /CN=localhost &&
             echo subjectAltName=DNS:localhost > ext && openssl x509 -req -in s.csr -CA b.pem -CAkey b.key -days 9 -extfile ext -out s.pem"
        ))
        .ended(0);
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut server = std::process::Command::new("openssl")
        .args(["s_server", "-quiet", "-accept", &port.to_string(), "-cert", "s.pem", "-key", "s.key", "-www"])
        .current_dir(directory.path())
        .stdin(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let begun = std::time::Instant::now();
    while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
        assert!(begun.elapsed() < std::time::Duration::from_secs(20));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let run = log_in(&directory, &format!("https://localhost:{port}"), "fritz --ca-file a.pem");
    let _ = server.kill();
    let _ = server.wait();
    let run = run.ended(69);
    assert!(
        run.stderr.contains("its certificate is signed by an authority that is not trusted here\n"),
        "{}",
        run.stderr
    );
}

#[test]
fn server_url_path_is_part_of_the_requests() {
    let server = Server::start(|request| {
        let mut below = request.clone();
        match request.path.strip_prefix("/monitoring") {
            Some(rest) => {
                below.path = rest.to_owned();
                clustercockpit(&below)
            }
            None => Reply::Die,
        }
    });
    let directory = TestEnv::new();
    log_in(&directory, &format!("{}/monitoring", server.url()), "fritz").ended(0);
}
