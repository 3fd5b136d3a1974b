//! Key sets as files: what is published is never lost, and a set without a usable key is an error
//! about a token.

use cc_auth::key::{Algorithm, PrivateKey, jwk};
use cc_auth::util::json_text::{compact, entries};

use crate::httpd::{Reply, Server};
use crate::support::TestEnv;

/// Entries that are not understood here, each as an issuer may publish it.
const FOREIGN: [&str; 7] = [
    r#"{"kty":"OKP","crv":"Ed448","kid":"ed448","x":"X9dEm1m0Yf0s54fsYWrUah2hNCSFpw4fig6nXYDpZ3jt8SR2m0bHBhvWeD3x5Q9s0foavq_oJWGA"}"#,
    r#"{"kty":"EC","crv":"secp256k1","kid":"k1","x":"AAAA","y":"AAAA","exp":1.10,"big":100000000000000000000000000000}"#,
    r#"{"kty":"RSA","use":"enc","kid":"enc","n":"AQAB","e":"AQAB"}"#,
    r#"{"kty":"EC","crv":"P-256","kid":"off-curve","x":"AAAA","y":"AAAA","x5c":["MII="]}"#,
    r#"{"kty":"new-in-2030","material":{"a":[1,2,{"b":null}]}}"#,
    r#"{"kty":"AKP","alg":"ML-DSA-44","kid":"pq","pub":"AAAA","note":"J\u00fcrgen \"x\" , ] }"}"#,
    r#"7"#,
];

fn own_jwk(kid: &str) -> String {
    let key = PrivateKey::generate(Algorithm::Es256).unwrap().public();
    jwk::write_public(&key, Some(kid), Some(Algorithm::Es256))
}

/// A directory with a published set of an own key, a padded one and all foreign entries, and a new key.
fn published() -> (TestEnv, String) {
    let directory = TestEnv::new();
    directory.sh("gen-keypair -q -a es256 -f pem -o new; mkdir site").ended(0);
    let own = own_jwk("old");
    let padded = own_jwk("padded").replace("\",\"y\"", "=\",\"y\"");
    let set = format!("{{\n \"keys\" : [ {own} , {padded}, {} ] }}\n", FOREIGN.join(" ,\n"));
    directory.write("site/jwks.json", &set);
    (directory, own)
}

const ISSUER: &str = "--issuer https://issuer.example.org --out-dir site";

#[test]
fn published_entry_that_is_not_understood_is_copied_unchanged() {
    let (directory, own) = published();
    let run = directory.sh(&format!("cc-jwt jwks new/private.pem site/jwks.json {ISSUER}")).ended(0);
    let set = directory.read("site/jwks.json");
    let keys: Vec<String> = entries(&set, "keys").into_iter().map(compact).collect();
    assert_eq!(keys.len(), 3 + FOREIGN.len(), "{set}");
    for foreign in FOREIGN {
        let foreign = compact(foreign).replace("\\u00fc", "ü");
        assert!(keys.contains(&foreign), "{foreign} is missing in {set}");
    }
    assert!(keys.contains(&own) && keys.iter().any(|key| key.contains("\"kid\":\"padded\"")), "{set}");
    assert_eq!(run.stderr.matches("is copied unchanged").count(), FOREIGN.len(), "{}", run.stderr);
    // Written once more nothing changes.
    directory.sh(&format!("cc-jwt jwks site/jwks.json {ISSUER} -q")).ended(0);
    assert_eq!(directory.read("site/jwks.json"), set);
}

#[test]
fn published_key_that_would_be_lost_stops_the_write() {
    let (directory, _) = published();
    let before = directory.read("site/jwks.json");
    let refused = directory.sh(&format!("cc-jwt jwks new/private.pem {ISSUER}")).ended(73);
    for name in ["old", "padded", "ed448", "k1", "enc", "off-curve", "number 7", "pq"] {
        assert!(refused.stderr.contains(&format!("'{name}'")), "{name}: {}", refused.stderr);
    }
    // One entry taken out of the copy is noticed as well.
    for left_out in FOREIGN {
        let rest: Vec<&str> =
            entries(&before, "keys").into_iter().filter(|entry| *entry != left_out).collect();
        directory.write("rest.json", cc_auth::key::set::write(rest));
        directory.sh(&format!("cc-jwt jwks new/private.pem rest.json {ISSUER}")).ended(73);
    }
    assert_eq!(directory.read("site/jwks.json"), before);
    directory.sh(&format!("cc-jwt jwks new/private.pem {ISSUER} --force")).ended(0);
    assert_eq!(entries(&directory.read("site/jwks.json"), "keys").len(), 1);
}

