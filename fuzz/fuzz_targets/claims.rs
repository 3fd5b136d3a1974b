#![no_main]

use cc_auth::token::json::{any, object};
use cc_auth::token::Part;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    // The strict reader takes nothing that the one for looking does not.
    if object(data, Part::Claims).is_ok() {
        let text = std::str::from_utf8(data).expect("it was JSON");
        let (_, doubles) = any(text).expect("the strict reader took it");
        assert!(doubles.is_empty());
    }
});
