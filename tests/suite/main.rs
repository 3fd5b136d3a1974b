//! Everything that is tested from outside: the programs as people run them, the rooms of the
//! library against recorded answers and independent programs.

#![expect(unreachable_pub, reason = "modules of a test program have no outside")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may fail loudly")]
#![allow(clippy::print_stdout, reason = "a test tells what it counted")]

mod able_to_fail;
mod agreement;
mod attacks;
mod batch;
mod cc_jwt;
mod cc_login;
mod cc_user;
mod completion;
mod config;
mod convert_pem_pubkey;
mod database_files;
mod escaping;
mod examples;
mod fault_injection;
mod files;
mod fuzzed;
mod gen_keypair;
mod generated;
mod guides;
mod hints;
mod http;
mod httpd;
mod idp;
mod json_manual;
mod json_reports;
mod jws;
mod key;
mod key_forms;
mod key_sets;
mod kinds;
mod layering;
mod ldap;
mod ldap_hostile;
mod ldap_linear;
mod ldapd;
mod linear;
mod login;
mod manual;
mod oidc;
mod oidc_browser;
mod oidc_parameters;
mod oidc_real;
mod oidc_signals;
mod openbao;
mod options;
mod osdf;
mod packaging;
mod policy;
mod prompts;
mod proxy;
mod recipes;
mod remote_keys;
mod remote_login;
mod renew;
mod roles;
mod secret_leaks;
mod security;
mod server_config;
mod session_changes;
mod slapd;
mod streams;
mod support;
mod sync;
mod sync_faults;
mod terminal;
mod token;
mod usage;
mod user_db;
mod user_lists;
mod user_rows;
mod verify_issuer;
