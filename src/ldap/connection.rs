//! A connection to the first of several servers that answers, and binding on it.

use std::time::Duration;

use ldap3::{LdapConn, LdapConnSettings, LdapResult, StdStream};
use url::Url;

use super::access::LdapServer;
use super::address::{Address, Scheme};
use super::bind::BindRejection;
use super::fault::LdapError;
use super::message::MessageError;
use super::relay::{self, Outcome, RelayEnd};
use super::transport::Wire;

use crate::util::file::reason;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;

/// How long to wait for a connection, TLS included, unless told otherwise.
pub const CONNECT_PATIENCE: Duration = Duration::from_secs(10);

/// How long to wait for the next piece of an answer, unless told otherwise.
pub const ANSWER_PATIENCE: Duration = Duration::from_secs(60);

/// Who asks the directory.
#[derive(Debug, Clone)]
pub enum BindCredentials {
    /// Nobody in particular.
    Anonymous,
    /// The account of this process, as the system vouches for it on a local socket (SASL EXTERNAL).
    External,
    /// A name and its password.
    Simple {
        /// The distinguished name, or what else the directory takes for a name.
        name: String,
        /// Never empty when it is sent.
        password: SecretText,
    },
}

impl BindCredentials {
    /// A name and its password.
    ///
    /// # Errors
    /// [`LdapError::EmptyPassword`] and [`LdapError::BindName`]: an empty one of either
    /// would be a bind without authentication (RFC 4513 5.1.2), which a server may accept.
    pub fn simple(name: String, password: SecretText) -> Result<Self, LdapError> {
        if password.is_empty() {
            return Err(LdapError::EmptyPassword);
        }
        if name.trim().is_empty() {
            return Err(LdapError::BindName(name));
        }
        Ok(Self::Simple { name, password })
    }
}

/// An open connection, bound as somebody.
pub struct Connection {
    pub(super) ldap: LdapConn,
    pub(super) timeout: Duration,
    pub(super) outcome: Outcome,
    address: Address,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("address", &self.address).finish_non_exhaustive()
    }
}

impl LdapServer {
    /// Whether what is sent to this server can be read on the way.
    fn is_open(&self, address: &Address) -> bool {
        address.scheme() == Scheme::Ldap && !self.starttls && !address.is_local()
    }

    /// Connects to the first server that answers, and binds. A server that cannot be reached, has
    /// no good certificate, or says that it is busy or out of service, leads on to the next; one
    /// that refuses name or password does not, so that no account is locked by asking everywhere.
    ///
    /// # Errors
    /// [`LdapError`]: the one server's fault, or `Unreachable` with each server's reason.
    pub fn connect(&self, who: &BindCredentials, notes: &mut Notes) -> Result<Connection, LdapError> {
        let mut failed = Vec::new();
        for address in &self.addresses {
            match self.connect_to(address, who, notes) {
                Ok(connection) => {
                    for reason in failed {
                        notes
                            .warn("ldap-server-skipped", format!("an LDAP server was passed over: {reason}"));
                    }
                    return Ok(connection);
                }
                Err(error @ (LdapError::Untrusted { .. } | LdapError::Busy(_)))
                    if self.addresses.len() == 1 =>
                {
                    return Err(error);
                }
                Err(LdapError::Unreachable(reasons)) => failed.extend(reasons),
                Err(
                    error @ (LdapError::Untrusted { .. }
                    | LdapError::Busy(_)
                    | LdapError::Lost { .. }
                    | LdapError::Timeout { .. }
                    | LdapError::Failed { code: UNAVAILABLE, .. }),
                ) => failed.push(format!("{}: {error}", escape(&address.to_string()))),
                Err(error) => return Err(error),
            }
        }
        if failed.is_empty() { Err(LdapError::NoAddress) } else { Err(LdapError::Unreachable(failed)) }
    }

    fn connect_to(
        &self,
        address: &Address,
        who: &BindCredentials,
        notes: &mut Notes,
    ) -> Result<Connection, LdapError> {
        log::info!("asks the directory at {address}");
        if matches!(who, BindCredentials::Simple { .. }) && self.is_open(address) {
            notes.warn_with(
                "ldap-unencrypted",
                format!("the password goes to {} unencrypted", quote(&address.to_string())),
                "use an ldaps:// address, or --starttls",
            );
        }
        if matches!(who, BindCredentials::External) && address.scheme() != Scheme::Ldapi {
            return Err(LdapError::Address {
                address: address.to_string(),
                why: "sasl-external needs an ldapi:// address",
            });
        }
        let mut connection = self.open(address)?;
        match who {
            BindCredentials::Anonymous => {}
            BindCredentials::External => connection.bind_external()?,
            BindCredentials::Simple { name, password } => connection.bind(name, password)?,
        }
        Ok(connection)
    }

    fn open(&self, address: &Address) -> Result<Connection, LdapError> {
        let unreachable =
            |why: &str| LdapError::Unreachable(vec![format!("{}: {why}", escape(&address.to_string()))]);
        let wire = Wire::open(self, address)?;
        let (stream, outcome) = relay::start(wire).map_err(|error| unreachable(&reason(&error)))?;
        // The library reads from the relay, and never sees the server's own address.
        let url = Url::parse("ldapi:///").map_err(|_| unreachable("its address is none"))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
        let ldap = LdapConn::from_url_with_settings(settings, &url)
            .map_err(|error| unreachable(&escape(&error.to_string())))?;
        Ok(Connection { ldap, timeout: self.response_timeout, outcome, address: address.clone() })
    }
}

