//! Connecting to the first available LDAP server, and binding.

use std::time::Duration;

use ldap3::{LdapConn, LdapConnSettings, LdapResult, StdStream};
use url::Url;

use super::bind::BindRejection;
use super::error::LdapError;
use super::message::MessageError;
use super::relay::{self, Outcome, RelayEnd};
use super::results::SearchResults;
use super::server::LdapServer;
use super::transport::Transport;
use super::url::{LdapUrl, Scheme};

use crate::util::certificate;
use crate::util::file::reason;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// Default timeout for connecting, TLS handshake included.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Default timeout for each read from the server.
pub const RESPONSE_TIMEOUT: Duration = Duration::from_secs(60);

/// The credentials of a bind.
#[derive(Debug, Clone)]
pub enum BindCredentials {
    /// No bind: the connection is anonymous.
    Anonymous,
    /// SASL EXTERNAL (RFC 4513 5.2.3): the server authenticates the system account of this process
    /// through the local socket.
    External,
    /// A simple bind with a bind name and a password.
    Simple {
        /// The distinguished name, or another name format that the server supports.
        name: String,
        /// The password. An empty password is never sent.
        password: SecretText,
    },
}

impl BindCredentials {
    /// Creates the credentials of a simple bind.
    ///
    /// # Errors
    /// [`LdapError::InvalidBindName`] for an empty name and [`LdapError::EmptyPassword`] for an
    /// empty password: a server may accept either without authentication (RFC 4513 5.1.1, 5.1.2).
    pub fn simple(name: String, password: SecretText) -> Result<Self, LdapError> {
        if password.is_empty() {
            return Err(LdapError::EmptyPassword);
        }
        if name.trim().is_empty() {
            return Err(LdapError::InvalidBindName(name));
        }
        Ok(Self::Simple { name, password })
    }
}

/// An open LDAP connection after a successful bind.
pub struct Connection {
    pub(super) ldap: LdapConn,
    pub(super) timeout: Duration,
    pub(super) outcome: Outcome,
    /// The results of searches; none after a search that ended early, whose results may follow.
    pub(super) results: Option<SearchResults>,
    url: LdapUrl,
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Connection").field("url", &self.url).finish_non_exhaustive()
    }
}

impl LdapServer {
    /// Returns whether an on-path attacker can read the traffic to this server.
    fn is_unencrypted(&self, url: &LdapUrl) -> bool {
        url.scheme() == Scheme::Ldap && !self.starttls && !url.is_local()
    }

    /// Connects to the first available server and binds. If a server is unreachable, untrusted,
    /// busy or unavailable, the next one is tried. A rejected bind is not retried on the next
    /// server, since repeated rejections could lock the account.
    ///
    /// # Errors
    /// [`LdapError`]: the error itself for a single server, [`LdapError::Unreachable`] with the
    /// reason for each of several servers.
    pub fn connect(&self, credentials: &BindCredentials, notes: &mut Notes) -> Result<Connection, LdapError> {
        let mut failed = Vec::new();
        for url in &self.urls {
            match self.connect_to(url, credentials, notes) {
                Ok(connection) => {
                    for reason in failed {
                        notes.warn("ldap-server-skipped", format!("an LDAP server was skipped: {reason}"));
                    }
                    return Ok(connection);
                }
                Err(error @ (LdapError::Untrusted { .. } | LdapError::Busy(_))) if self.urls.len() == 1 => {
                    return Err(error);
                }
                Err(LdapError::Unreachable(reasons)) => failed.extend(reasons),
                Err(
                    error @ (LdapError::Untrusted { .. }
                    | LdapError::Busy(_)
                    | LdapError::ConnectionLost { .. }
                    | LdapError::Timeout { .. }
                    | LdapError::Failed { code: UNAVAILABLE, .. }),
                ) => failed.push(format!("{}: {error}", escape(&url.to_string()))),
                Err(error) => return Err(error),
            }
        }
        if failed.is_empty() { Err(LdapError::NotConfigured) } else { Err(LdapError::Unreachable(failed)) }
    }

