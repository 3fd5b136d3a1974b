//! Tests of cc_user.
