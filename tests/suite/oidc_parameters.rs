//! Every documented parameter of a login through a provider: each test fails without it.

use std::io::Write as _;
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::httpd::{Authority, Reply, parameter};
use crate::idp::{Behavior, Idp};
use crate::oidc::{Waiting, configure, directory_for, log_in, session};
use crate::support::{Run, TestEnv, has, session_path};

fn proper() -> (Idp, TestEnv) {
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    (idp, directory)
}

/// The address a waiting login shows, which is then ended.
fn address(directory: &TestEnv, arguments: &str) -> String {
    let mut waiting = Waiting::start(directory, arguments);
    let _ = waiting.child.kill();
    let _ = waiting.child.wait();
    waiting.address
}

fn redirect_uri(address: &str) -> String {
    parameter(address, "redirect_uri").unwrap()
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[test]
fn url_of_the_discovery_document_is_accepted_as_the_issuer_with_a_warning() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let document = format!("{}/.well-known/openid-configuration", idp.issuer());
    let directory = directory_for(&document, &json!({}));
    let run = log_in(&directory, "").ended(0);
    let hint = format!("set auth.oidc.provider to '{}'", idp.issuer());
    assert!(run.stderr.contains(&hint), "{}", run.stderr);
    let keys =
        |url: &str| directory.sh(&format!("cc-jwt verify e30.e30.e30 --discovery {url}")).ended(1).stdout;
    assert_eq!(keys(&document), keys(&idp.issuer()));
}

#[test]
fn path_and_mount_choose_the_provider_entry() {
    if !has("curl") {
        return;
    }
    let (one, two) = (Idp::start(Behavior::default()), Idp::start(Behavior::default()));
    let other = json!({"providers": {"site": {"provider": two.issuer(), "client-id": "cc", "client-secret-variable": "SITE_SECRET"}}});
    let directory = directory_for(&one.issuer(), &other);
    let env = directory.read(".env");
    directory.write(".env", format!("{env}SITE_SECRET=other\n"));
    for spelling in ["--path site", "mount=site", "path=site", "-path=site"] {
        log_in(&directory, spelling).ended(0);
    }
    assert_eq!((one.count("/token"), two.count("/token")), (0, 4));
    use base64::Engine as _;
    let basic = base64::engine::general_purpose::STANDARD.encode("cc:other");
    assert_eq!(two.last("/token").header("authorization").unwrap(), format!("Basic {basic}"));
    let run = log_in(&directory, "--path sitte").ended(78);
    assert!(run.stderr.contains("hint: did you mean --path site?"), "{}", run.stderr);
}

#[test]
fn client_id_option_never_sends_the_configured_secret() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({"client-id": "cc"}));
    log_in(&directory, "").ended(0);
    let token = idp.last("/token");
    assert_eq!(token.header("authorization"), None);
    assert_eq!(token.field("client_id").as_deref(), Some("cc"));
    assert_eq!(token.field("client_secret"), None);
}

#[test]
fn client_secret_is_sent_as_the_provider_supports() {
    if !has("curl") {
        return;
    }
    let methods = |methods: Value| Behavior {
        discovery: Box::new(move |document| {
            document.insert("token_endpoint_auth_methods_supported".to_owned(), methods.clone());
        }),
        ..Behavior::default()
    };
    let idp = Idp::start(methods(json!(["client_secret_post"])));
    log_in(&directory_for(&idp.issuer(), &json!({})), "").ended(0);
    assert_eq!(idp.last("/token").field("client_secret").as_deref(), Some("s3cret"));
    let idp = Idp::start(methods(json!(["private_key_jwt"])));
    let run = log_in(&directory_for(&idp.issuer(), &json!({})), "").ended(78);
    assert!(run.stderr.contains("only by 'private_key_jwt'"), "{}", run.stderr);
}

/// A provider that accepts the secret by one method only, whatever its document says; the code is
/// used up by a rejected attempt where `uses_up` says so.
fn accepts_only(method: &'static str, document: Value, uses_up: bool) -> Idp {
    let rejected = std::sync::atomic::AtomicBool::new(false);
    Idp::start(Behavior {
        discovery: Box::new(move |members| {
            members.insert("token_endpoint_auth_methods_supported".to_owned(), document.clone());
        }),
        instead: Box::new(move |request| {
            if !matches!(request.path.as_str(), "/token" | "/revoke" | "/device") {
                return None;
            }
            let by_basic = request.header("authorization").is_some();
            let answer = |status, code: &str| {
                Some(Reply::status(status, "application/json", json!({"error": code}).to_string()))
            };
            if by_basic != (method == "client_secret_basic") {
                rejected.store(true, std::sync::atomic::Ordering::SeqCst);
                return answer(401, "invalid_client");
            }
            let was_rejected = rejected.load(std::sync::atomic::Ordering::SeqCst);
            if uses_up && was_rejected { answer(400, "invalid_grant") } else { None }
        }),
        ..Behavior::default()
    })
}

