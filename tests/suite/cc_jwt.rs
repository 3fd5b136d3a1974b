//! Tests of cc_jwt.
