//! Access control for the listener: only the browser in which the login started may continue it,
//! with a `Host` header of this computer and from the same account.
//!
//! The start URL is visible in the process list. It works once and sets a cookie that the callback
//! requires, so another browser cannot finish the login with another account. If a second browser
//! opens the URL, the login ends, because either browser could be the wrong one.

use aws_lc_rs::constant_time::verify_slices_are_equal;
use url::Url;

use super::error::OidcError;
use super::local_http::{CallbackRequest, Head, START_PATH};
use super::peer::{self, Ends};
use super::redirect::CALLBACK_PATH;
use super::request::{PendingAuthorization, random_text};
use crate::util::secret::SecretText;

/// The lifetime of the cookie, in seconds; longer than the time limit of the login.
const COOKIE_AGE: u32 = 3_600;

/// The role of a request in the login.
#[derive(Debug)]
pub(super) enum GateRequest<'a> {
    /// The start URL: the browser receives this cookie and is redirected to the provider.
    Start {
        /// The content of `Set-Cookie`.
        cookie: String,
    },
    /// The redirect URI, with its query.
    Callback(&'a str),
    /// The last page.
    Done,
    /// A request of another browser or account.
    OtherProcess(OidcError),
    /// A request with the `Host` of another computer.
    OtherHost,
    /// Any other request.
    Rejected,
}

/// The access control of one login.
#[derive(Debug)]
pub struct CallbackGate {
    hosts: Vec<String>,
    accounts: Vec<u32>,
    start_url: Url,
    target: Url,
    secret: SecretText,
    cookie_name: String,
    cookie: SecretText,
    is_secure: bool,
    is_opened: bool,
}

impl CallbackGate {
    /// Creates the access control of a login. Accepted hosts are those of the redirect URI,
    /// loopback, and the listen address. `accounts` are the user IDs whose browsers are accepted in
    /// addition to root, if the system reports the user ID of a connection.
    ///
    /// # Errors
    /// [`OidcError::NoRandom`], [`OidcError::InvalidCallbackUrl`].
    pub fn new(
        pending: &PendingAuthorization,
        listen_address: &str,
        accounts: Vec<u32>,
    ) -> Result<Self, OidcError> {
        let (secret, cookie) = (random_text()?, random_text()?);
        let invalid = || OidcError::InvalidCallbackUrl {
            what: "redirect URI",
            found: pending.redirect_uri.clone(),
            expected: "an absolute URL",
        };
        let base = Url::parse(&pending.redirect_uri).map_err(|_| invalid())?;
        let mut start_url = base.clone();
        start_url.set_path(&format!("{START_PATH}{}", secret.expose()));
        let own = base.host_str().ok_or_else(invalid)?;
        let hosts = [own, "localhost", "127.0.0.1", "[::1]", listen_address]
            .map(|host| host_without_port(host).to_ascii_lowercase())
            .to_vec();
        Ok(Self {
            hosts,
            accounts,
            start_url,
            target: pending.url.clone(),
            secret,
            // Browsers share cookies between all ports of a host.
            cookie_name: format!("cc_login_{}", base.port_or_known_default().unwrap_or_default()),
            cookie,
            is_secure: base.scheme() == "https",
            is_opened: false,
        })
    }

    /// The URL that starts the login in a browser, once.
    #[must_use]
    pub const fn start_url(&self) -> &Url {
        &self.start_url
    }

    /// The URL of the provider.
    pub(super) const fn target(&self) -> &Url {
        &self.target
    }

    /// Classifies a request.
    pub(super) fn classify<'a>(&mut self, head: &Head<'a>, ends: Option<Ends>) -> GateRequest<'a> {
        if matches!(head.request, CallbackRequest::Malformed) {
            return GateRequest::Rejected;
        }
        if !head.host.is_some_and(|host| {
            self.hosts.iter().any(|own| *own == host_without_port(host).to_ascii_lowercase())
        }) {
            log::info!("a request for another host was rejected");
            return GateRequest::OtherHost;
        }
        match head.request {
            CallbackRequest::Start(secret) => self.start(secret, head, ends),
            CallbackRequest::Callback(query) if self.has_cookie(head) => match self.other_account(ends) {
                None => GateRequest::Callback(query),
                Some(account) => GateRequest::OtherProcess(OidcError::OtherAccount(account)),
            },
            CallbackRequest::Callback(_) => {
                GateRequest::OtherProcess(OidcError::OtherBrowser { is_start: false })
            }
            CallbackRequest::Done if self.has_cookie(head) => GateRequest::Done,
            CallbackRequest::Done
            | CallbackRequest::WrongMethod
            | CallbackRequest::OtherPath
            | CallbackRequest::Malformed => GateRequest::Rejected,
        }
    }

    fn start<'a>(&mut self, secret: &str, head: &Head<'a>, ends: Option<Ends>) -> GateRequest<'a> {
        if !is_same(secret, &self.secret) {
            return GateRequest::Rejected;
        }
        if let Some(account) = self.other_account(ends) {
            return GateRequest::OtherProcess(OidcError::OtherAccount(account));
        }
        // A reload in the same browser restarts the login.
        if self.is_opened && !self.has_cookie(head) {
            return GateRequest::OtherProcess(OidcError::OtherBrowser { is_start: true });
        }
        self.is_opened = true;
        let path = CALLBACK_PATH.rsplit_once('/').map_or("/", |(path, _)| path);
        let secure = if self.is_secure { "; Secure" } else { "" };
        let cookie = format!(
            "{}={}; Path={path}; Max-Age={COOKIE_AGE}; HttpOnly; SameSite=Lax{secure}",
            self.cookie_name,
            self.cookie.expose()
        );
        GateRequest::Start { cookie }
    }

    fn has_cookie(&self, head: &Head<'_>) -> bool {
        head.cookies
            .iter()
            .flat_map(|cookies| cookies.split(';'))
            .filter_map(|pair| pair.trim().split_once('='))
            .any(|(name, value)| name == self.cookie_name && is_same(value, &self.cookie))
    }

    /// Returns the user ID of the client if it is not accepted.
    fn other_account(&self, ends: Option<Ends>) -> Option<u32> {
        peer::peer_uid(ends?).filter(|account| *account != 0 && !self.accounts.contains(account))
    }

    #[cfg(test)]
    pub(super) fn for_tests() -> Self {
        let begun = super::request::begin(
            &Url::parse("https://idp.example/auth").unwrap(),
            "cc",
            "http://localhost:8250/oidc/callback".to_owned(),
            &super::request::AuthorizationParams::default(),
        );
        Self::new(&begun.unwrap(), "localhost", Vec::new()).unwrap()
    }
}

