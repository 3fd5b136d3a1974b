//! A connection to the first of several servers that answers, and binding on it.

use std::time::Duration;

use ldap3::{LdapConn, LdapConnSettings, LdapError, LdapResult, StdStream};
use url::Url;

use super::access::Access;
use super::address::{Address, Scheme};
use super::bind::BindRejection;
use super::fault::DirectoryError;
use super::message::Refusal;
use super::relay::{self, End, Outcome};
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
pub enum Credentials {
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
    pub(super) outcome: Outcome,
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
        if matches!(who, Credentials::External) && address.scheme() != Scheme::Ldapi {
            return Err(DirectoryError::Address {
                address: address.to_string(),
                why: "sasl-external needs an ldapi:// address",
            });
        }
        let mut connection = self.open(address)?;
        match who {
            Credentials::Anonymous => {}
            Credentials::External => connection.bind_external()?,
            Credentials::Simple { name, password } => connection.bind(name, password)?,
        }
        Ok(connection)
    }

    fn open(&self, address: &Address) -> Result<Connection, DirectoryError> {
        let unreachable =
            |why: &str| DirectoryError::Unreachable(vec![format!("{}: {why}", escape(&address.to_string()))]);
        let wire = Wire::open(self, address)?;
        let (stream, outcome) = relay::start(wire).map_err(|error| unreachable(&reason(&error)))?;
        // The library reads from the relay, and never sees the server's own address.
        let url = Url::parse("ldapi:///").map_err(|_| unreachable("its address is none"))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
        let ldap = LdapConn::from_url_with_settings(settings, &url)
            .map_err(|error| unreachable(&escape(&error.to_string())))?;
        Ok(Connection { ldap, patience: self.answer_patience, outcome, address: address.clone() })
    }
}

/// Calls the library, which could panic on an answer that the checks before it let pass. The
/// connection is of no use afterwards, and is given up with the error.
pub(super) fn guarded<T>(call: impl FnOnce() -> T) -> Result<T, DirectoryError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .map_err(|_| DirectoryError::Garbled("it is not made as RFC 4511 says"))
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
        let result = guarded(|| self.ldap.simple_bind(name, password.expose()))?;
        self.bound(name, result)
    }

    fn bind_external(&mut self) -> Result<(), DirectoryError> {
        log::debug!("binds by SASL EXTERNAL");
        self.ldap.with_timeout(self.patience);
        let result = guarded(|| self.ldap.sasl_external_bind())?;
        self.bound("", result)
    }

    fn bound(&self, name: &str, result: Result<LdapResult, LdapError>) -> Result<(), DirectoryError> {
        let result = result.map_err(|error| transport(&error, &self.outcome, self.patience, 0))?;
        match result.rc {
            SUCCESS => Ok(()),
            INVALID_DN_SYNTAX => Err(DirectoryError::BindName(name.to_owned())),
            code if BindRejection::is_rejection(code) => Err(DirectoryError::Credentials(BindRejection {
                name: name.to_owned(),
                code,
                text: result.text,
            })),
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

/// What the library's error means after so many entries. What the relay found out counts more: the
/// library only sees the end of the connection.
pub(super) fn transport(
    error: &LdapError,
    outcome: &Outcome,
    patience: Duration,
    entries: u64,
) -> DirectoryError {
    log::debug!("the LDAP connection failed: {}", escape(&error.to_string()));
    if let LdapError::Timeout { .. } = error {
        return DirectoryError::Silent { patience, entries };
    }
    match outcome.get() {
        Some(End::Refused(Refusal::Malformed(why))) => DirectoryError::Garbled(why),
        Some(End::Refused(Refusal::TooLarge(why))) => DirectoryError::TooLarge(why),
        Some(End::Refused(Refusal::Disconnection { code, text })) => {
            let why = format!(" (result code {code}, {})", quote(&text));
            DirectoryError::Lost { entries, why }
        }
        Some(End::Failed(why)) => DirectoryError::Lost { entries, why: format!(" ({why})") },
        None => match error {
            LdapError::LdapResult { result } => refused(result, entries, ""),
            _ => DirectoryError::Lost { entries, why: String::new() },
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
            let access = Access {
                addresses: Address::list(url).unwrap(),
                starttls,
                trust: crate::ldap::Trust::System,
                connect_patience: CONNECT_PATIENCE,
                answer_patience: ANSWER_PATIENCE,
            };
            assert_eq!(access.is_open(&access.addresses[0]), open, "{url}, StartTLS {starttls}");
        }
    }

    #[test]
    fn a_panic_of_the_library_is_a_garbled_answer() {
        let caught = guarded(|| -> u8 { panic!("no octet string") });
        assert!(matches!(caught, Err(DirectoryError::Garbled(_))));
    }
}
