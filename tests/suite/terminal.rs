//! Untrusted text (claims and their names, names in the user table, files, responses) never
//! controls a terminal. Every report of every program is tested with hostile text, on a terminal
//! and in a pipe, as text and as JSON.

use std::fs;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::parse::read_signing;
use cc_auth::key::{Algorithm, KeyStrength};
use cc_auth::util::note::Notes;
use cc_auth::util::quote::is_hidden;
use serde_json::{Value, json};

use crate::httpd::{Reply, Request};
use crate::idp::{Behavior, Idp};
use crate::oidc::directory_for;
use crate::support::{TestEnv, has, path_with_programs, session_path};

/// Sets the title, clears the screen, moves back, deletes, sets a color, changes the direction,
/// breaks the line; U+009B is ESC [ in eight bits.
const HOSTILE: &str = "a\u{1b}]0;t\u{7}\u{1b}[2J\u{8}\r\n\u{7f}\u{9b}31m\u{202e}\u{2028}\u{200b}z";

/// Evidence that the hostile text reached the output: the eight-bit control, escaped for text or
/// JSON.
const EVIDENCE: [&str; 2] = ["\\u{9b}", "\\u009b"];

/// Whether the report contains the hostile text escaped, or describes it by at least its own
/// length, as errors of parsers of secrets do.
fn shows_evidence(report: &str) -> bool {
    EVIDENCE.iter().any(|evidence| report.contains(evidence))
        || report.split(" characters)").any(|before| {
            let count = before.rsplit(' ').next().and_then(|word| word.parse::<usize>().ok());
            before.contains(" of ") && count.is_some_and(|count| count >= HOSTILE.chars().count())
        })
}

/// Commands whose report contains the hostile text.
struct Trial {
    directory: TestEnv,
    tried: usize,
    wrong: Vec<String>,
}

impl Trial {
    fn new(directory: TestEnv) -> Self {
        Self { directory, tried: 0, wrong: Vec::new() }
    }

    /// Runs a shell command, in which `$H` is the hostile text, in a pipe and on a terminal.
    fn shows(&mut self, line: &str) {
        for terminal in [false, true] {
            let seen = self.run(line, terminal);
            self.tried += 1;
            // Line ends are printed by the program; a terminal adds carriage returns.
            // In a pipe, a list of users has a tab between two values.
            let separates = |c: char| c == '\t' && !terminal && line.starts_with("cc-user list");
            let lines = seen.replace("\r\n", "\n");
            let bad = lines.chars().find(|c| *c != '\n' && !separates(*c) && is_hidden(*c));
            let place = if terminal { "on a terminal" } else { "in a pipe" };
            match bad {
                Some(bad) => {
                    self.wrong.push(format!("$ {line}\n{place}: U+{:04X} in {seen:?}", u32::from(bad)));
                }
                None if !shows_evidence(&seen) => {
                    self.wrong.push(format!("$ {line}\n{place}: expected text is missing: {seen}"));
                }
                None => {}
            }
        }
    }

