//! What servers, browsers and directories say, over real sockets on loopback.

use std::cell::RefCell;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use cc_auth::http::{Client, HttpOptions, is_loopback, parse_url};
use cc_auth::key::KeyStrength;
use cc_auth::ldap::{BindCredentials, LdapServer, LdapTrust, LdapUrl, UserSearch, UserSearchResult};
use cc_auth::login::oidc::callback as answers;
use cc_auth::login::oidc::gate::CallbackGate;
use cc_auth::login::oidc::listener::{Decision, Listener};
use cc_auth::login::oidc::page::BrowserPage;
use cc_auth::login::oidc::request::{AuthorizationParams, PendingAuthorization, begin};
use cc_auth::oidc::discovery::{Discovery, ProviderEndpoint, discover};
use cc_auth::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks};
use cc_auth::oidc::oauth::{ClientCredentials, ClientSettings, Provider, Registration};
use cc_auth::util::monotonic::SystemMonotonicClock;
use cc_auth::util::note::Notes;
use cc_auth::util::secret::SecretText;
use cc_auth::util::time::{Clock, Timestamp};

use super::{clean, clean_fault, clean_notes, clean_some};

/// How long anything may take here.
const TOLERANCE: Duration = Duration::from_millis(500);

/// A server that sends the same response to every request.
struct Parrot {
    says: Arc<Mutex<Vec<u8>>>,
    ports: Vec<SocketAddr>,
}

impl Parrot {
    /// On several addresses of loopback, since the ports of one are soon used up.
    fn new(is_asked: fn(&mut TcpStream)) -> Self {
        let says = Arc::new(Mutex::new(Vec::new()));
        let ports = (1..=8).map(|host| {
            let socket = TcpListener::bind((Ipv4Addr::new(127, 0, 0, host), 0)).expect("a free port");
            let address = socket.local_addr().expect("its address");
            let says = Arc::clone(&says);
            std::thread::spawn(move || {
                for stream in socket.incoming() {
                    let Ok(mut stream) = stream else { continue };
                    let _ = stream.set_read_timeout(Some(TOLERANCE));
                    is_asked(&mut stream);
                    let answer = says.lock().unwrap_or_else(PoisonError::into_inner).clone();
                    let _ = stream.write_all(&answer);
                    let _ = stream.shutdown(Shutdown::Both);
                }
            });
            address
        });
        Self { ports: ports.collect(), says }
    }

    /// Where the input is sent now.
    fn say(&self, text: &[u8]) -> SocketAddr {
        static TURN: Mutex<usize> = Mutex::new(0);
        *self.says.lock().unwrap_or_else(PoisonError::into_inner) = text.to_vec();
        let mut turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        *turn += 1;
        self.ports[*turn % self.ports.len()]
    }
}

/// Takes a request's head in.
fn http_request(stream: &mut TcpStream) {
    let mut seen = Vec::new();
    let mut buffer = [0; 4096];
    while let Ok(count @ 1..) = stream.read(&mut buffer) {
        seen.extend_from_slice(&buffer[..count]);
        let Some(head) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { continue };
        let text = String::from_utf8_lossy(&seen[..head]).to_ascii_lowercase();
        let length = text.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.and_then(|number| number.parse().ok()).unwrap_or(0);
        if seen.len() >= head + 4 + length {
            return;
        }
    }
}

fn client() -> Client {
    let options = HttpOptions {
        connect_timeout: TOLERANCE,
        timeout: TOLERANCE,
        body_limit: 1 << 16,
        ..HttpOptions::default()
    };
    Client::new(options).expect("a client without TLS")
}

fn provider_at(address: SocketAddr) -> Discovery {
    let at = |path: &str| serde_json::json!(format!("http://{address}/{path}"));
    let document = serde_json::json!({
        "issuer": format!("http://{address}"), "jwks_uri": at("keys"), "token_endpoint": at("token"),
        "userinfo_endpoint": at("userinfo"), "device_authorization_endpoint": at("device"),
        "revocation_endpoint": at("revoke"), "end_session_endpoint": at("end"),
    });
    serde_json::from_value(document).expect("a document")
}

