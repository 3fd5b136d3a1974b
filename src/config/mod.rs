//! Settings: `.env` and `config.json`, each value with its origin.
//!
//! The strongest source first: options, process environment, `.env`, `config.json`, defaults.
//! An invalid value is an error here, also where the server silently uses a default;
//! where the server treats a value differently from its documentation, there is a note.
//! Keys are parsed when they are used.
//!
//! ```
//! use cc_auth::config::{Sources, load};
//! let (settings, notes) = load(Sources::default())?;
//! assert_eq!(settings.db.value, std::path::Path::new("./var/job.db"));
//! assert!(notes.is_empty());
//! # Ok::<(), cc_auth::config::ConfigErrors>(())
//! ```

pub mod dotenv;
pub mod env_file;
mod error;
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

pub use error::{ConfigError, ConfigErrors};
pub use load::{DEFAULT_CONFIG, DEFAULT_ENV_FILE, Sources, load};
pub use origin::{Origin, Value};
pub use secrets::{Secret, Secrets};
pub use section::SectionState;
pub use server::ServerConfig;
pub use server_findings::{ServerEffect, ServerFinding, ServerKeys};
pub use settings::{DEFAULT_DB, DEFAULT_SESSION, Jwts, Ldap, OidcProvider, Settings};
pub use variable::Variable;
