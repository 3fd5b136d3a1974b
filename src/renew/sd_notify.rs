//! Service state notifications for systemd (`sd_notify`): datagrams to the socket in
//! `NOTIFY_SOCKET`.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};

use crate::util::environment::Environment;

/// The notification socket of systemd; without one nothing is sent.
#[derive(Debug, Default)]
pub struct Notifier {
    to: Option<(UnixDatagram, SocketAddr)>,
}

impl Notifier {
    /// Reads the socket from `NOTIFY_SOCKET`: a path, or an abstract name after `@`. Other address
    /// types, such as vsock, are not supported.
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
