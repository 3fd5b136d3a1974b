//! The HTTP client, discovery and key sets against servers that behave and servers that do not.

use std::sync::Arc;
use std::time::{Duration, Instant};

use cc_auth::http::{Client, HttpError, HttpOptions, HttpTrust, Redirects, parse_url};
use cc_auth::oidc::discovery::{self, DiscoveryError, ProviderEndpoint};
use cc_auth::util::diagnostic::{Diagnostic as _, ExitStatus};
use serde_json::json;
use url::Url;

use crate::httpd::{Authority, Reply, Request, Server};
use crate::support::{TestEnv, has};

/// A key set, as an example of JSON that is fetched.
fn fetch(client: &Client, url: &Url) -> Result<(), HttpError> {
    #[derive(serde::Deserialize)]
    struct Shape {
        #[serde(rename = "keys")]
        _keys: Vec<serde::de::IgnoredAny>,
    }
    client.get(url, &[("accept", "application/json")])?.success()?.json::<Shape>().map(|_| ())
}

/// Short times, so that a stall ends within the test.
fn impatient() -> HttpOptions {
    HttpOptions {
        connect_timeout: Duration::from_millis(300),
        timeout: Duration::from_millis(300),
        ..HttpOptions::default()
    }
}

fn client(options: HttpOptions) -> Client {
    Client::new(options).unwrap()
}

/// What fetching a key set from a server that does this ends in, within five seconds.
#[track_caller]
fn keys_from(reply: &Reply) -> HttpError {
    let reply = reply.clone();
    let server = Server::start(move |_| reply.clone());
    let start = Instant::now();
    let url = parse_url(&format!("{}/keys", server.url())).unwrap();
    let error = fetch(&client(impatient()), &url).unwrap_err();
    assert!(start.elapsed() < Duration::from_secs(5), "{error}: {:?}", start.elapsed());
    assert_eq!(error.status(), ExitStatus::Unavailable, "{error}");
    assert!(error.to_string().contains(&server.url()), "the address is named: {error}");
    error
}

#[test]
fn stalled_server_is_given_up_after_the_timeout() {
    for reply in [Reply::Stall, Reply::StallInBody, Reply::Drip] {
        let error = keys_from(&reply);
        assert!(matches!(error, HttpError::TimedOut { .. }), "{reply:?}: {error:?}");
    }
}

#[test]
fn endless_response_is_given_up_at_the_size_limit() {
    let server = Server::start(|_| Reply::Endless);
    let url = parse_url(&server.url()).unwrap();
    let error = fetch(&client(HttpOptions::default()), &url).unwrap_err();
    assert!(matches!(error, HttpError::TooLarge { limit: 1_048_576, .. }), "{error:?}");
}

#[test]
fn endless_headers_are_given_up() {
    let mut raw = b"HTTP/1.1 200 OK\r\n".to_vec();
    for count in 0..100_000 {
        raw.extend_from_slice(format!("x-{count}: {count}\r\n").as_bytes());
    }
    let error = keys_from(&Reply::Raw(raw));
    assert!(matches!(error, HttpError::Malformed { .. }), "{error:?}");
}

#[test]
fn truncated_response_is_an_error() {
    let short =
        b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{\"keys\":[]}";
    for reply in [
        Reply::Die,
        Reply::Raw(b"HTTP/1.1 200".to_vec()),
        Reply::Raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n\r\n".to_vec()),
        Reply::Raw(short.to_vec()),
    ] {
        let error = keys_from(&reply);
        assert!(matches!(error, HttpError::Malformed { .. }), "{reply:?}: {error:?}");
    }
}

#[test]
fn answer_that_is_not_a_key_set_is_an_error() {
    let table = [
        ("application/json", "{\"keys\":", "EOF while parsing"),
        ("application/json", "[]", "invalid"),
        ("application/json", "{}", "missing field `keys`"),
        ("application/json", "", "the response is empty"),
        ("text/html", "<html>login</html>", "the response is a web page"),
        ("application/json", "\u{1b}[2Jx", "\\u{1b}[2Jx"),
    ];
    for (kind, body, expected) in table {
        let error = keys_from(&Reply::status(200, kind, body));
        assert!(matches!(error, HttpError::NotJson { .. }), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
}

#[test]
fn error_status_is_printed_with_the_servers_message() {
    let error = keys_from(&Reply::status(503, "text/plain", "back at nine\nsecond line"));
    assert!(error.to_string().ends_with("responded with status 503: 'back at nine'"), "{error}");
    let error = keys_from(&Reply::status(404, "text/html", "<html>"));
    assert!(error.to_string().ends_with("responded with status 404"), "{error}");
}

#[test]
fn server_unreachable_is_an_error() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = parse_url(&format!("http://127.0.0.1:{port}/keys")).unwrap();
    let error = fetch(&client(impatient()), &url).unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("cannot connect to 'http://127.0.0.1:{port}/keys': connection refused")
    );
    let url = parse_url("https://no-such-host.invalid/keys").unwrap();
    let error = fetch(&client(HttpOptions::default()), &url).unwrap_err();
    assert!(matches!(error, HttpError::NoHost(_)), "{error:?}");
}

/// Sends everything but `/end` elsewhere.
fn redirecting(target: impl Fn(&Request) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |request| match request.path.as_str() {
        "/end" => Reply::json(&json!({"keys": []})),
        _ => Reply::redirect(302, &target(request)),
    })
}

