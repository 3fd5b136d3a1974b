#![no_main]

use cc_auth::policy::role::{LoginRole, RoleConfig, Roles, config_surprises, role_surprises};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = serde_json::from_slice(data) else { return };
    if let Ok(role) = LoginRole::read("fuzzed", &value) {
        assert!(!role.user_claim.is_empty());
        let _ = role_surprises(&role);
    }
    if let Ok(config) = RoleConfig::read("fuzzed", &value) {
        assert!(!config.algorithms.is_empty());
        let _ = config_surprises(&config);
    }
    let _ = Roles::read("fuzzed", &value);
});
