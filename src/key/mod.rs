//! Key material: signing and verifying keys in all their forms.
//!
//! Knows nothing of tokens, settings or users.

pub mod algorithm;

pub use algorithm::{Algorithm, AlgorithmError};
