//! The transport to a server: TCP or a local socket, StartTLS and TLS, within the connect timeout.

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use rustls::ClientConnection;
use rustls::pki_types::{CertificateDer, ServerName};

use super::error::LdapError;
use super::message::{self, MessageError};
use super::server::LdapServer;
use super::url::{LdapUrl, Scheme};
use crate::util::certificate::CertificateRejection;
use crate::util::file::reason;
use crate::util::quote::{escape, quote};

/// Minimum timeout of a connection step after the deadline has passed: the system rejects a timeout
/// of zero.
const MIN_TIMEOUT: Duration = Duration::from_millis(1);

/// An open connection to a server, encrypted if configured.
pub(super) struct Transport {
    socket: Socket,
    tls: Option<Box<ClientConnection>>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Socket {
    fn set_nonblocking(&self) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(true),
            Self::Unix(socket) => socket.set_nonblocking(true),
        }
    }

    fn set_timeout(&self, timeout: Option<Duration>) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => {
                socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout))
            }
            Self::Unix(socket) => {
                socket.set_read_timeout(timeout).and_then(|()| socket.set_write_timeout(timeout))
            }
        }
    }
}

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.read(buffer),
            Self::Unix(socket) => socket.read(buffer),
        }
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Tcp(socket) => socket.write(bytes),
            Self::Unix(socket) => socket.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A socket with a common deadline for all reads and writes.
struct DeadlineSocket<'socket> {
    socket: &'socket mut Socket,
    deadline: Instant,
}

impl DeadlineSocket<'_> {
    fn limit(&self) -> io::Result<()> {
        match time_until(self.deadline) {
            Duration::ZERO => Err(io::ErrorKind::TimedOut.into()),
            left => self.socket.set_timeout(Some(left.max(MIN_TIMEOUT))),
        }
    }
}

impl Read for DeadlineSocket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.limit()?;
        self.socket.read(buffer)
    }
}

impl Write for DeadlineSocket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.limit()?;
        self.socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Transport {
    /// Connects to a server, performs StartTLS if configured, and sets up TLS.
    ///
    /// # Errors
    /// [`LdapError::Unreachable`], [`LdapError::Untrusted`], or the error of the trusted
    /// certificates.
    pub(super) fn open(access: &LdapServer, address: &LdapUrl) -> Result<Self, LdapError> {
        let deadline = Instant::now() + access.connect_timeout;
        if address.scheme() == Scheme::Ldapi {
            let socket = UnixStream::connect(address.socket_path());
            let socket = Socket::Unix(socket.map_err(|error| unreachable(address, &reason(&error)))?);
            return Self { socket, tls: None }.ready(address);
        }
        let tls = if address.scheme() == Scheme::Ldaps || access.starttls {
            // Certificates are loaded first: a missing file is reported without a connection.
            Some((access.trust.client_config()?, server_name(address)?))
        } else {
            None
        };
        let socket = connect_tcp(address, deadline).map_err(|error| unreachable(address, &reason(&error)))?;
        let mut socket = Socket::Tcp(socket);
        let Some((config, name)) = tls else { return Self { socket, tls: None }.ready(address) };
        if address.scheme() == Scheme::Ldap {
            start_tls(&mut DeadlineSocket { socket: &mut socket, deadline }, address)?;
        }
        let failed = |error: &rustls::Error| untrusted(address, error);
        let mut tls = ClientConnection::new(config, name).map_err(|error| failed(&error))?;
        let mut until = DeadlineSocket { socket: &mut socket, deadline };
        while tls.is_handshaking() {
            if let Err(error) = tls.complete_io(&mut until) {
                return Err(match error.get_ref().and_then(|inner| inner.downcast_ref()) {
                    Some(tls) => failed(tls),
                    None => unreachable(address, &while_connecting(&error, "TLS")),
                });
            }
        }
        Self { socket, tls: Some(Box::new(tls)) }.ready(address)
    }

    fn ready(self, address: &LdapUrl) -> Result<Self, LdapError> {
        let ready = self.socket.set_timeout(None).and_then(|()| self.socket.set_nonblocking());
        ready.map(|()| self).map_err(|error| unreachable(address, &reason(&error)))
    }

    /// The certificate of the server; `None` without TLS.
    pub(super) fn certificate(&self) -> Option<&CertificateDer<'static>> {
        self.tls.as_ref()?.peer_certificates()?.first()
    }

    /// Reads decrypted data from the server. Zero bytes mean the end of the connection.
    ///
    /// # Errors
    /// `WouldBlock` if no data is available; otherwise the error of the connection or of TLS.
    pub(super) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.read(buffer) };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                // The server closed the connection without a TLS close_notify. A truncation is
                // detected anyway, since LDAP messages have a length.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(0),
                other => return other,
            }
            tls.read_tls(&mut self.socket)?;
            tls.process_new_packets().map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        }
    }

    /// Writes as many bytes as possible without blocking.
    ///
    /// # Errors
    /// `WouldBlock` if nothing can be written; otherwise the error of the connection.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else { return self.socket.write(bytes) };
        let accepted = tls.writer().write(bytes)?;
        self.flush()?;
        Ok(accepted)
    }

    /// Sends pending encrypted data as far as possible without blocking.
    ///
    /// # Errors
    /// The error of the connection.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let Some(tls) = &mut self.tls else { return Ok(()) };
        while tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Returns whether encrypted data is pending.
    pub(super) fn has_unsent(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Sends a TLS `close_notify` if possible without blocking.
    pub(super) fn close(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            let _ = self.flush();
        }
    }
}

