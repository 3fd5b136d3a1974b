//! The HTTP connections of a login.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::http::{HttpError, HttpOptions, HttpTrust, Proxy, check_ca_certificates};
use crate::util::diagnostic::diagnostics;
use crate::util::environment::Environment;
use crate::util::file::{self, FileError, SETTINGS_LIMIT};
use crate::util::quote::{escape, quote_path};

/// The option with a file of CA certificates, in messages.
pub(super) const CA_FILE_OPTION: &str = "--ca-file";

/// How a login connects to servers, as the command line requests.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetworkOptions {
    /// CA certificates to trust in addition to those of the system.
    pub ca_file: Option<PathBuf>,
    /// The timeout for a connection; `None` selects the default of the HTTP client.
    pub connect_timeout: Option<Duration>,
    /// The timeout of each request; `None` selects the default of the HTTP client.
    pub timeout: Option<Duration>,
}

/// Why the CA certificates of a setting cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CaFileError {
    /// The file cannot be read.
    #[error("{}: {error}", escape(.setting))]
    File {
        /// The setting.
        setting: String,
        /// The reason.
        error: FileError,
    },
    /// The file has no certificate, or an invalid one.
    #[error("{}: {}: {error}", escape(.setting), quote_path(.path))]
    Invalid {
        /// The setting.
        setting: String,
        /// The file.
        path: PathBuf,
        /// The reason.
        error: Box<HttpError>,
    },
}

diagnostics! { CaFileError:
    Self::File { error, .. } => error.kind(), error.hint();
    Self::Invalid { error, .. } => error.kind(), error.hint();
}

impl NetworkOptions {
    /// Returns the options of the HTTP client, with the proxy of the environment.
    ///
    /// # Errors
    /// [`CaFileError`].
    pub fn http_options(&self, variables: &Environment) -> Result<HttpOptions, CaFileError> {
        let defaults = HttpOptions::default();
        Ok(HttpOptions {
            proxy: Proxy::from_environment(variables),
            trust: trust_of(self.ca_file.as_deref().map(|path| (CA_FILE_OPTION, path)))?,
            connect_timeout: self.connect_timeout.unwrap_or(defaults.connect_timeout),
            timeout: self.timeout.unwrap_or(defaults.timeout),
            ..defaults
        })
    }
}

/// Returns the trusted CA certificates: those of the system, and those of the PEM file that a setting names.
///
/// # Errors
/// [`CaFileError`].
pub(super) fn trust_of(ca_file: Option<(&str, &Path)>) -> Result<HttpTrust, CaFileError> {
    let Some((setting, path)) = ca_file else { return Ok(HttpTrust::System) };
    let setting = || setting.to_owned();
    let pem =
        file::read(path, SETTINGS_LIMIT).map_err(|error| CaFileError::File { setting: setting(), error })?;
    check_ca_certificates(&pem).map_err(|error| CaFileError::Invalid {
        setting: setting(),
        path: path.to_owned(),
        error: Box::new(error),
    })?;
    Ok(HttpTrust::SystemPlus(pem))
}
