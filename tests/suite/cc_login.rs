//! `cc-login` on the command line.

use serde_json::json;

use crate::slapd::{BASE, Manner, Slapd, TREE, person};
use crate::support::{TestEnv, has, session_path};
use crate::sync::{configure, directory_for, table};

/// A directory with keys, a database, and the user `fritz` with a password.
fn with_fritz() -> TestEnv {
    let directory = TestEnv::new();
    directory.sh("cc-user init -q").ended(0);
    directory.sh("echo pw | cc-user add fritz --role user,api --password-stdin -q").ended(0);
    directory
}

fn mode(directory: &TestEnv, name: &str) -> u32 {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(directory.file(name)).unwrap().mode() & 0o777
}

const STATE: &str = ".home/.local/state/cc-auth";

#[test]
fn session_is_stored_printed_used_and_deleted() {
    let directory = with_fritz();
    let done = directory.sh("echo pw | cc-login fritz --password-stdin").ended(0);
    assert!(done.stdout.starts_with("logged in: fritz (user, api) by local, until 2"), "{}", done.stdout);
    assert!(done.stdout.ends_with("(in 7 days)\n"), "{}", done.stdout);
    assert_eq!(mode(&directory, &session_path(directory.path()).display().to_string()), 0o600);
    assert_eq!(mode(&directory, &format!("{STATE}/sessions")), 0o700);
    assert_eq!(mode(&directory, STATE), 0o700);
    let status = directory.sh("cc-login status --json").ended(0).json();
    assert_eq!(status["username"], "fritz");
    assert_eq!(status["roles"], json!(["user", "api"]));
    assert_eq!((&status["method"], &status["has_token"]), (&json!("local"), &json!(true)));
    let token = directory.sh("cc-login token").ended(0).stdout;
    assert_eq!(token.matches('.').count(), 2, "{token}");
    directory.sh("cc-jwt verify \"$(cc-login token)\" --endpoint user-api").ended(0);
    let over = directory.sh("cc-login status --at +170h").ended(1);
    assert!(over.stderr.contains("the session expired 2 hours ago"), "{}", over.stderr);
    directory.sh("cc-login token --at +168h").ended(1);
    directory.sh("cc-login logout").ended(0);
    assert_eq!(directory.sh("cc-login token").ended(1).stdout, "");
    assert_eq!(
        directory.sh("cc-login status --json").ended(1).json(),
        json!({"accepted": false, "kind": "no-session"})
    );
    directory.sh("cc-login logout").ended(0);
}

#[test]
fn session_file_is_in_the_private_runtime_directory() {
    let directory = with_fritz();
    directory.sh("mkdir -m 700 run; mkdir -m 755 open").ended(0);
    directory.sh("echo pw | XDG_RUNTIME_DIR=$PWD/run cc-login fritz --password-stdin").ended(0);
    directory.sh("ls run/cc-auth/sessions/@*.json").ended(0);
    directory.sh("cc-login token").ended(1);
    directory.sh("XDG_RUNTIME_DIR=$PWD/run cc-login token").ended(0);
    directory.sh("echo pw | XDG_RUNTIME_DIR=$PWD/open cc-login fritz --password-stdin").ended(0);
    assert!(!directory.file("open/cc-auth").exists());
}

#[test]
fn login_rejection_does_not_show_whether_name_or_password_is_wrong() {
    let directory = with_fritz();
    let wrong = directory.sh("echo no | cc-login fritz --password-stdin").ended(1);
    let unknown = directory.sh("echo no | cc-login frits --password-stdin").ended(1);
    assert_eq!(wrong.stderr.replace("fritz", "frits"), unknown.stderr);
    assert_eq!(wrong.stderr, "cc-login: login of 'fritz' rejected: wrong username or password\n");
    assert!(!session_path(directory.path()).exists());
}

