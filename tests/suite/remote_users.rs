//! `cc-user --server`: the users of a running server, simulated by one that answers as the recorded one does.

use serde_json::{Value, json};

use crate::backend::{Account, Backend, Fault, token};
use crate::httpd::{Authority, Reply, Request, Server};
use crate::support::{Run, TestEnv};

/// A directory with the credentials of an administrator.
fn admin() -> TestEnv {
    let directory = TestEnv::new();
    directory.write("admin.jwt", token("root", &["admin", "api"]));
    directory.write("root.pw", "rootpw\n");
    directory.write("new.pw", "correct horse battery\n");
    directory.sh("chmod 600 admin.jwt root.pw new.pw").ended(0);
    directory
}

/// Runs a verb with the token.
fn with_token(directory: &TestEnv, backend: &Backend, verb: &str) -> Run {
    directory.sh(&format!("cc-user {verb} --server {} --token-file admin.jwt", backend.url()))
}

/// Runs a verb with a login.
fn with_login(directory: &TestEnv, backend: &Backend, verb: &str) -> Run {
    directory
        .sh(&format!("cc-user {verb} --server {} --admin root --admin-password-file root.pw", backend.url()))
}

#[track_caller]
fn assert_contains(text: &str, words: &str) {
    assert!(text.contains(words), "expected {words:?}: {text}");
}

#[test]
fn role_is_added_and_removed_with_a_token_in_one_request_each() {
    let (directory, backend) = (admin(), Backend::start());
    let run = with_token(&directory, &backend, "role add fritz support,manager").ended(0);
    assert_eq!(backend.roles("fritz"), "user,api,support,manager");
    assert_contains(&run.stderr, "note: 'fritz' has the roles user,api,support,manager");
    let expected = [
        "GET /api/users/",
        r#"POST /api/user/fritz {"add-role":"support"}"#,
        r#"POST /api/user/fritz {"add-role":"manager"}"#,
    ];
    assert_eq!(backend.requests(), expected);
    for request in backend.server.seen() {
        let bearer = format!("Bearer {}", token("root", &["admin", "api"]));
        assert_eq!(request.header("authorization"), Some(bearer.as_str()));
        assert_eq!(request.header("cookie"), None);
    }
    let run = with_token(&directory, &backend, "role remove fritz support").ended(0);
    assert_eq!(backend.roles("fritz"), "user,api,manager");
    assert_contains(&run.stderr, "warning: open web sessions of 'fritz' keep the old roles for up to 720h");
    assert_contains(
        &run.stderr,
        "tokens of 'fritz' keep the old roles, unless 'validate-user' is set at the server",
    );
}

#[test]
fn role_and_project_that_are_there_or_missing_already_are_notes_without_a_request() {
    let (directory, backend) = (admin(), Backend::start());
    for (verb, words) in [
        ("role add fritz api", "note: 'fritz' already has the role api"),
        ("role remove fritz support", "note: 'fritz' does not have the role support"),
        ("project add max p1", "note: 'max' already has the project 'p1'"),
        ("project remove max p9", "note: 'max' does not have the project 'p9'"),
        ("set max --role manager,user --project p2,p1", "already has these values: nothing was changed"),
    ] {
        let run = with_token(&directory, &backend, verb).ended(0);
        assert_contains(&run.stderr, words);
    }
    assert!(
        backend.requests().iter().all(|request| request == "GET /api/users/"),
        "{:?}",
        backend.requests()
    );
}

