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

/// A signature by an owner of the key, with a point of small order added to R: the equation
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
fn batch_verification_accepts_signatures_that_single_verification_rejects() {
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

/// A signature whose R is the neutral point, not in its one canonical encoding (RFC 8032 5.1.3):
/// the equation holds for who reads R as a point.
fn with_odd_r(message: &[u8], r: [u8; 32]) -> ([u8; 32], [u8; 64]) {
    let secret = scalar(&[b"secret"]);
    let public = (ED25519_BASEPOINT_POINT * secret).compress().to_bytes();
    let s = scalar(&[&r, &public, message]) * secret;
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&r);
    signature[32..].copy_from_slice(s.as_bytes());
    (public, signature)
}

/// The order of the base point, in little endian (RFC 8032 5.1).
const ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn single_checks_answer_as_another_library_does_to_every_crooked_signature() {
    let message = b"message";
    let (public, good) = with_torsion(message, EIGHT_TORSION[0]);
    let mut crooked: Vec<Vec<u8>> = vec![good.to_vec(), Vec::new(), vec![0; 64], vec![0xff; 64]];
    crooked.extend(EIGHT_TORSION[1..].iter().map(|torsion| with_torsion(message, *torsion).1.to_vec()));
    // The neutral point as 1, as p + 1, and either with the sign of its x, which is 0.
    for (first, last) in [(1, 0), (0xee, 0x7f), (1, 0x80), (0xee, 0xff)] {
        let mut r = [if last & 0x7f == 0 { 0 } else { 0xff }; 32];
        (r[0], r[31]) = (first, last);
        crooked.push(with_odd_r(message, r).1.to_vec());
    }
    // S and the order: another number for the same scalar.
    let mut beyond = good;
    let mut carry = 0;
    for (byte, order) in beyond[32..].iter_mut().zip(ORDER) {
        let sum = u16::from(*byte) + u16::from(order) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    crooked.push(beyond.to_vec());
    crooked.extend((1..64).map(|length| good[..length].to_vec()));
    crooked.push([&good[..], &[0]].concat());
    for bit in 0..512 {
        let mut flipped = good;
        flipped[bit / 8] ^= 1 << (bit % 8);
        crooked.push(flipped.to_vec());
    }
    let key = VerifyingKey::public(PublicKey::ed25519(&public).unwrap());
    let other = aws_lc_rs::signature::UnparsedPublicKey::new(&aws_lc_rs::signature::ED25519, public);
    let mut taken = 0;
    for signature in &crooked {
        let holds = key.verify(Algorithm::EdDsa, message, signature);
        assert_eq!(holds, other.verify(message, signature).is_ok(), "{signature:02x?}");
        taken += usize::from(holds);
    }
    println!("{} signatures, {taken} taken", crooked.len());
    // The good one, and that whose R is the neutral point as it should be written.
    assert_eq!(taken, 2);
}
