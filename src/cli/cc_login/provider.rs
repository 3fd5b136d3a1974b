//! The parameters of a login through a provider: as options, and as `KEY=VALUE` as other login
//! tools spell them.

use std::time::Duration;

use clap::Args;

use crate::cli::failure::UsageError;
use crate::cli::ldap::positive;
use crate::login::oidc::redirect::{DEFAULT_PORT, Ports, RedirectParts};
use crate::util::quote::quote;

/// How long a login may take where nobody says.
const DEFAULT_TIMEOUT: &str = "2m";

/// The options.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "OpenID Connect (--method oidc)")]
pub(super) struct ProviderOptions {
    /// The provider's entry in the configuration; path=NAME or mount=NAME [default: oidc]
    #[arg(long, value_name = "NAME", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    path: Option<String>,

    /// The login role; role=NAME [default: default-role of the entry]
    #[arg(long, value_name = "NAME")]
    role: Option<String>,

    /// Wait for the browser on this address; listenaddress=ADDRESS [default: localhost, which is
    /// 127.0.0.1 and ::1]
    #[arg(long, value_name = "ADDRESS")]
    listen_address: Option<String>,

    /// Wait for the browser on this port: a number, a list (8250,8251), a range (8250-8260), or 0
    /// for any free one; port=PORTS [default: 8250]
    #[arg(long, value_name = "PORTS")]
    port: Option<String>,

    /// The host in the redirect URI; callbackhost=HOST [default: localhost]
    #[arg(long, value_name = "HOST")]
    callback_host: Option<String>,

    /// The scheme in the redirect URI: http or https; callbackmethod=SCHEME [default: http]
    #[arg(long, value_name = "SCHEME")]
    callback_method: Option<String>,

    /// The port in the redirect URI; callbackport=PORT [default: the one that is waited on]
    #[arg(long, value_name = "PORT")]
    callback_port: Option<String>,

    /// Open no browser, only print the address; skip_browser=true
    #[arg(long)]
    skip_browser: bool,

    /// Open the browser with this command; the address is put in for %s, or at the end
    /// [default: $BROWSER, or what the desktop has]
    #[arg(long, value_name = "COMMAND", conflicts_with = "skip_browser")]
    browser: Option<String>,

    /// Log in on another device, with a code and a QR code
    #[arg(long, conflicts_with_all = ["manual", "browser", "skip_browser"])]
    device: bool,

    /// Paste back the address that a browser on another machine ends on
    #[arg(long, conflicts_with_all = ["browser", "skip_browser"])]
    manual: bool,

    /// Ask for a further scope, such as offline_access
    #[arg(long, value_name = "SCOPE", value_delimiter = ',')]
    scope: Vec<String>,

    /// Send a further parameter with the login, such as prompt=login
    #[arg(long, value_name = "KEY=VALUE")]
    parameter: Vec<String>,
}

/// The keys that are about a provider.
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

/// How a person gets to the provider.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LoginFlow {
    Browser,
    Device,
    Manual,
}

/// The parameters, whichever way they were given.
#[derive(Debug, Clone)]
pub(super) struct ProviderRequest {
    pub(super) entry: Option<String>,
    pub(super) role: Option<String>,
    pub(super) listen_address: String,
    pub(super) ports: Ports,
    pub(super) redirect: RedirectParts,
    pub(super) skip_browser: bool,
    pub(super) browser: Option<String>,
    /// The way that was asked for; none is to be chosen.
    pub(super) way: Option<LoginFlow>,
    pub(super) scopes: Vec<String>,
    pub(super) parameters: Vec<(String, String)>,
    /// The time limit, and whether somebody named it.
    pub(super) limit: Duration,
    pub(super) limit_text: String,
    pub(super) is_limit_named: bool,
}

