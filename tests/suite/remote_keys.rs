//! Key sets over HTTP, kept in a cache, fetched again when the issuer has changed its keys.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cc_auth::http::{Client, HttpError, HttpOptions, parse_url};
use cc_auth::key::{Algorithm, KeyStrength, PrivateKey, jwk};
use cc_auth::oidc::jwks_cache::{Cache, JwksSource, RemoteJwks, RemoteJwksError};
use cc_auth::util::note::Notes;
use cc_auth::util::time::Timestamp;

use crate::httpd::{Reply, Server};

const NOW: Timestamp = Timestamp(1_800_000_000);

fn jwk(kid: &str) -> String {
    let key = PrivateKey::generate(Algorithm::EdDsa).unwrap();
    jwk::write_public(&key.public(), Some(kid), Some(Algorithm::EdDsa))
}

fn set(kids: &[&str]) -> String {
    format!("{{\"keys\":[{}]}}", kids.iter().map(|kid| jwk(kid)).collect::<Vec<_>>().join(","))
}

fn client() -> Client {
    let options = HttpOptions {
        timeout: Duration::from_secs(3),
        connect_timeout: Duration::from_secs(3),
        ..HttpOptions::default()
    };
    Client::new(options).unwrap()
}

/// A server whose key set has the key `k0` at first, then `k1`, and so on, each answer with this
/// `Cache-Control`.
fn changing(cache_control: &'static str) -> Server {
    let count = AtomicUsize::new(0);
    Server::start(move |_| {
        let kid = format!("k{}", count.fetch_add(1, Ordering::SeqCst));
        Reply::status(200, "application/json", set(&[&kid])).with("cache-control", cache_control)
    })
}

fn open(
    server: &Server,
    directory: &Path,
    offline: bool,
    now: Timestamp,
) -> Result<RemoteJwks, RemoteJwksError> {
    let origin = JwksSource::KeySet(parse_url(&format!("{}/jwks", server.url())).unwrap());
    let cache = Cache { directory: Some(directory.to_owned()), offline };
    RemoteJwks::open(client(), origin, cache, KeyStrength::Enforce, now, &mut Notes::new())
}

fn kids(keys: &RemoteJwks) -> Vec<&str> {
    keys.keys().keys().iter().filter_map(|key| key.kid()).collect()
}

#[test]
fn response_is_cached_for_its_lifetime() {
    for (says, fresh_until) in [
        ("max-age=100", 100),
        ("public, Max-Age=\"100\"", 100),
        ("public", 300),
        ("max-age=99999999", 86_400),
        ("max-age=nonsense", 0),
        ("max-age=100, no-cache", 0),
        ("no-cache, max-age=100", 0),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let server = changing(says);
        assert_eq!(kids(&open(&server, directory.path(), false, NOW).unwrap()), ["k0"], "{says}");
        if fresh_until > 0 {
            let last = NOW.plus_seconds(fresh_until - 1);
            assert_eq!(kids(&open(&server, directory.path(), false, last).unwrap()), ["k0"], "{says}");
        }
        let after = NOW.plus_seconds(fresh_until);
        assert_eq!(kids(&open(&server, directory.path(), false, after).unwrap()), ["k1"], "{says}");
    }
}

#[test]
fn response_from_the_future_is_not_fresh() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("max-age=100");
    open(&server, directory.path(), false, NOW).unwrap();
    assert_eq!(kids(&open(&server, directory.path(), false, NOW.plus_seconds(-1)).unwrap()), ["k1"]);
}

#[test]
fn response_with_no_store_is_not_cached() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("no-store");
    open(&server, directory.path(), false, NOW).unwrap();
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    assert_eq!(kids(&open(&server, directory.path(), false, NOW).unwrap()), ["k1"]);
}

#[test]
fn offline_uses_the_cache_at_any_age_without_requests() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("max-age=100");
    let nothing = open(&server, directory.path(), true, NOW);
    assert!(matches!(nothing, Err(RemoteJwksError::NotCached { .. })), "{nothing:?}");
    open(&server, directory.path(), false, NOW).unwrap();
    let later = NOW.plus_seconds(10_000_000);
    let mut keys = open(&server, directory.path(), true, later).unwrap();
    assert_eq!(kids(&keys), ["k0"]);
    assert_eq!(keys.refetch(later, &mut Notes::new()), Ok(false));
    assert_eq!(server.seen().len(), 1);
}

