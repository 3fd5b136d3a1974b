//! Login through real providers: the certified `oidc-provider` with its own pages in a real
//! browser, and OpenBao.

use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::oidc::{configure, directory_for, session};
use crate::support::{Run, TestEnv, has, has_npm, has_python};

pub fn tool(name: &str) -> String {
    format!("{}/tests/tools/{name}", env!("CARGO_MANIFEST_DIR"))
}

pub fn has_all() -> bool {
    has_npm("oidc-provider") && has_npm("playwright-core") && has("chromium")
}

/// What a server writes to standard error: shown where the test that uses it fails.
struct ErrorLog {
    file: tempfile::NamedTempFile,
    server: &'static str,
}

impl ErrorLog {
    fn of(server: &'static str) -> Self {
        Self { file: tempfile::NamedTempFile::new().unwrap(), server }
    }

    fn sink(&self) -> Stdio {
        self.file.reopen().unwrap().into()
    }
}

impl Drop for ErrorLog {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let text = std::fs::read_to_string(self.file.path()).unwrap_or_default();
            println!("standard error of {}:\n{text}", self.server);
        }
    }
}

/// The running certified provider; it ends with its standard input.
pub struct OidcProvider {
    _errors: ErrorLog,
    child: Child,
    _alive: ChildStdin,
    pub issuer: String,
}

impl OidcProvider {
    pub fn start() -> Self {
        Self::start_with(&json!({}))
    }

    /// Starts it with deviations, which `oidc-server.mjs` lists.
    pub fn start_with(options: &Value) -> Self {
        let errors = ErrorLog::of("oidc-provider");
        let mut child = Command::new("node")
            .arg(tool("oidc-server.mjs"))
            .env("CC_OIDC", options.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(errors.sink())
            .spawn()
            .unwrap();
        let alive = child.stdin.take().unwrap();
        let mut issuer = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut issuer).unwrap();
        // It ends when its output is closed.
        std::thread::spawn(move || std::io::copy(&mut stdout, &mut std::io::sink()));
        Self { _errors: errors, child, _alive: alive, issuer: issuer.trim().to_owned() }
    }

