//! Keys, users, tokens and logins of a ClusterCockpit monitoring server.
//!
//! One library under five small programs. It is built like a house; a file imports only from
//! floors below its own, and a test reads the `use` lines to see to it:
//!
//! | floor | rooms |
//! |---|---|
//! | roof | `src/bin/*.rs`: a `main` each |
//! | 6 | [`cli`]: arguments, prompts, reports, exit statuses; the only code that prints |
//! | 5 | [`login`]: who is it; [`renewal`]: tokens that stay fresh; [`sync`]: directory against user table |
//! | 4 | [`store`]: users in SQLite; [`directory`]: LDAP; [`provider`]: OpenID Connect and key sets over HTTP |
//! | 3 | [`config`]: settings and where they came from; [`policy`]: verified claims in, a verdict out |
//! | 2 | [`token`]: unverified, verified, issued |
//! | 1 | [`key`]: key material in all its forms; [`user`]: names, roles, where a user comes from |
//! | ground | [`base`]: secrets, time, quoting, files, exit status |
//!
//! A check of a token is a function in [`policy`] that adds a finding to a
//! [`policy::Verdict`]; a command is a file in [`cli`] named after it.

#![forbid(unsafe_code)]

pub mod base;
pub mod cli;
pub mod config;
pub mod directory;
pub mod key;
pub mod login;
pub mod policy;
pub mod provider;
pub mod renewal;
pub mod store;
pub mod sync;
pub mod token;
pub mod user;
