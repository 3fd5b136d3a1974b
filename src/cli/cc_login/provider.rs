//! Parameters of an OpenID login: as options, and as `KEY=VALUE` with the names of other login
//! tools.

use std::time::Duration;

use clap::Args;

use crate::cli::failure::UsageError;
use crate::ldap::LdapOptions;
use crate::login::CiIdentity;
use crate::login::oidc::flow::{OidcFlow, OidcRequest};
use crate::login::oidc::provider_config::ProviderParameters;
use crate::login::oidc::redirect::{DEFAULT_PORT, Ports, RedirectParts};
use crate::login::oidc::request::BrowserChoice;
use crate::util::quote::quote;

/// The options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "OpenID Connect (--method oidc; most also for --method stronghold)")]
pub(super) struct ProviderOptions {
    /// Provider entry in the configuration, or mount of the Stronghold server; path=NAME or mount=NAME
    /// [default: oidc, or jwt for a login with a JWT]
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(super) path: Option<String>,

    /// Login role, also for --method token; role=NAME [default: default role of the entry or mount]
    #[arg(long, value_name = "NAME")]
    pub(super) role: Option<String>,

    /// Address on which to wait for the browser; listenaddress=ADDRESS [default: localhost, which is
    /// 127.0.0.1 and ::1]
    #[arg(long, value_name = "ADDRESS")]
    pub(super) listen_address: Option<String>,

    /// Port on which to wait for the browser: a number, a list (8250,8251), a range (8250-8260), or 0
    /// for any free port; port=PORTS [default: 8250]
    #[arg(long, value_name = "PORTS")]
    pub(super) port: Option<String>,

    /// Host of the redirect URI; callbackhost=HOST [default: localhost]
    #[arg(long, value_name = "HOST")]
    pub(super) callback_host: Option<String>,

    /// Scheme of the redirect URI: http or https; callbackmethod=SCHEME [default: http]
    #[arg(long, value_name = "SCHEME")]
    pub(super) callback_method: Option<String>,

    /// Port of the redirect URI; callbackport=PORT [default: the port of --port]
    #[arg(long, value_name = "PORT")]
    pub(super) callback_port: Option<String>,

    /// Print the URL without opening a browser; skip_browser=true
    #[arg(long)]
    pub(super) skip_browser: bool,

    /// Command that opens the browser, with %s for the URL, or the URL at the end [default: $BROWSER, or
    /// the browser of the desktop]
    #[arg(long, value_name = "COMMAND", conflicts_with = "skip_browser")]
    pub(super) browser: Option<String>,

    /// Log in on another device, with a code and a QR code
    #[arg(long, conflicts_with_all = ["manual", "browser", "skip_browser"])]
    pub(super) device: bool,

    /// Log in with a browser on another computer, and paste the URL of its last page
    #[arg(long, conflicts_with_all = ["browser", "skip_browser"])]
    pub(super) manual: bool,

    /// Log in as the client itself, without a user, such as in a CI job
    #[arg(long, conflicts_with_all = ["device", "manual", "browser", "skip_browser"])]
    pub(super) client_credentials: bool,

    /// Additional scope, such as offline_access; may be repeated
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    pub(super) scope: Vec<String>,

    /// Additional parameter of the authorization request, such as prompt=login; may be repeated
    #[arg(long, value_name = "KEY=VALUE")]
    pub(super) parameter: Vec<String>,
}

/// The token of a job or a user that the provider exchanges.
#[derive(Debug, Default)]
pub(super) struct JobToken {
    /// Whether a token is given: by --identity or by --token-file.
    pub(super) is_given: bool,
    /// The identity of --identity.
    pub(super) identity: Option<CiIdentity>,
}

/// The keys of an OpenID login.
pub(super) const KEYS: [&str; 10] = [
    "path",
    "mount",
    "role",
    "listenaddress",
    "port",
    "callbackhost",
    "callbackmethod",
    "callbackport",
    "skip_browser",
    "scope",
];