impl ProviderOptions {
    /// The first of the options that was given, for the message that it has no place here.
    pub(super) fn given(&self) -> Option<&'static str> {
        let named = [
            ("--path", self.path.is_some()),
            ("--role", self.role.is_some()),
            ("--listen-address", self.listen_address.is_some()),
            ("--port", self.port.is_some()),
            ("--callback-host", self.callback_host.is_some()),
            ("--callback-method", self.callback_method.is_some()),
            ("--callback-port", self.callback_port.is_some()),
            ("--skip-browser", self.skip_browser),
            ("--browser", self.browser.is_some()),
            ("--device", self.device),
            ("--manual", self.manual),
            ("--scope", !self.scope.is_empty()),
            ("--parameter", !self.parameter.is_empty()),
        ];
        named.into_iter().find(|(_, is_given)| *is_given).map(|(name, _)| name)
    }

    /// Options and keys together.
    ///
    /// # Errors
    /// Wrong usage: a value that fits not, or two different ones for one thing.
    pub(super) fn request(
        &self,
        keys: &[(String, String)],
        timeout: Option<&str>,
    ) -> Result<ProviderRequest, UsageError> {
        let value = |option: &'static str, names: &[&str], given: &Option<String>| {
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
        };
        let listen_address = value("--listen-address", &["listenaddress"], &self.listen_address)?;
        let port = value("--port", &["port"], &self.port)?;
        let host = value("--callback-host", &["callbackhost"], &self.callback_host)?;
        let method = value("--callback-method", &["callbackmethod"], &self.callback_method)?;
        let callback_port = value("--callback-port", &["callbackport"], &self.callback_port)?;
        let skip_browser = match value("--skip-browser", &["skip_browser"], &None)? {
            Some(text) => self.skip_browser || truth("skip_browser", &text)?,
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
                UsageError::new(format!("--callback-port: {} is no port, wanted 1 to 65535", quote(text)))
            })?),
            None => None,
        };
        let standard = RedirectParts::default();
        let redirect = RedirectParts {
            method: method.unwrap_or(standard.method),
            host: host.unwrap_or(standard.host),
            port: callback_port,
        };
        // What it makes is looked at before anything is asked of anybody.
        redirect.uri(DEFAULT_PORT).map_err(|error| UsageError::new(error.to_string()))?;
        let mut scopes = self.scope.clone();
        for (_, value) in keys.iter().filter(|(key, _)| key == "scope") {
            scopes.extend(value.split([',', ' ']).filter(|scope| !scope.is_empty()).map(str::to_owned));
        }
        let limit_text = timeout.unwrap_or(DEFAULT_TIMEOUT);
        Ok(ProviderRequest {
            entry: value("--path", &["path", "mount"], &self.path)?,
            role: value("--role", &["role"], &self.role)?,
            listen_address: listen_address.unwrap_or_else(|| "localhost".to_owned()),
            ports,
            redirect,
            skip_browser,
            browser: self.browser.clone(),
            way: if self.device {
                Some(LoginFlow::Device)
            } else if self.manual {
                Some(LoginFlow::Manual)
            } else if skip_browser || self.browser.is_some() || listens {
                Some(LoginFlow::Browser)
            } else {
                None
            },
            scopes,
            parameters: self.parameter.iter().map(|text| parameter(text)).collect::<Result<_, _>>()?,
            limit: positive("--timeout", limit_text)?,
            limit_text: limit_text.to_owned(),
            is_limit_named: timeout.is_some(),
        })
    }
}

fn parameter(text: &str) -> Result<(String, String), UsageError> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(UsageError::new(format!("--parameter: {} is no KEY=VALUE", quote(text)))),
    }
}

/// A switch as Go's flags read it, which is what the other tools do.
fn truth(key: &str, text: &str) -> Result<bool, UsageError> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(false),
        _ => Err(UsageError::new(format!("{key}={}: wanted true or false", quote(text)))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(key: &str, value: &str) -> (String, String) {
        (key.to_owned(), value.to_owned())
    }

    #[test]
    fn keys_and_options_mean_the_same() {
        let by_keys = ProviderOptions::default()
            .request(
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
                None,
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
        let by_options = by_options.request(&[], None).unwrap();
        assert_eq!(format!("{by_keys:?}"), format!("{by_options:?}"));
        assert_eq!(by_keys.way, Some(LoginFlow::Browser));
    }

    #[test]
    fn two_different_values_for_one_thing_are_refused() {
        let options = ProviderOptions { path: Some("a".to_owned()), ..ProviderOptions::default() };
        assert!(options.request(&[key("mount", "a")], None).is_ok());
        assert!(options.request(&[key("mount", "b")], None).is_err());
        assert!(ProviderOptions::default().request(&[key("path", "a"), key("mount", "b")], None).is_err());
    }

    #[test]
    fn what_fits_not_is_refused_before_anything_is_asked() {
        for (name, value) in [
            ("port", "http"),
            ("callbackport", "0"),
            ("callbackport", "x"),
            ("callbackmethod", "ftp"),
            ("callbackhost", "a/b"),
            ("skip_browser", "yes"),
        ] {
            assert!(ProviderOptions::default().request(&[key(name, value)], None).is_err(), "{name}={value}");
        }
        assert!(ProviderOptions::default().request(&[], Some("0")).is_err());
    }
}