impl AsFd for Transport {
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.socket {
            Socket::Tcp(socket) => socket.as_fd(),
            Socket::Unix(socket) => socket.as_fd(),
        }
    }
}

/// Performs StartTLS (RFC 4511 4.14). Unencrypted data after the response is rejected: an on-path
/// attacker could have injected it, and it would be processed as if it were encrypted.
fn start_tls(socket: &mut DeadlineSocket<'_>, address: &LdapUrl) -> Result<(), LdapError> {
    let lost = |error: &io::Error| unreachable(address, &while_connecting(error, "StartTLS"));
    let refused = |refusal| unreachable(address, &describe(&refusal));
    socket.write_all(message::STARTTLS).map_err(|error| lost(&error))?;
    let mut answer = Vec::new();
    let mut buffer = [0; 1024];
    loop {
        let count = socket.read(&mut buffer).map_err(|error| lost(&error))?;
        if count == 0 {
            return Err(lost(&io::ErrorKind::UnexpectedEof.into()));
        }
        answer.extend_from_slice(buffer.get(..count).unwrap_or_default());
        match message::length(&answer).map_err(refused)? {
            Some(length) if length < answer.len() => {
                return Err(unreachable(address, "it sends unencrypted data after StartTLS"));
            }
            Some(length) if length == answer.len() => break,
            _ => {}
        }
    }
    match message::starttls_result(&mut answer).map_err(refused)? {
        (0, _) => Ok(()),
        (code, text) => {
            let text = if text.is_empty() { String::new() } else { format!(", {}", quote(&text)) };
            Err(unreachable(address, &format!("it rejects StartTLS (result code {code}{text})")))
        }
    }
}

/// Formats the reason for a rejected message.
pub(super) fn describe(refusal: &MessageError) -> String {
    match refusal {
        MessageError::Malformed(why) | MessageError::TooLarge(why) => (*why).to_owned(),
        MessageError::Disconnection { code, text } => {
            format!("the LDAP server closed the connection (result code {code}, {})", quote(text))
        }
    }
}

fn while_connecting(error: &io::Error, step: &str) -> String {
    match error.kind() {
        io::ErrorKind::TimedOut | io::ErrorKind::WouldBlock => "no response in time".to_owned(),
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => {
            format!("it closed the connection during {step}")
        }
        _ => reason(error),
    }
}

fn unreachable(address: &LdapUrl, why: &str) -> LdapError {
    LdapError::Unreachable(vec![format!("{}: {why}", escape(&address.to_string()))])
}

/// Returns the server name for certificate verification: the host of the URL.
fn server_name(address: &LdapUrl) -> Result<ServerName<'static>, LdapError> {
    ServerName::try_from(address.host().to_owned()).map_err(|_| LdapError::InvalidUrl {
        url: address.to_string(),
        why: "TLS needs the name or the IP address of the server",
    })
}

fn untrusted(address: &LdapUrl, error: &rustls::Error) -> LdapError {
    let address = address.to_string();
    if let Some(rejection) = CertificateRejection::in_error(error) {
        let CertificateRejection { why, unknown_issuer } = rejection.clone();
        return LdapError::Untrusted { url: address, why, unknown_issuer };
    }
    let why = match error {
        rustls::Error::InvalidMessage(_) => "it does not use TLS on this port".to_owned(),
        other => format!("TLS failed: {}", escape(&other.to_string())),
    };
    LdapError::Untrusted { url: address, why, unknown_issuer: false }
}

/// Connects to the first address of the host that accepts a TCP connection. The remaining time is
/// divided among the addresses.
fn connect_tcp(address: &LdapUrl, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let targets = resolve_host(address.host(), address.port(), time_until(deadline))?;
    for (target, rest) in targets.iter().zip((1..=targets.len()).rev()) {
        let share = time_until(deadline) / u32::try_from(rest).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(target, share.max(MIN_TIMEOUT)) {
            Ok(stream) => {
                // Page requests are small and must not be delayed by Nagle's algorithm.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Resolves a host name. The system resolver does not support a timeout, so it runs in a thread
/// that is abandoned at the timeout.
fn resolve_host(host: &str, port: u16, timeout: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    call_with_timeout(timeout, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))?
}

/// Calls a function in a thread and returns its result if it finishes within the timeout.
fn call_with_timeout<T: Send + 'static>(
    timeout: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("look-up".to_owned()).spawn(move || {
        // The receiver is dropped after a timeout.
        let _ = sender.send(call());
    })?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "the name look-up did not respond in time");
    receiver.recv_timeout(timeout).map_err(late)
}

fn time_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_that_is_not_found_out_in_time_is_given_up() {
        let timeout = Duration::from_millis(50);
        let begun = Instant::now();
        let late = call_with_timeout(timeout, || std::thread::sleep(Duration::from_secs(20)));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(call_with_timeout(Duration::from_secs(20), || 5).unwrap(), 5);
        assert_eq!(resolve_host("::1", 389, timeout).unwrap(), ["[::1]:389".parse().unwrap()]);
    }
}
