//! A connection to the first of several servers that answers, and binding on it.

use std::io;
use std::net::{IpAddr, SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use ldap3::{LdapConn, LdapConnSettings, LdapError, LdapResult, StdStream};

use super::address::{Address, Scheme};
use super::fault::DirectoryError;
use super::trust::Trust;
use crate::base::file::reason;
use crate::base::note::Notes;
use crate::base::quote::{escape, quote};
use crate::base::secret::SecretText;

/// How long to wait for a connection, TLS included, unless told otherwise.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// What a step of connecting has when the steps before it took all the time: no time at all is an
/// error to the system.
const LEAST_PATIENCE: Duration = Duration::from_millis(1);

/// How long to wait for the next piece of an answer, unless told otherwise.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

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

/// Who asks the directory.
#[derive(Debug, Clone)]
pub enum Credentials {
    /// Nobody in particular.
    Anonymous,
    /// A name and its password.
    Simple {
        /// The distinguished name, or what else the directory takes for a name.
        name: String,
        /// Never empty when it is sent.
        password: SecretText,
    },
}

impl Credentials {
    /// A name and its password.
    ///
    /// # Errors
    /// [`DirectoryError::EmptyPassword`] and [`DirectoryError::BindName`]: an empty one of either
    /// would be a bind without authentication (RFC 4513 5.1.2), which a server may accept.
    pub fn simple(name: String, password: SecretText) -> Result<Self, DirectoryError> {
        if password.is_empty() {
            return Err(DirectoryError::EmptyPassword);
        }
        if name.trim().is_empty() {
            return Err(DirectoryError::BindName(name));
        }
        Ok(Self::Simple { name, password })
    }
}

/// An open connection, bound as somebody.
pub struct Connection {
    pub(super) ldap: LdapConn,
    pub(super) patience: Duration,
    address: Address,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl Access {
    /// Whether what is sent to this server can be read on the way.
    fn is_open(&self, address: &Address) -> bool {
        address.scheme() == Scheme::Ldap && !self.starttls && !address.is_local()
    }

    /// Connects to the first server that answers, and binds. A server that can't be reached, has
    /// no good certificate, or says that it is busy or out of service, leads on to the next; one
    /// that refuses name or password does not, so that no account is locked by asking everywhere.
    ///
    /// # Errors
    /// [`DirectoryError`]: the one server's fault, or `Unreachable` with each server's reason.
    pub fn connect(&self, who: &Credentials, notes: &mut Notes) -> Result<Connection, DirectoryError> {
        let mut failed = Vec::new();
        for address in &self.addresses {
            match self.connect_to(address, who, notes) {
                Ok(connection) => {
                    for reason in failed {
                        notes.warn(format!("an LDAP server was passed over: {reason}"));
                    }
                    return Ok(connection);
                }
                Err(error @ (DirectoryError::Untrusted { .. } | DirectoryError::Busy(_)))
                    if self.addresses.len() == 1 =>
                {
                    return Err(error);
                }
                Err(DirectoryError::Unreachable(reasons)) => failed.extend(reasons),
                Err(
                    error @ (DirectoryError::Untrusted { .. }
                    | DirectoryError::Busy(_)
                    | DirectoryError::Lost { .. }
                    | DirectoryError::Silent { .. }
                    | DirectoryError::Failed { code: UNAVAILABLE, .. }),
                ) => failed.push(format!("{}: {error}", escape(&address.to_string()))),
                Err(error) => return Err(error),
            }
        }
        if failed.is_empty() {
            Err(DirectoryError::NoAddress)
        } else {
            Err(DirectoryError::Unreachable(failed))
        }
    }

    fn connect_to(
        &self,
        address: &Address,
        who: &Credentials,
        notes: &mut Notes,
    ) -> Result<Connection, DirectoryError> {
        log::info!("asks the directory at {address}");
        if matches!(who, Credentials::Simple { .. }) && self.is_open(address) {
            notes.warn_with(
                format!("the password goes to {} unencrypted", quote(&address.to_string())),
                "use an ldaps:// address, or --starttls",
            );
        }
        let mut connection = self.open(address)?;
        if let Credentials::Simple { name, password } = who {
            connection.bind(name, password)?;
        }
        Ok(connection)
    }

    fn open(&self, address: &Address) -> Result<Connection, DirectoryError> {
        let unreachable =
            |why: &str| DirectoryError::Unreachable(vec![format!("{}: {why}", escape(&address.to_string()))]);
        let mut settings = LdapConnSettings::new().set_conn_timeout(self.connect_patience);
        let mut url = address.url().clone();
        if address.scheme() != Scheme::Ldapi {
            let deadline = Instant::now() + self.connect_patience;
            if address.scheme() == Scheme::Ldaps || self.starttls {
                let literal = address.ipv6_literal();
                settings = settings
                    .set_config(self.trust.client_config(literal.map(IpAddr::V6))?)
                    .set_starttls(self.starttls);
                if literal.is_some() {
                    // The stream is connected already; the library wants something it can read.
                    url.set_host(Some("localhost")).map_err(|_| unreachable("its address is none"))?;
                }
            }
            let stream = dial(address, deadline).map_err(|error| unreachable(&reason(&error)))?;
            settings = settings
                .set_std_stream(StdStream::Tcp(stream))
                .set_conn_timeout(left_until(deadline).max(LEAST_PATIENCE));
        }
        let ldap = LdapConn::from_url_with_settings(settings, &url).map_err(|error| {
            match error {
                LdapError::Timeout { .. } => unreachable("no answer in time"),
                LdapError::Rustls { source } => untrusted(address, &source),
                LdapError::DNSName { .. } => DirectoryError::Address {
                    address: address.to_string(),
                    why: "with TLS the server's name is wanted",
                },
                LdapError::Io { source } => match tls_error(&source) {
                    Some(tls) => untrusted(address, tls),
                    None if source.kind() == io::ErrorKind::UnexpectedEof => {
                        unreachable("it closed the connection while TLS was set up")
                    }
                    None => unreachable(&reason(&source)),
                },
                LdapError::LdapResult { result } => {
                    unreachable(&format!("it refuses StartTLS: {}", quote(&result_text(&result))))
                }
                // The connection ended within StartTLS.
                _ => unreachable("it does not speak LDAP, or closed the connection"),
            }
        })?;
        Ok(Connection { ldap, patience: self.answer_patience, address: address.clone() })
    }
}

/// Calls the library, which panics on some answers that are not made as RFC 4511 says. The
/// connection is of no use afterwards, and is given up with the error.
///
/// An answer of very many levels in each other (some ten thousand) overflows the stack in the
/// library's parser instead, which ends the process; nothing here can catch that. It takes a
/// directory, or somebody on the way to one without TLS, who wants it.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, DirectoryError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .map_err(|_| DirectoryError::Garbled("it is not made as RFC 4511 says"))
}

/// A TCP connection to the first address of the host that takes one; each has its share of the
/// time.
fn dial(address: &Address, deadline: Instant) -> io::Result<TcpStream> {
    let mut last = io::Error::new(io::ErrorKind::NotFound, "the host has no address");
    let targets = look_up(address.host(), address.port(), left_until(deadline))?;
    for (target, rest) in targets.iter().zip((1..=targets.len()).rev()) {
        let share = left_until(deadline) / u32::try_from(rest).unwrap_or(u32::MAX);
        match TcpStream::connect_timeout(target, share.max(LEAST_PATIENCE)) {
            Ok(stream) => {
                // The request for the next page is small and must not wait for company.
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The addresses of a host. The system's own look-up has no time limit that could be set, so it is
/// waited for no longer than this, and left to itself.
fn look_up(host: &str, port: u16, patience: Duration) -> io::Result<Vec<SocketAddr>> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(vec![SocketAddr::new(address, port)]);
    }
    let host = host.to_owned();
    in_time(patience, move || Ok((host.as_str(), port).to_socket_addrs()?.collect()))?
}

/// What the call gives, if it does so in time.
fn in_time<T: Send + 'static>(
    patience: Duration,
    call: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (sender, receiver) = channel();
    std::thread::Builder::new().name("look-up".to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = sender.send(call());
    })?;
    let late = |_| io::Error::new(io::ErrorKind::TimedOut, "its name was not found out in time");
    receiver.recv_timeout(patience).map_err(late)
}

fn left_until(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

fn tls_error(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref()
}

fn untrusted(address: &Address, error: &rustls::Error) -> DirectoryError {
    use rustls::CertificateError as Bad;
    let why = match error {
        rustls::Error::InvalidCertificate(bad) => match bad {
            // An authority of the same name as one that is trusted, but with another key.
            Bad::UnknownIssuer | Bad::BadSignature => {
                "its certificate is signed by an authority not trusted here".to_owned()
            }
            Bad::Expired | Bad::ExpiredContext { .. } => "its certificate has expired".to_owned(),
            Bad::NotValidYet | Bad::NotValidYetContext { .. } => {
                "its certificate is not valid yet".to_owned()
            }
            Bad::NotValidForName | Bad::NotValidForNameContext { .. } => {
                "its certificate is for another name".to_owned()
            }
            other => format!("its certificate is not good: {}", escape(&other.to_string())),
        },
        other => format!("TLS failed: {}", escape(&other.to_string())),
    };
    DirectoryError::Untrusted { address: address.to_string(), why }
}

impl Connection {
    /// The server at the other end.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Binds. The password is never empty here: [`Credentials::simple`] and this function refuse
    /// it before anything is sent.
    ///
    /// # Errors
    /// [`DirectoryError::Credentials`] when name or password is refused, and everything that can
    /// go wrong on the way.
    pub fn bind(&mut self, name: &str, password: &SecretText) -> Result<(), DirectoryError> {
        if password.is_empty() {
            return Err(DirectoryError::EmptyPassword);
        }
        log::debug!("binds as {name}");
        self.ldap.with_timeout(self.patience);
        let result = guarded(|| self.ldap.simple_bind(name, password.expose()))?
            .map_err(|error| transport(&error, self.patience, 0))?;
        match result.rc {
            SUCCESS => Ok(()),
            INVALID_DN_SYNTAX => Err(DirectoryError::BindName(name.to_owned())),
            // Whoever may not bind like this is refused, whichever of the reasons it is; a server
            // need not tell them apart (RFC 4513 6.3.1).
            INVALID_CREDENTIALS | INAPPROPRIATE_AUTHENTICATION | NO_SUCH_OBJECT | INSUFFICIENT_ACCESS => {
                Err(DirectoryError::Credentials(name.to_owned()))
            }
            _ => Err(refused(&result, 0, "")),
        }
    }
}

// Result codes of RFC 4511 4.1.9.
const SUCCESS: u32 = 0;
const TIME_LIMIT: u32 = 3;
const SIZE_LIMIT: u32 = 4;
const STRONGER_AUTH: u32 = 8;
const REFERRAL: u32 = 10;
const ADMIN_LIMIT: u32 = 11;
const UNAVAILABLE_EXTENSION: u32 = 12;
const CONFIDENTIALITY: u32 = 13;
const NO_SUCH_OBJECT: u32 = 32;
const INVALID_DN_SYNTAX: u32 = 34;
const INAPPROPRIATE_AUTHENTICATION: u32 = 48;
const INVALID_CREDENTIALS: u32 = 49;
const INSUFFICIENT_ACCESS: u32 = 50;
const BUSY: u32 = 51;
const UNAVAILABLE: u32 = 52;

/// Whether the result says that there were more entries than asked for.
pub(super) fn is_size_limit(result: &LdapResult) -> bool {
    result.rc == SIZE_LIMIT
}

/// Nothing but success counts as an answer.
pub(super) fn succeeded(result: &LdapResult, entries: u64, base: &str) -> Result<(), DirectoryError> {
    if result.rc == SUCCESS { Ok(()) } else { Err(refused(result, entries, base)) }
}

fn refused(result: &LdapResult, entries: u64, base: &str) -> DirectoryError {
    let text = || result_text(result);
    match result.rc {
        TIME_LIMIT => DirectoryError::Limit { limit: "time", entries },
        SIZE_LIMIT => DirectoryError::Limit { limit: "size", entries },
        ADMIN_LIMIT => DirectoryError::Limit { limit: "administrative", entries },
        STRONGER_AUTH | CONFIDENTIALITY => DirectoryError::WantsTls(text()),
        REFERRAL => DirectoryError::Referral(result.refs.join(" ")),
        UNAVAILABLE_EXTENSION => DirectoryError::NoPages,
        NO_SUCH_OBJECT | INVALID_DN_SYNTAX => DirectoryError::Base(base.to_owned()),
        INSUFFICIENT_ACCESS | INAPPROPRIATE_AUTHENTICATION | INVALID_CREDENTIALS => {
            DirectoryError::NotPermitted(text())
        }
        BUSY => DirectoryError::Busy(text()),
        code => DirectoryError::Failed { code, text: text() },
    }
}

fn result_text(result: &LdapResult) -> String {
    if result.text.is_empty() { format!("result code {}", result.rc) } else { result.text.clone() }
}

/// What the library's error means after so many entries.
pub(super) fn transport(error: &LdapError, patience: Duration, entries: u64) -> DirectoryError {
    log::debug!("the directory's connection failed: {}", escape(&error.to_string()));
    match error {
        LdapError::Timeout { .. } => DirectoryError::Silent { patience, entries },
        LdapError::LdapResult { result } => refused(result, entries, ""),
        _ => DirectoryError::Lost { entries },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_open_only_on_a_plain_connection_to_another_machine() {
        let table = [
            ("ldap://ldap.example.com", false, true),
            ("ldap://ldap.example.com", true, false),
            ("ldaps://ldap.example.com", false, false),
            ("ldap://127.0.0.1", false, false),
            ("ldap://localhost:3389", false, false),
            ("ldapi://%2Frun%2Fldapi", false, false),
            ("ldap://127.0.0.1.example.com", false, true),
            ("ldap://192.0.2.1", false, true),
        ];
        for (url, starttls, open) in table {
            let access = Access {
                addresses: Address::list(url).unwrap(),
                starttls,
                trust: Trust::System,
                connect_patience: CONNECT_PATIENCE,
                answer_patience: ANSWER_PATIENCE,
            };
            assert_eq!(access.is_open(&access.addresses[0]), open, "{url}, StartTLS {starttls}");
        }
    }

    #[test]
    fn a_name_that_is_not_found_out_in_time_is_given_up() {
        let patience = Duration::from_millis(50);
        let begun = Instant::now();
        let late = in_time(patience, || std::thread::sleep(Duration::from_secs(20)));
        assert_eq!(late.unwrap_err().kind(), io::ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(10));
        assert_eq!(in_time(Duration::from_secs(20), || 5).unwrap(), 5);
        assert_eq!(look_up("::1", 389, patience).unwrap(), ["[::1]:389".parse().unwrap()]);
    }

    #[test]
    fn a_panic_of_the_library_is_a_garbled_answer() {
        let caught = guarded(|| -> u8 { panic!("no octet string") });
        assert!(matches!(caught, Err(DirectoryError::Garbled(_))));
    }
}
