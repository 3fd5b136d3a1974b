//! Keys in all their forms.

use cc_auth::key::certificate::Certificate;
use cc_auth::key::{
    Jwk, KeySet, KeyStrength, PrivateKey, PublicKey, SigningKey, der as forms, jwk, pem as armor,
    read_public, read_signing,
};
use cc_auth::util::note::Notes;

use super::{clean, clean_fault, clean_notes};

const BOTH: [KeyStrength; 2] = [KeyStrength::Enforce, KeyStrength::AllowWeak];

/// A key that was read can be written in every form, and reads back as itself.
fn writes_and_reads(key: &PublicKey, weak: KeyStrength) {
    let der = forms::write_spki(key).expect("a form");
    assert_eq!(forms::read_spki(&der, weak).as_ref(), Ok(key));
    let text = jwk::write_public(key, Some("k\u{1b}"), None);
    let read = Jwk::parse(&text).and_then(|jwk| jwk.verifying_key(weak)).expect("what was written");
    assert_eq!((read.public_key(), read.kid()), (Some(key), Some("k\u{1b}")));
}

fn private_writes_and_reads(key: &PrivateKey) {
    let der = forms::write_pkcs8(key).expect("a form");
    assert_eq!(forms::read_pkcs8(der.expose()).expect("what was written").public(), key.public());
    let text = jwk::write_private(key, None, None).expect("a form");
    let read =
        Jwk::parse(&text).and_then(|jwk| jwk.signing_key(KeyStrength::AllowWeak)).expect("what was written");
    assert_eq!(read.private_key().map(PrivateKey::public), Some(key.public()));
}

fn signs(key: &SigningKey) {
    let signature = key.sign(key.algorithm(), b"message").expect("a key that was read signs");
    assert!(key.verifying_key().verify(key.algorithm(), b"message", &signature));
    assert!(!key.verifying_key().verify(key.algorithm(), b"massage", &signature));
}

/// A file with a key.
pub fn key(data: &[u8]) {
    for weak in BOTH {
        let mut notes = Notes::new();
        match read_public(data, weak, &mut notes) {
            Ok(found) => {
                clean(&found.key.describe());
                for algorithm in found.key.algorithms() {
                    assert!(!algorithm.is_symmetric(), "a public key that signs");
                    assert!(!found.key.verify(*algorithm, b"message", &[0; 64]));
                }
                writes_and_reads(found.public().expect("no HMAC secret"), weak);
            }
            Err(error) => clean_fault(&error),
        }
        match read_signing(data, weak, &mut notes) {
            Ok(key) => {
                signs(&key);
                if let Some(private) = key.private_key() {
                    private_writes_and_reads(private);
                }
            }
            Err(error) => clean_fault(&error),
        }
        clean_notes(&notes);
    }
}

/// A key set, or one JWK: never an HMAC secret, never a key that verifies nothing.
pub fn jwks(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for weak in BOTH {
        let mut notes = Notes::new();
        match KeySet::from_json(text, weak, &mut notes) {
            Ok(set) => {
                for key in set.keys() {
                    clean(&key.describe());
                    assert!(!key.algorithms().is_empty());
                    assert!(!key.algorithms().iter().any(|algorithm| algorithm.is_symmetric()));
                    assert!(!key.verify(key.algorithms()[0], b"message", &[0; 64]), "a signature of nothing");
                    writes_and_reads(key.public_key().expect("no HMAC secret"), weak);
                }
            }
            Err(error) => clean_fault(&error),
        }
        clean_notes(&notes);
        let Ok(jwk) = Jwk::parse(text) else { continue };
        jwk.verifying_key(weak).map_or_else(|error| clean_fault(&error), |key| clean(&key.describe()));
        match jwk.signing_key(weak) {
            Ok(key) => {
                signs(&key);
                if let Some(private) = key.private_key() {
                    private_writes_and_reads(private);
                }
            }
            Err(error) => clean_fault(&error),
        }
    }
}

/// Keys and certificates in DER: a key has one encoding only.
pub fn der(data: &[u8]) {
    for weak in BOTH {
        match forms::read_spki(data, weak) {
            Ok(key) => {
                // An RSA key without the NULL is the one exception that is read (RFC 3279 2.3.1).
                let bare_rsa = key.kind() == "RSA" && !data.windows(2).take(24).any(|two| two == [5, 0]);
                assert!(bare_rsa || forms::write_spki(&key).as_deref() == Ok(data), "two forms of a key");
                writes_and_reads(&key, weak);
            }
            Err(error) => clean_fault(&error),
        }
        match forms::read_pkcs1_public(data, weak) {
            Ok(key) => writes_and_reads(&key, weak),
            Err(error) => clean_fault(&error),
        }
        match Certificate::from_der(data, weak) {
            Ok(certificate) => {
                writes_and_reads(&certificate.key, weak);
                assert!(certificate.not_before.0 >= 0 && certificate.not_after.0 >= 0);
                let until = certificate.not_after;
                assert!(!certificate.is_valid_at(until.plus_seconds(1)));
            }
            Err(error) => clean_fault(&error),
        }
    }
    let private = [forms::read_pkcs8(data), forms::read_sec1(data), PrivateKey::rsa_from_pkcs1(data)];
    for read in private {
        match read {
            Ok(key) => {
                private_writes_and_reads(&key);
                if let Ok(key) = SigningKey::private(key) {
                    signs(&key);
                }
            }
            Err(error) => clean_fault(&error),
        }
    }
}

/// PEM armor: each whole block reads back from what it is written as.
pub fn pem(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for block in armor::blocks(text) {
        match block {
            Ok(block) => {
                let written = armor::write(&block.label, &block.content);
                let mut again = armor::blocks(&written);
                let read = again.pop().expect("a block").expect("a whole one");
                assert_eq!((&read.label, &read.content, again.len()), (&block.label, &block.content, 0));
            }
            Err(error) => clean_fault(&error),
        }
    }
}
