#![no_main]

use cc_auth::user::exchange::{read_csv, read_json_lines};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    for existing_too in [false, true] {
        let _ = read_csv(data, "fuzzed", existing_too);
        let _ = read_json_lines(data, "fuzzed", existing_too);
    }
});
