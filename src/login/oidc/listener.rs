//! The listener for the redirect URI: accepts only GET, with limits of size, time and number of
//! clients, so that slow or many clients do not block the browser.
//!
//! It uses one thread and `poll`: during requests to the provider, the browser waits in the
//! backlog. The response to the callback immediately redirects the browser to a path without a
//! query, which removes code and state from the address bar.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::error::OidcError;
use super::gate::{CallbackGate, GateRequest};
use super::local_http::{Head, answer, find_head_end, parse, redirect, rejection, too_large};
use super::page::BrowserPage;
use super::peer::Ends;
use super::redirect::Ports;
use crate::util::file::reason;
use crate::util::monotonic::MonotonicClock;

/// The maximum size of a request head, in bytes: some providers use long codes.
const HEAD_LIMIT: usize = 16 << 10;

/// The timeout for the request of a client.
const REQUEST_TIME: Duration = Duration::from_secs(10);

/// The number of concurrent clients; one more replaces the oldest.
const MAX_CLIENTS: usize = 256;

/// The number of attempts to find a port that is free in both address families.
const FREE_PORT_TRIES: usize = 16;

/// The listener on the local port.
#[derive(Debug)]
pub struct Listener<'run> {
    sockets: Vec<TcpListener>,
    port: u16,
    clock: &'run dyn MonotonicClock,
    clients: VecDeque<Client>,
}

/// The decision about a callback request.
#[derive(Debug)]
pub enum Decision<T> {
    /// The expected callback, which ends the wait.
    Accept(T),
    /// Another callback, answered with this page; the wait continues.
    Reject(BrowserPage),
}

/// The reason a wait ended.
#[derive(Debug)]
enum WaitOutcome<T> {
    Accepted(T),
    Shown,
    TimedOut,
}

#[derive(Debug)]
struct Client {
    stream: TcpStream,
    since: Instant,
    input: Vec<u8>,
    output: Vec<u8>,
    sent: usize,
    is_final: bool,
}