#[test]
fn attempt_limit_rejects_sixth_attempt_and_is_reset_by_login() {
    let directory = with_fritz();
    let attempt =
        |password: &str| directory.sh(&format!("echo {password} | cc-login fritz --password-stdin"));
    for _ in 0..4 {
        attempt("no").ended(1);
    }
    attempt("pw").ended(0);
    for _ in 0..5 {
        attempt("no").ended(1);
    }
    let refused = attempt("pw").ended(75);
    assert!(refused.stderr.contains("too many failed logins of 'fritz': wait 1"), "{}", refused.stderr);
    let json = directory.sh("echo pw | cc-login FRITZ --password-stdin --json").ended(75);
    assert!(json.stderr.contains("\"kind\":\"too-many-attempts\""), "{}", json.stderr);
    assert_eq!(mode(&directory, &format!("{STATE}/attempts.json")), 0o600);
}

#[test]
fn attempt_limit_applies_across_concurrent_processes() {
    let directory = with_fritz();
    let run = directory.sh("for i in $(seq 20); do (echo no | cc-login fritz --password-stdin >/dev/null 2>&1; echo $?) & done; wait");
    let refused = run.stdout.lines().filter(|line| *line == "1").count();
    let waiting = run.stdout.lines().filter(|line| *line == "75").count();
    assert_eq!((refused, waiting), (5, 15), "{}", run.stdout);
}

#[test]
fn login_without_private_key_creates_session_without_token() {
    let directory = with_fritz();
    let done = directory.sh("echo pw | JWT_PRIVATE_KEY= cc-login fritz --password-stdin").ended(0);
    assert!(done.stderr.contains("JWT_PRIVATE_KEY is not set: the session has no token"), "{}", done.stderr);
    assert!(done.stdout.ends_with(", without a token\n"), "{}", done.stdout);
    directory.sh("cc-login status").ended(0);
    let none = directory.sh("cc-login token").ended(1);
    assert!(none.stderr.contains("the session has no token"), "{}", none.stderr);
}

/// A directory whose server accepts logins with an HMAC token; `jwts` are the settings of
/// `auth.jwts`.
fn with_token_login(jwts: &serde_json::Value) -> TestEnv {
    let directory = with_fritz();
    directory.sh("gen-keypair --algorithm hs512 --write -q").ended(0);
    let mut config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["auth"]["jwts"] = jwts.clone();
    directory.write("config.json", config.to_string());
    directory
}

/// Logs in with an HMAC token with these claims; returns standard error and the claims of the
/// session's token.
fn login_by_token(directory: &TestEnv, arguments: &str) -> (String, Option<serde_json::Value>) {
    directory.sh(&format!("cc-jwt issue {arguments} --algorithm hs512 -q > login.txt")).ended(0);
    let run = directory.sh("cc-login --method token --token-file login.txt").ended(0);
    let token = directory.sh("cc-login token");
    let seen = (token.status == 0).then(|| {
        directory.write("session.txt", token.stdout);
        directory.sh("cc-jwt inspect --token-file session.txt --json").ended(0).json()["claims"].clone()
    });
    (run.stderr, seen)
}

#[test]
fn session_token_of_a_token_login_has_the_roles_of_the_user_table() {
    let directory = with_token_login(&json!({}));
    // A known user: fritz has the roles user and api, regardless of the login token.
    let (stderr, token) = login_by_token(&directory, "fritz --roles admin,api");
    assert_eq!(token.unwrap()["roles"], json!(["user", "api"]));
    assert!(
        stderr.contains(
            "has the roles of 'fritz' in the user table (user, api), not those of the login (admin, api)"
        ),
        "{stderr}"
    );
    let status = directory.sh("cc-login status --json").ended(0).json();
    assert_eq!(status["roles"], json!(["user", "api"]));
    // An unknown user, who is not added.
    let (stderr, token) = login_by_token(&directory, "newcomer --roles admin,api");
    assert_eq!(token, None);
    assert!(stderr.contains("'newcomer' is not in the user table: the session has no token"), "{stderr}");
    // An unknown user, who is added and then known.
    let directory = with_token_login(&json!({"sync-user-on-login": true}));
    let (_, token) = login_by_token(&directory, "newcomer --roles support,api");
    assert_eq!(token.unwrap()["roles"], json!(["support", "api"]));
    directory.sh("cc-user role remove newcomer support -q").ended(0);
    let (_, token) = login_by_token(&directory, "newcomer --roles support,api");
    assert_eq!(token.unwrap()["roles"], json!(["api"]), "not updated at login");
}