/// Calls the library, which could panic on an answer that the checks before it let pass. The
/// connection is of no use afterwards, and is given up with the error.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, LdapError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .map_err(|_| LdapError::Malformed("it is not made as RFC 4511 says"))
}

impl Connection {
    /// The server at the other end.
    #[must_use]
    pub const fn address(&self) -> &Address {
        &self.address
    }

    /// Binds. The password is never empty here: [`BindCredentials::simple`] and this function refuse
    /// it before anything is sent.
    ///
    /// # Errors
    /// [`LdapError::Credentials`] when name or password is refused, and everything that can
    /// go wrong on the way.
    pub fn bind(&mut self, name: &str, password: &SecretText) -> Result<(), LdapError> {
        if password.is_empty() {
            return Err(LdapError::EmptyPassword);
        }
        log::debug!("binds as {name}");
        self.ldap.with_timeout(self.timeout);
        let result = guarded(|| self.ldap.simple_bind(name, password.expose()))?;
        self.bound(name, result)
    }

    fn bind_external(&mut self) -> Result<(), LdapError> {
        log::debug!("binds by SASL EXTERNAL");
        self.ldap.with_timeout(self.timeout);
        let result = guarded(|| self.ldap.sasl_external_bind())?;
        self.bound("", result)
    }

    fn bound(&self, name: &str, result: Result<LdapResult, ldap3::LdapError>) -> Result<(), LdapError> {
        let result = result.map_err(|error| transport(&error, &self.outcome, self.timeout, 0))?;
        match result.rc {
            SUCCESS => Ok(()),
            INVALID_DN_SYNTAX => Err(LdapError::BindName(name.to_owned())),
            code if BindRejection::is_rejection(code) => {
                Err(LdapError::Credentials(BindRejection { name: name.to_owned(), code, text: result.text }))
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
pub(super) fn succeeded(result: &LdapResult, entries: u64, base: &str) -> Result<(), LdapError> {
    if result.rc == SUCCESS { Ok(()) } else { Err(refused(result, entries, base)) }
}

fn refused(result: &LdapResult, entries: u64, base: &str) -> LdapError {
    let text = || result_text(result);
    match result.rc {
        TIME_LIMIT => LdapError::Limit { limit: "time", entries },
        SIZE_LIMIT => LdapError::Limit { limit: "size", entries },
        ADMIN_LIMIT => LdapError::Limit { limit: "administrative", entries },
        STRONGER_AUTH | CONFIDENTIALITY => LdapError::TlsRequired(text()),
        REFERRAL => LdapError::Referral(result.refs.join(" ")),
        UNAVAILABLE_EXTENSION => LdapError::PagingUnsupported,
        NO_SUCH_OBJECT | INVALID_DN_SYNTAX => LdapError::Base(base.to_owned()),
        INSUFFICIENT_ACCESS | INAPPROPRIATE_AUTHENTICATION | INVALID_CREDENTIALS => {
            LdapError::NotPermitted(text())
        }
        BUSY => LdapError::Busy(text()),
        code => LdapError::Failed { code, text: text() },
    }
}

fn result_text(result: &LdapResult) -> String {
    if result.text.is_empty() { format!("result code {}", result.rc) } else { result.text.clone() }
}

/// What the library's error means after so many entries. What the relay found out counts more: the
/// library only sees the end of the connection.
pub(super) fn transport(
    error: &ldap3::LdapError,
    outcome: &Outcome,
    timeout: Duration,
    entries: u64,
) -> LdapError {
    log::debug!("the LDAP connection failed: {}", escape(&error.to_string()));
    if let ldap3::LdapError::Timeout { .. } = error {
        return LdapError::Timeout { timeout, entries };
    }
    match outcome.get() {
        Some(RelayEnd::Rejected(MessageError::Malformed(why))) => LdapError::Malformed(why),
        Some(RelayEnd::Rejected(MessageError::TooLarge(why))) => LdapError::TooLarge(why),
        Some(RelayEnd::Rejected(MessageError::Disconnection { code, text })) => {
            let why = format!(" (result code {code}, {})", quote(&text));
            LdapError::Lost { entries, why }
        }
        Some(RelayEnd::Failed(why)) => LdapError::Lost { entries, why: format!(" ({why})") },
        None => match error {
            ldap3::LdapError::LdapResult { result } => refused(result, entries, ""),
            _ => LdapError::Lost { entries, why: String::new() },
        },
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
            let access = LdapServer {
                addresses: Address::list(url).unwrap(),
                starttls,
                trust: crate::ldap::LdapTrust::System,
                connect_timeout: CONNECT_PATIENCE,
                response_timeout: ANSWER_PATIENCE,
            };
            assert_eq!(access.is_open(&access.addresses[0]), open, "{url}, StartTLS {starttls}");
        }
    }

    #[test]
    fn a_panic_of_the_library_is_a_garbled_answer() {
        let caught = guarded(|| -> u8 { panic!("no octet string") });
        assert!(matches!(caught, Err(LdapError::Malformed(_))));
    }
}