impl<'run> Listener<'run> {
    /// Binds the first free port on this address. `localhost` means 127.0.0.1 and, if the system
    /// supports it, `::1`.
    ///
    /// # Errors
    /// [`OidcError::InvalidListenAddress`], [`OidcError::ListenAddressUnavailable`], [`OidcError::CannotListen`].
    pub fn bind(address: &str, ports: &Ports, clock: &'run dyn MonotonicClock) -> Result<Self, OidcError> {
        let addresses = addresses(address)?;
        let mut last = None;
        for port in ports.numbers() {
            let tries = if port == 0 { FREE_PORT_TRIES } else { 1 };
            for _ in 0..tries {
                match bind_all(&addresses, port) {
                    Ok(sockets) => return Self::new(sockets, clock),
                    Err(failed) => last = Some(failed),
                }
            }
        }
        // `Ports` contains at least one number, so at least one attempt failed.
        let (address, error) =
            last.unwrap_or((SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), io::ErrorKind::AddrInUse.into()));
        Err(match error.kind() {
            io::ErrorKind::AddrNotAvailable => {
                OidcError::ListenAddressUnavailable { address: address.ip(), why: reason(&error) }
            }
            _ => OidcError::CannotListen {
                address: address.ip(),
                port: ports.to_string(),
                why: reason(&error),
            },
        })
    }

    fn new(sockets: Vec<TcpListener>, clock: &'run dyn MonotonicClock) -> Result<Self, OidcError> {
        let failed = |error: io::Error| OidcError::ListenFailed(reason(&error));
        let mut port = 0;
        for socket in &sockets {
            socket.set_nonblocking(true).map_err(failed)?;
            port = socket.local_addr().map_err(failed)?.port();
        }
        Ok(Self { sockets, port, clock, clients: VecDeque::new() })
    }

    /// The port of the listener.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// The addresses of the listener.
    #[must_use]
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.sockets.iter().filter_map(|socket| socket.local_addr().ok()).collect()
    }

    /// Waits for the callback until the deadline. `decide` receives the query of each callback from
    /// the browser in which the login started, and the error for a request of another browser or
    /// account. Other requests are answered without it.
    ///
    /// # Errors
    /// [`OidcError::ListenFailed`].
    pub fn wait<T>(
        &mut self,
        deadline: Instant,
        gate: &mut CallbackGate,
        mut decide: impl FnMut(Result<&str, OidcError>) -> Decision<T>,
    ) -> Result<Option<T>, OidcError> {
        let outcome = self.serve(deadline, |head, ends| {
            let bad_request = |page: &BrowserPage| answer(400, "Bad Request", page);
            match gate.classify(head, ends) {
                GateRequest::Start { cookie } => (redirect(Some((gate.target().as_str(), &cookie))), None),
                GateRequest::Callback(query) => match decide(Ok(query)) {
                    Decision::Accept(taken) => (redirect(None), Some(WaitOutcome::Accepted(taken))),
                    Decision::Reject(page) => (bad_request(&page), None),
                },
                GateRequest::OtherProcess(fault) => {
                    let own = BrowserPage::rejected(&fault.to_string());
                    match decide(Err(fault)) {
                        Decision::Accept(taken) => (bad_request(&own), Some(WaitOutcome::Accepted(taken))),
                        Decision::Reject(page) => (bad_request(&page), None),
                    }
                }
                GateRequest::Done | GateRequest::Rejected => (rejection(&head.request), None),
                GateRequest::OtherHost => (misdirected(), None),
            }
        })?;
        Ok(match outcome {
            WaitOutcome::Accepted(taken) => Some(taken),
            WaitOutcome::Shown | WaitOutcome::TimedOut => None,
        })
    }

    /// Sends the last page to the browser and closes the port, after at most `linger`.
    pub fn finish(mut self, gate: &mut CallbackGate, page: &BrowserPage, linger: Duration) {
        // Restart the timeouts: the clients waited for this program.
        let now = self.clock.now();
        self.clients.iter_mut().for_each(|client| client.since = now);
        let status = if page.is_success { (200, "OK") } else { (400, "Bad Request") };
        // The result of the login does not depend on the last page.
        let _ = self.serve::<()>(now + linger, |head, ends| match gate.classify(head, ends) {
            GateRequest::Done => (answer(status.0, status.1, page), Some(WaitOutcome::Shown)),
            GateRequest::Callback(_) => (redirect(None), None),
            GateRequest::OtherHost => (misdirected(), None),
            _ => (rejection(&head.request), None),
        });
    }

    /// Serves clients until `decide` returns an outcome and its response is sent, or until the
    /// deadline.
    fn serve<T>(
        &mut self,
        deadline: Instant,
        mut decide: impl FnMut(&Head<'_>, Option<Ends>) -> (Vec<u8>, Option<WaitOutcome<T>>),
    ) -> Result<WaitOutcome<T>, OidcError> {
        let mut outcome = None;
        loop {
            let now = self.clock.now();
            self.clients.retain(|client| now.duration_since(client.since) < REQUEST_TIME);
            let is_gone = outcome.is_some() && !self.clients.iter().any(|client| client.is_final);
            if now >= deadline || is_gone {
                return Ok(outcome.unwrap_or(WaitOutcome::TimedOut));
            }
            self.poll_sockets(deadline.min(now + Duration::from_secs(1)))?;
            if outcome.is_none() {
                self.accept()?;
            }
            let mut alive = VecDeque::with_capacity(self.clients.len());
            for mut client in std::mem::take(&mut self.clients) {
                let is_alive = client.progress(|head, ends| {
                    if outcome.is_some() {
                        return None;
                    }
                    let (bytes, over) = decide(head, ends);
                    outcome = over;
                    Some((bytes, outcome.is_some()))
                });
                match is_alive {
                    true => alive.push_back(client),
                    false if client.is_final => {
                        alive.push_back(client);
                        self.clients = alive;
                        self.clients.retain(|client| !client.is_final);
                        return Ok(outcome.unwrap_or(WaitOutcome::TimedOut));
                    }
                    false => {}
                }
            }
            self.clients = alive;
        }
    }

    fn poll_sockets(&self, until: Instant) -> Result<(), OidcError> {
        let mut fds: Vec<PollFd<'_>> =
            self.sockets.iter().map(|socket| PollFd::new(socket, PollFlags::IN)).collect();
        fds.extend(self.clients.iter().map(|client| {
            let events = if client.output.is_empty() { PollFlags::IN } else { PollFlags::OUT };
            PollFd::new(&client.stream, events)
        }));
        let left = until.saturating_duration_since(self.clock.now());
        let timeout = Timespec {
            tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
            tv_nsec: i64::from(left.subsec_nanos()),
        };
        match poll(&mut fds, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(OidcError::ListenFailed(reason(&error.into()))),
        }
    }

    fn accept(&mut self) -> Result<(), OidcError> {
        for socket in &self.sockets {
            // Half of the limit, so that no client is replaced before its first read.
            for _ in 0..MAX_CLIENTS / 2 {
                match socket.accept() {
                    Ok((stream, _)) => {
                        if stream.set_nonblocking(true).is_err() {
                            continue;
                        }
                        if self.clients.len() >= MAX_CLIENTS {
                            self.clients.pop_front();
                        }
                        self.clients.push_back(Client::new(stream, self.clock.now()));
                    }
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    // An error of this connection, or temporarily too many open files.
                    Err(error) if is_temporary(&error) => {
                        self.clients.pop_front();
                        break;
                    }
                    Err(error) => return Err(OidcError::ListenFailed(reason(&error))),
                }
            }
        }
        Ok(())
    }
}

