//! Settings from `.env` and `config.json`, each value with its origin.
//!
//! The order of precedence is: options, process environment, `.env`, `config.json`, defaults.
//! Invalid values are errors, even if the server silently uses a default. Where the server differs
//! from its documentation, a note says so. Keys are parsed on first use.
//!
//! ```
//! use cc_auth::config::{Sources, load};
//! let (settings, notes) = load(Sources::default())?;
//! assert_eq!(settings.db.value, std::path::Path::new("./var/job.db"));
//! assert!(notes.is_empty());
//! # Ok::<(), cc_auth::config::ConfigErrors>(())
//! ```

mod auth;
mod difference;
pub mod dotenv;
pub mod env_file;
mod error;
mod file;
mod group_map;
mod json;
mod keys;
mod load;
mod origin;
mod secrets;
mod section;
mod server;
mod server_findings;
mod settings;
mod slurm;
mod variable;

pub use difference::SettingChange;
pub use error::{ConfigError, ConfigErrors};
pub use group_map::{GroupMapSettings, GroupRuleSettings};
pub use load::{DEFAULT_CONFIG, DEFAULT_ENV_FILE, Sources, load};
pub use origin::{Origin, Value};
pub use secrets::{Secret, Secrets};
pub use section::SectionState;
pub use server::ServerConfig;
pub use server_findings::{ServerEffect, ServerFinding, ServerKeys};
pub use settings::{DEFAULT_DB, DEFAULT_SESSION, Jwts, Ldap, OidcProvider, Settings};
pub use slurm::SlurmSettings;
pub use variable::Variable;
