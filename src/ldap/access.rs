//! How the servers of a directory are reached.

use std::time::Duration;

use super::address::Address;
use super::trust::LdapTrust;

/// Where the directory is and how it is talked to.
#[derive(Debug, Clone)]
pub struct LdapServer {
    /// The servers, in the order in which they are tried.
    pub addresses: Vec<Address>,
    /// Whether `ldap://` connections are encrypted with StartTLS before anything else is said.
    pub starttls: bool,
    /// Whose certificates are believed.
    pub trust: LdapTrust,
    /// How long to wait for a connection to one server, TLS included.
    pub connect_timeout: Duration,
    /// How long to wait for each piece of an answer; data that flows is progress.
    pub response_timeout: Duration,
}
