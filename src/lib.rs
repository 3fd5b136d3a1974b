//! Keys, users, tokens and logins of a ClusterCockpit monitoring server.
//!
//! The library of five small programs, organized in layers. A module imports only from lower layers
//! and, within its layer, from modules that precede it in this table; a test checks the `use`
//! lines.
//!
//! | layer | modules |
//! |---|---|
//! | programs | `src/bin/*.rs`: a `main` each |
//! | 6 interface | [`cli`]: arguments, prompts, reports, exit status; the only code that prints |
//! | 5 capability | [`verify`]; [`accounts`]: users added, changed, deleted, imported, exported; [`issue`]: tokens for users; [`osdf`]: token resources; [`renew`]: tokens in files; [`scan`]: tokens and keys found in files; [`consumer`]: tokens renewed in the files of their programs; [`sync`]: the LDAP directory against the user table; [`login`]; [`doctor`]: the examination of an installation; [`what_if`]: the effect of a planned change on tokens and users |
//! | 4 service | [`http`], [`history`]: the journal of a database, [`user_db`] (SQLite), [`ldap`], [`slurm`]: Slurm accounting, [`oidc`], [`clustercockpit`]: the client of a running server, [`stronghold`]: the client of Stronghold, OpenBao and Vault |
//! | 3 decision | [`config`]: settings, each with its origin; [`policy`]: verified claims in, a verdict out |
//! | 2 domain | [`key`], [`user`], [`token`]: unverified, verified, issued |
//! | 1 base | [`util`]: error kinds and exit status, files, escaping, time, secrets |
//!
//! Each check of a token is a function in [`policy`] that adds a finding to a [`policy::Verdict`].
//! Each command is a file in [`cli`] with the name of the command.

#![forbid(unsafe_code)]

pub mod accounts;
pub mod cli;
pub mod clustercockpit;
pub mod config;
pub mod consumer;
pub mod doctor;
pub mod history;
pub mod http;
pub mod issue;
pub mod key;
pub mod ldap;
pub mod login;
pub mod oidc;
pub mod osdf;
pub mod policy;
pub mod renew;
pub mod scan;
pub mod slurm;
pub mod stronghold;
pub mod sync;
pub mod token;
pub mod user;
pub mod user_db;
pub mod util;
pub mod verify;
pub mod what_if;