    /// Connects without a bind, and returns the expiry of the server's certificate; `None` without TLS.
    ///
    /// # Errors
    /// As [`LdapServer::connect`].
    pub fn certificate_expiry(&self, url: &LdapUrl) -> Result<Option<Timestamp>, LdapError> {
        Ok(Transport::open(self, url)?.certificate().and_then(certificate::expiry))
    }

    fn connect_to(
        &self,
        url: &LdapUrl,
        credentials: &BindCredentials,
        notes: &mut Notes,
    ) -> Result<Connection, LdapError> {
        log::info!("connects to the LDAP server {url}");
        if matches!(credentials, BindCredentials::Simple { .. }) && self.is_unencrypted(url) {
            notes.warn_with(
                "ldap-unencrypted",
                format!("the LDAP password is sent unencrypted to {}", quote(&url.to_string())),
                "use an ldaps:// URL or --starttls",
            );
        }
        if matches!(credentials, BindCredentials::External) && url.scheme() != Scheme::Ldapi {
            return Err(LdapError::InvalidUrl {
                url: url.to_string(),
                why: "sasl-external needs an ldapi:// URL",
            });
        }
        let mut connection = self.open(url)?;
        match credentials {
            BindCredentials::Anonymous => {}
            BindCredentials::External => connection.bind_external()?,
            BindCredentials::Simple { name, password } => connection.bind(name, password)?,
        }
        Ok(connection)
    }

    fn open(&self, url: &LdapUrl) -> Result<Connection, LdapError> {
        let unreachable =
            |why: &str| LdapError::Unreachable(vec![format!("{}: {why}", escape(&url.to_string()))]);
        let transport = Transport::open(self, url)?;
        let (stream, results, outcome) =
            relay::start(transport).map_err(|error| unreachable(&reason(&error)))?;
        // The LDAP library connects to the relay, not to the URL of the server.
        let library_url = Url::parse("ldapi:///").map_err(|_| unreachable("invalid URL"))?;
        let settings = LdapConnSettings::new().set_std_stream(StdStream::Unix(stream));
        let ldap = LdapConn::from_url_with_settings(settings, &library_url)
            .map_err(|error| unreachable(&escape(&error.to_string())))?;
        Ok(Connection {
            ldap,
            timeout: self.response_timeout,
            outcome,
            results: Some(results),
            url: url.clone(),
        })
    }
}

/// Calls the LDAP library and converts a panic to an error. Malformed messages that are known to
/// cause a panic are rejected before they reach the library. The connection is unusable after a
/// panic.
pub(super) fn catch_panic<T>(call: impl FnOnce() -> T) -> Result<T, LdapError> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call))
        .map_err(|_| LdapError::Malformed("it does not follow RFC 4511"))
}

impl Connection {
    /// Returns the URL of the server.
    #[must_use]
    pub const fn url(&self) -> &LdapUrl {
        &self.url
    }

    /// Binds with a name and a password. An empty password is rejected without sending a request.
    ///
    /// # Errors
    /// [`LdapError::BindRejected`] if the server rejects the name or the password; other variants
    /// for connection errors.
    pub fn bind(&mut self, name: &str, password: &SecretText) -> Result<(), LdapError> {
        if password.is_empty() {
            return Err(LdapError::EmptyPassword);
        }
        log::debug!("binds as {name}");
        self.ldap.with_timeout(self.timeout);
        let result = catch_panic(|| self.ldap.simple_bind(name, password.expose()))?;
        self.check_bind(name, result)
    }

    fn bind_external(&mut self) -> Result<(), LdapError> {
        log::debug!("binds with SASL EXTERNAL");
        self.ldap.with_timeout(self.timeout);
        let result = catch_panic(|| self.ldap.sasl_external_bind())?;
        self.check_bind("", result)
    }