fn is_same(found: &str, expected: &SecretText) -> bool {
    verify_slices_are_equal(found.as_bytes(), expected.expose().as_bytes()).is_ok()
}

/// Returns the host without port and brackets; the port differs if it is forwarded.
fn host_without_port(host: &str) -> &str {
    if let Some(inside) = host.strip_prefix('[') {
        return inside.split(']').next().unwrap_or(inside);
    }
    match host.split_once(':') {
        Some((name, port)) if !port.contains(':') => name,
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::oidc::local_http::parse;

    fn ask(gate: &mut CallbackGate, target: &str, headers: &str) -> String {
        let text = format!("GET {target} HTTP/1.1\r\n{headers}\r\n\r\n");
        let head = parse(text.as_bytes());
        match gate.classify(&head, None) {
            GateRequest::Start { cookie } => cookie,
            GateRequest::Callback(query) => format!("callback {query}"),
            GateRequest::Done => "done".to_owned(),
            GateRequest::OtherProcess(fault) => format!("other: {fault}"),
            GateRequest::OtherHost => "other host".to_owned(),
            GateRequest::Rejected => "rejected".to_owned(),
        }
    }

    #[test]
    fn gate_start_url_works_once_and_only_its_browser_can_continue() {
        let mut gate = CallbackGate::for_tests();
        let host = "Host: localhost:8250";
        let start = gate.start_url().path().to_owned();
        assert!(gate.start_url().as_str().starts_with("http://localhost:8250/oidc/start/"));
        assert_eq!(ask(&mut gate, "/oidc/start/guess", host), "rejected");
        assert!(ask(&mut gate, "/oidc/callback?code=c", host).starts_with("other: "));
        assert_eq!(ask(&mut gate, "/oidc/done", host), "rejected");
        let set = ask(&mut gate, &start, host);
        assert!(set.ends_with("; Path=/oidc; Max-Age=3600; HttpOnly; SameSite=Lax"), "{set}");
        assert!(!set.contains(start.rsplit('/').next().unwrap()), "the cookie is another secret");
        let cookie = set.split(';').next().unwrap();
        let with = format!("{host}\r\nCookie: theme=dark; {cookie}; x=y");
        assert_eq!(ask(&mut gate, "/oidc/callback?code=c", &with), "callback code=c");
        assert_eq!(ask(&mut gate, "/oidc/done", &with), "done");
        assert_eq!(ask(&mut gate, &start, &with), set, "a reload");
        assert!(ask(&mut gate, &start, host).starts_with("other: the start URL was opened"));
        for wrong in [format!("{cookie}x"), cookie.replace("cc_login", "other"), "cc_login_8250=".to_owned()]
        {
            let with = format!("{host}\r\nCookie: {wrong}");
            assert!(ask(&mut gate, "/oidc/callback?code=c", &with).starts_with("other: "), "{wrong}");
            assert_eq!(ask(&mut gate, "/oidc/done", &with), "rejected", "{wrong}");
        }
    }

    #[test]
    fn gate_rejects_every_request_for_another_host() {
        let mut gate = CallbackGate::for_tests();
        let start = gate.start_url().path().to_owned();
        for host in ["localhost", "LOCALHOST:9", "127.0.0.1:8250", "[::1]:8250", "[::1]"] {
            assert!(!ask(&mut gate, "/", &format!("Host: {host}")).contains("host"), "{host}");
        }
        for host in [
            "Host: evil.example:8250",
            "Host: localhost.evil.example",
            "Host: ",
            "X: y",
            "Host: localhost\r\nHost: localhost",
            "Host: 127.0.0.2",
            "Host: [::2]:8250",
        ] {
            for target in [start.as_str(), "/oidc/callback?code=c", "/oidc/done", "/"] {
                assert_eq!(ask(&mut gate, target, host), "other host", "{host} {target}");
            }
        }
        assert!(ask(&mut gate, &start, "Host: localhost").starts_with("cc_login_8250="), "still unused");
    }
}
