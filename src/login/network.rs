//! The HTTP connections of a login.

use std::path::PathBuf;
use std::time::Duration;

use super::oidc::provider_config::read_ca_file;
use crate::http::{HttpOptions, HttpTrust, Proxy};
use crate::util::environment::Environment;
use crate::util::file::FileError;

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

impl NetworkOptions {
    /// Returns the options of the HTTP client, with the proxy of the environment.
    ///
    /// # Errors
    /// [`FileError`] for the CA file.
    pub fn http_options(&self, variables: &Environment) -> Result<HttpOptions, FileError> {
        let defaults = HttpOptions::default();
        Ok(HttpOptions {
            proxy: Proxy::from_environment(variables),
            trust: match self.ca_file.as_deref().map(read_ca_file).transpose()? {
                Some(pem) => HttpTrust::SystemPlus(pem),
                None => HttpTrust::System,
            },
            connect_timeout: self.connect_timeout.unwrap_or(defaults.connect_timeout),
            timeout: self.timeout.unwrap_or(defaults.timeout),
            ..defaults
        })
    }
}
