//! The settings of the connection, each with its source: options, then the variables of Stronghold,
//! OpenBao and Vault.

use std::path::{Path, PathBuf};
use std::time::Duration;

use url::Url;

use super::answer::is_token;
use super::error::StrongholdError;
use super::path::Namespace;
use super::source::SettingSource;
use crate::http::{HttpTrust, display_url, parse_url};
use crate::util::environment::Environment;
use crate::util::file::{self, FileError};
use crate::util::quote::{quote, quote_path};
use crate::util::secret::SecretText;

/// The prefixes of the variables, in the order of their precedence.
const FAMILIES: [&str; 3] = ["STRONGHOLD", "BAO", "VAULT"];

/// The file in the home directory into which `vault login` and `bao login` write their token.
const TOKEN_FILE: &str = ".vault-token";

/// The maximum size of a token file, in bytes.
const TOKEN_LIMIT: u64 = 64 << 10;

/// The maximum size of a file with CA certificates, in bytes.
const CA_LIMIT: u64 = 4 << 20;

/// The maximum number of files of a directory with CA certificates.
const CA_FILES: usize = 1000;

/// A variable that exists in each family, such as `STRONGHOLD_ADDR`, `BAO_ADDR` and `VAULT_ADDR`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableKind {
    /// The URL of the server.
    Addr,
    /// The namespace.
    Namespace,
    /// A file with CA certificates.
    Cacert,
    /// A directory with CA certificates.
    Capath,
    /// A token.
    Token,
}

impl VariableKind {
    /// The end of the name.
    const fn suffix(self) -> &'static str {
        match self {
            Self::Addr => "ADDR",
            Self::Namespace => "NAMESPACE",
            Self::Cacert => "CACERT",
            Self::Capath => "CAPATH",
            Self::Token => "TOKEN",
        }
    }

    /// Returns the first variable that is set and not empty.
    fn find(self, environment: &Environment) -> Option<(SettingSource, &str)> {
        FAMILIES.iter().find_map(|family| {
            let name = format!("{family}_{}", self.suffix());
            let value = environment.non_empty(&name)?;
            Some((SettingSource::Variable(name), value))
        })
    }
}

/// A value with its source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// The value.
    pub value: T,
    /// The source.
    pub source: SettingSource,
}

/// What the command line sets. The default sets nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// The URL of the server (`--server`).
    pub server: Option<String>,
    /// The namespace (`--namespace`).
    pub namespace: Option<String>,
    /// A file with CA certificates (`--ca-file`).
    pub ca_file: Option<PathBuf>,
    /// Timeout for the connection; `None` selects the default of the HTTP client.
    pub connect_timeout: Option<Duration>,
    /// Timeout of each request; `None` selects the default of the HTTP client.
    pub timeout: Option<Duration>,
}

/// The settings of the connection.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The URL of the server, without the path of the interface (`/v1`).
    pub url: Setting<Url>,
    /// The namespace; `None` is the root namespace.
    pub namespace: Option<Setting<Namespace>>,
    /// The file or directory with CA certificates, which are trusted instead of those of the system.
    pub ca: Option<Setting<PathBuf>>,
    /// Timeout for the connection; `None` selects the default of the HTTP client.
    pub connect_timeout: Option<Duration>,
    /// Timeout of each request; `None` selects the default of the HTTP client.
    pub timeout: Option<Duration>,
}

impl ServerSettings {
    /// Resolves the settings. An option has precedence over the variables of all families.
    ///
    /// # Errors
    /// [`StrongholdError::NoServer`], [`StrongholdError::InvalidUrl`],
    /// [`StrongholdError::InvalidNamespace`].
    pub fn resolve(options: &ConnectionOptions, environment: &Environment) -> Result<Self, StrongholdError> {
        let chosen = |option: Option<(&'static str, &str)>, kind: VariableKind| {
            let option = option.map(|(name, value)| (SettingSource::Option(name), value.to_owned()));
            option.or_else(|| kind.find(environment).map(|(source, value)| (source, value.to_owned())))
        };
        let (source, text) =
            chosen(options.server.as_deref().map(|server| ("--server", server)), VariableKind::Addr)
                .ok_or(StrongholdError::NoServer)?;
        let url = parse_url(&text)
            .map_err(|error| StrongholdError::InvalidUrl { setting: source.clone(), source: error })?;
        // A server in another namespace than the user expects must not be used.
        if url.query().is_some() || url.fragment().is_some() {
            return Err(StrongholdError::UrlWithQuery {
                namespace: url
                    .query_pairs()
                    .find(|(key, _)| key == "namespace")
                    .map(|(_, name)| name.into_owned()),
                url: display_url(&url),
                setting: source,
            });
        }
        let url = Setting { value: url, source };
        let namespace = chosen(
            options.namespace.as_deref().map(|namespace| ("--namespace", namespace)),
            VariableKind::Namespace,
        );
        let namespace = match namespace {
            Some((source, text)) => namespace_of(&text, source)?,
            None => None,
        };
        let ca = match &options.ca_file {
            Some(path) => Some(Setting { value: path.clone(), source: SettingSource::Option("--ca-file") }),
            None => [VariableKind::Cacert, VariableKind::Capath]
                .into_iter()
                .find_map(|kind| kind.find(environment))
                .map(|(source, path)| Setting { value: PathBuf::from(path), source }),
        };
        let settings =
            Self { url, namespace, ca, connect_timeout: options.connect_timeout, timeout: options.timeout };
        settings.log();
        Ok(settings)
    }

