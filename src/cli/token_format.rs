//! The options for the form in which a token is printed.

use clap::Args;

use super::console::Console;
use crate::token::format::ExecCredentialVersion;
use crate::token::{TokenFormat, TokenFormatError};
use crate::util::environment::VariableName;

/// The form of a printed token; at most one option.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Form of the token")]
#[group(multiple = false)]
pub(super) struct TokenFormatOptions {
    /// Print the HTTP header 'Authorization: Bearer …', for curl -H @-
    #[arg(long)]
    header: bool,

    /// Print a line of a curl configuration file, for curl -K -
    #[arg(long)]
    curl_config: bool,

    /// Print a shell command that sets and exports the variable NAME
    #[arg(long, value_name = "NAME")]
    export: Option<VariableName>,

    /// Print the ExecCredential of a Kubernetes client
    #[arg(long)]
    exec_credential: bool,
}

impl TokenFormatOptions {
    /// Returns the form.
    ///
    /// # Errors
    /// [`TokenFormatError`] if the Kubernetes client expects an unknown version.
    pub(super) fn format(&self, console: &Console) -> Result<TokenFormat, TokenFormatError> {
        Ok(match &self.export {
            Some(name) => TokenFormat::Export(name.clone()),
            None if self.header => TokenFormat::Header,
            None if self.curl_config => TokenFormat::CurlConfig,
            None if self.exec_credential => {
                TokenFormat::ExecCredential(ExecCredentialVersion::from_environment(console.environment())?)
            }
            None => TokenFormat::Plain,
        })
    }
}