#[test]
fn redirect_is_followed_only_by_option() {
    let server = redirecting(|_| "/end".to_owned());
    let url = parse_url(&format!("{}/keys?token=secret", server.url())).unwrap();
    let error = fetch(&client(impatient()), &url).unwrap_err();
    let expected =
        HttpError::Redirected { url: format!("{}/keys", server.url()), to: format!("{}/end", server.url()) };
    assert_eq!(error, expected);
    assert_eq!(server.count("/end"), 0);
    let asked = HttpOptions { redirects: Redirects::SameOrigin(1), ..impatient() };
    assert!(fetch(&client(asked), &url).is_ok());
}

#[test]
fn redirect_to_another_origin_is_never_followed() {
    let other = Server::start(|_| Reply::json(&json!({"keys": []})));
    let port = other.port();
    for target in [
        format!("http://127.0.0.1:{port}/end"),
        format!("http://localhost:{port}/end"),
        format!("https://127.0.0.1:{port}/end"),
        format!("//127.0.0.1:{port}/end"),
        "file:///etc/passwd".to_owned(),
    ] {
        let shown = target.clone();
        let server = redirecting(move |_| target.clone());
        let asked = HttpOptions { redirects: Redirects::SameOrigin(5), ..impatient() };
        let error = fetch(&client(asked), &parse_url(&server.url()).unwrap()).unwrap_err();
        assert!(matches!(error, HttpError::Redirected { .. }), "{shown}: {error:?}");
    }
    assert_eq!(other.seen().len(), 0);
}

#[test]
fn redirects_in_a_circle_end() {
    let server = redirecting(|_| "/again".to_owned());
    let asked = HttpOptions { redirects: Redirects::SameOrigin(5), ..impatient() };
    let error = fetch(&client(asked), &parse_url(&server.url()).unwrap()).unwrap_err();
    assert!(matches!(error, HttpError::Redirected { .. }), "{error:?}");
    assert_eq!(server.seen().len(), 6);
}

#[test]
fn form_is_never_sent_to_a_redirect_target() {
    let server = redirecting(|_| "/end".to_owned());
    let asked = client(HttpOptions { redirects: Redirects::SameOrigin(5), ..impatient() });
    let answer = asked.post_form(&parse_url(&server.url()).unwrap(), &[], &[("code", "c&=1")]).unwrap();
    assert_eq!(answer.status(), 302);
    assert_eq!(server.seen().len(), 1);
    assert_eq!(server.seen()[0].body, "code=c%26%3D1");
}

#[test]
fn server_certificate_is_verified_by_ca_host_and_time() {
    let (ours, other) = (Authority::new(), Authority::new());
    let served = |tls: Arc<rustls::ServerConfig>, trust: HttpTrust| {
        let server = Server::start_tls(tls, |_| Reply::json(&json!({"keys": []})));
        let url = parse_url(&format!("https://localhost:{}/keys", server.port())).unwrap();
        fetch(&client(HttpOptions { trust, ..HttpOptions::default() }), &url)
    };
    let own = || HttpTrust::SystemPlus(ours.pem().into());
    assert!(served(ours.server("localhost", false), own()).is_ok());
    assert!(served(ours.server("localhost", false), HttpTrust::Only(ours.pem().into())).is_ok());
    let refused = [
        (
            served(ours.server("localhost", false), HttpTrust::Only(other.pem().into())),
            "an authority that is not trusted here",
        ),
        (served(ours.server("h.example", false), own()), "is for 'h.example', not for 'localhost'"),
        (served(ours.server("localhost", true), own()), "has expired on 2001-01-01"),
    ];
    for (outcome, expected) in refused {
        let error = outcome.unwrap_err();
        assert!(matches!(error, HttpError::Tls { .. }) && error.to_string().contains(expected), "{error:?}");
    }
}

