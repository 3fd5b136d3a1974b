#![no_main]

use cc_auth::config::dotenv::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let _ = read(data);
});