#[test]
fn unknown_key_causes_one_refetch_per_minute() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("max-age=1000");
    let mut keys = open(&server, directory.path(), false, NOW).unwrap();
    let mut notes = Notes::new();
    assert_eq!(keys.refetch(NOW, &mut notes), Ok(true));
    assert_eq!(kids(&keys), ["k1"]);
    for seconds in [0, 30, 59] {
        assert_eq!(keys.refetch(NOW.plus_seconds(seconds), &mut notes), Ok(false));
    }
    assert_eq!(keys.refetch(NOW.plus_seconds(60), &mut notes), Ok(true));
    assert_eq!(kids(&keys), ["k2"]);
    // The next run finds the newest answer.
    assert_eq!(kids(&open(&server, directory.path(), false, NOW.plus_seconds(60)).unwrap()), ["k2"]);
    assert_eq!(server.seen().len(), 3);
}

#[test]
fn slow_answer_never_replaces_a_newer_one() {
    let directory = tempfile::tempdir().unwrap();
    let turn = AtomicUsize::new(0);
    let server = Server::start(move |_| {
        // The first answer is the older one, and takes longer.
        let count = turn.fetch_add(1, Ordering::SeqCst);
        if count == 0 {
            std::thread::sleep(Duration::from_millis(600));
        }
        let kid = format!("k{count}");
        Reply::status(200, "application/json", set(&[&kid])).with("cache-control", "max-age=100")
    });
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| open(&server, directory.path(), false, NOW).unwrap());
        while server.seen().is_empty() {
            std::thread::sleep(Duration::from_millis(5));
        }
        open(&server, directory.path(), false, NOW.plus_seconds(1)).unwrap();
        assert_eq!(kids(&slow.join().unwrap()), ["k0"]);
    });
    assert_eq!(kids(&open(&server, directory.path(), false, NOW.plus_seconds(2)).unwrap()), ["k1"]);
    assert_eq!(server.seen().len(), 2);
}

#[test]
fn refetch_of_another_process_counts() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("max-age=1000");
    let (mut one, mut two) = (
        open(&server, directory.path(), false, NOW).unwrap(),
        open(&server, directory.path(), false, NOW).unwrap(),
    );
    let mut notes = Notes::new();
    assert_eq!(one.refetch(NOW, &mut notes), Ok(true));
    assert_eq!(two.refetch(NOW.plus_seconds(59), &mut notes), Ok(false));
    assert_eq!(two.refetch(NOW.plus_seconds(60), &mut notes), Ok(true));
    assert_eq!(one.refetch(NOW.plus_seconds(119), &mut notes), Ok(false));
    // A marker that another account could have written, or out of the future, blocks nothing.
    let marker = fs::read_dir(directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.extension().is_some_and(|extension| extension == "refetched"))
        .unwrap();
    fs::write(&marker, NOW.plus_seconds(1_000).0.to_string()).unwrap();
    assert_eq!(one.refetch(NOW.plus_seconds(200), &mut notes), Ok(true));
    fs::write(&marker, NOW.plus_seconds(300).0.to_string()).unwrap();
    fs::set_permissions(&marker, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(two.refetch(NOW.plus_seconds(300), &mut notes), Ok(true));
}

#[test]
fn failed_refetch_leaves_the_keys_unchanged() {
    let directory = tempfile::tempdir().unwrap();
    let count = AtomicUsize::new(0);
    let server = Server::start(move |_| match count.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::status(200, "application/json", set(&["k0"])),
        1 => Reply::Die,
        2 => Reply::status(200, "application/json", "{\"keys\":[{\"kty\":"),
        _ => Reply::Endless,
    });
    let mut keys = open(&server, directory.path(), false, NOW).unwrap();
    for minutes in 1..4 {
        let failed = keys.refetch(NOW.plus_seconds(60 * minutes), &mut Notes::new());
        assert!(failed.is_err(), "{failed:?}");
        assert_eq!(kids(&keys), ["k0"]);
    }
}