#[test]
fn roles_and_projects_change_in_an_order_that_the_server_accepts() {
    let (directory, backend) = (admin(), Backend::start());
    with_token(&directory, &backend, "set fritz --role manager,user --project a --project b").ended(0);
    assert_eq!(
        (backend.roles("fritz"), backend.projects("fritz")),
        ("user,manager".to_owned(), "a,b".to_owned())
    );
    let run =
        with_token(&directory, &backend, "set max --remove-role manager --clear-projects --json").ended(0);
    assert_eq!((backend.roles("max"), backend.projects("max")), ("user".to_owned(), String::new()));
    assert_eq!(run.json()["after"]["roles"], json!(["user"]));
    let left = with_token(&directory, &backend, "role remove fritz manager").ended(1);
    assert_contains(&left.stderr, "cannot remove the role manager from 'fritz': projects are left: 'a,b'");
    let hint =
        format!("hint: cc-user project remove fritz a b --server {} --token-file admin.jwt", backend.url());
    assert_contains(&left.stderr, &hint);
    // The hint leads to success.
    directory.sh(hint.strip_prefix("hint: ").unwrap()).ended(0);
    with_token(&directory, &backend, "role remove fritz manager").ended(0);
    let no_manager = with_token(&directory, &backend, "project add lena p1").ended(1);
    let hint =
        format!("hint: cc-user role add lena manager --server {} --token-file admin.jwt", backend.url());
    assert_contains(&no_manager.stderr, &hint);
}

#[test]
fn dry_run_reads_the_users_and_sends_no_change() {
    let (directory, backend) = (admin(), Backend::start());
    let run = with_token(&directory, &backend, "set fritz --role support --dry-run --json").ended(0);
    assert_eq!(run.json()["after"]["roles"], json!(["support"]));
    assert_eq!(run.json()["dry_run"], json!(true));
    assert_eq!(backend.requests(), ["GET /api/users/"]);
    assert_eq!(backend.roles("fritz"), "user,api");
}

#[test]
fn last_admin_causes_a_warning() {
    let (directory, backend) = (admin(), Backend::start());
    let run = with_token(&directory, &backend, "role remove root admin").ended(0);
    assert_contains(&run.stderr, "'root' was the last user with the role admin");
}

/// The server compares the cookie of each request with the login, so this also shows which one was sent.
#[test]
fn user_is_added_and_deleted_in_a_web_session() {
    let (directory, backend) = (admin(), Backend::start());
    let run = with_login(
        &directory,
        &backend,
        "add 'ann b' --role user,manager,api --name 'Ann B' --email a@b.example -p p1 -p p2 --password-file new.pw",
    )
    .ended(0);
    assert_contains(&run.stderr, "note: added 'ann b' (manager,user,api)");
    let added = backend.account("ann b").unwrap();
    assert_eq!(
        (added.roles.join(","), added.projects.join(",")),
        ("manager,user,api".into(), "p1,p2".into())
    );
    assert_eq!((added.name.as_str(), added.email.as_str()), ("Ann B", "a@b.example"));
    assert_eq!(added.password, "correct horse battery");
    let expected = [
        "POST /login username=root&password=rootpw",
        "GET /api/users/",
        "POST /config/users/ username=ann+b&password=correct+horse+battery&role=manager&name=Ann+B&email=a%40b.example&project=p1",
        r#"POST /api/user/ann%20b {"add-role":"user"}"#,
        r#"POST /api/user/ann%20b {"add-role":"api"}"#,
        r#"POST /api/user/ann%20b {"add-project":"p2"}"#,
    ];
    assert_eq!(backend.requests(), expected);
    for request in &backend.server.seen()[1..] {
        assert_eq!(request.header("cookie"), Some("session=of-root"));
    }
    let run = with_login(&directory, &backend, "del 'ann b' fritz --json").ended(0);
    assert_eq!(run.json(), json!({"deleted": ["ann b", "fritz"]}));
    assert!(backend.account("ann b").is_none() && backend.account("fritz").is_none());
    assert_eq!(
        backend.requests()[expected.len()..],
        [
            "POST /login username=root&password=rootpw",
            "GET /api/users/",
            "DELETE /config/users/?username=ann+b",
            "DELETE /config/users/?username=fritz"
        ]
    );
}

