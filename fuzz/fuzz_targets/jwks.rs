#![no_main]

use cc_auth::base::note::Notes;
use cc_auth::key::{Jwk, KeySet, WeakKeys};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for weak in [WeakKeys::Refuse, WeakKeys::Allow] {
        if let Ok(set) = KeySet::from_json(text, weak, &mut Notes::new()) {
            for key in set.keys() {
                assert!(!key.algorithms().iter().any(|algorithm| algorithm.is_symmetric()));
                assert!(!key.verify(key.algorithms()[0], b"message", &[0; 64]), "a signature of nothing");
            }
        }
        if let Ok(jwk) = Jwk::parse(text) {
            let _ = (jwk.verifying_key(weak), jwk.signing_key(weak));
        }
    }
});