#[test]
fn client_that_is_rejected_tries_the_other_method_once() {
    if !has("curl") {
        return;
    }
    let both = json!(["client_secret_basic", "client_secret_post"]);
    for method in ["client_secret_basic", "client_secret_post"] {
        for document in [both.clone(), json!(["client_secret_post", "client_secret_basic"]), Value::Null] {
            let idp = accepts_only(method, document, false);
            let directory = directory_for(&idp.issuer(), &json!({}));
            log_in(&directory, "").ended(0);
            let tries = if method == "client_secret_basic" { 1 } else { 2 };
            assert_eq!(idp.count("/token"), tries);
            directory.sh("cc-login refresh").ended(0);
            directory.sh("cc-login logout --everywhere").ended(0);
            // A device login asks often, and remembers what was accepted.
            directory.sh("cc-login --method oidc --device").ended(0);
            assert_eq!(idp.count("/device"), tries);
            assert_eq!(idp.count("/token"), 2 * tries + 1);
        }
    }
    // Only the method that the document names, and a wrong secret.
    let idp = accepts_only("client_secret_post", json!(["client_secret_basic"]), false);
    let run = log_in(&directory_for(&idp.issuer(), &json!({})), "").ended(77);
    assert!(run.stderr.contains("the secret was sent by client_secret_basic\n"), "{}", run.stderr);
    assert_eq!(idp.count("/token"), 1);
    let idp = accepts_only("nothing", both, false);
    let run = log_in(
        &directory_for(&idp.issuer(), &json!({"token-endpoint-auth-method": "client_secret_basic"})),
        "",
    );
    assert!(run.ended(77).stderr.contains("sent by client_secret_basic\n"));
}

#[test]
fn token_endpoint_auth_method_is_a_setting_and_the_hint_names_it() {
    if !has("curl") {
        return;
    }
    let both = json!(["client_secret_basic", "client_secret_post"]);
    let idp = accepts_only("client_secret_post", both.clone(), true);
    let directory = directory_for(&idp.issuer(), &json!({}));
    let run = log_in(&directory, "").ended(1);
    assert!(
        run.stderr.contains(
            "hint: set 'token-endpoint-auth-method' of the provider entry to \"client_secret_post\""
        ),
        "{}",
        run.stderr
    );
    let idp = accepts_only("client_secret_post", both, true);
    let directory =
        directory_for(&idp.issuer(), &json!({"token-endpoint-auth-method": "client_secret_post"}));
    log_in(&directory, "").ended(0);
    assert_eq!(idp.count("/token"), 1);
    configure(
        &directory,
        &idp.issuer(),
        &json!({"token-endpoint-auth-method": "private_key_jwt"}),
        &json!({}),
    );
    let run = log_in(&directory, "").ended(78);
    assert!(run.stderr.contains("'auth.oidc.client-key-file' is not set"), "{}", run.stderr);
    // Without a secret, a provider that expects one.
    let idp = accepts_only("client_secret_post", Value::Null, false);
    let directory = directory_for(&idp.issuer(), &json!({"client-id": "cc"}));
    directory.sh("sed -i /OID_CLIENT_SECRET/d .env").ended(0);
    let idp_basic = accepts_only("client_secret_basic", Value::Null, false);
    configure(&directory, &idp_basic.issuer(), &json!({"client-id": "cc"}), &json!({}));
    let run = log_in(&directory, "").ended(77);
    assert!(run.stderr.contains("hint: no client secret was sent"), "{}", run.stderr);
}

#[test]
fn login_role_does_not_check_the_times_of_an_id_token_again() {
    if !has("curl") {
        return;
    }
    // The ID token's own rule permits an nbf that is five minutes ahead.
    let early = Behavior {
        claims: Box::new(|claims| {
            let now = claims["iat"].as_i64().unwrap();
            claims.insert("nbf".to_owned(), json!(now + 240));
        }),
        ..Behavior::default()
    };
    let idp = Idp::start(early);
    let directory = with_roles(&idp, &json!({}));
    log_in(&directory, "").ended(0);
    log_in(&directory, "--role plain").ended(0);
}

