#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| cc_auth_tools_fuzz::reader("evaluate")(data));