    fn run(&self, line: &str, terminal: bool) -> String {
        let mut command = if terminal {
            let mut command = Command::new("script");
            // A wide terminal, so that no text is cut.
            command.args(["-qec", &format!("stty cols 4000 2>/dev/null; {line}"), "/dev/null"]);
            command
        } else {
            let mut command = Command::new("sh");
            command.args(["-c", &format!("({line}) 2>&1")]);
            command
        };
        let output = command
            .current_dir(self.directory.path())
            .env_clear()
            .env("PATH", path_with_programs())
            .env("HOME", self.directory.file(".home"))
            .env("SHELL", "/bin/sh")
            .env("LC_ALL", "C.UTF-8")
            .env("TZ", "UTC")
            .env("TERM", "xterm")
            .env("NO_COLOR", "1")
            .env("H", HOSTILE)
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn end(self) {
        println!("terminal: {} reports of hostile text", self.tried);
        assert!(
            self.wrong.is_empty(),
            "{} of {}:\n{}",
            self.wrong.len(),
            self.tried,
            self.wrong.join("\n\n")
        );
    }
}

/// A token signed with `k/private.pem`.
fn token(directory: &TestEnv, header: &Value, claims: &Value) -> String {
    let pem = fs::read(directory.file("k/private.pem")).unwrap();
    let key = read_signing(&pem, KeyStrength::Enforce, &mut Notes::new()).unwrap();
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = key.sign(Algorithm::EdDsa, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

#[test]
fn terminal_output_escapes_claims_and_their_names() {
    if !has("script") {
        return;
    }
    let directory = TestEnv::with_setup();
    directory.sh("gen-keypair -q --format pem -o k").ended(0);
    directory.sh("convert-pem-pubkey -q k/public.pem --name JWT_PUBLIC_KEY --write --force").ended(0);
    let header = json!({"alg": "EdDSA", "typ": HOSTILE, "kid": HOSTILE, HOSTILE: HOSTILE});
    let claims = json!({
        "sub": HOSTILE, "iss": HOSTILE, "aud": [HOSTILE], "roles": ["api", HOSTILE], "jti": HOSTILE,
        "scope": format!("storage.read:/{HOSTILE} {HOSTILE}"), "wlcg.ver": "1.0", "iat": 1, "exp": 4_000_000_000_u64,
        "groups": [HOSTILE], "name": HOSTILE, HOSTILE: {HOSTILE: [HOSTILE]},
    });
    directory.write("t", token(&directory, &header, &claims));
    let plain = json!({"alg": "EdDSA"});
    directory.write("plain", token(&directory, &plain, &claims));
    directory.write("alg", token(&directory, &json!({"alg": HOSTILE, "crit": [HOSTILE]}), &claims));
    directory.write(
        "wrong",
        token(
            &directory,
            &plain,
            &json!({"sub": {HOSTILE: 1}, "exp": HOSTILE, "roles": HOSTILE, "iss": HOSTILE}),
        ),
    );
    directory
        .write("answer", json!({"access_token": directory.read("plain"), "token_type": HOSTILE}).to_string());
    directory.write(
        "role.json",
        json!({
            "role_type": "jwt", "user_claim": "sub", "groups_claim": "groups", "bound_claims": {HOSTILE: "x", "jti": [HOSTILE]},
            "claim_mappings": {"name": HOSTILE}, "bound_audiences": [HOSTILE],
        })
        .to_string(),
    );
    directory.write(
        "good.json",
        json!({
            "role_type": "jwt", "user_claim": "sub", "groups_claim": "groups", "claim_mappings": {"name": "display"},
            "bound_audiences": [HOSTILE],
        })
        .to_string(),
    );
    let mut trial = Trial::new(directory);
    for token in ["t", "plain", "alg", "wrong"] {
        trial.shows(&format!("cc-jwt inspect --token-file {token}"));
        trial.shows(&format!("cc-jwt inspect --json --token-file {token}"));
        trial.shows(&format!("cc-jwt inspect --stream --token-file {token}"));
    }
    trial.shows("cc-jwt inspect --token-file answer");
    trial.shows("cc-jwt verify --token-file t --key k/public.pem");
    trial.shows("cc-jwt verify --token-file plain --key k/public.pem -vv");
    for options in [
        "",
        "--json",
        "-e api -e user-api -e cookie-login --no-db",
        "-e metric-store -vv",
        "--issuer x --audience y --require-role admin",
        "--issuer \"$H\" --audience \"$H\"",
        "--require-role \"$H\"",
        "--profile wlcg --scope storage.read:/x",
        "--key k/public.pem --login-role role.json --explain",
        "--key k/public.pem --login-role role.json --json",
        "--key k/public.pem --login-role good.json",
        "--key k/public.pem --login-role good.json --json",
        "--stream --json",
    ] {
        trial.shows(&format!("cc-jwt verify --token-file plain {options}"));
    }
    for token in ["alg", "wrong"] {
        trial.shows(&format!(
            "cc-jwt verify --token-file {token} --key k/public.pem; printf '%s\\n' \"$H\" | cc-jwt verify - "
        ));
    }
    trial.shows("cc-jwt verify --stream --token-file alg");
    trial.end();
}

#[test]
fn terminal_output_escapes_names_of_the_user_table() {
    if !has("script") {
        return;
    }
    let directory = TestEnv::with_setup();
    let connection = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    let roles = json!(["manager", HOSTILE]).to_string();
    connection
        .execute(
            "INSERT INTO user(username, ldap, name, email, roles, projects) VALUES (?1, 0, ?1, ?1, ?2, ?2)",
            rusqlite::params![HOSTILE, roles],
        )
        .unwrap();
    connection
        .execute(
            "INSERT INTO user(username, ldap, name, roles, projects) VALUES ('broken', 7, ?1, ?1, ?1)",
            rusqlite::params![HOSTILE],
        )
        .unwrap();
    drop(connection);
    directory.write("users.jsonl", json!({"username": HOSTILE, "roles": [HOSTILE]}).to_string());
    directory.write("names", format!("{}\n", HOSTILE.replace(['\r', '\n'], "")));
    let mut trial = Trial::new(directory);
    for line in [
        "cc-user list",
        "cc-user list --json",
        "cc-user list --names",
        "cc-user list --wide",
        "cc-user list --columns \"$H\"; cc-user list --sort \"$H\"; cc-user list --limit \"$H\"",
        "cc-user list --role \"$H\"",
        "cc-user show \"$H\"",
        "cc-user show \"$H\" --json",
        "cc-user show broken",
        "cc-user show \"x$H\"",
        "cc-user add \"$H\" --role \"$H\" --name \"$H\" --email \"$H\" --project \"$H\" --no-password",
        "cc-user add \"$H:$H:$H\"",
        "cc-user del \"x$H\"",
        "cc-user role add \"$H\" support -v",
        "cc-user role remove \"$H\" \"$H\"x",
        "cc-user project add fritz \"$H\"",
        "cc-user project remove \"$H\" \"$H\"x",
        "cc-user passwd \"x$H\"",
        "cc-user import --skip-existing --json users.jsonl",
        "cc-user export --format jsonl",
        "cc-jwt issue \"$H\"x",
        "cc-jwt issue --users-from names",
        "cc-jwt issue --all --json",
        "cc-jwt issue --all -o all.jsonl && cat all.jsonl",
        "cc-login \"$H\" --password-file .env -v",
        "cc-user del \"$H\"",
    ] {
        trial.shows(line);
    }
    trial.end();
}

#[test]
fn terminal_output_escapes_files_sessions_and_arguments() {
    if !has("script") {
        return;
    }
    let directory = TestEnv::with_setup();
    directory.sh("printf pw > pw; chmod 600 pw; cc-user passwd -q fritz --password-file pw").ended(0);
    directory.sh("cc-login -q fritz --password-file pw").ended(0);
    let session = session_path(directory.path());
    let mut kept: Value = serde_json::from_slice(&fs::read(&session).unwrap()).unwrap();
    for name in ["username", "name"] {
        kept[name] = json!(HOSTILE);
    }
    fs::write(&session, kept.to_string()).unwrap();
    directory.write(
        "hostile.json",
        json!({
            "main": {"session-max-age": "1h"},
            "auth": {
                "jwts": {"cookie-name": HOSTILE, "trusted-issuer": HOSTILE, HOSTILE: 1},
                "ldap": {"url": HOSTILE, "user-base": HOSTILE, "search-dn": HOSTILE},
                "oidc": {"provider": HOSTILE, "providers": {HOSTILE: {"provider": HOSTILE}}},
            },
        })
        .to_string(),
    );
    directory.write("duration.json", json!({"auth": {"jwts": {"max-age": HOSTILE}}}).to_string());
    directory.write("bad.env", format!("A=1\n{}\n", HOSTILE.replace(['\r', '\n'], "")));
    directory
        .write("key.jwk", json!({"kty": "OKP", "crv": HOSTILE, "x": HOSTILE, "kid": HOSTILE}).to_string());
    let one_line = HOSTILE.replace(['\r', '\n'], "");
    directory.write("key.pem", format!("-----BEGIN {one_line}-----\nAAAA\n-----END {one_line}-----\n"));
    directory.write("key.ssh", format!("ssh-{one_line} AAAA {one_line}\n"));
    directory.write(
        "spec.yaml",
        json!({
            "apiVersion": "tokens.osg-htc.org/v1", "kind": "JWT", "metadata": {"name": HOSTILE},
            "spec": {"issuer": HOSTILE, "keyId": HOSTILE, "algorithm": HOSTILE, HOSTILE: HOSTILE, "data": {"scope": HOSTILE}},
        })
        .to_string(),
    );
    directory.write(
        "role.json",
        json!({"role_type": HOSTILE, HOSTILE: 1, "bound_claims": {HOSTILE: HOSTILE}}).to_string(),
    );
    let mut trial = Trial::new(directory);
    for line in [
        "cc-login status",
        "cc-login status --json",
        "cc-user -c hostile.json list -vv --names",
        "cc-user -c hostile.json sync-ldap --dry-run",
        "cc-login -c hostile.json --method oidc --path \"$H\"",
        "cc-login -c hostile.json --method oidc",
        "cc-user -c duration.json list",
        "cc-user --env-file bad.env list; cc-user list --db \"$H\"",
        "cc-user -c \"$H\" list",
        "convert-pem-pubkey \"$H\"",
        "cc-jwt spec check spec.yaml",
        "cc-jwt renew --spec spec.yaml -o x",
        "cc-jwt role check role.json",
        "cc-jwt scan \"$H\"",
        "mkdir -p s; cp token.txt \"s/$H\"; cc-jwt scan s",
        "cc-jwt scan s --nagios",
        "cc-jwt scan s --what-if at=+9000h",
        "cc-jwt scan s --what-if \"$H\"",
        "cc-jwt scan s --json",
        "cc-jwt verify x --key \"$H\"",
        "cc-jwt verify x --jwks \"https://$H\"",
        "cc-jwt issue fritz --ttl \"$H\"",
        "cc-jwt issue fritz --claim \"$H\"",
        "cc-jwt verify x --at \"$H\"",
        "cc-jwt verify x -e \"$H\"",
        "cc-user list --color \"$H\"",
        "gen-keypair --algorithm \"$H\"",
        "cc-login --method \"$H\"",
        "cc-login fritz \"role=$H\" --method oidc -c hostile.json",
    ] {
        trial.shows(line);
    }
    trial.end();
}

/// The lines of a terminal of 80x24 while a device login waits.
fn device_screen(url: &'static str) -> Vec<String> {
    let device = move |request: &Request| {
        (request.path == "/device").then(|| {
            Reply::json(&json!({
                "device_code": "the-device-code", "user_code": "WDJB-MJHT", "expires_in": 600, "interval": 1,
                "verification_uri": url, "verification_uri_complete": format!("{url}?user_code=WDJB-MJHT"),
            }))
        })
    };
    let idp = Idp::start(Behavior { instead: Box::new(device), ..Behavior::default() });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let seen = Trial::new(directory).run("stty cols 80 rows 24; cc-login --method oidc --device", true);
    let waiting = seen.replace("\r\n", "\n");
    let (waiting, after) = waiting.split_once("logged in: clara").unwrap_or_else(|| panic!("{waiting}"));
    assert!(after.contains("by oidc"), "{after}");
    let mut rows = Vec::new();
    for line in waiting.lines() {
        let line: Vec<char> = line.chars().collect();
        rows.extend(line.chunks(80).map(String::from_iter));
        rows.extend(line.is_empty().then(String::new));
    }
    // The cursor is in the last row.
    rows.split_off(rows.len().saturating_sub(23))
}

#[test]
fn device_login_shows_url_and_code_below_the_qr_code_in_24_rows() {
    if !has("script") {
        return;
    }
    const SHORT: &str = "https://idp.example.org/realms/hpc/device";
    let screen = device_screen(SHORT);
    let at = |text: &str| {
        screen.iter().position(|row| row.contains(text)).unwrap_or_else(|| panic!("{screen:#?}"))
    };
    let blocks = |row: &String| row.chars().filter(|c| "█▀▄".contains(*c)).count();
    assert!(screen.iter().filter(|row| blocks(row) > 10).count() >= 17, "a QR code: {screen:#?}");
    let last = screen.iter().rposition(|row| blocks(row) > 10).unwrap();
    assert!(last < at(SHORT) && at(SHORT) < at("WDJB-MJHT"), "{screen:#?}");
    // A code that is larger than the terminal cannot be read by a device: the URL replaces it.
    let long: &'static str =
        Box::leak(format!("https://idp.example.org/{}", "x".repeat(300)).into_boxed_str());
    let screen = device_screen(long);
    assert_eq!(screen.iter().filter(|row| blocks(row) > 10).count(), 0, "{screen:#?}");
    let joined = screen.concat();
    assert!(joined.contains(&format!("{long}?user_code=WDJB-MJHT")), "{screen:#?}");
    assert!(joined.contains("    WDJB-MJHT") && joined.contains(&format!("    {long}with")), "{screen:#?}");
}