/// A letter for what is asked, then the answer, head and body, byte for byte.
pub fn http(data: &[u8]) {
    static SERVER: OnceLock<Parrot> = OnceLock::new();
    let Some((asked, answer)) = data.split_first() else { return };
    // `ISSUER` in an answer is the address that it comes from.
    let server = SERVER.get_or_init(|| Parrot::new(http_request));
    let address = server.say(answer);
    let issuer = format!("http://{address}");
    let text = String::from_utf8_lossy(answer);
    if text.contains("ISSUER") {
        *server.says.lock().unwrap_or_else(PoisonError::into_inner) =
            text.replace("ISSUER", &issuer).into_bytes();
    }
    let (client, discovery) = (client(), provider_at(address));
    let secret = SecretText::new("s3cret".to_owned());
    let registration = Registration {
        client_id: "c".to_owned(),
        credentials: ClientCredentials::Secret { secret: secret.clone(), method: None },
        names: ClientSettings {
            client_id: "OID_CLIENT_ID".to_owned(),
            client_secret: "OID_CLIENT_SECRET".to_owned(),
            client_key: "auth.oidc.client-key-file".to_owned(),
        },
    };
    let provider = Provider::new(&client, &discovery, &registration, Clock::System);
    let keys = || discovery.need(ProviderEndpoint::Keys, &client).expect("the key set");
    match asked {
        b'd' => match discover(&client, &issuer) {
            Ok(found) => {
                assert_eq!(found.issuer, issuer);
                for endpoint in
                    [ProviderEndpoint::Keys, ProviderEndpoint::Token, ProviderEndpoint::EndSession]
                {
                    match found.find(endpoint, &client) {
                        Ok(Some(url)) => assert!(url.scheme() == "https" || is_loopback(&url), "{url}"),
                        Ok(None) => {}
                        Err(error) => clean_fault(&error),
                    }
                }
                let provider = Provider::new(&client, &found, &registration, Clock::System);
                // The same bytes again, wherever the document sends to.
                let here = |url: &url::Url| url.authority() == address.to_string();
                if found.find(ProviderEndpoint::Token, &client).ok().flatten().as_ref().is_some_and(here)
                    && let Err(error) = provider.refresh(&secret)
                {
                    clean_fault(&error);
                }
                if found.find(ProviderEndpoint::EndSession, &client).ok().flatten().as_ref().is_some_and(here)
                    && let Err(error) = provider.end_session(Some(&secret))
                {
                    clean_fault(&error);
                }
            }
            Err(error) => clean_fault(&error),
        },
        b'k' => {
            let mut notes = Notes::new();
            let origin = JwksSource::KeySet(keys());
            let now = Timestamp(1_700_000_000);
            match RemoteJwks::open(
                client.clone(),
                origin,
                Cache::default(),
                KeyStrength::Enforce,
                now,
                &mut notes,
            ) {
                Ok(remote) => clean(&remote.location()),
                Err(error) => clean_fault(&error),
            }
            clean_notes(&notes);
        }
        b'v' => match provider.begin_device(&["openid".to_owned()], &[], None) {
            Ok(device) => {
                for url in [Some(&device.verification_uri), device.verification_uri_complete.as_ref()] {
                    let Some(url) = url else { continue };
                    assert!(matches!(url.scheme(), "http" | "https"), "{url}");
                    clean(url.as_str());
                }
                // No wait is endless, and no clock overflows.
                assert!(device.interval >= Duration::from_secs(1));
                assert!(Instant::now().checked_add(device.interval).is_some());
                assert!(Instant::now().checked_add(device.expires_in).is_some());
            }
            Err(error) => clean_fault(&error),
        },
        b't' => match provider.exchange_code(&secret, "http://127.0.0.1/cb", &secret) {
            Ok(tokens) => assert!(tokens.id_token.is_none_or(|token| !token.expose().is_empty())),
            Err(error) => clean_fault(&error),
        },
        b'u' => match provider.userinfo(&secret) {
            Ok(_) => {}
            Err(error) => clean_fault(&error),
        },
        b'r' => match provider.revoke(&secret) {
            Ok(_) => {}
            Err(error) => clean_fault(&error),
        },
        _ => {
            let Ok(answer) = client.get(&keys(), &[]) else { return };
            clean(&answer.media_type());
            clean_some(answer.redirect_target().as_ref().map(url::Url::as_str));
            clean_fault(&answer.to_error());
            if let Err(error) = answer.success().and_then(|answer| answer.json::<serde_json::Value>()) {
                clean_fault(&error);
            }
        }
    }
}

