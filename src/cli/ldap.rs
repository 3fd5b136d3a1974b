//! Options for the connection to the LDAP server, shared by all commands that use it.

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::failure::UsageError;
use super::quantity::{positive_duration, whole_number};
use crate::ldap::LdapOptions;

/// The largest page of a search (RFC 2696 2).
const MAX_PAGE_SIZE: u64 = 2_147_483_647;

/// The options for LDAP connections.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "LDAP server")]
pub struct LdapConnectionOptions {
    /// Encrypt ldap:// connections with StartTLS
    #[arg(long)]
    pub starttls: bool,

    /// Trust only the certificates in FILE for TLS
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub ca_file: Option<PathBuf>,

    /// Timeout for a connection
    #[arg(long, value_name = "DURATION", default_value = "10s")]
    pub connect_timeout: String,

    /// Timeout for receiving the next data of an LDAP response [default: 1m]
    #[arg(long, value_name = "DURATION")]
    pub timeout: Option<String>,
}

impl LdapConnectionOptions {
    /// Returns the options of the command line, with defaults for the others.
    ///
    /// # Errors
    /// [`UsageError`] for an invalid duration.
    pub fn options(&self) -> Result<LdapOptions, UsageError> {
        Ok(LdapOptions {
            starttls: self.starttls,
            ca_file: self.ca_file.clone(),
            connect_timeout: positive_duration("--connect-timeout", &self.connect_timeout)?.to_std(),
            response_timeout: positive_duration("--timeout", self.timeout.as_deref().unwrap_or("1m"))?
                .to_std(),
            ..LdapOptions::default()
        })
    }
}

/// The options for LDAP searches, with those for the connection.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "LDAP server")]
pub struct LdapSearchOptions {
    #[command(flatten)]
    connection: LdapConnectionOptions,

    /// Entries per page of a search; 0 searches without pages
    #[arg(long, value_name = "NUMBER", default_value = "1000",
          value_parser = whole_number::<u32>(0..=MAX_PAGE_SIZE))]
    page_size: u32,

    /// Ignore references to other LDAP servers, so that a response with references counts as complete
    #[arg(long)]
    ignore_references: bool,
}

impl LdapSearchOptions {
    /// Returns the options of the command line, with defaults for the others.
    ///
    /// # Errors
    /// [`UsageError`] for an invalid duration.
    pub fn options(&self) -> Result<LdapOptions, UsageError> {
        Ok(LdapOptions {
            page_size: self.page_size,
            ignore_references: self.ignore_references,
            ..self.connection.options()?
        })
    }

    /// Returns the file of trusted certificates, which is for other servers of a command as well.
    #[must_use]
    pub fn ca_file(&self) -> Option<PathBuf> {
        self.connection.ca_file.clone()
    }
}
