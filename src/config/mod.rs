//! Settings: `.env` and `config.json`, each value knowing where it came from.
//!
//! The strongest source first: options, process environment, `.env`, `config.json`, defaults.
//! Everything wrong is an error here even where the server goes on with a default in silence;
//! where the server does something else with a value than its handbook says, there is a note.
//! Keys are text until one is asked for; passwords stay it.
//!
//! ```
//! use cc_auth::config::{Sources, load};
//! let (settings, notes) = load(Sources::default())?;
//! assert_eq!(settings.db.value, std::path::Path::new("./var/job.db"));
//! assert!(notes.is_empty());
//! # Ok::<(), cc_auth::config::ConfigFaults>(())
//! ```

pub mod dotenv;
pub mod env_file;
mod fault;
mod file;
mod json;
mod keys;
mod load;
mod origin;
mod secrets;
mod section;
mod server;
mod server_findings;
mod settings;
mod variable;

pub use fault::{ConfigError, ConfigErrors};
pub use load::{DEFAULT_CONFIG, DEFAULT_ENV_FILE, Sources, load};
pub use origin::{Origin, Value};
pub use secrets::{Secret, Secrets};
pub use section::SectionState;
pub use server::ServerConfig;
pub use server_findings::{ServerEffect, ServerFinding, ServerKeys};
pub use settings::{DEFAULT_DB, DEFAULT_SESSION, Jwts, Ldap, OidcProvider, Settings};
pub use variable::Variable;