    /// Creates the settings of a stored session.
    ///
    /// # Errors
    /// [`StrongholdError::InvalidNamespace`].
    pub fn of_session(
        url: &Url,
        namespace: Option<&str>,
        ca: Option<&Path>,
    ) -> Result<Self, StrongholdError> {
        let source = SettingSource::Session;
        Ok(Self {
            url: Setting { value: url.clone(), source: source.clone() },
            namespace: namespace_of(namespace.unwrap_or_default(), source.clone())?,
            ca: ca.map(|path| Setting { value: path.to_owned(), source }),
            connect_timeout: None,
            timeout: None,
        })
    }

    /// Logs the sources, which `-v` prints.
    fn log(&self) {
        log::info!("the server is {}, from {}", quote(&display_url(&self.url.value)), self.url.source);
        if let Some(namespace) = &self.namespace {
            let name = quote(namespace.value.as_str());
            log::info!("the namespace is {name}, from {}", namespace.source);
        }
        if let Some(ca) = &self.ca {
            log::info!("the CA certificates are in {}, from {}", quote_path(&ca.value), ca.source);
        }
    }

    /// Reads the trusted CA certificates.
    ///
    /// # Errors
    /// [`StrongholdError::CaFile`].
    pub(super) fn trust(&self) -> Result<HttpTrust, StrongholdError> {
        let Some(Setting { value, source }) = &self.ca else { return Ok(HttpTrust::System) };
        read_ca(value)
            .map(HttpTrust::Only)
            .map_err(|error| StrongholdError::CaFile { setting: source.clone(), source: error })
    }
}

/// Parses a namespace; `None` is the root namespace.
fn namespace_of(text: &str, source: SettingSource) -> Result<Option<Setting<Namespace>>, StrongholdError> {
    match Namespace::parse(text) {
        Ok(namespace) => Ok(namespace.map(|value| Setting { value, source })),
        Err(error) => Err(StrongholdError::InvalidNamespace { setting: source, source: error }),
    }
}

/// Reads a PEM file, or all files of a directory.
fn read_ca(path: &Path) -> Result<Vec<u8>, FileError> {
    if !path.is_dir() {
        return file::read(path, CA_LIMIT);
    }
    let failed = |source| FileError::ReadFailed { path: path.to_owned(), source };
    let mut files: Vec<PathBuf> = std::fs::read_dir(path)
        .map_err(failed)?
        .take(CA_FILES)
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    let mut text = Vec::new();
    for file in files {
        text.extend(file::read(&file, CA_LIMIT)?);
        text.push(b'\n');
    }
    Ok(text)
}

/// A token with its source.
#[derive(Debug, Clone)]
pub struct FoundToken {
    /// The token.
    pub token: SecretText,
    /// The source.
    pub source: SettingSource,
}

impl FoundToken {
    /// Creates a token; a header must be able to contain it.
    ///
    /// # Errors
    /// [`StrongholdError::InvalidToken`].
    pub fn new(token: SecretText, source: SettingSource) -> Result<Self, StrongholdError> {
        if !is_token(token.expose()) {
            return Err(StrongholdError::InvalidToken(source));
        }
        log::info!("the token is from {source}");
        Ok(Self { token, source })
    }
}

/// Returns the token of the environment: `STRONGHOLD_TOKEN`, `BAO_TOKEN`, `VAULT_TOKEN`, or the file
/// `~/.vault-token`. A file that does not exist is skipped; the caller may use a session then.
///
/// # Errors
/// [`StrongholdError::InvalidToken`], [`StrongholdError::TokenFile`].
pub fn token_of_environment(environment: &Environment) -> Result<Option<FoundToken>, StrongholdError> {
    let found = if let Some((source, value)) = VariableKind::Token.find(environment) {
        Some((source, SecretText::new(value.to_owned())))
    } else {
        token_file(environment)?
    };
    found.map(|(source, token)| FoundToken::new(token, source)).transpose()
}

