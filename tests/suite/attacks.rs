//! Tokens that must never be taken, each refused with its reason, none reaching the network.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use cc_auth::key::parse::{read_public, read_signing};
use cc_auth::key::{Algorithm, KeyStrength, SigningKey, jwk};
use cc_auth::util::note::Notes;
use cc_auth::util::secret::SecretBytes;
use serde_json::{Value, json};

use crate::httpd::{Reply, Server};
use crate::support::TestEnv;

fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/login-roles").join(name)
}

fn key(name: &str) -> SigningKey {
    let file = fs::read(data(&format!("{name}.key.pem"))).unwrap();
    read_signing(&file, KeyStrength::Enforce, &mut Notes::new()).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

const CLAIMS: &str = r#"{"sub":"fritz","roles":["api"],"iat":1700000000,"exp":4000000000}"#;

fn message(header: &str, claims: &str) -> String {
    format!("{}.{}", encode(header), encode(claims))
}

/// The reason for a signature that lost bytes, and for any other one.
fn short_or_wrong(what: &str) -> &'static str {
    if what.starts_with("cut") { "not a complete token" } else { "does not fit" }
}

fn with_signature(message: &str, signature: impl AsRef<[u8]>) -> String {
    format!("{message}.{}", encode(signature))
}

/// Signed as it should be, whatever the header says.
fn signed(name: &str, algorithm: Algorithm, header: &str, claims: &str) -> String {
    let message = message(header, claims);
    let signature = key(name).sign(algorithm, message.as_bytes()).unwrap();
    with_signature(&message, signature)
}

fn by_us(header: &str, claims: &str) -> String {
    signed("ed25519", Algorithm::EdDsa, header, claims)
}

fn hmac(secret: &[u8], algorithm: Algorithm, header: &str) -> String {
    let key =
        SigningKey::hmac_secret(SecretBytes::new(secret.to_vec()), &[algorithm], KeyStrength::AllowWeak)
            .unwrap();
    let message = message(header, CLAIMS);
    with_signature(&message, key.sign(algorithm, message.as_bytes()).unwrap())
}

