//! Telling systemd how the service is (`sd_notify`): a datagram to the socket it named.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::util::environment::Environment;

/// The notification socket of systemd; without one nothing is sent.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// Takes the socket from `NOTIFY_SOCKET`: a path, or a name after `@` (abstract). Anything
    /// else, such as a socket of a virtual machine, is not spoken to.
    #[must_use]
    pub fn from_environment(environment: &Environment) -> Self {
        let address = environment.non_empty("NOTIFY_SOCKET").and_then(|name| match name.strip_prefix('@') {
            Some(name) => SocketAddr::from_abstract_name(name).ok(),
            None if name.starts_with('/') => SocketAddr::from_pathname(name).ok(),
            None => None,
        });
        Self { to: address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address))) }
    }

    /// Sends assignments such as `READY=1`. Failures are ignored.
    pub fn notify(&self, state: &str) {
        if let Some((socket, address)) = &self.to {
            let _ = socket.send_to_addr(state.as_bytes(), address);
        }
    }
}
