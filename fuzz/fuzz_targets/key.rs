#![no_main]

use cc_auth::base::note::Notes;
use cc_auth::key::{WeakKeys, read_public, read_signing};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for weak in [WeakKeys::Refuse, WeakKeys::Allow] {
        let mut notes = Notes::new();
        if let Ok(found) = read_public(data, weak, &mut notes) {
            let _ = found.key.describe();
            assert!(!found.key.verify(found.key.algorithms()[0], b"message", &[0; 64]));
        }
        if let Ok(key) = read_signing(data, weak, &mut notes) {
            let signature = key.sign(key.algorithm(), b"message").expect("a key that was read signs");
            assert!(key.verifying_key().verify(key.algorithm(), b"message", &signature));
        }
    }
});