    fn check_bind(&self, name: &str, result: Result<LdapResult, ldap3::LdapError>) -> Result<(), LdapError> {
        let result = result.map_err(|error| connection_error(&error, &self.outcome, self.timeout, 0))?;
        match result.rc {
            SUCCESS => Ok(()),
            INVALID_DN_SYNTAX => Err(LdapError::InvalidBindName(name.to_owned())),
            code if BindRejection::is_rejection(code) => {
                Err(LdapError::BindRejected(BindRejection { name: name.to_owned(), code, text: result.text }))
            }
            _ => Err(result_error(&result, 0, "")),
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

/// Returns whether the server reports that the search exceeds the requested size limit.
pub(super) fn is_size_limit(result: &LdapResult) -> bool {
    result.rc == SIZE_LIMIT
}

/// Checks that the result code is success. For any other code the entries are incomplete.
pub(super) fn check_success(result: &LdapResult, entries: u64, base: &str) -> Result<(), LdapError> {
    if result.rc == SUCCESS { Ok(()) } else { Err(result_error(result, entries, base)) }
}

fn result_error(result: &LdapResult, entries: u64, base: &str) -> LdapError {
    let text = || result_text(result);
    match result.rc {
        TIME_LIMIT => LdapError::LimitExceeded { limit: "time", entries },
        SIZE_LIMIT => LdapError::LimitExceeded { limit: "size", entries },
        ADMIN_LIMIT => LdapError::LimitExceeded { limit: "administrative", entries },
        STRONGER_AUTH | CONFIDENTIALITY => LdapError::TlsRequired(text()),
        REFERRAL => LdapError::Referral(result.refs.join(" ")),
        UNAVAILABLE_EXTENSION => LdapError::PagingUnsupported,
        NO_SUCH_OBJECT | INVALID_DN_SYNTAX => LdapError::SearchBase(base.to_owned()),
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

/// Returns the error of a connection that failed after `entries` entries. An error of the relay
/// takes precedence, because the library only sees a closed connection.
pub(super) fn connection_error(
    error: &ldap3::LdapError,
    outcome: &Outcome,
    timeout: Duration,
    entries: u64,
) -> LdapError {
    log::debug!("the LDAP connection failed: {}", escape(&error.to_string()));
    if let ldap3::LdapError::Timeout { .. } = error {
        return LdapError::Timeout { timeout, entries };
    }
    match error {
        ldap3::LdapError::LdapResult { result } if outcome.get().is_none() => {
            result_error(result, entries, "")
        }
        _ => lost_connection(outcome, entries),
    }
}

/// Returns the error of a connection that ended after `entries` entries.
pub(super) fn lost_connection(outcome: &Outcome, entries: u64) -> LdapError {
    match outcome.get() {
        Some(RelayEnd::Rejected(MessageError::Malformed(why))) => LdapError::Malformed(why),
        Some(RelayEnd::Rejected(MessageError::TooLarge(why))) => LdapError::TooLarge(why),
        Some(RelayEnd::Rejected(MessageError::Disconnection { code, text })) => {
            let why = format!(" (result code {code}, {})", quote(&text));
            LdapError::ConnectionLost { entries, why }
        }
        Some(RelayEnd::Failed(why)) => LdapError::ConnectionLost { entries, why: format!(" ({why})") },
        None => LdapError::ConnectionLost { entries, why: String::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn password_is_unencrypted_only_on_a_plain_connection_to_another_machine() {
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
                urls: LdapUrl::parse_list(url).unwrap(),
                starttls,
                trust: crate::ldap::LdapTrust::System,
                connect_timeout: CONNECT_TIMEOUT,
                response_timeout: RESPONSE_TIMEOUT,
            };
            assert_eq!(access.is_unencrypted(&access.urls[0]), open, "{url}, StartTLS {starttls}");
        }
    }

    #[test]
    fn library_panic_becomes_a_malformed_answer() {
        let caught = catch_panic(|| -> u8 { panic!("no octet string") });
        assert!(matches!(caught, Err(LdapError::Malformed(_))));
    }
}