/// What is attacked with, and a word of the reason that must come.
type Attacks = Vec<(String, String, &'static str)>;

fn unsigned(all: &mut Attacks) {
    for alg in ["none", "None", "NONE", "nOnE", "none ", " none", "\\u006eone", "none\\t"] {
        let bare = message(&format!(r#"{{"alg":"{alg}"}}"#), CLAIMS);
        all.push((format!("{alg} without a signature"), format!("{bare}."), "not signed"));
        all.push((format!("{alg} with one"), with_signature(&bare, [7; 64]), "not signed"));
    }
    for (alg, reason) in [
        ("\"\"", "algorithm"),
        ("null", "'alg'"),
        ("0", "'alg'"),
        ("false", "'alg'"),
        ("[\"EdDSA\"]", "'alg'"),
        ("{}", "'alg'"),
        ("\"eddsa\"", "algorithm"),
        ("\"EdDSA\\u0000\"", "algorithm"),
        ("\"ES256K\"", "algorithm"),
        ("\"RSA1_5\"", "algorithm"),
    ] {
        all.push((format!("alg {alg}"), by_us(&format!(r#"{{"alg":{alg}}}"#), CLAIMS), reason));
    }
    all.push(("no alg".into(), by_us(r#"{"typ":"JWT"}"#, CLAIMS), "does not have an algorithm"));
    let good = by_us(r#"{"alg":"EdDSA"}"#, CLAIMS);
    let (start, _) = good.rsplit_once('.').unwrap();
    all.push(("signature cut off".into(), start.to_owned(), "2 parts"));
    all.push(("signature emptied".into(), format!("{start}."), "empty"));
}

/// HMAC with a public value as the secret (CVE-2015-9235 and its many children).
fn confused(all: &mut Attacks) {
    for name in ["ed25519", "es256", "rs256"] {
        let text = fs::read_to_string(data(&format!("{name}.pub.pem"))).unwrap();
        let der = pem::parse(&text).unwrap().into_contents();
        let public = read_public(text.as_bytes(), KeyStrength::Enforce, &mut Notes::new()).unwrap();
        let raw = public
            .public()
            .and_then(|key| key.ed25519_bytes().ok())
            .map_or_else(Vec::new, |raw| raw.to_vec());
        let set = jwk::write_public(public.public().unwrap(), None, None);
        let secrets: Vec<(&str, Vec<u8>)> = vec![
            ("PEM", text.clone().into_bytes()),
            ("PEM without its last line end", text.trim_end().as_bytes().to_vec()),
            ("PEM with CRLF", text.replace('\n', "\r\n").into_bytes()),
            ("DER", der.clone()),
            ("DER in base64", STANDARD.encode(&der).into_bytes()),
            ("JWK", set.into_bytes()),
            ("raw", raw.clone()),
            ("raw in base64", STANDARD.encode(&raw).into_bytes()),
            ("raw in base64url", encode(&raw).into_bytes()),
        ];
        for (form, secret) in secrets.iter().filter(|(_, secret)| !secret.is_empty()) {
            for (alg, algorithm) in [("HS256", Algorithm::Hs256), ("HS512", Algorithm::Hs512)] {
                let token = hmac(secret, algorithm, &format!(r#"{{"alg":"{alg}"}}"#));
                all.push((format!("{alg} keyed with {name} as {form}"), token, "the key is for"));
            }
        }
    }
    for secret in ["", "secret", "\0"] {
        if !secret.is_empty() {
            let token = hmac(secret.as_bytes(), Algorithm::Hs256, r#"{"alg":"HS256","kid":"/dev/null"}"#);
            all.push((format!("HS256 keyed with {secret:?}"), token, "the key is for"));
        }
    }
    for (output, name, algorithm, reason) in [
        ("ES256", "ed25519", Algorithm::EdDsa, "does not fit"),
        ("EdDSA", "es256", Algorithm::Es256, "does not fit"),
        ("RS256", "ed25519", Algorithm::EdDsa, "does not fit"),
        ("PS256", "rs256", Algorithm::Rs256, "does not fit"),
        ("RS256", "rs256", Algorithm::Ps256, "does not fit"),
        ("RS512", "rs256", Algorithm::Rs256, "does not fit"),
        ("ES384", "es256", Algorithm::Es256, "the key is for"),
        ("ES512", "es256", Algorithm::Es256, "the key is for"),
    ] {
        let token = signed(name, algorithm, &format!(r#"{{"alg":"{output}"}}"#), CLAIMS);
        all.push((format!("{output} signed as {algorithm}"), token, reason));
    }
}

/// Headers that would have the reader fetch, find or run something.
fn led_astray(all: &mut Attacks, address: &str) {
    for kid in [
        "../../../../etc/passwd",
        "/dev/null",
        "file:///etc/passwd",
        "' OR '1'='1",
        "x'; DROP TABLE user; --",
        "| id",
        "$(id)",
        "%00",
        "\\u0000",
        "\\u001b[2J",
    ] {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        let token = signed("attacker_ed25519", Algorithm::EdDsa, &header, CLAIMS);
        all.push((format!("kid {kid}"), token, "does not fit"));
    }
    all.push((
        "kid an address".into(),
        signed(
            "attacker_ed25519",
            Algorithm::EdDsa,
            &format!(r#"{{"alg":"EdDSA","kid":"{address}/kid"}}"#),
            CLAIMS,
        ),
        "does not fit",
    ));
    for kid in ["5", "null", "[]", "{}", "true"] {
        let token = by_us(&format!(r#"{{"alg":"EdDSA","kid":{kid}}}"#), CLAIMS);
        all.push((format!("kid {kid}"), token, "'kid'"));
    }
    let attacker = key("attacker_ed25519");
    let own = jwk::write_public(attacker.verifying_key().public_key().unwrap(), None, None);
    for (member, value) in [
        ("jwk", own),
        ("jku", format!("\"{address}/jwks\"")),
        ("x5u", format!("\"{address}/x5u\"")),
        ("x5c", "[\"AAAA\"]".to_owned()),
    ] {
        let header = format!(r#"{{"alg":"EdDSA","{member}":{value}}}"#);
        let token = signed("attacker_ed25519", Algorithm::EdDsa, &header, CLAIMS);
        all.push((format!("{member} of the attacker"), token, member));
    }
    for critical in [r#"["b64"]"#, r#"["exp"]"#, r#"["x"]"#, "[]", "null", "\"b64\"", r#"["crit"]"#] {
        let token = by_us(&format!(r#"{{"alg":"EdDSA","crit":{critical}}}"#), CLAIMS);
        all.push((format!("crit {critical}"), token, "'crit'"));
    }
    let unencoded = by_us(r#"{"alg":"EdDSA","b64":false}"#, CLAIMS);
    all.push(("b64 false".into(), unencoded, "b64"));
    let encrypted = encode(r#"{"alg":"dir","enc":"A128GCM"}"#);
    all.push(("encrypted".into(), format!("{encrypted}..AAAA.AAAA.AAAA"), "5 parts"));
    let inner = by_us(r#"{"alg":"EdDSA"}"#, CLAIMS);
    all.push(("nested".into(), by_us(r#"{"alg":"EdDSA","cty":"JWT"}"#, &inner), "another token"));
}

/// JSON that two readers read in two ways.
fn ambiguous(all: &mut Attacks) {
    let header = r#"{"alg":"EdDSA"}"#;
    for (what, header, claims, reason) in [
        ("alg twice", r#"{"alg":"EdDSA","alg":"none"}"#, CLAIMS, "twice"),
        ("alg twice by escape", r#"{"alg":"EdDSA","\u0061lg":"none"}"#, CLAIMS, "twice"),
        ("sub twice", header, r#"{"sub":"fritz","sub":"root","iat":1700000000}"#, "twice"),
        ("exp twice", header, r#"{"sub":"fritz","exp":1,"exp":4000000000}"#, "twice"),
        (
            "roles twice by escape",
            header,
            r#"{"sub":"fritz","roles":["user"],"rol\u0065s":["api"]}"#,
            "twice",
        ),
        ("nested twice", header, r#"{"sub":"fritz","x":{"a":1,"a":2}}"#, "twice"),
        ("claims a list", header, r#"[{"sub":"fritz"}]"#, "expected a JSON object"),
        ("claims a text", header, r#""fritz""#, "expected a JSON object"),
        ("claims null", header, "null", "expected a JSON object"),
        ("claims nothing", header, "", "not JSON"),
        ("claims cut off", header, r#"{"sub":"fritz""#, "not JSON"),
        ("two objects", header, r#"{"sub":"fritz"}{"sub":"root"}"#, "not JSON"),
        ("a comment", header, r#"{"sub":"fritz"/**/}"#, "not JSON"),
        ("NaN", header, r#"{"sub":"fritz","exp":NaN}"#, "not JSON"),
        ("exp 1e400", header, r#"{"sub":"fritz","exp":1e400}"#, "not JSON"),
        ("exp 1e308", header, r#"{"sub":"fritz","exp":1e308}"#, "exp"),
        ("exp beyond 64 bits", header, r#"{"sub":"fritz","exp":18446744073709551616}"#, "exp"),
        ("exp at the end of 64 bits", header, r#"{"sub":"fritz","exp":9223372036854775807}"#, "exp"),
        ("exp a text", header, r#"{"sub":"fritz","exp":"4000000000"}"#, "exp"),
        ("exp a list", header, r#"{"sub":"fritz","exp":[4000000000]}"#, "exp"),
        ("nbf a boolean", header, r#"{"sub":"fritz","nbf":true}"#, "nbf"),
        ("expired", header, r#"{"sub":"fritz","exp":1700000000}"#, "expired"),
        ("not begun", header, r#"{"sub":"fritz","nbf":3900000000}"#, "not valid before"),
        ("header a list", r#"["EdDSA"]"#, CLAIMS, "expected a JSON object"),
        ("header null", "null", CLAIMS, "expected a JSON object"),
    ] {
        all.push((what.into(), by_us(header, claims), reason));
    }
    for depth in [65, 1000, 20_000] {
        let claims = format!(r#"{{"sub":"fritz","x":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
        all.push((format!("{depth} levels"), by_us(header, &claims), "nested deeper"));
    }
    let long = format!(r#"{{"sub":"fritz","x":"{}"}}"#, "x".repeat(60_000));
    all.push(("a payload of 60 kB".into(), by_us(header, &long), "longer than any token"));
    let longer = format!(r#"{{"sub":"fritz","x":"{}"}}"#, "x".repeat(10_000_000));
    all.push(("a payload of 10 MB".into(), by_us(header, &longer), "longer than any token"));
    let not_text = format!("{}.{}", encode(header), encode(b"{\"sub\":\"\xff\"}"));
    let signature = key("ed25519").sign(Algorithm::EdDsa, not_text.as_bytes()).unwrap();
    all.push(("claims not UTF-8".into(), with_signature(&not_text, signature), "UTF-8"));
}

/// Other spellings of a good token, and signatures that are none.
fn forged(all: &mut Attacks) {
    let good = by_us(r#"{"alg":"EdDSA"}"#, CLAIMS);
    let (start, signature) = good.rsplit_once('.').unwrap();
    let (header, claims) = start.split_once('.').unwrap();
    for (what, token, reason) in [
        ("padding", format!("{good}=="), "padding"),
        ("blank inside", format!("{header}. {claims}.{signature}"), "base64url"),
        ("a point at the end", format!("{good}."), "4 parts"),
        ("a point at the start", format!(".{good}"), "4 parts"),
        ("standard alphabet", format!("{header}.{claims}.{}", "+/".repeat(43)), "standard alphabet"),
        ("header alone", header.to_owned(), "no dots"),
        ("twice", format!("{good},{good}"), "parts"),
        ("full-width letters", format!("{header}.{claims}.{}", "Ａ".repeat(86)), "base64url"),
        (
            "flattened JSON",
            format!(r#"{{"protected":"{header}","payload":"{claims}","signature":"{signature}"}}"#),
            "no dots",
        ),
    ] {
        all.push((what.into(), token, reason));
    }
    // The last character of 86 carries four bits that belong to no byte.
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let last = alphabet.find(signature.chars().last().unwrap()).unwrap();
    let other = alphabet.as_bytes()[last | 1] as char;
    all.push(("spare bits".into(), format!("{start}.{}{other}", &signature[..85]), "unused bits"));

    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let mut changes: Vec<(&str, Vec<u8>)> = vec![
        ("cut by a byte", bytes[..63].to_vec()),
        ("longer by a byte", [&bytes[..], &[0]].concat()),
        ("all zero", vec![0; 64]),
        ("all ones", vec![0xff; 64]),
        ("halves swapped", [&bytes[32..], &bytes[..32]].concat()),
        ("S plus the order", [&bytes[..32], &plus_order(&bytes[32..])[..]].concat()),
    ];
    let mut flipped = bytes.clone();
    flipped[0] ^= 1;
    changes.push(("a bit of R", flipped));
    let mut flipped = bytes.clone();
    flipped[63] ^= 0x80;
    changes.push(("the top bit of S", flipped));
    // R the neutral element, in its canonical and in another encoding, S nothing.
    let mut neutral = vec![0; 64];
    neutral[0] = 1;
    changes.push(("R neutral", neutral.clone()));
    neutral[31] = 0x80;
    changes.push(("R neutral, not canonical", neutral));
    for (what, signature) in changes {
        all.push((format!("Ed25519: {what}"), with_signature(start, signature), short_or_wrong(what)));
    }

    let good = signed("es256", Algorithm::Es256, r#"{"alg":"ES256"}"#, CLAIMS);
    let (start, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    let order = hex("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551");
    let zero = vec![0_u8; 32];
    let one = [vec![0_u8; 31], vec![1]].concat();
    for (what, signature) in [
        ("r and s zero (CVE-2022-21449)", [&zero[..], &zero].concat()),
        ("r zero", [&zero[..], &bytes[32..]].concat()),
        ("s zero", [&bytes[..32], &zero].concat()),
        ("r and s the order", [&order[..], &order].concat()),
        ("r the order, s one", [&order[..], &one].concat()),
        ("r and s one", [&one[..], &one].concat()),
        ("all ones", vec![0xff; 64]),
        ("in DER", der_signature(&bytes)),
        ("with leading zeros", [&[0][..], &bytes[..32], &[0], &bytes[32..]].concat()),
        ("cut", bytes[..63].to_vec()),
    ] {
        all.push((format!("ECDSA: {what}"), with_signature(start, signature), short_or_wrong(what)));
    }
    let good = signed("rs256", Algorithm::Rs256, r#"{"alg":"RS256"}"#, CLAIMS);
    let (start, signature) = good.rsplit_once('.').unwrap();
    let bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    for (what, signature) in [
        ("zero", vec![0; 256]),
        ("one", [vec![0; 255], vec![1]].concat()),
        ("cut", bytes[..255].to_vec()),
        ("with a leading zero", [&[0][..], &bytes].concat()),
        ("empty block", vec![0xff; 256]),
    ] {
        all.push((format!("RSA: {what}"), with_signature(start, signature), short_or_wrong(what)));
    }
    for name in ["attacker_ed25519", "attacker_es256", "attacker_rs256"] {
        let algorithm = key(name).verifying_key().algorithms()[0];
        let token = signed(name, algorithm, &format!(r#"{{"alg":"{algorithm}"}}"#), CLAIMS);
        all.push((format!("signed by {name}"), token, "does not fit"));
    }
}

fn hex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

/// S + L: the same number to a reader that does not look whether it is reduced (RFC 8032 5.1.7).
fn plus_order(s: &[u8]) -> Vec<u8> {
    let order = hex("edd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010");
    let mut carry = 0_u16;
    s.iter()
        .zip(order)
        .map(|(a, b)| {
            let sum = u16::from(*a) + u16::from(b) + carry;
            carry = sum >> 8;
            sum.to_le_bytes()[0]
        })
        .collect()
}

fn der_signature(bytes: &[u8]) -> Vec<u8> {
    let number = |half: &[u8]| {
        let mut out = vec![2, 33, 0];
        out.extend_from_slice(half);
        out
    };
    let body = [number(&bytes[..32]), number(&bytes[32..])].concat();
    [vec![0x30, u8::try_from(body.len()).unwrap()], body].concat()
}

fn all(address: &str) -> Attacks {
    let mut all = Attacks::new();
    unsigned(&mut all);
    confused(&mut all);
    led_astray(&mut all, address);
    ambiguous(&mut all);
    forged(&mut all);
    all
}

#[test]
fn attacks_are_rejected_with_a_reason_and_without_network() {
    let server = Server::start(|_| Reply::Die);
    let attacks = all(&server.url());
    let names: BTreeSet<&str> = attacks.iter().map(|(name, _, _)| name.as_str()).collect();
    assert_eq!(names.len(), attacks.len(), "two attacks of one name");
    assert!(attacks.len() >= 60, "only {}", attacks.len());
    println!("{} attacks", attacks.len());

    let directory = TestEnv::new();
    let good = ["ed25519", "es256", "rs256"].map(|name| {
        let algorithm = key(name).verifying_key().algorithms()[0];
        signed(name, algorithm, &format!(r#"{{"alg":"{algorithm}"}}"#), CLAIMS)
    });
    let lines: Vec<&str> =
        attacks.iter().map(|(_, token, _)| token.as_str()).chain(good.iter().map(String::as_str)).collect();
    directory.write("tokens", lines.join("\n"));
    let mut arguments =
        vec!["verify".to_owned(), "--stream".into(), "--json".into(), "--token-file".into(), "tokens".into()];
    for name in ["ed25519", "es256", "rs256"] {
        arguments
            .extend(["--key".to_owned(), data(&format!("{name}.pub.pem")).to_string_lossy().into_owned()]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let run = directory.run("cc-jwt", &arguments).ended(1);
    let answers: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), lines.len());
    let mut wrong = Vec::new();
    for ((name, _, reason), answer) in attacks.iter().zip(&answers) {
        let output = answer["reason"].as_str().unwrap_or_default();
        if answer["valid"] != json!(false) || !output.contains(reason) {
            wrong.push(format!("{name}: expected {reason:?}, {answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), attacks.len(), wrong.join("\n"));
    // A login role, which overlooks keys that a token brings along, does not take them either.
    directory.write("r.json", r#"{"role_type":"jwt","user_claim":"sub","bound_claims":{"roles":"api"}}"#);
    let run = directory.run("cc-jwt", &[&arguments[..], &["--login-role", "r.json"]].concat()).ended(1);
    for (line, (name, ..)) in run.stdout.lines().zip(&attacks) {
        assert!(line.contains(r#""accepted":false"#), "by a role: {name}: {line}");
    }
    assert_eq!(run.stdout.lines().filter(|line| line.contains(r#""accepted":true"#)).count(), good.len());
    // The test itself must distinguish: valid ones are accepted.
    assert!(answers[attacks.len()..].iter().all(|answer| answer["valid"] == true), "{answers:?}");
    assert!(server.seen().is_empty(), "{:?}", server.seen());
}

#[test]
fn weak_key_is_rejected_before_tokens_are_read() {
    let directory = TestEnv::new();
    // The points of small order, under which a signature of nothing holds for every message.
    for point in [
        "0100000000000000000000000000000000000000000000000000000000000000",
        "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
        "0000000000000000000000000000000000000000000000000000000000000080",
        "0000000000000000000000000000000000000000000000000000000000000000",
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    ] {
        directory.write("weak", STANDARD.encode(hex(point)));
        for allow in [&[][..], &["--allow-weak"]] {
            let arguments = [&["verify", "a.b.c", "--key", "weak"], allow].concat();
            let run = directory.run("cc-jwt", &arguments);
            assert_eq!(run.status, 65, "{point}: {}", run.stderr);
        }
    }
}

/// Something a terminal would obey (C0, C1), turn around, or not show.
const EVIL: &str = "a\u{1b}]0;x\u{7}\u{9b}2J\u{202e}b\u{200b}\u{2028}\r\u{fe0f}c";

/// The directory with a hostile word everywhere a program reads one.
fn hostile() -> TestEnv {
    let directory = TestEnv::with_setup();
    let header = json!({"alg": "EdDSA", "kid": EVIL, "typ": EVIL, EVIL: EVIL});
    let claims = json!({
        "sub": EVIL, "iss": EVIL, "aud": [EVIL], "roles": [EVIL, "api"], "groups": [EVIL], EVIL: {EVIL: EVIL},
        "exp": 4_000_000_000_u64, "iat": 1_700_000_000, "nbf": EVIL, "wlcg.ver": "1.0", "ver": EVIL,
        "scope": format!("storage.read:/{EVIL} {EVIL} compute.read:{EVIL}"), "jti": EVIL,
    });
    directory.write("evil.jwt", by_us(&header.to_string(), &claims.to_string()));
    let mut good = claims.clone();
    good["nbf"] = json!(1_700_000_000);
    directory.write("good.jwt", by_us(r#"{"alg":"EdDSA"}"#, &good.to_string()));
    directory.write("double.jwt", by_us(r#"{"alg":"x","k":1,"k":2,"crit":["y"]}"#, "{}"));
    directory.write("raw.jwt", format!("{EVIL}.{EVIL}.{EVIL}"));
    directory.write("text.jwt", with_signature(&message(EVIL, EVIL), EVIL));
    directory.write("tokens", format!("{}\n{EVIL}\n", directory.read("evil.jwt")));
    let role = json!({
        "role_type": "jwt", "user_claim": "sub", "bound_audiences": [EVIL], "bound_claims": {EVIL: "x", "aud": EVIL},
        "groups_claim": "groups", "claim_mappings": {EVIL: EVIL}, "policies": [EVIL],
    });
    directory.write("role.json", role.to_string());
    directory.write(
        "accepts.json",
        json!({
            "role_type": "jwt", "user_claim": "sub", "bound_audiences": [EVIL], "groups_claim": "groups",
            "claim_mappings": {"iss": EVIL}, "policies": [EVIL],
        })
        .to_string(),
    );
    directory
        .write("bad-role.json", json!({EVIL: 1, "role_type": EVIL, "bound_claims_type": EVIL}).to_string());
    directory.write("jwks.json", json!({"keys": [
        {"kty": EVIL, "kid": EVIL}, {"kty": "EC", "crv": EVIL}, {"kty": "OKP", "crv": "Ed25519", "x": EVIL},
        {"kty": "RSA", "use": EVIL, "n": "AA", "e": "AQ", EVIL: EVIL},
    ]}).to_string());
    directory.write(
        "evil-config.json",
        json!({
            EVIL: EVIL, "jwts": {"max-age": EVIL, EVIL: 1}, "ldap": {"url": EVIL, "user-bind": EVIL},
            "db": EVIL, "validateUser": EVIL, "addr": 5,
        })
        .to_string(),
    );
    directory.write("evil.env", format!("A=1\nB{EVIL}=2\nJWT_PUBLIC_KEY='{EVIL}\n"));
    directory.write("evil2.env", format!("JWT_PUBLIC_KEY={EVIL}\nJWT_PRIVATE_KEY=\"{EVIL}\"\n"));
    directory.write(
        "users.csv",
        format!("username,roles,email,source\n{EVIL},{EVIL},{EVIL},{EVIL}\nx,user,{EVIL},ldap\n"),
    );
    directory.write("heading.csv", format!("username,{EVIL},{EVIL}\n"));
    directory.write(
        "users.jsonl",
        format!("{}\n{}\n", json!({"username": EVIL}), json!({EVIL: EVIL, "username": "x"})),
    );
    directory.write("spec.yaml", format!(
        "apiVersion: {0}\nkind: JWT\nmetadata: {{name: {0}, {0}: 1}}\nspec: {{algorithm: {0}, issuer: {0}, data: {{scope: {0}}}}}\n",
        json!(EVIL)
    ));
    directory.write("spec2.yaml", format!("kind: {}\n--- {EVIL}\n", json!(EVIL)));
    directory.write("label.pem", format!("-----BEGIN {EVIL}-----\nQUJD\n-----END {EVIL}-----\n"));
    directory.write("key.pub", format!("ssh-{EVIL} AAAA {EVIL}\n"));
    let mut certificate = rcgen::CertificateParams::new(Vec::new()).unwrap();
    certificate.distinguished_name.push(rcgen::DnType::CommonName, EVIL);
    let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    directory.write("cert.pem", certificate.self_signed(&pair).unwrap().pem());
    directory.write(&format!("n{EVIL}.pem"), "nothing");
    let database = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    for (name, roles, projects) in [
        (EVIL, json!([EVIL, "user"]).to_string(), json!([EVIL]).to_string()),
        ("broken", EVIL.to_owned(), EVIL.to_owned()),
    ] {
        let row =
            "INSERT INTO user (username, name, roles, email, projects, ldap) VALUES (?1, ?2, ?3, ?2, ?4, 0)";
        database.execute(row, [name, EVIL, &roles, &projects]).unwrap();
    }
    directory
}

#[test]
fn control_characters_never_reach_the_terminal() {
    let directory = hostile();
    let key = data("ed25519.pub.pem").to_string_lossy().into_owned();
    let evil_file = format!("n{EVIL}.pem");
    let evil_option = format!("--{EVIL}");
    let lines: Vec<(&str, Vec<&str>)> = vec![
        ("cc-jwt", vec!["inspect", "--token-file", "evil.jwt"]),
        ("cc-jwt", vec!["inspect", "--token-file", "good.jwt"]),
        ("cc-jwt", vec!["inspect", "--token-file", "double.jwt"]),
        ("cc-jwt", vec!["inspect", "--token-file", "raw.jwt"]),
        ("cc-jwt", vec!["inspect", "--token-file", "text.jwt"]),
        ("cc-jwt", vec!["inspect", "--stream", "--token-file", "tokens"]),
        ("cc-jwt", vec!["verify", "--token-file", "evil.jwt", "--key", &key, "--explain"]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--explain", "-vv"]),
        (
            "cc-jwt",
            vec!["verify", "--token-file", "good.jwt", "--key", &key, "--issuer", "x", "--audience", "y"],
        ),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--require-role", EVIL]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--endpoint", EVIL]),
        (
            "cc-jwt",
            vec![
                "verify",
                "--token-file",
                "good.jwt",
                "--key",
                &key,
                "--profile",
                "wlcg",
                "--scope",
                "storage.read:/x",
            ],
        ),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--profile", "scitokens2"]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--scope", EVIL]),
        ("cc-jwt", vec!["verify", "--token-file", "text.jwt", "--key", &key]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &evil_file]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--jwks", "jwks.json"]),
        (
            "cc-jwt",
            vec![
                "verify",
                "--token-file",
                "good.jwt",
                "--key",
                &key,
                "--login-role",
                "role.json",
                "--explain",
            ],
        ),
        (
            "cc-jwt",
            vec![
                "verify",
                "--token-file",
                "good.jwt",
                "--key",
                &key,
                "--login-role",
                "accepts.json",
                "--explain",
            ],
        ),
        (
            "cc-jwt",
            vec!["verify", "--token-file", "good.jwt", "--key", &key, "--login-role", "bad-role.json"],
        ),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--login-role", EVIL]),
        ("cc-jwt", vec!["verify", "--stream", "--token-file", "tokens", "--key", &key]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--config", "evil-config.json"]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--env-file", "evil.env"]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--env-file", "evil2.env"]),
        ("cc-jwt", vec!["verify", "--token-file", "good.jwt", "--key", &key, "--at", EVIL]),
        ("cc-jwt", vec!["verify", EVIL]),
        ("cc-jwt", vec!["role", "check", "role.json"]),
        ("cc-jwt", vec!["role", "check", "accepts.json"]),
        ("cc-jwt", vec!["role", "check", "bad-role.json"]),
        ("cc-jwt", vec!["role", "check", &evil_file]),
        ("cc-jwt", vec!["spec", "check", "spec.yaml"]),
        ("cc-jwt", vec!["spec", "check", "spec2.yaml"]),
        ("cc-jwt", vec!["jwks", &evil_file]),
        ("cc-jwt", vec!["issue", EVIL]),
        ("cc-jwt", vec!["issue", "broken"]),
        ("cc-jwt", vec!["issue", "--users-from", "users.csv"]),
        ("cc-jwt", vec![&evil_option]),
        ("cc-jwt", vec![EVIL]),
        ("cc-user", vec!["list"]),
        ("cc-user", vec!["list", "--role", EVIL]),
        ("cc-user", vec!["show", EVIL]),
        ("cc-user", vec!["show", "broken"]),
        ("cc-user", vec!["show", &evil_option]),
        ("cc-user", vec!["add", EVIL, "--role", EVIL, "--no-password"]),
        ("cc-user", vec!["role", "add", EVIL, "api"]),
        ("cc-user", vec!["role", "add", "fritz", EVIL]),
        ("cc-user", vec!["import", "users.csv", "--dry-run"]),
        ("cc-user", vec!["import", "users.csv"]),
        ("cc-user", vec!["import", "heading.csv"]),
        ("cc-user", vec!["import", "users.jsonl"]),
        ("cc-user", vec!["import", &evil_file]),
        ("cc-user", vec!["sync-ldap", "--config", "evil-config.json"]),
        ("cc-user", vec!["del", EVIL]),
        ("convert-pem-pubkey", vec!["label.pem"]),
        ("convert-pem-pubkey", vec!["key.pub"]),
        ("convert-pem-pubkey", vec!["cert.pem"]),
        ("convert-pem-pubkey", vec!["jwks.json"]),
        ("convert-pem-pubkey", vec![&evil_file]),
        ("gen-keypair", vec!["--env-file", &evil_file]),
        ("gen-keypair", vec![EVIL]),
        ("cc-login", vec![EVIL, "--method", "local"]),
        ("cc-login", vec!["--method", EVIL]),
        ("cc-login", vec![&evil_option]),
    ];
    let mut obeyed = Vec::new();
    for (program, arguments) in &lines {
        for json in [false, true] {
            let mut arguments = arguments.clone();
            if json {
                arguments.push("--json");
            }
            let run = directory.run(program, &arguments);
            assert!(!run.stderr.contains("panicked"), "{program} {arguments:?}: {}", run.stderr);
            // JSON on a pipe is for programs; what goes to people is on standard error then.
            let for_programs = json || arguments.starts_with(&["inspect", "--stream"]);
            let shown =
                if for_programs { run.stderr.clone() } else { format!("{}{}", run.stdout, run.stderr) };
            // Tabs separate the columns of a list; one in a value is escaped (listing.rs).
            let is_list = !json && arguments.starts_with(&["list"]);
            let hidden = |c: char| c != '\n' && !(is_list && c == '\t') && cc_auth::util::quote::is_hidden(c);
            if let Some(line) = shown.lines().find(|line| line.contains(hidden)) {
                obeyed.push(format!("{program} {arguments:?}: {line:?}"));
            }
        }
    }
    assert!(obeyed.is_empty(), "{} of {}:\n{}", obeyed.len(), 2 * lines.len(), obeyed.join("\n"));
    println!("{} command lines", 2 * lines.len());
}