impl ProviderOptions {
    /// Whether one of the options is set.
    pub(super) fn is_given(&self) -> bool {
        let Self { path, role, listen_address, port, callback_host, callback_method, callback_port, .. } =
            self;
        let texts = [path, role, listen_address, port, callback_host, callback_method, callback_port];
        texts.iter().any(|text| text.is_some())
            || self.browser.is_some()
            || self.skip_browser
            || self.device
            || self.manual
            || self.client_credentials
            || !self.scope.is_empty()
            || !self.parameter.is_empty()
    }

    /// Returns the login role.
    ///
    /// # Errors
    /// [`UsageError`] for two different roles.
    pub(super) fn role(&self, keys: &[(String, String)]) -> Result<Option<String>, UsageError> {
        match value_of(keys, "--role", &["role"], &self.role)? {
            // An empty name, such as of a variable that is not set, does not select the default role.
            Some(role) if role.is_empty() => Err(UsageError::new("--role: invalid role '': expected a name")),
            role => Ok(role),
        }
    }

    /// Whether the port is set.
    pub(super) fn has_port(&self, keys: &[(String, String)]) -> bool {
        self.port.is_some() || keys.iter().any(|(key, _)| key == "port")
    }

    /// Builds the request from options and keys.
    ///
    /// # Errors
    /// [`UsageError`] for an invalid value, or two different values for one parameter.
    pub(super) fn request(
        &self,
        username: Option<String>,
        job: JobToken,
        keys: &[(String, String)],
        ldap: &LdapOptions,
        time_limit: Option<Duration>,
    ) -> Result<OidcRequest, UsageError> {
        let value = |option, names: &[&str], given: &Option<String>| value_of(keys, option, names, given);
        let listen_address = value("--listen-address", &["listenaddress"], &self.listen_address)?;
        let port = value("--port", &["port"], &self.port)?;
        let host = value("--callback-host", &["callbackhost"], &self.callback_host)?;
        let method = value("--callback-method", &["callbackmethod"], &self.callback_method)?;
        let callback_port = value("--callback-port", &["callbackport"], &self.callback_port)?;
        let skip_browser = match value("--skip-browser", &["skip_browser"], &None)? {
            Some(text) => self.skip_browser || boolean("skip_browser", &text)?,
            None => self.skip_browser,
        };
        let listens = listen_address.is_some()
            || port.is_some()
            || host.is_some()
            || method.is_some()
            || callback_port.is_some();
        let ports = match &port {
            Some(text) => text.parse().map_err(|error| UsageError::new(format!("--port: {error}")))?,
            None => Ports::default(),
        };
        let callback_port = match &callback_port {
            Some(text) => Some(text.parse::<u16>().ok().filter(|port| *port > 0).ok_or_else(|| {
                UsageError::new(format!("invalid --callback-port {}: expected 1 to 65535", quote(text)))
            })?),
            None => None,
        };
        let defaults = RedirectParts::default();
        let redirect = RedirectParts {
            method: method.unwrap_or(defaults.method),
            host: host.unwrap_or(defaults.host),
            port: callback_port,
        };
        // Report an invalid redirect URI before the login starts.
        redirect.uri(DEFAULT_PORT).map_err(|error| UsageError::new(error.to_string()))?;
        let mut scopes = self.scope.clone();
        for (_, value) in keys.iter().filter(|(key, _)| key == "scope") {
            scopes.extend(value.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned));
        }
        Ok(OidcRequest {
            provider: ProviderParameters {
                entry: value("--path", &["path", "mount"], &self.path)?,
                role: self.role(keys)?,
                login_hint: username.clone(),
                scopes,
                parameters: self.parameter.iter().map(|text| parameter(text)).collect::<Result<_, _>>()?,
                // The session is used from other directories.
                ca_file: ldap
                    .ca_file
                    .as_ref()
                    .map(|path| std::path::absolute(path).unwrap_or_else(|_| path.clone())),
            },
            username,
            identity: job.identity,
            connect_timeout: Some(ldap.connect_timeout),
            flow: if self.client_credentials {
                Some(OidcFlow::ClientCredentials)
            } else if job.is_given {
                Some(OidcFlow::TokenExchange)
            } else if self.device {
                Some(OidcFlow::Device)
            } else if self.manual {
                Some(OidcFlow::Manual)
            } else if skip_browser || self.browser.is_some() || listens {
                Some(OidcFlow::Browser)
            } else {
                None
            },
            listen_address: listen_address.unwrap_or_else(|| "localhost".to_owned()),
            ports,
            redirect,
            browser: match &self.browser {
                _ if skip_browser => BrowserChoice::Skip,
                Some(command) => BrowserChoice::Command(command.clone()),
                None => BrowserChoice::Default,
            },
            time_limit,
        })
    }
}

