//! Tests of convert_pem_pubkey.