/// An answer that was kept on disk: whatever it has become, it is taken whole or not at all.
pub fn kept(data: &[u8]) {
    thread_local! {
        static PLACE: RefCell<Option<(tempfile::TempDir, std::path::PathBuf, url::Url)>> =
            const { RefCell::new(None) };
    }
    let now = Timestamp(1_700_000_000);
    let open = |directory: &std::path::Path, url: &url::Url, offline, notes: &mut Notes| {
        let cache = Cache { directory: Some(directory.to_owned()), offline };
        RemoteJwks::open(client(), JwksSource::KeySet(url.clone()), cache, KeyStrength::Enforce, now, notes)
    };
    PLACE.with_borrow_mut(|place| {
        let (directory, path, url) = place.get_or_insert_with(|| {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let server = Parrot::new(http_request);
            let address = server.say(b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{\"keys\":[]}");
            let url = parse_url(&format!("http://{address}/keys")).expect("an address");
            open(directory.path(), &url, false, &mut Notes::new()).expect("keys");
            let kept = std::fs::read_dir(directory.path()).expect("a directory").next().expect("a file");
            let path = kept.expect("a file").path();
            (directory, path, url)
        });
        // `URL` in the file is the address it is kept for.
        let text = String::from_utf8_lossy(data).replace("URL", url.as_str());
        std::fs::write(path, text).expect("the file is written");
        let mut notes = Notes::new();
        if let Err(error) = open(directory.path(), url, true, &mut notes) {
            clean_fault(&error);
        }
        clean_notes(&notes);
    });
}

/// Takes a request to the directory in.
fn ldap_request(stream: &mut TcpStream) {
    let _ = stream.read(&mut [0; 4096]);
}

/// A letter for what is asked of a directory, then its answer, byte for byte.
pub fn directory(data: &[u8]) {
    static SERVER: OnceLock<Parrot> = OnceLock::new();
    let Some((asked, answer)) = data.split_first() else { return };
    let server = SERVER.get_or_init(|| Parrot::new(ldap_request));
    let address = server.say(answer);
    let access = LdapServer {
        urls: vec![LdapUrl::parse(&format!("ldap://{address}")).expect("an address")],
        starttls: false,
        trust: LdapTrust::System,
        connect_timeout: TOLERANCE,
        response_timeout: TOLERANCE,
    };
    let simple = BindCredentials::simple("cn=reader".to_owned(), SecretText::new("secret".to_owned()));
    let who = if *asked == b'b' { simple.expect("a name") } else { BindCredentials::Anonymous };
    let search = UserSearch {
        bases: vec!["dc=example,dc=org".to_owned()],
        filter: "(objectClass=person)".to_owned(),
        uid_attribute: "uid".to_owned(),
        name_attribute: "cn".to_owned(),
        page_size: if *asked == b'p' { 500 } else { 0 },
        ignore_references: false,
    };
    let mut notes = Notes::new();
    let outcome = access.connect(&who, &mut notes).and_then(|mut connection| match asked {
        b'b' => Ok(()),
        b'f' => connection.find(&search, "fritz").map(|found| {
            if let UserSearchResult::One(person) = found {
                assert!(!person.username.is_empty());
            }
        }),
        _ => connection.read_all(&search, &mut |_| ()).map(|snapshot| {
            assert!(snapshot.users().all(|member| !member.username.is_empty()));
            snapshot.skipped().iter().for_each(|skipped| clean(&skipped.reason));
        }),
    });
    if let Err(error) = outcome {
        clean_fault(&error);
    }
    clean_notes(&notes);
}

fn begun() -> &'static PendingAuthorization {
    static BEGUN: OnceLock<PendingAuthorization> = OnceLock::new();
    BEGUN.get_or_init(|| {
        let endpoint = parse_url("https://idp.example/auth").expect("an address");
        let redirect = "http://localhost:8250/oidc/callback".to_owned();
        begin(&endpoint, "c", redirect, &AuthorizationParams::default()).expect("a login")
    })
}