/// Returns the value of an option or of its keys.
fn value_of(
    keys: &[(String, String)],
    option: &'static str,
    names: &[&str],
    given: &Option<String>,
) -> Result<Option<String>, UsageError> {
    let mut found = given.clone();
    for (key, value) in keys.iter().filter(|(key, _)| names.contains(&key.as_str())) {
        match &found {
            Some(other) if other != value => {
                return Err(UsageError::new(format!(
                    "two different values are given for {option}: {} and {key}={}",
                    quote(other),
                    quote(value)
                )));
            }
            _ => found = Some(value.clone()),
        }
    }
    Ok(found)
}

fn parameter(text: &str) -> Result<(String, String), UsageError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(UsageError::new(format!("invalid --parameter {}: expected KEY=VALUE", quote(text)))),
    }
}

/// Parses a boolean as the flags of Go do, like the other login tools.
fn boolean(key: &str, text: &str) -> Result<bool, UsageError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(UsageError::new(format!("invalid {key} {}: expected true or false", quote(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(options: &ProviderOptions, keys: &[(String, String)]) -> Result<OidcRequest, UsageError> {
        options.request(None, JobToken::default(), keys, &LdapOptions::default(), None)
    }

    fn key(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn request_is_equal_for_keys_and_options() {
        let by_keys = request(
            &ProviderOptions::default(),
            &[
                key("mount", "site"),
                key("role", "demo"),
                key("listenaddress", "::1"),
                key("port", "9000-9002"),
                key("callbackhost", "login.example"),
                key("callbackmethod", "https"),
                key("callbackport", "443"),
                key("skip_browser", "true"),
                key("scope", "a,b"),
            ],
        )
        .unwrap();
        let text = |text: &str| Some(text.to_owned());
        let by_options = ProviderOptions {
            path: text("site"),
            role: text("demo"),
            listen_address: text("::1"),
            port: text("9000-9002"),
            callback_host: text("login.example"),
            callback_method: text("https"),
            callback_port: text("443"),
            skip_browser: true,
            scope: vec!["a".to_owned(), "b".to_owned()],
            ..ProviderOptions::default()
        };
        let by_options = request(&by_options, &[]).unwrap();
        assert_eq!(format!("{by_keys:?}"), format!("{by_options:?}"));
        assert_eq!(by_keys.flow, Some(OidcFlow::Browser));
    }

    #[test]
    fn request_with_two_different_values_is_rejected() {
        let options = ProviderOptions { path: Some("a".to_owned()), ..ProviderOptions::default() };
        assert!(request(&options, &[key("mount", "a")]).is_ok());
        assert!(request(&options, &[key("mount", "b")]).is_err());
        assert!(request(&ProviderOptions::default(), &[key("path", "a"), key("mount", "b")]).is_err());
    }

    #[test]
    fn request_with_invalid_value_is_rejected() {
        for (name, value) in [
            ("port", "http"),
            ("callbackport", "0"),
            ("callbackport", "x"),
            ("callbackmethod", "ftp"),
            ("callbackhost", "a/b"),
            ("skip_browser", "yes"),
        ] {
            assert!(request(&ProviderOptions::default(), &[key(name, value)]).is_err(), "{name}={value}");
        }
    }
}