/// Whether the error is temporary: the client closed the connection, or there are too many open files
/// (EMFILE 24, ENFILE 23).
fn is_temporary(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionReset | io::ErrorKind::Interrupted
    ) || matches!(error.raw_os_error(), Some(23 | 24))
}

impl Client {
    fn new(stream: TcpStream, since: Instant) -> Self {
        Self { stream, since, input: Vec::new(), output: Vec::new(), sent: 0, is_final: false }
    }

    /// Reads and writes without blocking; returns `false` if the connection is finished. `decide`
    /// returns the response to a request, and whether it is the last one.
    fn progress(&mut self, decide: impl FnOnce(&Head<'_>, Option<Ends>) -> Option<(Vec<u8>, bool)>) -> bool {
        if self.output.is_empty() {
            match self.read_head() {
                Ok(false) => return true,
                Ok(true) => {}
                Err(_) => return false,
            }
            let decided = if self.input.len() > HEAD_LIMIT {
                Some((too_large(), false))
            } else {
                let ends = self.stream.local_addr().ok().zip(self.stream.peer_addr().ok());
                decide(&parse(&self.input), ends)
            };
            let Some((output, is_final)) = decided else { return true };
            (self.output, self.is_final) = (output, is_final);
        }
        self.write()
    }

    /// Reads the head; returns whether it is complete or exceeds the limit.
    fn read_head(&mut self) -> io::Result<bool> {
        let mut buffer = [0; 4096];
        loop {
            if self.input.len() > HEAD_LIMIT || find_head_end(&self.input) {
                return Ok(true);
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(count) => self.input.extend_from_slice(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(false),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn write(&mut self) -> bool {
        while let Some(rest) = self.output.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => return false,
                Ok(count) => self.sent += count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return false,
            }
        }
        // Closing a socket with unread input would reset the connection and discard the response.
        let _ = self.stream.shutdown(std::net::Shutdown::Write);
        let mut buffer = [0; 4096];
        for _ in 0..16 {
            if !matches!(self.stream.read(&mut buffer), Ok(1..)) {
                break;
            }
        }
        false
    }
}

/// Returns the response to a request for another host, as sent by a page that uses DNS rebinding.
fn misdirected() -> Vec<u8> {
    answer(421, "Misdirected Request", &BrowserPage::not_found())
}

/// Resolves a host name; `localhost` has both address families, regardless of the resolver.
fn addresses(address: &str) -> Result<Vec<IpAddr>, OidcError> {
    if address == "localhost" {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let bare = address.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(address);
    if let Ok(address) = bare.parse() {
        return Ok(vec![address]);
    }
    let invalid =
        |why: &str| OidcError::InvalidListenAddress { address: address.to_owned(), why: why.to_owned() };
    if address.is_empty() || address.contains([':', '/', ' ']) {
        return Err(invalid("expected a host name or an IP address, without port"));
    }
    let mut found: Vec<IpAddr> = (address, 0)
        .to_socket_addrs()
        .map_err(|_| invalid("host name not found"))?
        .map(|found| found.ip())
        .collect();
    found.dedup();
    if found.is_empty() { Err(invalid("host name not found")) } else { Ok(found) }
}

/// Binds the same port on all addresses. Unsupported address families are skipped unless no other
/// remains.
fn bind_all(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>, (SocketAddr, io::Error)> {
    let mut sockets: Vec<TcpListener> = Vec::new();
    let mut missing = None;
    for address in addresses {
        let port = match sockets.first().map(TcpListener::local_addr) {
            Some(Ok(bound)) => bound.port(),
            _ => port,
        };
        let address = SocketAddr::new(*address, port);
        match TcpListener::bind(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) if is_missing_family(&error) && addresses.len() > 1 => {
                missing = Some((address, error))
            }
            Err(error) => return Err((address, error)),
        }
    }
    match missing {
        Some(failed) if sockets.is_empty() => Err(failed),
        _ => Ok(sockets),
    }
}

/// EADDRNOTAVAIL, and EAFNOSUPPORT (97), which has no kind of its own.
fn is_missing_family(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::AddrNotAvailable || error.raw_os_error() == Some(97)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::util::monotonic::SystemMonotonicClock;

    #[test]
    fn listener_rejects_head_over_the_limit_before_its_end() {
        let mut listener = Listener::bind("127.0.0.1", &"0".parse().unwrap(), &SystemMonotonicClock).unwrap();
        let port = listener.port();
        let client = std::thread::spawn(move || {
            let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
            stream.set_read_timeout(Some(Duration::from_secs(8))).unwrap();
            stream.write_all(b"GET /oidc/callback?code=").unwrap();
            stream.write_all(&vec![b'x'; HEAD_LIMIT + 5000]).unwrap();
            let mut answer = [0; 13];
            stream.read_exact(&mut answer).map(|()| String::from_utf8_lossy(&answer).into_owned())
        });
        let deadline = Instant::now() + Duration::from_secs(2);
        let waited = listener.wait(deadline, &mut CallbackGate::for_tests(), |query| -> Decision<()> {
            panic!("taken for a callback: {query:?}")
        });
        assert!(waited.unwrap().is_none());
        assert_eq!(client.join().unwrap().unwrap(), "HTTP/1.1 431 ");
    }

    #[test]
    fn listener_binds_both_families_and_skips_used_ports() {
        let listener = Listener::bind("localhost", &"0".parse().unwrap(), &SystemMonotonicClock).unwrap();
        let taken = listener.port();
        assert!(listener.addresses().contains(&SocketAddr::from((Ipv4Addr::LOCALHOST, taken))));
        let one = format!("{taken}").parse().unwrap();
        let refused = Listener::bind("localhost", &one, &SystemMonotonicClock).unwrap_err();
        assert!(refused.to_string().contains(&format!("port {taken}")), "{refused}");
        let either = format!("{taken},0").parse().unwrap();
        assert_ne!(Listener::bind("localhost", &either, &SystemMonotonicClock).unwrap().port(), taken);
    }

    #[test]
    fn listener_rejects_invalid_address() {
        for address in ["", "a b", "localhost:80", "http://localhost", "no-such-host.invalid"] {
            let refused = Listener::bind(address, &Ports::default(), &SystemMonotonicClock);
            assert!(matches!(refused, Err(OidcError::InvalidListenAddress { .. })), "{address}: {refused:?}");
        }
    }
}