#[test]
fn user_without_a_password_is_added_with_the_role_api_only() {
    let (directory, backend) = (admin(), Backend::start());
    with_login(&directory, &backend, "add mia --role api").ended(0);
    with_login(&directory, &backend, "add paul --role manager,api -p p1 --no-password").ended(0);
    assert_eq!(
        (backend.roles("paul"), backend.projects("paul")),
        ("api,manager".to_owned(), ",p1".to_owned())
    );
    let count = backend.requests().len();
    let run = with_login(&directory, &backend, "add eve --role user --no-password").ended(2);
    assert_contains(
        &run.stderr,
        "a running server has no request to add a user without a password, except with the role api",
    );
    assert_eq!(backend.requests().len(), count, "a request was sent");
}

#[test]
fn user_who_exists_or_is_unknown_or_of_another_source_is_rejected_before_a_change() {
    let (directory, backend) = (admin(), Backend::start());
    let exists = with_login(&directory, &backend, "add fritz --role user --password-file new.pw").ended(73);
    assert_contains(&exists.stderr, "the user 'fritz' exists already");
    let similar = with_login(&directory, &backend, "add Fritz --role user --password-file new.pw").ended(0);
    assert_contains(&similar.stderr, "the new user 'Fritz' differs from 'fritz' only by case or spaces");
    let unknown = with_login(&directory, &backend, "del root FRITZ lena").ended(1);
    assert_contains(&unknown.stderr, "the user 'FRITZ' does not exist");
    assert_contains(&unknown.stderr, "hint: did you mean '");
    assert_contains(
        &unknown.stderr,
        &format!(
            "to delete the user nevertheless: cc-user del --source ldap lena --server {} --admin root --admin-password-file root.pw",
            backend.url()
        ),
    );
    assert!(backend.account("root").is_some() && backend.account("lena").is_some());
    let missing = with_token(&directory, &backend, "role add unknown api").ended(1);
    assert_contains(&missing.stderr, "the user 'unknown' does not exist");
    let role = with_login(&directory, &backend, "add eve --role wizard --password-file new.pw").ended(2);
    assert_contains(&role.stderr, "unknown role 'wizard'");
    assert!(backend.account("eve").is_none());
}

#[test]
fn credentials_without_the_rights_are_rejected_with_the_missing_role() {
    let (directory, backend) = (admin(), Backend::start());
    let cases = [
        (
            token("root", &["admin"]),
            "rejects the token with the roles 'admin': /api accepts the role api alone, or admin and api together",
            "hint: use the token of a user with the roles admin and api, or log in as an administrator with --admin NAME",
        ),
        (
            token("fritz", &["user", "api"]),
            "rejects the token with the roles 'user,api': /api accepts",
            "hint: use the token of a user with the roles admin and api",
        ),
        (
            token("robot", &["api"]),
            "does not permit the token with the roles 'api' to manage users: the role admin is missing",
            "hint: use the token of a user with the roles admin and api",
        ),
        (
            token("root", &["admin", "api"]).replace(".BwcH", ".AAAA"),
            "rejects the token with the roles 'admin,api': it is expired, or the server did not sign it",
            "hint: request a new token",
        ),
    ];
    for (token, words, hint) in cases {
        directory.write("admin.jwt", &token);
        let run = with_token(&directory, &backend, "role add fritz support").ended(77);
        assert_contains(&run.stderr, words);
        assert_contains(&run.stderr, hint);
        assert!(!run.stderr.contains(&token), "the token is printed");
    }
    for (name, password, status, words) in [
        ("root", "wrong", 1, "rejected the login of 'root': wrong username or password"),
        (
            "fritz",
            "fritzpw",
            77,
            "does not permit the web session of 'fritz' to manage users: the role admin is missing",
        ),
        ("guest", "guestpw", 77, "rejects the web session of 'guest': the user does not have a role"),
    ] {
        let run = directory.sh(&format!(
            "echo {password} | cc-user del max --server {} --admin {name} --admin-password-stdin",
            backend.url()
        ));
        assert_contains(&run.ended(status).stderr, words);
    }
    assert_eq!(backend.roles("fritz"), "user,api");
    assert!(backend.account("max").is_some());
}