#[test]
fn token_login_that_removes_manager_role_clears_projects_as_the_server_does() {
    for (roles, projects) in [
        ("user", json!([])),
        ("support", json!([])),
        ("api", json!([])),
        ("admin", json!(["p"])),
        ("manager", json!(["q"])),
    ] {
        let directory = with_token_login(&json!({"sync-user-on-login": true, "update-user-on-login": true}));
        login_by_token(&directory, "maria --roles manager --claim 'projects=[\"p\"]'");
        let row = || directory.sh("cc-user show maria --json").ended(0).json();
        assert_eq!(row()["projects"], json!(["p"]));
        login_by_token(&directory, &format!("maria --roles {roles} --claim 'projects=[\"q\"]'"));
        assert_eq!((&row()["roles"], &row()["projects"]), (&json!([roles]), &projects));
    }
}

#[test]
fn ldap_login_accepts_and_rejects_as_the_server_does() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::start(
        &format!(
            "{TREE}{}{}",
            person("anna", "Anna A"),
            person("co\\,mma", "Comma").replacen("uid: co\\,", "uid: co,", 1)
        ),
        &Manner { global: "allow bind_anon_cred bind_anon_dn".into(), ..Manner::default() },
    );
    let directory = directory_for(&server.url(), json!({"sync-user-on-login": true}));
    let attempt = |name: &str, password: &str| {
        directory.run_with(
            "cc-login",
            &[name, "--method", "ldap", "--password-stdin"],
            format!("{password}\n"),
        )
    };
    attempt("anna", "wrong").ended(1);
    assert!(table(&directory).is_empty(), "no user is added before the password was right");
    attempt("anna", "").ended(65);
    attempt("*", "annapw").ended(1);
    attempt("anna)(uid=*", "annapw").ended(1);
    attempt("unknown", "annapw").ended(1);
    attempt("ANNA ", "annapw").ended(0);
    assert_eq!(table(&directory), ["anna|1|Anna A|[\"user\"]|[]"]);
    attempt("anna", "annapw").ended(0);
    configure(&directory, "ldap://127.0.0.1:1", json!({}));
    let down = attempt("anna", "annapw").ended(69);
    assert!(down.stderr.contains("no LDAP server can be reached"), "{}", down.stderr);
    configure(&directory, &server.url(), json!({"user-bind": format!("uid=anna,ou=people,{BASE}")}));
    attempt("anna", "annapw").ended(78);
}

#[test]
fn login_parameters_accept_the_forms_of_vault() {
    let directory = with_fritz();
    directory.sh("echo pw | cc-login -method=local username=fritz --password-stdin").ended(0);
    directory.sh("echo pw | cc-login method=local fritz --password-stdin").ended(0);
    directory.sh("echo pw | USER=fritz cc-login --password-stdin").ended(0);
    for words in ["fritz hunter2", "fritz password=hunter2", "fritz passwort=hunter2", "role=hunter2 fritz"] {
        let refused = directory.sh(&format!("echo pw | cc-login {words} --password-stdin")).ended(2);
        assert!(!refused.stderr.contains("hunter2"), "{}", refused.stderr);
    }
}

#[test]
fn hmac_token_is_accepted_as_login() {
    let directory = with_fritz();
    directory.sh("gen-keypair --algorithm hs512 --write -q").ended(0);
    directory.sh("cc-jwt issue fritz --algorithm hs512 -q > login.txt && chmod 600 login.txt").ended(0);
    let done = directory.sh("cc-login --method token --token-file login.txt").ended(0);
    assert!(done.stdout.starts_with("logged in: fritz (user, api) by token"), "{}", done.stdout);
    directory.sh("cc-login fritz --token-file - < login.txt").ended(0);
    let other = directory.sh("cc-login anna --token-file login.txt").ended(1);
    assert!(other.stderr.contains("the token is for 'fritz', expected 'anna'"), "{}", other.stderr);
    directory.sh("echo rubbish | cc-login --token-file -").ended(1);
}

