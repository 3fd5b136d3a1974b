//! Tests of sync.