fn is_change(request: &Request) -> bool {
    request.method == "POST" && request.path.starts_with("/api/user/")
}

/// A server that fails at its change number `at`, from 0, and everything after it.
fn failing(at: usize, fault: Fault) -> Backend {
    let changes = std::sync::atomic::AtomicUsize::new(0);
    Backend::start_with(move |request, _| {
        if !is_change(request) {
            return None;
        }
        let number = changes.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        (number == at).then(|| fault.clone())
    })
}

#[test]
fn change_that_fails_in_the_middle_is_reported_exactly_and_may_be_repeated() {
    let directory = admin();
    let boom = Reply::status(500, "text/plain", "database is locked");
    let backend = failing(1, Fault::Instead(boom));
    let run = with_token(&directory, &backend, "set fritz --role support,manager --project x").ended(69);
    let expected = format!(
        "cc-user: the server at '{}/' failed to add the role 'manager' of 'fritz': status 500: 'database is locked'; \
         done before: add the role 'support'; not done: add the project 'x', remove the role 'user', remove the role 'api'\n\
         hint: read the log of the server\n",
        backend.url()
    );
    assert_eq!(run.stderr, expected);
    assert_eq!(backend.roles("fritz"), "user,api,support");
    let run = with_token(&directory, &backend, "set fritz --role support,manager --project x").ended(0);
    assert_contains(&run.stderr, "'fritz' has the roles support,manager");
    assert_eq!((backend.roles("fritz"), backend.projects("fritz")), ("support,manager".into(), "x".into()));
}