#[test]
fn cache_file_that_others_can_write_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("max-age=1000");
    open(&server, directory.path(), false, NOW).unwrap();
    let kept = fs::read_dir(directory.path()).unwrap().next().unwrap().unwrap().path();
    assert_eq!(fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o600);
    fs::set_permissions(&kept, fs::Permissions::from_mode(0o666)).unwrap();
    assert_eq!(kids(&open(&server, directory.path(), false, NOW).unwrap()), ["k1"]);

    // An answer for another address, put under this one's name.
    let text = fs::read_to_string(&kept).unwrap();
    fs::write(&kept, text.replace("/jwks", "/evil")).unwrap();
    assert_eq!(kids(&open(&server, directory.path(), false, NOW).unwrap()), ["k2"]);
    for broken in ["", "{", "[]", "{\"url\":1}"] {
        fs::write(&kept, broken).unwrap();
        open(&server, directory.path(), false, NOW).unwrap();
    }
}

#[test]
fn response_cached_under_other_trust_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let server = changing("max-age=1000");
    open(&server, directory.path(), false, NOW).unwrap();
    let plain = Client::new(HttpOptions { allow_plain: true, ..HttpOptions::default() }).unwrap();
    let origin = JwksSource::KeySet(parse_url(&format!("{}/jwks", server.url())).unwrap());
    let cache = Cache { directory: Some(directory.path().to_owned()), offline: false };
    let keys = RemoteJwks::open(plain, origin, cache, KeyStrength::Enforce, NOW, &mut Notes::new()).unwrap();
    assert_eq!(kids(&keys), ["k1"]);
}

#[test]
fn cache_that_cannot_be_written_causes_a_note() {
    let server = changing("max-age=1000");
    let origin = JwksSource::KeySet(parse_url(&format!("{}/jwks", server.url())).unwrap());
    let cache = Cache { directory: Some("/dev/null/cache".into()), offline: false };
    let mut notes = Notes::new();
    let keys = RemoteJwks::open(client(), origin, cache, KeyStrength::Enforce, NOW, &mut notes).unwrap();
    assert_eq!(kids(&keys), ["k0"]);
    assert_eq!(notes.iter().count(), 1);
}

#[test]
fn unusable_keys_are_skipped_with_a_note() {
    let shared = r#"{"kty":"oct","k":"c2VjcmV0","kid":"shared"}"#;
    let odd = r#"{"kty":"XYZ","kid":"odd"}"#;
    let broken = r#"{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"broken"}"#;
    let body = format!("{{\"keys\":[{shared},{odd},7,{broken},{}]}}", jwk("good"));
    let server = Server::start(move |_| Reply::status(200, "application/json", body.clone()));
    let origin = JwksSource::KeySet(parse_url(&format!("{}/jwks", server.url())).unwrap());
    let mut notes = Notes::new();
    let keys =
        RemoteJwks::open(client(), origin, Cache::default(), KeyStrength::Enforce, NOW, &mut notes).unwrap();
    assert_eq!(kids(&keys), ["good"]);
    assert_eq!(notes.iter().count(), 4, "{notes:?}");
}

#[test]
fn key_set_of_a_discovery_document_is_fetched_and_cached() {
    let directory = tempfile::tempdir().unwrap();
    let own: Arc<std::sync::OnceLock<String>> = Arc::default();
    let base = Arc::clone(&own);
    let server = Server::start(move |request| {
        let base = base.get().unwrap();
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                Reply::json(&serde_json::json!({"issuer": base, "jwks_uri": format!("{base}/keys")}))
            }
            "/keys" => Reply::status(200, "application/json", set(&["k0"])),
            _ => Reply::status(404, "text/plain", "no"),
        }
    });
    own.set(server.url()).unwrap();
    let read = |issuer: String| {
        let cache = Cache { directory: Some(directory.path().to_owned()), offline: false };
        RemoteJwks::open(
            client(),
            JwksSource::Discovery(issuer),
            cache,
            KeyStrength::Enforce,
            NOW,
            &mut Notes::new(),
        )
    };
    for _ in 0..3 {
        assert_eq!(kids(&read(server.url()).unwrap()), ["k0"]);
    }
    assert_eq!(server.seen().len(), 2);
    let slash = read(format!("{}/", server.url()));
    assert!(matches!(slash, Err(RemoteJwksError::Discovery(_))), "{slash:?}");
}

#[test]
fn plain_http_url_is_rejected_even_if_cached() {
    let origin = JwksSource::KeySet(parse_url("http://issuer.example/jwks").unwrap());
    let refused =
        RemoteJwks::open(client(), origin, Cache::default(), KeyStrength::Enforce, NOW, &mut Notes::new());
    assert!(matches!(refused, Err(RemoteJwksError::Http(HttpError::PlainHttp(_)))), "{refused:?}");
}
