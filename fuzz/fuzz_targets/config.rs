#![no_main]

use std::io::Write;

use cc_auth::config::{self, Origin, Sources, Value};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(data).expect("room for it");
    let named = Value::new(file.path().to_owned(), Origin::Flag("--config"));
    let _ = config::load(Sources { config: Some(named), ..Sources::default() });
});
