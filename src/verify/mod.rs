//! Verification of a token on request: which keys, one retry after a key set was fetched again, and
//! the verdicts.

pub mod login_role_keys;