#[test]
fn curl_sends_the_session_as_the_server_expects_it() {
    use std::io::{BufRead as _, BufReader, Write as _};
    if !has("curl") {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let head: Vec<String> =
            reader.lines().map(Result::unwrap).take_while(|line| !line.is_empty()).collect();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]").unwrap();
        head
    });
    let directory = with_fritz();
    directory.write("pw.txt", "pw\n");
    directory
        .sh(&format!(
            "chmod 600 pw.txt; cc-login fritz --password-file pw.txt && \
             curl -sf -H \"Authorization: Bearer $(cc-login token)\" http://127.0.0.1:{port}/userapi/jobs/"
        ))
        .ended(0);
    let head = server.join().unwrap();
    let token = head.iter().find_map(|line| line.strip_prefix("Authorization: Bearer ")).unwrap();
    directory.run_with("cc-jwt", &["verify", "-", "--endpoint", "user-api"], token).ended(0);
}

/// Counts instructions, which do not depend on other processes. A comparison with a password hash
/// is nearly the complete cost of a rejected login.
#[test]
fn rejected_login_of_any_kind_takes_one_password_comparison() {
    use crate::ldapd::{BIND, BIND_RESPONSE, DONE, SEARCH, answering, entry, result};
    use crate::linear::{Input, instructions};
    if !has("valgrind") {
        return;
    }
    // The service account may search, lena is the only entry, and all other passwords are wrong.
    let port = answering(|request| match request.operation {
        BIND if request.contains("cn=sync") => result(request.id, BIND_RESPONSE, 0, ""),
        BIND => result(request.id, BIND_RESPONSE, 49, ""),
        SEARCH if request.contains("lena") => {
            [entry(request.id, "uid=lena", "uid", b"lena"), result(request.id, DONE, 0, "")].concat()
        }
        SEARCH => result(request.id, DONE, 0, ""),
        _ => Vec::new(),
    });
    let directory = directory_for(&format!("ldap://127.0.0.1:{port}"), json!({"sync-user-on-login": true}));
    directory.sh("echo pw | cc-user add fritz --role user --password-stdin && cc-user add nopw --role user --no-password").ended(0);
    rusqlite::Connection::open(directory.file("var/job.db"))
        .unwrap()
        .execute_batch(
            "INSERT INTO user(username, ldap, roles, projects) VALUES ('anna', 1, '[\"user\"]', '[]');
             INSERT INTO user(username, ldap, roles, projects) VALUES ('tok', 2, '[\"user\"]', '[]');",
        )
        .unwrap();
    let mut input = Input::new(directory, &[]).reads("wrong\n").ends_with(1);
    let mut count = |what: &str, arguments: &[&str]| {
        input.arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        input.arguments.push("--password-stdin".to_owned());
        let count = instructions("cc-login", &input);
        println!("{what}: {count}");
        (what.to_owned(), count)
    };
    let counts = [
        count("wrong local password", &["fritz"]),
        count("local user without a password", &["nopw"]),
        count("user of another source", &["tok"]),
        count("LDAP user in the table", &["anna"]),
        count("LDAP user not in the table", &["lena"]),
        count("unknown name", &["unknown"]),
        count("LDAP user by the local method", &["anna", "--method", "local"]),
    ];
    let (least, most) = (counts.iter().map(|(_, count)| count), counts.iter().map(|(_, count)| count));
    let (least, most) = (*least.min().unwrap(), *most.max().unwrap());
    assert!(least > 50_000_000, "no comparison: {counts:?}");
    assert!(most * 10 <= least * 12, "{counts:?}");
}
