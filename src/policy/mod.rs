//! Decisions: verified claims and rules in, a [`Verdict`] out. Pure; the time is given.

pub mod profile;
pub mod scope;
pub mod verdict;

pub use verdict::{Finding, State, Verdict};