    fn directory(&self, more: &Value) -> TestEnv {
        let directory = directory_for(&self.issuer, more);
        let env = directory
            .read(".env")
            .replace("OID_CLIENT_SECRET=s3cret", "OID_CLIENT_SECRET='a secret/with+signs'");
        directory.write(".env", env);
        directory
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A login with the real browser, which writes what it saw to `browser.json`.
fn log_in(directory: &TestEnv, environment: &str, more: &str) -> Run {
    // The browser gets no other variables than it needs, so that these stand in its command.
    let browser = format!("{environment} node {} %s > browser.json 2> browser.err", tool("browser.mjs"));
    directory.sh(&format!(
        "cc-login --method oidc --port 0 --timeout 90s --browser '{browser}' {more}; e=$?
         n=0; while ! grep -q url browser.json && test $n -lt 100; do sleep 0.1; n=$((n + 1)); done; exit $e"
    ))
}

fn seen(directory: &TestEnv) -> Value {
    let text = directory.read("browser.json");
    serde_json::from_str(&text)
        .unwrap_or_else(|error| panic!("{error}: {text}: {}", directory.read("browser.err")))
}

#[test]
fn certified_provider_browser_login_gives_a_session() {
    if !has_all() {
        return;
    }
    let idp = OidcProvider::start();
    let directory = idp.directory(&json!({
        "sync-user-on-login": true, "scopes": ["profile", "roles", "offline_access"],
        "parameters": {"prompt": "consent"},
    }));
    let done = log_in(&directory, "CC_SCHEME=dark CC_WIDTH=320", "clara").ended(0);
    assert!(
        done.stdout.starts_with("logged in: clara (manager, support) by oidc, until "),
        "{}",
        done.stdout
    );
    let page = seen(&directory);
    assert!(page["url"].as_str().unwrap().ends_with("/oidc/done"), "{page}");
    assert_eq!(page["title"], "You are logged in - cc-login");
    assert_eq!(page["wide"], false, "320 pixels are enough");
    let row = directory.sh("cc-user show clara --json").ended(0).json();
    assert_eq!((&row["name"], &row["source"]), (&json!("Clara Müller"), &json!("oidc")));
    assert_eq!((&row["roles"], &row["projects"]), (&json!(["manager", "support"]), &json!(["fusion"])));
    directory.sh("cc-jwt verify \"$(cc-login token)\" -q").ended(0);
    // The provider changes the refresh token at each use, and knows none after a logout.
    let first = session(&directory).unwrap()["refresh"]["token"].clone();
    directory.sh("cc-login refresh").ended(0);
    let kept = session(&directory).unwrap();
    assert!(kept["refresh"]["token"].is_string(), "{kept}");
    directory.sh("cp -r .home .kept; cc-login logout --everywhere").ended(0);
    directory.sh("rm -r .home; mv .kept .home").ended(0);
    let gone = directory.sh("cc-login refresh").ended(1);
    assert!(gone.stderr.contains("'invalid_grant'"), "{first}: {}", gone.stderr);
}

#[test]
fn certified_provider_declined_login_is_reported_in_browser_and_terminal() {
    if !has_all() {
        return;
    }
    let idp = OidcProvider::start();
    let directory = idp.directory(&json!({}));
    let refused = log_in(&directory, "CC_ABORT=1 CC_WIDTH=320", "").ended(1);
    assert!(refused.stderr.contains("'access_denied': 'End-User aborted interaction'"), "{}", refused.stderr);
    let page = seen(&directory);
    assert_eq!(page["title"], "Login failed - cc-login");
    assert!(page["text"].as_str().unwrap().contains("'End-User aborted interaction'"), "{page}");
    assert_eq!(page["wide"], false);
    assert!(session(&directory).is_none());
}

#[test]
fn certified_provider_device_login_works_without_client_secret() {
    if !has_all() {
        return;
    }
    let idp = OidcProvider::start();
    let directory = idp.directory(&json!({"client-id": "public"}));
    let mut child = Command::new("sh")
        .args(["-c", "exec cc-login --method oidc --device > out.txt"])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", crate::support::path_with_programs())
        .env("HOME", directory.file(".home"))
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let mut shown = Vec::new();
    let address = loop {
        let mut byte = [0];
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "{}", String::from_utf8_lossy(&shown));
        shown.push(byte[0]);
        let text = String::from_utf8_lossy(&shown);
        let line = text.lines().find(|line| line.contains("user_code="));
        if let Some(line) = line.filter(|_| byte[0] == b'\n') {
            break line.trim().to_owned();
        }
    };
    let browser = Command::new("node").arg(tool("browser.mjs")).arg(&address).output().unwrap();
    let printed = String::from_utf8_lossy(&browser.stdout);
    assert!(printed.contains("Sign-in Success"), "{printed} {}", String::from_utf8_lossy(&browser.stderr));
    let mut rest = String::new();
    stderr.read_to_string(&mut rest).unwrap();
    assert!(child.wait().unwrap().success(), "{rest}");
    assert!(directory.read("out.txt").starts_with("logged in: clara (manager, support) by oidc"));
}

/// OpenBao in memory, as a provider with a client, a user and a scope.
struct Bao {
    _errors: ErrorLog,
    child: Child,
    address: String,
}

impl Drop for Bao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Bao {
    fn start(directory: &TestEnv) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let address = format!("http://127.0.0.1:{port}");
        let errors = ErrorLog::of("bao");
        let child = Command::new("bao")
            .args([
                "server",
                "-dev",
                "-dev-root-token-id=root",
                &format!("-dev-listen-address=127.0.0.1:{port}"),
            ])
            .args(["-dev-no-store-token"])
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(errors.sink())
            .stderr(errors.sink())
            .spawn()
            .unwrap();
        let bao = Self { _errors: errors, child, address };
        let begun = Instant::now();
        while directory.sh(&format!("curl -sf {}/v1/sys/health", bao.address)).status != 0 {
            assert!(begun.elapsed() < Duration::from_secs(60), "bao does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        bao
    }

    fn write(&self, directory: &TestEnv, path: &str, body: &Value) -> Value {
        let line = format!(
            "curl -s -H 'X-Vault-Token: root' -X POST --data '{}' {}/v1/{path}",
            body.to_string().replace('\'', "'\\''"),
            self.address
        );
        let run = directory.sh(&line);
        serde_json::from_str(&run.stdout).unwrap_or(Value::Null)
    }

    fn read(&self, directory: &TestEnv, path: &str) -> Value {
        let run = directory.sh(&format!("curl -s -H 'X-Vault-Token: root' {}/v1/{path}", self.address));
        serde_json::from_str(&run.stdout).unwrap()
    }
}

#[test]
fn openbao_as_the_provider_logs_in_its_user() {
    if !has("bao") || !has("curl") {
        return;
    }
    let place = TestEnv::new();
    let bao = Bao::start(&place);
    let write = |path: &str, body: Value| bao.write(&place, path, &body);
    write("sys/auth/userpass", json!({"type": "userpass"}));
    write("auth/userpass/users/clara", json!({"password": "pw", "token_ttl": "1h"}));
    let entity = write("identity/entity", json!({"name": "clara", "metadata": {"full": "Clara M"}}));
    let entity = entity["data"]["id"].as_str().unwrap().to_owned();
    let mounts = bao.read(&place, "sys/auth");
    let accessor = mounts["data"]["userpass/"]["accessor"].as_str().unwrap().to_owned();
    write(
        "identity/entity-alias",
        json!({"name": "clara", "canonical_id": entity, "mount_accessor": accessor}),
    );
    write("identity/oidc/assignment/all", json!({"entity_ids": [entity], "group_ids": []}));
    write("identity/oidc/key/k", json!({"algorithm": "ES384", "allowed_client_ids": ["*"]}));
    let template =
        r#"{"preferred_username": {{identity.entity.name}}, "name": {{identity.entity.metadata.full}}}"#;
    write("identity/oidc/scope/profile", json!({"template": template}));
    write(
        "identity/oidc/client/cc",
        json!({
            "key": "k", "assignments": ["all"], "client_type": "confidential",
            "redirect_uris": ["http://localhost:8250/oidc/callback", "http://127.0.0.1:8250/oidc/callback"],
        }),
    );
    let client = bao.read(&place, "identity/oidc/client/cc")["data"].clone();
    write(
        "identity/oidc/provider/site",
        json!({"allowed_client_ids": [client["client_id"]], "scopes_supported": ["profile"]}),
    );
    let issuer = format!("{}/v1/identity/oidc/provider/site", bao.address);
    let directory = directory_for(&issuer, &json!({}));
    let env = directory
        .read(".env")
        .replace("OID_CLIENT_ID=cc", &format!("OID_CLIENT_ID={}", client["client_id"].as_str().unwrap()));
    let secret = client["client_secret"].as_str().unwrap();
    directory.write(".env", env.replace("OID_CLIENT_SECRET=s3cret", &format!("OID_CLIENT_SECRET={secret}")));
    configure(&directory, &issuer, &json!({}), &json!({}));
    // Its own page needs a person; what that page does is one request with the person's token.
    let login = bao.write(&place, "auth/userpass/login/clara", &json!({"password": "pw"}));
    let token = login["auth"]["client_token"].as_str().unwrap().to_owned();
    let page = directory.write(
        "page.sh",
        format!(
            "to=$(curl -s -c jar -o /dev/null -w '%{{redirect_url}}' \"$1\")\n\
             address=$(printf %s \"$to\" | sed 's|/ui/vault/identity/oidc/provider/|/v1/identity/oidc/provider/|')\n\
             answer=$(curl -s -H 'X-Vault-Token: {token}' \"$address\")\n\
             printf %s \"$answer\" > answer.json\n\
             back=$(printf %s \"$answer\" | python3 -c 'import json, sys, urllib.parse as u; a = json.load(sys.stdin); \
             q = u.parse_qs(u.urlparse(sys.argv[1]).query); \
             print(q[\"redirect_uri\"][0] + \"?\" + u.urlencode({{\"code\": a[\"code\"], \"state\": a[\"state\"]}}))' \"$to\")\n\
             curl -sL -b jar -o page.html \"$back\"\n"
        ),
    );
    let done = directory.sh(&format!(
        "cc-login --method oidc --port 0 --browser 'sh {}' -v; e=$?; sleep 0.3; exit $e",
        page.display()
    ));
    assert_eq!(
        done.status,
        0,
        "{done:?} {}",
        std::fs::read_to_string(directory.file("answer.json")).unwrap_or_default()
    );
    assert!(done.stdout.starts_with("logged in: clara (user) by oidc"), "{}", done.stdout);
    assert_eq!(session(&directory).unwrap()["name"], "Clara M");
    assert!(directory.read("page.html").contains("You are logged in"));
}

#[test]
fn authlib_provider_login_works_and_session_is_refreshed() {
    if !has_python("oidc_provider_mock") || !has("curl") {
        return;
    }
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let issuer = format!("http://127.0.0.1:{port}");
    let user = json!({
        "sub": "s-77", "preferred_username": "clara", "name": "Clara Müller",
        "resource_access": {"monitoring": {"roles": ["admin"]}},
    });
    let errors = ErrorLog::of("oidc-provider-mock");
    let mut child = Command::new("oidc-provider-mock")
        .args(["--port", &port.to_string(), "--user-claims", &user.to_string()])
        .stdin(Stdio::null())
        .stdout(errors.sink())
        .stderr(errors.sink())
        .spawn()
        .unwrap();
    let directory = directory_for(&issuer, &json!({}));
    let begun = Instant::now();
    while directory.sh(&format!("curl -sf {issuer}/.well-known/openid-configuration")).status != 0 {
        assert!(begun.elapsed() < Duration::from_secs(60), "it does not start");
        std::thread::sleep(Duration::from_millis(100));
    }
    directory.write(
        "page.sh",
        "to=$(curl -s -c jar -o /dev/null -w '%{redirect_url}' \"$1\")\n\
         curl -sL -b jar --data sub=s-77 -o page.html \"$to\"\n",
    );
    let login = "cc-login --method oidc --port 0 --browser 'sh page.sh' -v; e=$?; sleep 0.2; exit $e";
    let done = directory.sh(login);
    let renewed = directory.sh("cc-login refresh");
    let _ = child.kill();
    let _ = child.wait();
    assert!(done.ended(0).stdout.starts_with("logged in: clara (admin) by oidc"));
    assert!(directory.read("page.html").contains("You are logged in"));
    assert!(renewed.ended(0).stdout.starts_with("logged in: clara (admin) by oidc"));
}

#[test]
fn certified_provider_client_logs_in_with_a_secret_or_a_key() {
    if !has_npm("oidc-provider") {
        return;
    }
    let directory = TestEnv::new();
    directory.sh("gen-keypair -q --algorithm es256 --format pem -o keys; convert-pem-pubkey keys/public.pem --to jwk > k").ended(0);
    let key: Value = serde_json::from_str(&directory.read("k")).unwrap();
    let client = |id: &str, more: Value| {
        let mut all = json!({
            "client_id": id, "grant_types": ["client_credentials"], "redirect_uris": [], "response_types": [],
        });
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all
    };
    let provider = OidcProvider::start_with(&json!({"clients": [
        client("job", json!({"client_secret": "job s3cret"})),
        client("signer", json!({
            "token_endpoint_auth_method": "private_key_jwt", "token_endpoint_auth_signing_alg": "ES256",
            "jwks": {"keys": [key]},
        })),
    ]}));
    let by_key = provider.directory(&json!({
        "client-id": "signer", "client-key-file": directory.file("keys/private.pem"), "scopes": [],
    }));
    let done = by_key.sh("cc-login --client-credentials").ended(0);
    assert!(done.stdout.starts_with("logged in: signer "), "{}", done.stdout);
    assert!(done.stderr.contains("the session has no token for the server"), "{}", done.stderr);
    by_key.sh("cc-login run --client-credentials --kind access -- sh -c 'test -n \"$TOKEN\"'").ended(0);
    let no_server_token = by_key.sh("cc-login run --client-credentials -- true");
    assert_ne!(no_server_token.status, 0);
    let other = by_key.sh("cc-login --client-credentials fritz").ended(1);
    assert!(other.stderr.contains("expected 'fritz'"), "{}", other.stderr);
    let by_secret = provider.directory(&json!({
        "client-id": "job", "client-secret-variable": "JOB_SECRET", "scopes": [],
    }));
    by_secret.sh("JOB_SECRET='job s3cret' cc-login --client-credentials").ended(0);
    let wrong = by_secret.sh("JOB_SECRET=wrong cc-login --client-credentials").ended(77);
    assert!(
        wrong.stderr.contains("hint: check auth.oidc.client-id and JOB_SECRET against"),
        "{}",
        wrong.stderr
    );
}
