//! How the servers of a directory are reached.

use std::time::Duration;

use super::address::Address;
use super::trust::Trust;

/// Where the directory is and how it is talked to.
#[derive(Debug, Clone)]
pub struct Access {
    /// The servers, in the order in which they are tried.
    pub addresses: Vec<Address>,
    /// Whether `ldap://` connections are encrypted with StartTLS before anything else is said.
    pub starttls: bool,
    /// Whose certificates are believed.
    pub trust: Trust,
    /// How long to wait for a connection to one server, TLS included.
    pub connect_patience: Duration,
    /// How long to wait for each piece of an answer; data that flows is progress.
    pub answer_patience: Duration,
}
