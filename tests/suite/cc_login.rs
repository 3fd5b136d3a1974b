//! Tests of cc_login.
