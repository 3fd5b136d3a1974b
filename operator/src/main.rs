//! `cc-jwt-operator`: a Kubernetes operator that keeps a signed token in a Secret for each `JWT` resource.
//!
//! [`controller`] watches and calls [`reconcile`], which reads the objects, asks [`decision`] what to do,
//! writes the [`secret`] and reports in the [`status`] and [`events`]. The resource, its key, the signature
//! and the question whether a token is due are the library's.

#![forbid(unsafe_code)]
#![allow(unreachable_pub, reason = "the modules of a program do not have users outside")]

mod adopt;
mod attempts;
mod cli;
mod controller;
mod decision;
mod definition;
mod error;
mod events;
mod jwt;
mod lease;
mod log;
mod manifests;
#[cfg(test)]
mod manual;
mod metrics;
mod once;
mod probes;
mod problem;
mod reconcile;
mod rights;
mod secret;
mod spec;
mod status;
mod traffic;
mod triggers;

use std::process::ExitCode;

#[cfg(test)]
#[path = "../../tests/suite/roff.rs"]
mod roff;

/// The field manager, the label's value and the name in Events.
const MANAGER: &str = "cc-jwt-operator";

fn main() -> ExitCode {
    cli::main()
}
