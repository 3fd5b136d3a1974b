#![no_main]

use cc_auth::key::{PublicKey, VerifyingKey};
use cc_auth::token::{Unverified, inspect, verify};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    // Looking at it and judging it must agree on whether it can be read.
    let seen = inspect(text);
    if let Ok(token) = Unverified::parse(text) {
        assert!(seen.refusal.is_none(), "read, but inspection would refuse it: {:?}", seen.refusal);
        let key = PublicKey::ed25519(&[
            0xd7, 0x5a, 0x98, 0x01, 0x82, 0xb1, 0x0a, 0xb7, 0xd5, 0x4b, 0xfe, 0xd3, 0xc9, 0x64, 0x07, 0x3a, 0x0e,
            0xe1, 0x72, 0xf3, 0xda, 0xa6, 0x23, 0x25, 0xaf, 0x02, 0x1a, 0x68, 0xf7, 0x07, 0x51, 0x1a,
        ]);
        if let Ok(key) = key {
            assert!(verify(token, &[VerifyingKey::public(key)]).is_err(), "forged");
        }
    }
});