#[test]
fn self_signed_certificate_that_is_itself_trusted_is_accepted_for_its_names_only() {
    if !has("openssl") {
        return;
    }
    // As `openssl req -x509` makes it: marked as that of an authority.
    let directory = TestEnv::new();
    directory
        .sh("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout key.pem -out cert.pem -days 9 \
             -subj /CN=localhost -addext subjectAltName=DNS:localhost")
        .ended(0);
    let (pem, key) = (directory.read("cert.pem"), directory.read("key.pem"));
    let tls = || {
        use rustls::pki_types::pem::PemObject as _;
        let certificate = rustls::pki_types::CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
        let key = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        Arc::new(config)
    };
    let fetched = |host: &str, trust: HttpTrust| {
        let server = Server::start_tls(tls(), |_| Reply::json(&json!({"keys": []})));
        let url = parse_url(&format!("https://{host}:{}/keys", server.port())).unwrap();
        fetch(&client(HttpOptions { trust, ..HttpOptions::default() }), &url)
    };
    assert_eq!(fetched("localhost", HttpTrust::SystemPlus(pem.clone().into())), Ok(()));
    assert_eq!(fetched("localhost", HttpTrust::Only(pem.clone().into())), Ok(()));
    let error = fetched("127.0.0.1", HttpTrust::Only(pem.clone().into())).unwrap_err();
    assert!(error.to_string().contains("is for 'localhost', not for '127.0.0.1'"), "{error}");
    let other = Authority::new();
    let error = fetched("localhost", HttpTrust::Only(other.pem().into())).unwrap_err();
    assert!(error.to_string().contains("is self-signed and not trusted here"), "{error}");
    assert!(error.hint().unwrap().contains("--ca-file"), "{error}");
}

#[test]
fn plain_http_server_at_https_url_is_reported() {
    let server = Server::start(|_| Reply::Die);
    let url = parse_url(&format!("https://localhost:{}/keys", server.port())).unwrap();
    let trust = HttpTrust::Only(Authority::new().pem().into());
    let error = fetch(&client(HttpOptions { trust, ..impatient() }), &url).unwrap_err();
    assert_eq!(error.status(), ExitStatus::Unavailable, "{error}");
}

fn provider(issuer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    Server::start(move |request| {
        let own = format!("http://{}", request.header("host").unwrap());
        match request.path.as_str() {
            "/realm/.well-known/openid-configuration" => Reply::json(&json!({
                "issuer": issuer(&format!("{own}/realm")),
                "jwks_uri": format!("{own}/keys"),
                "token_endpoint": format!("{own}/token"),
                "something_new": {"a": [1]},
            })),
            _ => Reply::status(404, "text/plain", "no"),
        }
    })
}

#[test]
fn discovery_document_is_found_below_the_issuer() {
    let server = provider(str::to_owned);
    let issuer = format!("{}/realm", server.url());
    let found = discovery::discover(&client(impatient()), &issuer).unwrap();
    assert_eq!(found.issuer, issuer);
    let client = client(impatient());
    assert_eq!(
        found.need(ProviderEndpoint::Keys, &client).unwrap().as_str(),
        format!("{}/keys", server.url())
    );
    assert!(found.need(ProviderEndpoint::Token, &client).is_ok());
    let lacks = found.need(ProviderEndpoint::Userinfo, &client).unwrap_err();
    assert!(lacks.to_string().ends_with("has no userinfo_endpoint"), "{lacks}");
}

#[test]
fn discovery_document_of_another_issuer_is_rejected() {
    let table: [fn(&str) -> String; 4] = [
        |own| format!("{own}/"),
        |own| own.replace("127.0.0.1", "localhost"),
        |own| own.to_uppercase(),
        |_| "https://idp.example".to_owned(),
    ];
    for change in table {
        let server = provider(change);
        let refused =
            discovery::discover(&client(impatient()), &format!("{}/realm", server.url())).unwrap_err();
        assert!(matches!(refused, DiscoveryError::OtherIssuer { .. }), "{refused:?}");
        assert_eq!(refused.status(), ExitStatus::Config);
    }
}