#[test]
fn device_login_with_numbers_as_strings_works() {
    let idp = Idp::start(Behavior {
        instead: Box::new(|request| {
            let own = format!("http://{}", request.header("host").unwrap());
            (request.path == "/device").then(|| {
                Reply::json(&json!({
                    "device_code": "d", "user_code": "u", "verification_uri": format!("{own}/x"),
                    "expires_in": "900", "interval": "1",
                }))
            })
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    directory.sh("cc-login --method oidc --device").ended(0);
}

#[test]
fn listen_address_option_is_bound() {
    let (_idp, directory) = proper();
    for spelling in ["--listen-address 127.0.0.2", "listenaddress=127.0.0.2"] {
        // Another test may use the port on 127.0.0.1, but not three ports in a row.
        let is_elsewhere_closed = (0..3).any(|_| {
            let mut waiting = Waiting::start(&directory, &format!("{spelling} --port 0"));
            let port = waiting.port();
            assert!(TcpStream::connect(("127.0.0.2", port)).is_ok());
            let is_closed = TcpStream::connect(("127.0.0.1", port)).is_err();
            let _ = waiting.child.kill();
            let _ = waiting.child.wait();
            is_closed
        });
        assert!(is_elsewhere_closed, "{spelling}");
    }
    let waiting = Waiting::start(&directory, "--port 0");
    assert!(TcpStream::connect(("127.0.0.1", waiting.port())).is_ok());
    if TcpListener::bind("[::1]:0").is_ok() {
        assert!(TcpStream::connect(("::1", waiting.port())).is_ok(), "localhost is both families");
    }
    let Waiting { mut child, .. } = waiting;
    let _ = child.kill();
    let _ = child.wait();
    let run = directory.sh("cc-login --method oidc --skip-browser --listen-address no-such.invalid").ended(2);
    assert!(run.stderr.contains("host name not found"), "{}", run.stderr);
}

#[test]
fn callback_port_is_a_number_list_range_or_any() {
    let (_idp, directory) = proper();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let (busy, free) = (taken.local_addr().unwrap().port(), free_port());
    for spelling in [format!("--port {free}"), format!("port={free}"), format!("--port {busy},{free}")] {
        let uri = redirect_uri(&address(&directory, &spelling));
        assert_eq!(uri, format!("http://localhost:{free}/oidc/callback"), "{spelling}");
    }
    let uri = redirect_uri(&address(&directory, &format!("--port {busy}-{}", busy.saturating_add(20))));
    let port = url::Url::parse(&uri).unwrap().port().unwrap();
    assert!(port > busy && port <= busy + 20, "{uri}");
    let run = directory.sh(&format!("cc-login --method oidc --skip-browser --port {busy}")).ended(69);
    let words = format!("cannot listen on 127.0.0.1 port {busy}: address already in use");
    assert!(run.stderr.contains(&words), "{}", run.stderr);
    assert!(run.stderr.contains("hint: use other ports"), "{}", run.stderr);
}

#[test]
fn redirect_uri_has_callback_method_host_and_port() {
    let (_idp, directory) = proper();
    for spelling in [
        "--callback-method https --callback-host login.example --callback-port 443",
        "callbackmethod=https callbackhost=login.example callbackport=443",
    ] {
        let uri = redirect_uri(&address(&directory, &format!("--port 0 {spelling}")));
        assert_eq!(uri, "https://login.example:443/oidc/callback", "{spelling}");
    }
}

#[test]
fn skip_browser_opens_none_and_browser_names_the_command() {
    let (_idp, directory) = proper();
    let run = |line: &str| directory.sh(&format!("{line} --method oidc --port 0 --timeout 600ms")).ended(1);
    run("BROWSER='touch opened; :' cc-login --skip-browser");
    run("BROWSER='touch opened; :' cc-login skip_browser=true");
    assert!(!directory.file("opened").exists());
    let shown = run("cc-login --browser 'printf %%s\\\\n %s > opened; :' -q");
    assert!(directory.file("opened").exists(), "{shown:?}");
    assert!(shown.stderr.contains("/oidc/start/"), "shown even when quiet: {}", shown.stderr);
    std::fs::remove_file(directory.file("opened")).unwrap();
    run("BROWSER='touch opened; :' cc-login");
    assert!(directory.file("opened").exists());
    let missing = run("cc-login --browser no-such-browser");
    assert!(
        missing.stderr.contains("'no-such-browser' is not found: open the URL above yourself"),
        "{missing:?}"
    );
}

#[test]
fn scopes_parameters_and_the_name_go_along() {
    let idp = Idp::start(Behavior::default());
    let more = json!({"scopes": ["profile", "groups"], "parameters": {"prompt": "login", "max_things": 3}});
    let directory = directory_for(&idp.issuer(), &more);
    let asked =
        address(&directory, "--port 0 clara --scope offline_access --parameter acr_values=mfa scope=extra");
    let value = |name: &str| parameter(&asked, name);
    assert_eq!(value("scope").as_deref(), Some("openid profile groups offline_access extra"));
    assert_eq!(value("prompt").as_deref(), Some("login"));
    assert_eq!(value("max_things").as_deref(), Some("3"));
    assert_eq!(value("acr_values").as_deref(), Some("mfa"));
    assert_eq!(value("login_hint").as_deref(), Some("clara"));
    let run = directory.sh("cc-login --method oidc --skip-browser --parameter state=x").ended(78);
    assert!(run.stderr.contains("invalid authorization parameter 'state'"), "{}", run.stderr);
}

#[test]
fn scope_unknown_to_the_provider_is_requested_only_if_named() {
    let idp = Idp::start(Behavior {
        discovery: Box::new(|document| {
            document.insert("scopes_supported".to_owned(), json!(["openid", "profile"]));
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let scope = |arguments: &str| parameter(&address(&directory, arguments), "scope").unwrap();
    assert_eq!(scope("--port 0"), "openid profile");
    assert_eq!(scope("--port 0 --scope roles"), "openid profile roles");
}

#[test]
fn max_age_is_asked_for_and_held_to() {
    if !has("curl") {
        return;
    }
    let old = Behavior {
        claims: Box::new(|claims| {
            let then = claims["auth_time"].as_i64().unwrap() - 900;
            claims.insert("auth_time".to_owned(), json!(then));
        }),
        ..Behavior::default()
    };
    let idp = Idp::start(old);
    let directory = directory_for(&idp.issuer(), &json!({"max-age": "10m"}));
    let run = log_in(&directory, "").ended(1);
    assert!(
        run.stderr.contains("the login at the provider was 15 minutes ago: expected at most 10 minutes"),
        "{}",
        run.stderr
    );
    assert_eq!(parameter(&idp.last("/auth").query, "max_age").as_deref(), Some("600"));
    let directory = directory_for(&idp.issuer(), &json!({}));
    log_in(&directory, "").ended(0);
}

/// A configuration with login roles of type oidc.
fn with_roles(idp: &Idp, more: &Value) -> TestEnv {
    let directory = directory_for(&idp.issuer(), more);
    let role = |change: Value| {
        let mut role = json!({
            "role_type": "oidc", "user_claim": "sub",
            "allowed_redirect_uris": ["http://localhost:8250/oidc/callback"],
        });
        role.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        role
    };
    let roles = json!({
        "plain": role(json!({})),
        "managers": role(json!({"bound_claims": {"/realm_access/roles": ["manager"]}, "oidc_scopes": ["groups"]})),
        "admins": role(json!({"bound_claims": {"/realm_access/roles": ["admin"]}})),
        "short": role(json!({"token_ttl": "5m"})),
        "talkative": role(json!({"verbose_oidc_logging": true})),
        "elsewhere": role(json!({"allowed_redirect_uris": ["https://vault.example/oidc/callback"]})),
        "tokens": {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["x"]},
    });
    configure(&directory, &idp.issuer(), more, &json!({"jwt-roles": roles}));
    directory
}

#[test]
fn login_role_decides_which_users_log_in_and_their_names() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = with_roles(&idp, &json!({}));
    for spelling in ["--role plain", "role=plain", "--role PLAIN"] {
        let done = log_in(&directory, spelling).ended(0);
        assert!(
            done.stdout.starts_with("logged in: s-1 (manager) by oidc"),
            "user_claim sub: {}",
            done.stdout
        );
    }
    log_in(&directory, "--role managers").ended(0);
    assert!(parameter(&idp.last("/auth").query, "scope").unwrap().contains("groups"));
    let run = log_in(&directory, "--role admins").ended(1);
    assert!(run.stderr.contains("realm_access"), "{}", run.stderr);
    let done = log_in(&directory, "--role short").ended(0);
    assert!(done.stdout.contains("(in 5 minutes)"), "{}", done.stdout);
    let run = log_in(&directory, "--role elsewhere").ended(78);
    assert!(run.stderr.contains("does not allow the redirect URI 'http://localhost:"), "{}", run.stderr);
    let run = log_in(&directory, "--role tokens").ended(78);
    assert!(run.stderr.contains("is of type 'jwt', expected 'oidc'"), "{}", run.stderr);
    let run = log_in(&directory, "--role plein").ended(78);
    assert!(run.stderr.contains("--role: auth.jwt-roles does not have the role 'plein'"), "{}", run.stderr);
    let quiet = log_in(&directory, "--role plain -v").ended(0);
    assert!(!quiet.stderr.contains("Clara"), "{}", quiet.stderr);
    let talk = log_in(&directory, "--role talkative -v").ended(0);
    assert!(talk.stderr.contains("\"name\":\"Clara Müller\""), "{}", talk.stderr);
    assert!(talk.stderr.contains("warning: the login role has verbose_oidc_logging"), "{}", talk.stderr);
}

#[test]
fn default_role_is_used_without_a_role_name() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = with_roles(&idp, &json!({"default-role": "plain"}));
    assert!(log_in(&directory, "").ended(0).stdout.starts_with("logged in: s-1 "));
    let directory = with_roles(&idp, &json!({}));
    assert!(log_in(&directory, "").ended(0).stdout.starts_with("logged in: clara "));
}

#[test]
fn private_ca_is_set_by_option_or_configuration() {
    if !has("curl") {
        return;
    }
    let authority = Authority::new();
    let idp = Idp::start_tls(Behavior::default(), authority.server("localhost", false));
    let directory = directory_for(&idp.issuer(), &json!({}));
    directory.write("ca.pem", authority.pem());
    let browser = "--port 0 --browser 'curl -skL -c /dev/null -o page.html'";
    let refused = directory.sh(&format!("cc-login --method oidc {browser}")).ended(69);
    assert!(refused.stderr.contains("an authority that is not trusted here"), "{}", refused.stderr);
    assert!(refused.stderr.contains("hint: if the site has its own CA"), "{}", refused.stderr);
    directory.sh(&format!("cc-login --method oidc --ca-file ca.pem {browser}")).ended(0);
    configure(&directory, &idp.issuer(), &json!({"ca-file": "ca.pem"}), &json!({}));
    directory.sh(&format!("cc-login --method oidc {browser}")).ended(0);
}

#[test]
fn discovery_document_is_fetched_once() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    log_in(&directory, "").ended(0);
    log_in(&directory, "").ended(0);
    assert_eq!(idp.count("/.well-known/openid-configuration"), 1);
    assert_eq!(idp.count("/token"), 2);
}

#[test]
fn users_are_added_and_brought_up_to_date_only_where_the_settings_say_so() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    configure(&directory, &idp.issuer(), &json!({"sync-user-on-login": false}), &json!({}));
    let run = log_in(&directory, "").ended(0);
    assert!(
        run.stderr.contains("'clara' is not in the user table: the session has no token"),
        "{}",
        run.stderr
    );
    directory.sh("cc-login token").ended(1);
    directory.sh("cc-user show clara").ended(1);
    configure(&directory, &idp.issuer(), &json!({"sync-user-on-login": true}), &json!({}));
    let run = log_in(&directory, "").ended(0);
    assert!(run.stderr.contains("added 'clara' with the data of the provider"), "{}", run.stderr);
    let row = || directory.sh("cc-user show clara --json").ended(0).json();
    assert_eq!(
        (&row()["source"], &row()["roles"], &row()["projects"]),
        (&json!("oidc"), &json!(["manager"]), &json!(["fusion"]))
    );
    directory.sh("cc-user role add clara api -q").ended(0);
    log_in(&directory, "").ended(0);
    assert_eq!(row()["roles"], json!(["manager", "api"]), "not without update-user-on-login");
    configure(&directory, &idp.issuer(), &json!({"update-user-on-login": true}), &json!({}));
    directory.sh("cc-user role add clara support -q").ended(0);
    log_in(&directory, "").ended(0);
    assert_eq!(row()["roles"], json!(["manager", "api"]), "a provider never gives the role api");
    // A user of another source is never changed.
    directory
        .sh("cc-user del clara --source oidc -q; cc-user add clara --role admin --no-password -q")
        .ended(0);
    let run = log_in(&directory, "").ended(0);
    assert!(run.stderr.contains("was not changed"), "{}", run.stderr);
    assert_eq!((&row()["source"], &row()["roles"]), (&json!("local"), &json!(["admin"])));
}

#[test]
fn without_a_display_a_login_goes_by_device_and_says_so() {
    let idp = Idp::start(Behavior { pending: 2, ..Behavior::default() });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let start = Instant::now();
    let run = directory.sh("cc-login --method oidc").ended(0);
    assert!(
        run.stderr.contains("note: no display on this computer: login on another device"),
        "{}",
        run.stderr
    );
    assert!(run.stderr.contains("/enter\n") && run.stderr.contains("WDJB-MJHT"), "{}", run.stderr);
    assert!(run.stdout.starts_with("logged in: clara (manager) by oidc"), "{}", run.stdout);
    assert!(start.elapsed() >= Duration::from_secs(3), "one question a second: {:?}", start.elapsed());
    assert_eq!(idp.count("/token"), 3);
    assert_eq!(idp.count("/auth"), 0);
    let asked = idp.last("/token");
    assert_eq!(asked.field("device_code").as_deref(), Some("the-device-code"));
    assert_eq!(idp.last("/device").field("scope").as_deref(), Some("openid profile roles"));
}

/// What a device login ends in when the provider answers the first question like this.
fn device_refused(code: &'static str, status: i32) -> Run {
    let idp = Idp::start(Behavior {
        instead: Box::new(move |request| {
            (request.path == "/token")
                .then(|| Reply::status(400, "application/json", json!({"error": code}).to_string()))
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let run = directory.sh("cc-login --method oidc --device --timeout 4s").ended(status);
    assert!(session(&directory).is_none());
    run
}

#[test]
fn device_login_reports_the_error_of_the_provider() {
    let run = device_refused("access_denied", 1);
    assert!(run.stderr.contains("hint: the login was canceled"), "{}", run.stderr);
    let run = device_refused("expired_token", 1);
    assert!(run.stderr.contains("hint: the code has expired"), "{}", run.stderr);
    let start = Instant::now();
    let run = device_refused("slow_down", 1);
    assert!(run.stderr.contains("no login within the time limit of 4s"), "{}", run.stderr);
    assert!(start.elapsed() < Duration::from_secs(15));
    let (_, run) = {
        let idp = Idp::start(Behavior {
            discovery: Box::new(|document| {
                document.insert("device_authorization_endpoint".to_owned(), Value::Null);
            }),
            ..Behavior::default()
        });
        let directory = directory_for(&idp.issuer(), &json!({}));
        let run = directory.sh("cc-login --method oidc --device").ended(69);
        (idp, run)
    };
    assert!(run.stderr.contains("has no device_authorization_endpoint"), "{}", run.stderr);
}

#[test]
fn device_login_survives_invalid_times_and_a_short_outage() {
    for (expires_in, interval) in [(u64::MAX, 1), (600, u64::MAX), (u64::MAX, u64::MAX)] {
        let idp = Idp::start(Behavior {
            instead: Box::new(move |request| {
                (request.path == "/device").then(|| {
                    Reply::json(&json!({
                        "device_code": "d", "user_code": "u", "verification_uri": "http://localhost/x",
                        "expires_in": expires_in, "interval": interval,
                    }))
                })
            }),
            ..Behavior::default()
        });
        let directory = directory_for(&idp.issuer(), &json!({}));
        let ended = if interval == 1 { 0 } else { 1 };
        let run = directory.sh("cc-login --method oidc --device --timeout 2s").ended(ended);
        assert!(!run.stderr.contains("panicked"), "{}", run.stderr);
        if expires_in == u64::MAX && interval == 1 {
            directory.sh("cc-login --method oidc --device").ended(0);
        }
    }
    let idp = Idp::start(Behavior {
        instead: Box::new({
            let count = std::sync::atomic::AtomicUsize::new(0);
            move |request| {
                let is_first =
                    request.path == "/token" && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
                is_first.then(|| Reply::status(503, "text/html", "<h1>maintenance</h1>"))
            }
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    directory.sh("cc-login --method oidc --device").ended(0);
    assert_eq!(idp.count("/token"), 2);
}

#[test]
fn device_slow_down_adds_five_seconds_to_the_interval() {
    let idp = Idp::start(Behavior {
        instead: Box::new({
            let count = std::sync::atomic::AtomicUsize::new(0);
            move |request| {
                let is_first =
                    request.path == "/token" && count.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 0;
                is_first.then(|| {
                    Reply::status(400, "application/json", json!({"error": "slow_down"}).to_string())
                })
            }
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let start = Instant::now();
    directory.sh("cc-login --method oidc --device").ended(0);
    assert!(start.elapsed() >= Duration::from_secs(7), "{:?}", start.elapsed());
}

/// A login by pasting, fed by a function of the address to log in at.
fn paste(directory: &TestEnv, arguments: &str, feed: impl FnOnce(&str) -> String) -> Run {
    let mut command = std::process::Command::new("sh");
    command
        .args(["-c", &format!("exec cc-login --method oidc {arguments} 2> err.txt")])
        .current_dir(directory.path())
        .env_clear()
        .env("PATH", crate::support::path_with_programs())
        .env("HOME", directory.file(".home"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    let address = loop {
        let shown = std::fs::read_to_string(directory.file("err.txt")).unwrap_or_default();
        if shown.contains("paste it here") {
            break shown.lines().find(|line| line.contains("/auth?")).unwrap().trim().to_owned();
        }
        assert!(begun.elapsed() < Duration::from_secs(30), "{shown}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let line = feed(&address);
    let _ = child.stdin.take().unwrap().write_all(line.as_bytes());
    let mut run: Run = child.wait_with_output().unwrap().into();
    run.stderr = directory.read("err.txt");
    run
}

/// Where a browser is sent after logging in.
fn ended_on(address: &str) -> String {
    let back = std::process::Command::new("curl")
        .args(["-s", "-o", "/dev/null", "-w", "%{redirect_url}", address])
        .output()
        .unwrap();
    String::from_utf8(back.stdout).unwrap()
}

#[test]
fn pasted_url_logs_in_and_its_state_is_checked() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    let done = paste(&directory, "--manual", |address| format!("{}\n", ended_on(address))).ended(0);
    assert!(done.stdout.starts_with("logged in: clara"), "{}", done.stdout);
    assert_eq!(
        parameter(&idp.last("/auth").query, "redirect_uri").unwrap(),
        "http://localhost:8250/oidc/callback"
    );
    assert_eq!(idp.count("/token"), 1);
    let wrong = paste(&directory, "--manual", |address| {
        format!("{}\n", ended_on(address).replace("state=", "state=x"))
    })
    .ended(1);
    assert!(wrong.stderr.contains("its 'state' differs"), "{}", wrong.stderr);
    let rubbish = paste(&directory, "--manual", |_| "hello\n".to_owned()).ended(65);
    assert!(rubbish.stderr.contains("this is not the URL of the last page"), "{}", rubbish.stderr);
    let nothing = paste(&directory, "--manual", |_| String::new()).ended(65);
    assert!(nothing.stderr.contains("no URL was pasted"), "{}", nothing.stderr);
    assert_eq!(idp.count("/token"), 1);
}

#[test]
fn login_without_display_and_device_asks_for_the_pasted_url() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior {
        discovery: Box::new(|document| {
            document.insert("device_authorization_endpoint".to_owned(), Value::Null);
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    let done = paste(&directory, "", |address| format!("{}\n", ended_on(address))).ended(0);
    assert!(done.stderr.contains("the provider does not support device authorization"), "{}", done.stderr);
}

/// Makes the session that is kept one that is over.
fn let_it_end(directory: &TestEnv) {
    let mut kept = session(directory).unwrap();
    kept["expires_at"] = json!(1_000_000);
    std::fs::write(session_path(directory.path()), kept.to_string()).unwrap();
}

#[test]
fn expired_session_is_refreshed_by_token_and_refresh() {
    if !has("curl") {
        return;
    }
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({}));
    log_in(&directory, "").ended(0);
    assert_eq!(directory.sh("cc-login token").ended(0).stdout.matches('.').count(), 2);
    assert_eq!(idp.count("/token"), 1, "a valid session sends no request");
    let_it_end(&directory);
    directory.sh("cc-login token --at now").ended(1);
    assert_eq!(directory.sh("cc-login token").ended(0).stdout.matches('.').count(), 2);
    let asked = idp.last("/token");
    assert_eq!(asked.field("grant_type").as_deref(), Some("refresh_token"));
    assert_eq!(asked.field("refresh_token").as_deref(), Some("the-refresh-token"));
    let done = directory.sh("cc-login refresh").ended(0);
    assert!(done.stdout.starts_with("logged in: clara (manager) by oidc"), "{}", done.stdout);
    assert_eq!(idp.count("/token"), 3);
    // Many at once use the token once: the others take what the first got.
    let_it_end(&directory);
    directory.sh("for i in 1 2 3 4; do cc-login token > t$i & done; wait").ended(0);
    assert_eq!(idp.count("/token"), 4);
    assert_eq!(directory.read("t1"), directory.read("t4"));
}

#[test]
fn refresh_is_for_the_same_user_and_a_rejected_one_needs_a_new_login() {
    if !has("curl") {
        return;
    }
    let other = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let mode = std::sync::Arc::clone(&other);
    let is = |expected: &'static [usize]| {
        let mode = std::sync::Arc::clone(&other);
        move || expected.contains(&mode.load(std::sync::atomic::Ordering::SeqCst))
    };
    let (without_id_token, of_another) = (is(&[3, 4]), is(&[3]));
    let idp = Idp::start(Behavior {
        instead: Box::new({
            let mode = std::sync::Arc::clone(&mode);
            move |request| {
                let is_refused =
                    mode.load(std::sync::atomic::Ordering::SeqCst) == 2 && request.path == "/token";
                is_refused.then(|| {
                    Reply::status(400, "application/json", json!({"error": "invalid_grant"}).to_string())
                })
            }
        }),
        claims: Box::new(move |claims| {
            if mode.load(std::sync::atomic::Ordering::SeqCst) == 1 {
                claims.insert("sub".to_owned(), json!("s-2"));
            }
        }),
        tokens: Box::new(move |tokens| {
            if without_id_token() {
                tokens.remove("id_token");
            }
        }),
        userinfo: Box::new(move |userinfo| {
            if of_another() {
                userinfo.insert("sub".to_owned(), json!("s-2"));
            }
        }),
        ..Behavior::default()
    });
    let directory = directory_for(&idp.issuer(), &json!({}));
    log_in(&directory, "").ended(0);
    // Without an ID token userinfo says who it is (OpenID Connect Core 12.2).
    other.store(3, std::sync::atomic::Ordering::SeqCst);
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(run.stderr.contains("UserInfo has the subject 's-2', expected 's-1'"), "{}", run.stderr);
    other.store(4, std::sync::atomic::Ordering::SeqCst);
    directory.sh("cc-login refresh").ended(0);
    other.store(1, std::sync::atomic::Ordering::SeqCst);
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(
        run.stderr.contains("the ID token is about 's-2', the login was that of 's-1'"),
        "{}",
        run.stderr
    );
    other.store(2, std::sync::atomic::Ordering::SeqCst);
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(run.stderr.contains("rejected the refresh token: 'invalid_grant'"), "{}", run.stderr);
    let run = directory.sh("cc-login refresh").ended(1);
    assert!(
        run.stderr.contains("the provider rejected the refresh token"),
        "it is not tried again: {}",
        run.stderr
    );
    directory.sh("cc-login token").ended(0);
}

#[test]
fn logout_everywhere_ends_the_login_at_the_provider() {
    if !has("curl") {
        return;
    }
    let (idp, directory) = proper();
    log_in(&directory, "").ended(0);
    directory.sh("cc-login logout").ended(0);
    assert_eq!((idp.count("/revoke"), idp.count("/end")), (0, 0));
    log_in(&directory, "").ended(0);
    directory.sh("cc-login logout --everywhere").ended(0);
    assert_eq!(idp.last("/revoke").field("token").as_deref(), Some("the-refresh-token"));
    let end = idp.last("/end");
    assert_eq!((end.method.as_str(), end.query.as_str()), ("POST", ""), "not in a URL, which is logged");
    assert!(end.field("id_token_hint").unwrap().starts_with("eyJ"));
    assert_eq!(end.field("client_id").as_deref(), Some("cc"));
    assert!(session(&directory).is_none());
    // A provider that is gone does not keep the session here.
    log_in(&directory, "").ended(0);
    drop(idp);
    directory.sh("rm -rf .home/.cache");
    let run = directory.sh("cc-login logout --everywhere").ended(69);
    assert!(run.stderr.contains("cannot connect to"), "{}", run.stderr);
    assert!(session(&directory).is_none());
}