fn token_file(environment: &Environment) -> Result<Option<(SettingSource, SecretText)>, StrongholdError> {
    let Some(home) = environment.non_empty("HOME").map(Path::new).filter(|home| home.is_absolute()) else {
        return Ok(None);
    };
    let path = home.join(TOKEN_FILE);
    let bytes = match file::read_own(&path, TOKEN_LIMIT) {
        Ok(bytes) => zeroize::Zeroizing::new(bytes),
        Err(FileError::Missing(_)) => return Ok(None),
        Err(error) => return Err(StrongholdError::TokenFile(error)),
    };
    let source = SettingSource::File(path);
    let Ok(text) = std::str::from_utf8(&bytes) else { return Err(StrongholdError::InvalidToken(source)) };
    let text = text.trim();
    Ok((!text.is_empty()).then(|| (source, SecretText::new(text.to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn resolve(options: &ConnectionOptions, variables: &[(&str, &str)]) -> Result<String, String> {
        let settings =
            ServerSettings::resolve(options, &environment(variables)).map_err(|error| error.to_string())?;
        let namespace = settings
            .namespace
            .map(|namespace| format!(" {} ({})", namespace.value.as_str(), namespace.source));
        let ca = settings.ca.map(|ca| format!(" {} ({})", ca.value.display(), ca.source));
        Ok(format!(
            "{} ({}){}{}",
            settings.url.value,
            settings.url.source,
            namespace.unwrap_or_default(),
            ca.unwrap_or_default()
        ))
    }

    #[test]
    fn settings_are_from_the_option_then_the_first_family_that_is_set() {
        let all = [
            ("STRONGHOLD_ADDR", "https://s.example"),
            ("BAO_ADDR", "https://b.example"),
            ("VAULT_ADDR", "https://v.example"),
        ];
        let none = ConnectionOptions::default();
        assert_eq!(resolve(&none, &all).unwrap(), "https://s.example/ (STRONGHOLD_ADDR)");
        assert_eq!(resolve(&none, &all[1..]).unwrap(), "https://b.example/ (BAO_ADDR)");
        assert_eq!(resolve(&none, &all[2..]).unwrap(), "https://v.example/ (VAULT_ADDR)");
        // An empty variable is not set; each setting has its own family.
        let mixed = [
            ("STRONGHOLD_ADDR", ""),
            ("VAULT_ADDR", "https://v.example"),
            ("BAO_NAMESPACE", "/team/a/"),
            ("VAULT_CAPATH", "/d"),
            ("VAULT_CACERT", "/f"),
        ];
        assert_eq!(
            resolve(&none, &mixed).unwrap(),
            "https://v.example/ (VAULT_ADDR) team/a (BAO_NAMESPACE) /f (VAULT_CACERT)"
        );
        let options = ConnectionOptions {
            server: Some("https://o.example".to_owned()),
            namespace: Some("root".to_owned()),
            ca_file: Some(PathBuf::from("/o")),
            ..none
        };
        assert_eq!(resolve(&options, &mixed).unwrap(), "https://o.example/ (--server) /o (--ca-file)");
    }

    #[test]
    fn invalid_setting_is_named_in_the_error() {
        let none = ConnectionOptions::default();
        let error = resolve(&none, &[("BAO_ADDR", "localhost")]).unwrap_err();
        assert!(error.starts_with("BAO_ADDR: invalid URL 'localhost'"), "{error}");
        let error = resolve(&none, &[("VAULT_ADDR", "https://v"), ("VAULT_NAMESPACE", "a//b")]).unwrap_err();
        assert!(error.starts_with("VAULT_NAMESPACE: invalid namespace 'a//b'"), "{error}");
        assert_eq!(resolve(&none, &[]).unwrap_err(), "no URL of a Stronghold server is set");
        for url in ["https://v.example/?namespace=team", "https://v.example?", "https://v.example/#/team"] {
            let error = resolve(&none, &[("VAULT_ADDR", url)]).unwrap_err();
            let expected = "VAULT_ADDR: invalid URL 'https://v.example/': expected a URL without '?' and '#'";
            assert_eq!(error, expected, "{url}");
        }
    }

    #[test]
    fn token_is_from_a_variable_then_the_file_and_never_printed() {
        let home = tempfile::tempdir().unwrap();
        let home_text = home.path().to_str().unwrap();
        let token = |variables: &[(&str, &str)]| token_of_environment(&environment(variables));
        assert!(token(&[("HOME", home_text)]).unwrap().is_none());
        let path = home.path().join(TOKEN_FILE);
        file::write(&path, b"s.hunter2\n", file::PRIVATE_MODE, file::Existing::Replace).unwrap();
        let found = token(&[("HOME", home_text)]).unwrap().unwrap();
        assert_eq!((found.token.expose(), found.source), ("s.hunter2", SettingSource::File(path)));
        let both = [("HOME", home_text), ("VAULT_TOKEN", "v"), ("BAO_TOKEN", "b")];
        assert_eq!(token(&both).unwrap().unwrap().source, SettingSource::Variable("BAO_TOKEN".to_owned()));
        let error = token(&[("VAULT_TOKEN", "hunter2\nx")]).unwrap_err();
        assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
    }
}
