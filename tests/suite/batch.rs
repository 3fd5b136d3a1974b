//! Why signatures are checked one by one: a batch check is faster, but takes what the single
//! check refuses, so that its verdicts are others.

use aws_lc_rs::digest::{SHA512, digest};
use cc_auth::key::{Algorithm, PublicKey, VerifyingKey};
use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;

fn scalar(parts: &[&[u8]]) -> Scalar {
    let hash = digest(&SHA512, &parts.concat());
    Scalar::from_bytes_mod_order_wide(hash.as_ref().try_into().unwrap())
}

/// A signature by somebody who has the key, with a point of small order added to R: the equation
/// holds when both sides are multiplied by eight, and not as it stands (RFC 8032 5.1.7 leaves
/// either open).
fn with_torsion(message: &[u8], torsion: EdwardsPoint) -> ([u8; 32], [u8; 64]) {
    let secret = scalar(&[b"secret"]);
    let public = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
    let nonce = scalar(&[b"nonce", message]);
    let r = (ED25519_BASEPOINT_POINT * nonce + torsion).compress().to_bytes();
    let s = nonce + scalar(&[&r, &public, message]) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    (public, signature)
}

#[test]
fn a_batch_check_takes_signatures_that_the_single_check_refuses() {
    let (mut by_batch, mut by_one, mut good) = (0, 0, 0);
    for (number, torsion) in (0..400_u32).zip(EIGHT_TORSION.iter().cycle()) {
        let message = number.to_le_bytes();
        let (public, signature) = with_torsion(&message, *torsion);
        let key = VerifyingKey::public(PublicKey::ed25519(&public).unwrap());
        let verified = key.verify(Algorithm::EdDsa, &message, &signature);
        if number % 8 == 0 {
            // Nothing was added: this one is good.
            assert!(verified);
            good += 1;
            continue;
        }
        by_one += u32::from(verified);
        let batch = ed25519_dalek::verify_batch(
            &[&message],
            &[ed25519_dalek::Signature::from_bytes(&signature)],
            &[*key.ed25519().unwrap()],
        );
        by_batch += u32::from(batch.is_ok());
    }
    println!(
        "{good} good ones taken; of 350 with torsion: {by_one} by the single check, {by_batch} by a batch check"
    );
    assert_eq!(by_one, 0);
    assert!(by_batch > 0, "a batch check has become as strict as the single one: it could be used now");
}