#[test]
fn private_key_of_a_set_is_published_by_its_public_half_alone() {
    let directory = TestEnv::new();
    directory.sh("gen-keypair -q -a es256 -f jwks -o pair.json").ended(0);
    let private = directory.read("pair.json");
    let secret = private.split("\"d\":\"").nth(1).unwrap().split('"').next().unwrap();
    let set = directory.sh("cc-jwt jwks pair.json").ended(0);
    assert!(!set.stdout.contains("\"d\"") && set.stdout.contains("\"kid\""), "{}", set.stdout);
    assert!(!set.stdout.contains(secret) && !set.stderr.contains(secret));
    let token = directory.sh("cc-user init -q; cc-user add fritz --role api --no-password -q; cc-jwt issue fritz --key pair.json -q");
    assert_eq!(token.ended(0).stdout.matches('.').count(), 2);
    // A private key that cannot be read has an unknown public half.
    for broken in [
        r#"{"keys":[{"kty":"OKP","crv":"Ed448","x":"AAAA","d":"c2VjcmV0c2VjcmV0"}]}"#,
        r#"{"keys":[{"kty":"EC","crv":"P-256","x":"AAAA","y":"AAAA","d":"c2VjcmV0c2VjcmV0"}]}"#,
        r#"{"keys":[{"kty":"oct","k":"c2VjcmV0c2VjcmV0"}]}"#,
    ] {
        directory.write("broken.json", broken);
        let run = directory.sh("cc-jwt jwks broken.json");
        assert_eq!((run.status, run.stdout.as_str()), (65, ""), "{broken}: {}", run.stderr);
        assert!(!run.stderr.contains("c2VjcmV0"), "{}", run.stderr);
    }
}

#[test]
fn set_without_usable_key_is_an_error() {
    let directory = TestEnv::with_setup();
    for set in [FOREIGN[0].to_owned(), String::new(), FOREIGN.join(",")] {
        let set = format!("{{\"keys\":[{set}]}}");
        directory.write("set.json", &set);
        for option in ["--jwks", "--key"] {
            let run = directory.sh(&format!("cc-jwt verify {option} set.json --token-file token.txt"));
            assert_eq!(run.status, 65, "{option} {set}: {}", run.stderr);
            assert!(run.stderr.contains("no usable key") && run.stdout.is_empty(), "{}", run.stderr);
        }
        let server = Server::start(move |_| Reply::status(200, "application/json", set.clone()));
        let run = directory.sh(&format!("cc-jwt verify --jwks {}/jwks --token-file token.txt", server.url()));
        assert_eq!(run.status, 69, "{}", run.stderr);
    }
}

/// A set of thousands of keys without key ID: a verdict on one token takes little more than reading.
#[test]
fn set_of_many_keys_is_read_in_linear_time() {
    let seed = |number: u32| {
        let mut seed = [3; 32];
        seed[..4].copy_from_slice(&number.to_be_bytes());
        let key = PrivateKey::ed25519_from_seed(&seed).unwrap().public();
        jwk::write_public(&key, Some(""), None).replace(",\"kid\":\"\"", "")
    };
    let time = |count: u32| {
        let jwks: Vec<String> = (0..count).map(seed).collect();
        let text = cc_auth::key::set::write(jwks.iter().map(String::as_str));
        let begun = std::time::Instant::now();
        let mut notes = cc_auth::util::note::Notes::new();
        let set =
            cc_auth::key::KeySet::from_json(&text, cc_auth::key::KeyStrength::Enforce, &mut notes).unwrap();
        assert_eq!(set.len(), count as usize);
        begun.elapsed()
    };
    let (few, many) = (time(400), time(3200));
    // Eight times as many keys in at most about eight times the time, with a margin for a busy machine.
    assert!(many < few * 24 + std::time::Duration::from_millis(200), "{few:?} {many:?}");
}
