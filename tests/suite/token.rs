//! Tests of the token module: the RFCs' examples, attacks, and what no input may do.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::{Algorithm, KeyStrength, PrivateKey, SigningKey, VerifyingKey};
use cc_auth::token::{self, Claims, HeaderParams, MAX_BYTES, TokenError, TokenPart, Unverified, Verified};
use cc_auth::util::diagnostic::Diagnostic as _;
use cc_auth::util::secret::{SecretBytes, SecretText};
use proptest::prelude::*;
use serde_json::json;

/// The key pair of the recorded answers; made for tests.
pub const PUBLIC: &str = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg=";
pub const PRIVATE: &str =
    "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8DoQe/884Qvh1w3RjnS8CZZ+TWMJulDV8d3IZkElUxuA==";

fn own_key() -> SigningKey {
    SigningKey::from_server_base64(&SecretText::new(PRIVATE.to_owned())).unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A token with this header and these claims as they stand, signed by the own key.
fn signed(header: &str, claims: &[u8]) -> String {
    make(header, claims, &own_key(), Algorithm::EdDsa)
}

fn make(header: &str, claims: &[u8], key: &SigningKey, algorithm: Algorithm) -> String {
    let message = format!("{}.{}", encode(header), encode(claims));
    let signature = key.sign(algorithm, message.as_bytes()).unwrap();
    format!("{message}.{}", encode(signature))
}

fn check(token: &str, key: &VerifyingKey) -> Result<Verified, TokenError> {
    token::verify(Unverified::parse(token)?, [key])
}

fn check_own(token: &str) -> Result<Verified, TokenError> {
    check(token, &VerifyingKey::from_server_base64(PUBLIC).unwrap())
}

fn hmac(secret: &[u8], algorithms: &[Algorithm]) -> VerifyingKey {
    VerifyingKey::hmac_secret(SecretBytes::new(secret.to_vec()), algorithms, KeyStrength::AllowWeak).unwrap()
}

#[test]
fn hmac_example_of_rfc_7515_a_1_verifies() {
    let key = URL_SAFE_NO_PAD
        .decode("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow")
        .unwrap();
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
                 eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                 dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let verified = check(token, &hmac(&key, &[Algorithm::Hs256])).unwrap();
    assert_eq!(verified.claims().issuer(), Some("joe"));
    assert_eq!(verified.claims().time("exp").unwrap().unwrap().instant().0, 1_300_819_380);
    assert_eq!(verified.header().kind(), Some("JWT"));
    assert_eq!(
        check(token, &hmac(b"another key of some length......", &[Algorithm::Hs256])),
        Err(TokenError::Signature(1))
    );
}

/// The keys and tokens of RFC 7515 appendices A.2 and A.3; both carry the claims of A.1.
const SIGNED_BY_JWK: [(&str, &str); 2] = [
    (
        r#"{"kty":"RSA","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#,
        "eyJhbGciOiJSUzI1NiJ9.\
         eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
         cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw",
    ),
    (
        r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#,
        "eyJhbGciOiJFUzI1NiJ9.\
         eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
         DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q",
    ),
];

#[test]
fn rsa_and_ec_examples_of_rfc_7515_verify_by_their_own_key_only() {
    let keys = SIGNED_BY_JWK.map(|(jwk, _)| VerifyingKey::from_jwk(jwk, KeyStrength::Enforce).unwrap());
    for (own, (_, token)) in SIGNED_BY_JWK.iter().enumerate() {
        let verified = check(token, &keys[own]).unwrap();
        assert_eq!(verified.claims().issuer(), Some("joe"));
        assert!(check(token, &keys[1 - own]).is_err());
    }
}

#[test]
fn ed25519_example_of_rfc_8037_a_4_has_a_payload_without_claims() {
    let token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                 hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let (message, signature) = token.rsplit_once('.').unwrap();
    let key = VerifyingKey::from_server_base64("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=").unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    assert!(key.verify(Algorithm::EdDsa, message.as_bytes(), &signature));
    assert!(matches!(check(token, &key), Err(TokenError::Json { part: TokenPart::Claims, .. })));
}

#[test]
fn issued_tokens_verify() {
    let mut claims = Claims::new();
    claims.set("sub", "fritz");
    claims.set("roles", json!(["api"]));
    claims.set("iat", 1_700_000_000);
    let key = own_key();
    let token = token::sign(&HeaderParams::for_key(&key), &claims, &key).unwrap();
    assert!(token.expose().starts_with("eyJhbGciOiJFZERTQSIsInR5cCI6IkpXVCJ9."), "the server's header");
    let verified = check_own(token.expose()).unwrap();
    assert_eq!(verified.claims(), &claims);
    assert_eq!(verified.algorithm(), Algorithm::EdDsa);
}

#[test]
fn algorithm_is_determined_by_the_key() {
    let claims = br#"{"sub":"x"}"#;
    // The public key in every form that might be used as an HMAC secret.
    let raw = base64::engine::general_purpose::STANDARD.decode(PUBLIC).unwrap();
    for secret in [raw.as_slice(), PUBLIC.as_bytes(), encode(&raw).as_bytes()] {
        for algorithm in [Algorithm::Hs256, Algorithm::Hs384, Algorithm::Hs512] {
            let signer = SigningKey::hmac_secret(
                SecretBytes::new(secret.to_vec()),
                &[algorithm],
                KeyStrength::AllowWeak,
            )
            .unwrap();
            let message = format!("{}.{}", encode(format!(r#"{{"alg":"{algorithm}"}}"#)), encode(claims));
            let token = format!("{message}.{}", encode(signer.sign(algorithm, message.as_bytes()).unwrap()));
            let expected =
                TokenError::AlgorithmMismatch { found: algorithm.to_string(), expected: "EdDSA".to_owned() };
            assert_eq!(check_own(&token), Err(expected));
            let lied =
                token.replace(&encode(format!(r#"{{"alg":"{algorithm}"}}"#)), &encode(r#"{"alg":"EdDSA"}"#));
            assert_eq!(check_own(&lied), Err(TokenError::Signature(1)));
        }
    }
    let shared = hmac(&[7; 64], &[Algorithm::Hs512]);
    assert!(matches!(
        check(&signed(r#"{"alg":"EdDSA"}"#, claims), &shared),
        Err(TokenError::AlgorithmMismatch { .. })
    ));
}

#[test]
fn unsigned_tokens_are_refused_in_every_spelling() {
    for alg in ["none", "None", "NONE", "nOnE", " none", "none "] {
        for signature in ["", "AAAA"] {
            let token = format!("{}.{}.{signature}", encode(format!(r#"{{"alg":"{alg}"}}"#)), encode("{}"));
            assert_eq!(check_own(&token), Err(TokenError::Unsigned(alg.to_owned())), "{alg:?}");
        }
    }
    let token = signed(r#"{"alg":"EdDSA"}"#, b"{}");
    let (message, _) = token.rsplit_once('.').unwrap();
    assert_eq!(check_own(&format!("{message}.")), Err(TokenError::SignatureEmpty));
    assert_eq!(check_own(message), Err(TokenError::Parts(2)));
}

#[test]
fn dangerous_headers_are_rejected_with_a_valid_signature() {
    let own = |header: &str| check_own(&signed(header, br#"{"sub":"x"}"#));
    assert!(own(r#"{"alg":"EdDSA","typ":null,"zip":"DEF","b64":true,"x5t":"x"}"#).is_ok());
    assert_eq!(own(r#"{"alg":"EdDSA","crit":["exp"]}"#), Err(TokenError::Critical(r#"["exp"]"#.to_owned())));
    assert_eq!(own(r#"{"alg":"EdDSA","crit":[]}"#), Err(TokenError::Critical("[]".to_owned())));
    assert_eq!(own(r#"{"alg":"EdDSA","b64":false}"#), Err(TokenError::Unencoded));
    for name in ["jwk", "jku", "x5c", "x5u"] {
        assert_eq!(own(&format!(r#"{{"alg":"EdDSA","{name}":{{}}}}"#)), Err(TokenError::EmbeddedKey(name)));
    }
    let twice = TokenError::Duplicate { part: TokenPart::Header, name: "alg".to_owned() };
    assert_eq!(own(r#"{"alg":"none","alg":"EdDSA"}"#), Err(twice));
    assert_eq!(own(r#"{"typ":"JWT"}"#), Err(TokenError::AlgorithmMissing));
    assert_eq!(own(r#"{"Alg":"EdDSA"}"#), Err(TokenError::AlgorithmMissing));
    assert_eq!(
        own(r#"{"alg":5}"#),
        Err(TokenError::HeaderType { name: "alg", found: "a number", expected: "a string" })
    );
    assert_eq!(
        own(r#"{"alg":"EdDSA","kid":7}"#),
        Err(TokenError::HeaderType { name: "kid", found: "a number", expected: "a string" })
    );
    for alg in ["", "EdDSA ", "eddsa", "Ed448", "HS1"] {
        let header = format!(r#"{{"alg":"{alg}"}}"#);
        assert_eq!(own(&header), Err(TokenError::AlgorithmUnknown(alg.to_owned())));
    }
}

#[test]
fn claims_that_readers_could_disagree_on_are_refused_though_the_signature_holds() {
    let own = |claims: &[u8]| check_own(&signed(r#"{"alg":"EdDSA"}"#, claims));
    let twice = |name: &str| Err(TokenError::Duplicate { part: TokenPart::Claims, name: name.to_owned() });
    assert_eq!(own(br#"{"sub":"a","sub":"b"}"#), twice("sub"));
    assert_eq!(own(br#"{"a":{"x":1,"x":1}}"#), twice("x"));
    assert_eq!(own(b"{\"sub\":\"\xff\"}"), Err(TokenError::NotUtf8(TokenPart::Claims)));
    let inner = signed(r#"{"alg":"EdDSA"}"#, b"{}");
    assert_eq!(own(inner.as_bytes()), Err(TokenError::Nested));
    assert_eq!(own(b"[]"), Err(TokenError::NotObject { part: TokenPart::Claims, found: "an array" }));
    let deep = format!(r#"{{"x":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    assert_eq!(own(deep.as_bytes()), Err(TokenError::TooDeep(TokenPart::Claims)));
    let long = format!(r#"{{"x":"{}"}}"#, "y".repeat(64 << 10));
    assert!(matches!(own(long.as_bytes()), Err(TokenError::TooLong(_))));
}

#[test]
fn token_has_three_parts_and_one_encoding() {
    let token = signed(r#"{"alg":"EdDSA"}"#, br#"{"sub":"x"}"#);
    for (text, parts) in [
        ("x".to_owned(), 1),
        ("x.y".to_owned(), 2),
        (format!("{token}."), 4),
        (format!("{token}.x.y"), 5),
        ("....".to_owned(), 5),
    ] {
        assert_eq!(check_own(&text), Err(TokenError::Parts(parts)));
    }
    assert_eq!(check_own(""), Err(TokenError::Empty));
    // The last of 86 characters carries 4 bits that count and 2 that do not.
    let last = token.chars().last().unwrap();
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let at = alphabet.find(last).unwrap();
    let mut other = token.clone();
    other.pop();
    other.push(alphabet.chars().nth(at + 1).unwrap());
    assert_eq!(check_own(&other), Err(TokenError::SpareBits(TokenPart::Signature)));
    for broken in
        [format!("{token}="), format!("{token} "), format!("{token}\n"), token.replacen('.', ".\n", 1)]
    {
        assert!(matches!(check_own(&broken), Err(TokenError::Base64 { .. })), "{broken:?}");
    }
    assert_eq!(token::bare(&format!("\t BEARER  {token}\r\n")), token);
}

/// Characters that were lost at an end, as by copying: never another spelling, never a bad signature.
#[test]
fn truncated_token_is_incomplete_at_both_ends() {
    let mut count = 0;
    for algorithm in
        [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Es384, Algorithm::Es512, Algorithm::Rs256]
    {
        let key = SigningKey::private(PrivateKey::generate(algorithm).unwrap()).unwrap();
        let token = make(
            &format!(r#"{{"alg":"{algorithm}","typ":"JWT"}}"#),
            br#"{"sub":"x","exp":1}"#,
            &key,
            algorithm,
        );
        assert!(check(&token, &key.verifying_key()).is_ok());
        for lost in 1..=5 {
            for (part, text) in
                [(TokenPart::Header, &token[lost..]), (TokenPart::Signature, &token[..token.len() - lost])]
            {
                let error = check(text, &key.verifying_key()).unwrap_err();
                assert_eq!(error, TokenError::Incomplete(part), "{algorithm} {lost}");
                assert!(error.is_malformed() && error.status().code() == 65);
                let inspection = token::inspect(text);
                let kinds: Vec<&str> = inspection.warnings.iter().map(|warning| warning.check).collect();
                assert!(kinds.contains(&"incomplete"), "{algorithm} {lost}: {kinds:?}");
                let spelling =
                    inspection.warnings.iter().any(|warning| warning.message.contains("another spelling"));
                assert!(!spelling, "{algorithm} {lost}: {:?}", inspection.warnings);
                count += 1;
            }
        }
    }
    assert_eq!(count, 50);
}

#[test]
fn lone_surrogate_is_rejected_here_and_shown() {
    let text = signed(r#"{"alg":"EdDSA"}"#, br#"{"sub":"a\ud800b","n":1.10}"#);
    assert_eq!(check_own(&text), Err(TokenError::Surrogate(TokenPart::Claims)));
    let inspection = token::inspect(&text);
    assert_eq!(inspection.claims.json().unwrap()["sub"], "a\u{fffd}b");
    assert!(inspection.warnings.iter().any(|warning| warning.message.contains("accepted by the server")));
}

/// Thousands of keys without a key ID, of which any may be the token's: a bounded number is tried.
#[test]
fn keys_without_key_id_are_tried_up_to_a_limit() {
    let keys: Vec<VerifyingKey> = (0..4386_u32)
        .map(|number| {
            let mut seed = [7; 32];
            seed[..4].copy_from_slice(&number.to_be_bytes());
            VerifyingKey::public(PrivateKey::ed25519_from_seed(&seed).unwrap().public())
        })
        .collect();
    let token = signed(r#"{"alg":"EdDSA"}"#, br#"{"sub":"x"}"#);
    let begun = std::time::Instant::now();
    let refused = token::verify(Unverified::parse(&token).unwrap(), &keys);
    assert_eq!(refused, Err(TokenError::TooManyKeys { found: 4386, limit: 64 }));
    assert!(begun.elapsed().as_millis() < 1500, "{:?}", begun.elapsed());
    // The right key among the first of them, or named by the token, is found.
    let own = own_key().verifying_key();
    let first: Vec<&VerifyingKey> = std::iter::once(&own).chain(&keys).collect();
    assert!(token::verify(Unverified::parse(&token).unwrap(), first).is_ok());
    let named = signed(r#"{"alg":"EdDSA","kid":"k"}"#, br#"{"sub":"x"}"#);
    let own = own.with_kid("k");
    let keys: Vec<VerifyingKey> =
        keys.into_iter().enumerate().map(|(at, key)| key.with_kid(at.to_string())).collect();
    let last: Vec<&VerifyingKey> = keys.iter().chain(std::iter::once(&own)).collect();
    assert!(token::verify(Unverified::parse(&named).unwrap(), last).is_ok());
}

#[test]
fn token_longer_than_the_limit_is_rejected() {
    let of_length = |filling: usize| {
        signed(r#"{"alg":"EdDSA"}"#, format!(r#"{{"x":"{}"}}"#, "y".repeat(filling)).as_bytes())
    };
    let fitting = (48_000..50_000).rev().find(|filling| of_length(*filling).len() <= MAX_BYTES).unwrap();
    let longest = of_length(fitting);
    // Base64 has no length of 1 beyond a multiple of 4, so that not every length is one of a token.
    assert!(longest.len() >= MAX_BYTES - 1 && check_own(&longest).is_ok(), "{}", longest.len());
    let longer = format!("{}{longest}", " ".repeat(MAX_BYTES + 1 - longest.len()));
    assert_eq!(check_own(&longer), Err(TokenError::TooLong(MAX_BYTES + 1)));
}

#[test]
fn key_with_another_kid_is_not_tried() {
    let own = || VerifyingKey::from_server_base64(PUBLIC).unwrap();
    let token = signed(r#"{"alg":"EdDSA","kid":"new"}"#, b"{}");
    assert!(check(&token, &own()).is_ok(), "a key without a name is tried");
    assert!(check(&token, &own().with_kid("new")).is_ok());
    let unknown = TokenError::KeyUnknown { kid: "new".to_owned(), known: "'old'".to_owned() };
    assert_eq!(check(&token, &own().with_kid("old")), Err(unknown));
    for near in ["newer", "ne", "New", "", "new "] {
        let refused = check(&token, &own().with_kid(near));
        assert!(matches!(refused, Err(TokenError::KeyUnknown { .. })), "{near:?}: {refused:?}");
    }
    assert!(check(&signed(r#"{"alg":"EdDSA"}"#, b"{}"), &own().with_kid("old")).is_ok());
    let keys = [own().with_kid("old"), own().with_kid("new")];
    let verified = token::verify(Unverified::parse(&token).unwrap(), &keys).unwrap();
    assert_eq!(verified.key(), 1);
    assert_eq!(token::verify(Unverified::parse(&token).unwrap(), []), Err(TokenError::NoKey));
}

#[test]
fn debug_output_shows_nothing_of_an_unverified_token() {
    let token = signed(r#"{"alg":"EdDSA"}"#, br#"{"sub":"fritz"}"#);
    assert_eq!(format!("{:?}", Unverified::parse(&token).unwrap()), "Unverified(…)");
}

#[test]
fn any_change_of_one_byte_is_refused() {
    let token =
        signed(r#"{"alg":"EdDSA","typ":"JWT"}"#, br#"{"sub":"fritz","roles":["api"],"exp":4102444800}"#);
    assert!(check_own(&token).is_ok());
    for at in 0..token.len() {
        for byte in 0..=0x7f_u8 {
            let mut bytes = token.clone().into_bytes();
            if bytes[at] == byte {
                continue;
            }
            bytes[at] = byte;
            let changed = String::from_utf8(bytes).unwrap();
            assert!(check_own(&changed).is_err(), "byte {at} as {byte:#x} is taken");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~\\PC.]{0,200}") {
        let _ = Unverified::parse(&text);
        let _ = token::inspect(&text);
        let _ = token::bare(&text);
    }

    #[test]
    fn no_header_or_claims_make_the_reader_panic(
        header in proptest::collection::vec(any::<u8>(), 0..80),
        claims in "[\\[\\]{}\":,a-c0-9eE.\\\\u+-]{0,80}",
    ) {
        let text = format!("{}.{}.AAAA", encode(header), encode(&claims));
        let _ = Unverified::parse(&text);
        let _ = token::inspect(&text);
        let text = signed(r#"{"alg":"EdDSA"}"#, claims.as_bytes());
        if let Ok(verified) = check_own(&text) {
            // What was accepted is what a second reader would see.
            let again: serde_json::Value = serde_json::from_str(&claims).unwrap();
            prop_assert_eq!(serde_json::Value::Object(verified.claims().as_object().clone()), again);
        }
    }
}
