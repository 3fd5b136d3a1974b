#![no_main]

use cc_auth::base::duration::GoDuration;
use cc_auth::policy::role::seconds;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Ok(duration) = text.parse::<GoDuration>() {
        // What is printed reads back as the same.
        assert_eq!(duration.to_string().parse(), Ok(duration));
    }
    let _ = seconds::from_text(text);
});