/// What a user pastes, or the browser sends: no code without the state of this login.
pub fn callback(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let begun = begun();
    let text = text.replace("STATE", begun.state.expose());
    let query = match answers::query_of_pasted_url(&text, &begun.redirect_uri) {
        Ok(query) => query,
        Err(fault) => {
            clean_fault(&fault);
            text.as_str()
        }
    };
    for names_issuer in [false, true] {
        match answers::parse(query, begun, "https://idp.example", names_issuer) {
            Ok(answer) => {
                let states =
                    url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "state");
                assert_eq!(
                    states.map(|(_, state)| state.into_owned()).collect::<Vec<_>>(),
                    [begun.state.expose()]
                );
                if let answers::AuthorizationResponse::Error(refusal) = answer {
                    clean(&refusal.text());
                    clean_some(refusal.hint(Some(&begun.redirect_uri)).as_deref());
                }
            }
            Err(fault) => {
                clean_fault(&fault);
                let page = BrowserPage::failed(&fault.to_string(), fault_hint(&fault).as_deref()).html();
                assert!(!page.contains("<script"), "{page}");
            }
        }
    }
}

fn fault_hint(fault: &dyn cc_auth::util::diagnostic::Diagnostic) -> Option<String> {
    fault.hint()
}

/// The gate of a login on this host.
fn gate(host: &str) -> CallbackGate {
    let provider = url::Url::parse("https://idp.example/auth").expect("a URL");
    let ask = AuthorizationParams::default();
    let redirect = "http://localhost:8250/oidc/callback".to_owned();
    let begun = begin(&provider, "cc", redirect, &ask).expect("a login");
    CallbackGate::new(&begun, host, Vec::new()).expect("a gate")
}

/// What any client may send to the open port: it is answered, and the next one is served.
pub fn listener(data: &[u8]) {
    static TURN: OnceLock<Mutex<u8>> = OnceLock::new();
    let host = {
        let mut turn = TURN.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        *turn = turn.wrapping_add(1);
        format!("127.0.0.{}", *turn % 8 + 1)
    };
    let ports = "0".parse().expect("any port");
    let mut listener = Listener::bind(&host, &ports, &SystemMonotonicClock).expect("a free port");
    let address = listener.addresses()[0];
    let data = data.to_vec();
    let mut gate = gate(&host);
    let start = format!("GET {} HTTP/1.1\r\nHost: localhost\r\n\r\n", gate.start_url().path());
    let browser = std::thread::spawn(move || {
        let say = |request: &[u8]| {
            let mut stream = TcpStream::connect(address).ok()?;
            let _ = stream.set_read_timeout(Some(TOLERANCE));
            let _ = stream.write_all(request);
            let _ = stream.shutdown(Shutdown::Write);
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer);
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 "), "no HTTP is answered");
            Some(String::from_utf8_lossy(&answer).into_owned())
        };
        let Some(started) = say(start.as_bytes()) else { return };
        let cookie = started.split("Set-Cookie: ").nth(1).and_then(|rest| rest.split(';').next());
        let cookie = format!("Cookie: {}\r\n", cookie.expect("a cookie"));
        say(&data);
        // The same from the browser of the login.
        if let Some(end) = data.iter().position(|byte| *byte == b'\n') {
            let (first, rest) = data.split_at(end + 1);
            say(&[first, cookie.as_bytes(), rest].concat());
        }
        say(format!("GET /oidc/callback?the-end HTTP/1.1\r\nHost: localhost\r\n{cookie}\r\n").as_bytes());
    });
    let taken = listener.wait(Instant::now() + 60 * TOLERANCE, &mut gate, |query| {
        let Ok(query) = query else { return Decision::Reject(BrowserPage::rejected("another browser")) };
        assert!(!query.chars().any(char::is_control), "{query:?}");
        assert!(query.len() < 20_000);
        if query == "the-end" {
            Decision::Accept(())
        } else {
            Decision::Reject(BrowserPage::rejected("not it"))
        }
    });
    assert!(matches!(taken, Ok(Some(()))), "no other client is served: {taken:?}");
    drop(listener);
    browser.join().expect("the browser");
}
