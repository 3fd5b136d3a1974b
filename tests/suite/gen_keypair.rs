//! Tests of gen_keypair.