#[test]
fn change_whose_answer_is_lost_counts_as_done() {
    let directory = admin();
    for reply in [
        Reply::status(502, "text/html", "<html>bad gateway</html>"),
        Reply::Die,
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{".to_vec()),
    ] {
        let backend = failing(0, Fault::Afterwards(reply));
        let run = with_token(&directory, &backend, "role add fritz support,manager").ended(0);
        assert_eq!(backend.roles("fritz"), "user,api,support,manager");
        assert_contains(&run.stderr, "'fritz' has the roles user,api,support,manager");
    }
    // Another administrator was faster: the server rejects what is there already.
    let body = r#"{"status":"Unprocessable Entity","error":"the user has the role already"}"#;
    let faster = failing(0, Fault::Afterwards(Reply::status(422, "application/json", body)));
    with_token(&directory, &faster, "role add fritz support").ended(0);
    assert_eq!(faster.roles("fritz"), "user,api,support");
}

#[test]
fn change_with_an_unknown_result_is_reported_as_unknown() {
    let directory = admin();
    let backend = Backend::start_with(|request, number| {
        let reply = if is_change(request) { Reply::Die } else { Reply::status(503, "text/plain", "down") };
        (number > 0).then_some(Fault::Instead(reply))
    });
    let run = with_token(&directory, &backend, "role add fritz support,manager").ended(69);
    assert_contains(&run.stderr, "invalid HTTP response from");
    assert_contains(
        &run.stderr,
        "; it is unknown whether the server did this; not done: add the role 'manager'",
    );
    // A user who was not there before may be there now.
    let backend = Backend::start_with(|request, _| {
        let is_add = request.method == "POST" && request.path == "/config/users/";
        is_add.then(|| Fault::Afterwards(Reply::status(500, "text/plain", "disk full")))
    });
    let run = with_login(&directory, &backend, "add ann --role user,api --password-file new.pw").ended(69);
    assert_contains(
        &run.stderr,
        "failed to add the user 'ann': status 500: 'disk full'; it is unknown whether the server did this; not done: add the role 'api'",
    );
}

#[test]
fn rejected_change_is_reported_with_the_reason_of_the_server() {
    let directory = admin();
    let reason = "no \u{1b}[31mway\u{202e}";
    let body = json!({"status": "Unprocessable Entity", "error": reason}).to_string();
    let backend = failing(0, Fault::Instead(Reply::status(422, "application/json", body)));
    let run = with_token(&directory, &backend, "role add fritz support").ended(1);
    assert_contains(
        &run.stderr,
        "did not add the role 'support' of 'fritz': status 422: 'no \\u{1b}[31mway\\u{202e}'",
    );
    assert!(!run.stderr.contains(['\u{1b}', '\u{202e}']), "{:?}", run.stderr);
    // A role that the server no longer knows can be there, and be in the way.
    backend.accounts.lock().unwrap().insert("odd".to_owned(), Account::new("user,wizard"));
    let run = with_token(&directory, &backend, "role remove odd wizard --json").ended(1);
    let error: Value = serde_json::from_str(run.stderr.lines().last().unwrap()).unwrap();
    assert_eq!(error["error"]["kind"], json!("server-change-rejected"));
}

#[test]
fn deletion_that_fails_in_the_middle_names_the_deleted_users() {
    let directory = admin();
    let backend = Backend::start_with(|request, _| {
        let is_max = request.method == "DELETE" && request.query.contains("max");
        is_max.then(|| Fault::Instead(Reply::status(500, "text/plain", "no")))
    });
    let run = with_login(&directory, &backend, "del fritz max guest").ended(69);
    assert_contains(
        &run.stderr,
        "failed to delete the user 'max': status 500: 'no'; done before: delete the user 'fritz'; not done: delete the user 'guest'",
    );
    assert!(backend.account("fritz").is_none() && backend.account("guest").is_some());
}

#[test]
fn answer_that_is_not_a_list_of_users_is_reported() {
    let directory = admin();
    let list = |status, kind: &'static str, body: &'static str| Reply::status(status, kind, body);
    let cases: Vec<(Reply, &str)> = vec![
        (
            list(404, "text/plain", "404 page not found"),
            "is not a ClusterCockpit server: it responds to '/api/users/' with status 404; another version may have other paths",
        ),
        (list(200, "text/html", "[]"), "'/api/users/' responds with a web page"),
        (list(200, "application/json", "[{\"username\":\"a\""), "did not return the expected JSON"),
        (list(200, "application/json", "{}"), "did not return the expected JSON"),
        (list(200, "application/json", "[{\"username\":\"a\",\"roles\":[]}]"), "missing field `authSource`"),
        (
            list(200, "application/json", "[{\"username\":\"a\",\"username\":\"b\",\"authSource\":0}]"),
            "duplicate member 'username'",
        ),
        (list(500, "text/plain", "boom"), "failed to list the users: status 500: 'boom'"),
        (
            Reply::redirect(302, "https://elsewhere.example/login"),
            "redirects to 'https://elsewhere.example/login', which is not followed",
        ),
        (Reply::Die, "invalid HTTP response from"),
    ];
    for (reply, words) in cases {
        let backend = Backend::start_with(move |_, _| Some(Fault::Instead(reply.clone())));
        let run = with_token(&directory, &backend, "role add fritz support").ended(69);
        assert_contains(&run.stderr, words);
    }
    for reply in [Reply::Stall, Reply::StallInBody, Reply::Drip] {
        let backend = Backend::start_with(move |_, _| Some(Fault::Instead(reply.clone())));
        let run =
            with_token(&directory, &backend, "role add fritz support --request-timeout 300ms").ended(69);
        assert_contains(&run.stderr, "did not respond in time: timeout while waiting for the response");
    }
}

#[test]
fn credentials_are_not_sent_to_the_target_of_a_redirect() {
    let directory = admin();
    let elsewhere = Server::start(|_| Reply::json(&json!([])));
    let to = format!("{}/api/users/", elsewhere.url());
    let backend = Backend::start_with(move |request, _| {
        (request.path != "/login").then(|| Fault::Instead(Reply::redirect(307, &to)))
    });
    with_token(&directory, &backend, "role add fritz support").ended(69);
    with_login(&directory, &backend, "del fritz").ended(69);
    assert_eq!(elsewhere.seen().len(), 0);
}

#[test]
fn certificate_of_an_unknown_authority_is_rejected_unless_it_is_trusted() {
    let directory = admin();
    let authority = Authority::new();
    let (accounts, handler) = Backend::handler(|_, _| None);
    let server = Server::start_tls(authority.server("localhost", false), handler);
    directory.write("ca.pem", authority.pem());
    let line = |more: &str| {
        format!(
            "cc-user role add fritz support --server https://localhost:{} --token-file admin.jwt {more}",
            server.port()
        )
    };
    let run = directory.sh(&line("")).ended(69);
    assert_contains(&run.stderr, "no secure connection to");
    assert_contains(&run.stderr, "--ca-file FILE");
    assert_eq!(server.seen().len(), 0);
    directory.sh(&line("--ca-file ca.pem")).ended(0);
    assert_eq!(accounts.lock().unwrap()["fritz"].roles, ["user", "api", "support"]);
}

#[test]
fn server_url_path_is_part_of_the_requests_and_a_name_is_one_segment() {
    let directory = admin();
    let (accounts, handler) = Backend::handler(|_, _| None);
    for name in ["ünä%2Fx", ".", "a/b"] {
        accounts.lock().unwrap().insert(name.to_owned(), Account::new("user"));
    }
    let server = Server::start(move |request| match request.path.strip_prefix("/monitoring") {
        Some(rest) => handler(&Request { path: rest.to_owned(), ..request.clone() }),
        None => Reply::Die,
    });
    let run = |verb: &str| {
        directory.sh(&format!("cc-user {verb} --server {}/monitoring --token-file admin.jwt", server.url()))
    };
    run("role add 'ünä%2Fx' api").ended(0);
    assert_eq!(accounts.lock().unwrap()["ünä%2Fx"].roles, ["user", "api"]);
    for name in [".", "a/b"] {
        let count = server.seen().len();
        let rejected = run(&format!("role add {name} api")).ended(1);
        assert_contains(&rejected.stderr, "the name cannot be a part of a URL");
        assert_eq!(server.seen().len(), count + 1, "more than the list was requested");
    }
}

#[test]
fn token_is_read_from_standard_input_and_from_a_header_file() {
    let (directory, backend) = (admin(), Backend::start());
    let line = format!("cc-user role add lena api --server {} --token-file", backend.url());
    directory.sh(&format!("cat admin.jwt | {line} -")).ended(0);
    directory.sh("(umask 077; printf 'Authorization: Bearer ' | cat - admin.jwt > header)").ended(0);
    directory.sh(&format!("{line} header")).ended(0);
    directory.sh(&format!("echo nonsense > no.jwt; chmod 600 no.jwt; {line} no.jwt")).ended(65);
    assert!(backend.server.seen().iter().all(|seen| !seen.head.contains("nonsense")));
    directory.sh("chmod 644 admin.jwt").ended(0);
    let readable = directory.sh(&format!("{line} admin.jwt")).ended(0);
    assert_contains(&readable.stderr, "'admin.jwt' contains secrets and others may access it");
}

/// A directory with the users of the server in a database as well.
fn both() -> (TestEnv, Backend) {
    let (directory, backend) = (admin(), Backend::start());
    directory
        .write("config.json", r#"{"main": {"db": "var/job.db"}, "auth": {"jwts": {"validate-user": true}}}"#);
    directory.sh("cc-user init -q").ended(0);
    let lines: String = backend
        .accounts
        .lock()
        .unwrap()
        .iter()
        .map(|(username, account)| {
            let source = ["local", "ldap"][usize::try_from(account.source).unwrap()];
            // The server reports a missing name as an empty one.
            let name = Some(&account.name).filter(|name| !name.is_empty());
            let row = json!({"username": username, "roles": account.roles, "projects": account.projects,
                             "name": name, "source": source});
            format!("{row}\n")
        })
        .collect();
    directory.write("users.jsonl", lines);
    directory.sh("cc-user import -q users.jsonl").ended(0);
    (directory, backend)
}

/// What a server does not report is null.
fn without_unreported(mut report: Value) -> Value {
    match &mut report {
        Value::Array(users) => users.iter_mut().for_each(|user| *user = without_unreported(user.take())),
        Value::Object(members) => {
            for (name, value) in members.iter_mut() {
                let is_unreported = ["has_password", "disabled", "login_methods"].contains(&name.as_str());
                *value = if is_unreported { Value::Null } else { without_unreported(value.take()) };
            }
        }
        _ => {}
    }
    report
}

#[test]
fn reports_are_those_of_a_database_except_for_what_the_server_does_not_report() {
    let (directory, backend) = both();
    for verb in [
        "list",
        "list --role api,manager",
        "list --source ldap",
        "list --project p2",
        "list 'f*' lena",
        "list --sort=-name,username --limit 3",
        "list --sort roles",
        "list --sort=-projects",
        "list --sort source,-username",
        "show max",
        "set fritz --role api,support --dry-run",
        "role add fritz support",
        "role remove fritz api",
        "project add max p3",
        "project remove max p1",
        "set max --role user --clear-projects",
    ] {
        let local = directory.sh(&format!("cc-user {verb} --json"));
        let remote = with_token(&directory, &backend, &format!("{verb} --json"));
        assert_eq!((local.status, remote.status), (0, 0), "{verb}: {}{}", local.stderr, remote.stderr);
        let (remote_report, local_report) = (remote.json(), without_unreported(local.json()));
        if !verb.starts_with("show") {
            assert_eq!(remote_report, local_report, "{verb}");
        }
        assert_eq!(without_unreported(remote_report), local_report, "{verb}");
        assert_ne!(remote.json(), local.json(), "{verb}");
    }
    // A new user has all values.
    let add = "add ann --role user,api --name A --password-file new.pw --json";
    let (local, remote) =
        (directory.sh(&format!("cc-user {add}")).ended(0), with_login(&directory, &backend, add).ended(0));
    assert_eq!(remote.json(), local.json());
    let del = "del ann lena --source local --json";
    assert_eq!(
        with_login(&directory, &backend, del).ended(1).stderr,
        directory.sh(&format!("cc-user {del}")).ended(1).stderr
    );
    let del = "del ann fritz --json";
    assert_eq!(
        with_login(&directory, &backend, del).ended(0).json(),
        directory.sh(&format!("cc-user {del}")).ended(0).json()
    );
}

#[test]
fn list_and_show_print_as_those_of_a_database() {
    let (directory, backend) = both();
    for verb in [
        "list",
        "list --wide",
        "list --names",
        "list --columns username,roles --role user",
        "list guest 'x*'",
    ] {
        let local = directory.sh(&format!("cc-user {verb}")).ended(0);
        let remote = with_token(&directory, &backend, verb).ended(0);
        assert_eq!((remote.stdout, remote.stderr), (local.stdout, local.stderr), "{verb}");
    }
    let shown = with_token(&directory, &backend, "show max lena").ended(0);
    let local = directory.sh("cc-user show max lena").ended(0);
    let (shown, local): (Vec<&str>, Vec<&str>) =
        (shown.stdout.lines().collect(), local.stdout.lines().collect());
    assert_eq!(shown.len(), local.len());
    let differing: Vec<&str> = shown.iter().zip(&local).filter(|(a, b)| a != b).map(|(a, _)| *a).collect();
    let unreported = ["local", "token", "oidc", "ldap", "token", "oidc"];
    let password = "password  not reported by a running server";
    assert_eq!(differing.iter().filter(|line| **line == password).count(), 2, "{differing:?}");
    let logins: Vec<&&str> = differing.iter().filter(|line| **line != password).collect();
    assert_eq!(logins.len(), unreported.len(), "{logins:?}");
    for (line, method) in logins.iter().zip(unreported) {
        let expected = format!("{method:<5} unknown (a running server does not report it)");
        assert!(line.ends_with(&expected), "{line}");
    }
    let unknown = with_token(&directory, &backend, "show MAX").ended(1);
    assert_contains(&unknown.stderr, "the user 'MAX' does not exist\nhint: did you mean 'max'?");
    for (verb, words) in [
        ("list --columns username,password", "does not report the column 'password'"),
        ("list --sort=-password", "does not report the column 'password'"),
        ("list --disabled", "--disabled has no effect beside --server"),
        ("list --not-in-ldap", "--not-in-ldap has no effect beside --server"),
    ] {
        assert_contains(&with_token(&directory, &backend, verb).ended(2).stderr, words);
    }
    // A login is possible for each verb.
    let listed = with_login(&directory, &backend, "list --names").ended(0);
    assert_eq!(listed.stdout, "fritz\nguest\nlena\nmax\nroot\n");
}

#[test]
fn values_of_the_server_are_escaped_for_the_terminal() {
    let (directory, backend) = (admin(), Backend::start());
    let odd = Account { name: "\u{1b}]0;x\u{7}\u{202e}".to_owned(), ..Account::new("user,a\nb") };
    backend.accounts.lock().unwrap().insert("e\u{1b}[2J".to_owned(), odd);
    for verb in ["list", "list --wide", "list --names", "list --json", "show 'e\u{1b}[2J'"] {
        let run = with_token(&directory, &backend, verb).ended(0);
        assert!(!run.stdout.contains(['\u{1b}', '\u{7}', '\u{202e}']), "{verb}: {:?}", run.stdout);
        assert_contains(&run.stdout, if verb.contains("json") { "e\\u001b[2J" } else { "e\\u{1b}[2J" });
    }
}

#[test]
fn token_is_that_of_the_session_for_the_server_and_of_no_other_session() {
    let (directory, backend, other) = (admin(), Backend::start(), Backend::start());
    backend.accounts.lock().unwrap().get_mut("root").unwrap().roles.push("api".to_owned());
    let line = |backend: &Backend| format!("cc-user role add fritz support --server {}", backend.url());
    let missing = directory.sh(&line(&backend)).ended(1);
    let hint = format!("hint: cc-login NAME --server {}", backend.url());
    assert_contains(&missing.stderr, &hint);
    directory.sh(&format!("cc-login root --server {} --password-file root.pw -q", backend.url())).ended(0);
    directory.sh(&format!("{}/", line(&backend))).ended(0);
    assert_eq!(backend.roles("fritz"), "user,api,support");
    directory.sh(&line(&other)).ended(1);
    assert_eq!(other.requests(), [""; 0], "the token of another server was used");
}

#[test]
fn token_of_one_of_several_sessions_for_the_server_is_used_as_the_hint_shows() {
    let (directory, backend) = (admin(), Backend::start());
    backend.accounts.lock().unwrap().get_mut("root").unwrap().roles.push("api".to_owned());
    let url = backend.url();
    for session in ["one", "two"] {
        let log_in = format!("cc-login root --server {url} --password-file root.pw -q --session {session}");
        directory.sh(&log_in).ended(0);
    }
    let several = directory.sh(&format!("cc-user list --server {url}")).ended(2);
    assert_contains(&several.stderr, &format!("several sessions belong to '{url}': 'one', 'two'"));
    let hint = several.stderr.lines().find_map(|line| line.strip_prefix("hint: ")).unwrap();
    let (_, command) = hint.split_once(": ").unwrap();
    assert_contains(&directory.sh(command).ended(0).stdout, "fritz");
}
