//! Tests of renewal.
