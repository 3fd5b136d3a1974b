//! The identity of a session: its name, and the server or directory that it was created for.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use aws_lc_rs::digest::{SHA256, digest};
use data_encoding::HEXLOWER;
use url::{Url, form_urlencoded};

use crate::config::{DEFAULT_CONFIG, DEFAULT_DB, DEFAULT_ENV_FILE};
use crate::http::{HttpError, display_url, parse_url};
use crate::stronghold::{Namespace, NamespaceError};
use crate::util::file::{self, FileError};
use crate::util::quote::quote;

/// The maximum length of a session name, in bytes.
pub const MAX_SESSION_NAME_BYTES: usize = 64;

/// The directory of the session files, in the directory of the session.
const DIRECTORY: &str = "sessions";

/// The session file of versions without named sessions.
const FORMER_FILE: &str = "session.json";

/// The extension of a session file.
pub(super) const EXTENSION: &str = "json";

/// The parameter of the URL that selects the session of a namespace.
const NAMESPACE: &str = "namespace";

/// The first character of the file of a session without a name. No name contains it.
const UNNAMED: char = '@';

/// The number of hexadecimal digits of the hash in a file name: 128 bits.
const HASH_DIGITS: usize = 32;

/// The name of a session: letters, digits, `.`, `_` and `-`, with a letter or digit at the
/// beginning, so it is neither a path nor an option. At most [`MAX_SESSION_NAME_BYTES`] bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionName(String);

impl SessionName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SessionName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The reason a text does not select a session.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SessionRequestError {
    /// The text is neither a name nor the URL of a server nor an absolute path.
    #[error(
        "invalid session name {}: expected at most {MAX_SESSION_NAME_BYTES} letters, digits, '.', '_' and '-', \
         with a letter or digit at the beginning",
        quote(.0)
    )]
    Name(String),
    /// The URL of the server is invalid.
    #[error(transparent)]
    Url(#[from] HttpError),
    /// The URL has another query than a namespace, or a fragment.
    #[error("invalid session {}: expected a URL without '?' and '#', or with '?{NAMESPACE}=NAME'", quote(.0))]
    Query(String),
    /// The namespace in the URL is invalid.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

impl FromStr for SessionName {
    type Err = SessionRequestError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_permitted = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let is_valid = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric())
            && text.bytes().all(is_permitted)
            && text.len() <= MAX_SESSION_NAME_BYTES;
        if is_valid { Ok(Self(text.to_owned())) } else { Err(SessionRequestError::Name(text.to_owned())) }
    }
}

/// What a session was created for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionOrigin {
    /// A running server, by the URL of its web interface, without query, fragment and trailing
    /// slash.
    Server(Url),
    /// A namespace of a Stronghold, OpenBao or Vault server, other than its root namespace.
    Namespace(Url, Namespace),
    /// The directory of a server on this computer, or a settings file with an unusual name; an
    /// absolute path without symbolic links.
    Directory(PathBuf),
}

impl SessionOrigin {
    /// Returns the origin of a login at a running server.
    #[must_use]
    pub fn server(url: &Url) -> Self {
        let mut url = url.clone();
        url.set_query(None);
        url.set_fragment(None);
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Self::Server(url)
    }

    /// Returns the origin of a login in a namespace of a server; `None` is the root namespace. The mount
    /// and the role have no influence: a login by another one replaces the session, as at other servers.
    #[must_use]
    pub fn namespace(url: &Url, namespace: Option<&Namespace>) -> Self {
        match (Self::server(url), namespace) {
            (Self::Server(url), Some(namespace)) => Self::Namespace(url, namespace.clone()),
            (server, _) => server,
        }
    }

    /// Returns the namespaces in which a request to this one can use a token: the namespace itself, and
    /// those above it, the nearest first.
    #[must_use]
    pub fn with_parents(self) -> Vec<Self> {
        let mut origins = vec![self];
        while let Some(Self::Namespace(url, namespace)) = origins.last() {
            origins.push(Self::namespace(url, namespace.parent().as_ref()));
        }
        origins
    }

    /// Parses the URL of a server, with `?namespace=NAME` for one of its namespaces.
    fn parse_server(text: &str) -> Result<Self, SessionRequestError> {
        let url = parse_url(text)?;
        let mut parameters = url.query_pairs();
        let namespace = match (parameters.next(), parameters.next()) {
            (None, _) if url.fragment().is_none() => String::new(),
            (Some((key, name)), None) if key == NAMESPACE && url.fragment().is_none() => name.into_owned(),
            _ => return Err(SessionRequestError::Query(display_url(&url))),
        };
        Ok(Self::namespace(&url, Namespace::parse(&namespace)?.as_ref()))
    }

    /// Returns the origin of a login with the settings of a server on this computer: the directory
    /// of the configuration that is named, otherwise of the environment file, otherwise of the
    /// database, otherwise the current directory. A file whose name is not the server's default
    /// is the origin itself, so two configurations in one directory are two servers.
    ///
    /// Returns `None` if the current directory does not exist, or a path is not UTF-8.
    ///
    /// # Errors
    /// [`FileError`] for a named file that does not exist or cannot be reached.
    pub fn of_settings(
        config: Option<&Path>,
        env_file: Option<&Path>,
        db: Option<&Path>,
        current_directory: Option<&Path>,
    ) -> Result<Option<Self>, FileError> {
        let named = [(config, DEFAULT_CONFIG), (env_file, DEFAULT_ENV_FILE), (db, DEFAULT_DB)];
        let named = named.into_iter().find_map(|(path, default)| Some((path?, default)));
        let path = match named {
            Some((path, default)) => {
                let path = file::canonical(path)?;
                let default = Path::new(default.trim_start_matches("./"));
                let is_default = path.ends_with(default);
                let directory = path.ancestors().nth(default.components().count()).filter(|_| is_default);
                Some(directory.unwrap_or(&path).to_owned())
            }
            None => current_directory.and_then(|directory| directory.canonicalize().ok()),
        };
        Ok(path.filter(|path| path.to_str().is_some()).map(Self::Directory))
    }

    /// Returns the URL or path, which `--session` accepts.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Server(url) => server_text(url),
            Self::Namespace(url, namespace) => {
                let name: String = form_urlencoded::byte_serialize(namespace.as_str().as_bytes()).collect();
                format!("{}?{NAMESPACE}={}", server_text(url), name.replace("%2F", "/"))
            }
            Self::Directory(path) => path.display().to_string(),
        }
    }

    fn id(&self) -> SessionId {
        let hash = HEXLOWER.encode(digest(&SHA256, self.text().as_bytes()).as_ref());
        SessionId::Origin(hash.get(..HASH_DIGITS).unwrap_or_default().to_owned())
    }
}

fn server_text(url: &Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

/// The name of a session, and what it was created for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SessionKey {
    /// The name; `None` for the session of a server or directory.
    pub name: Option<SessionName>,
    /// What the session was created for; `None` if it is not known.
    pub origin: Option<SessionOrigin>,
}

impl SessionKey {
    /// Returns the identity of the session file.
    #[must_use]
    pub fn id(&self) -> SessionId {
        match (&self.name, &self.origin) {
            (Some(name), _) => SessionId::Name(name.clone()),
            (None, Some(origin)) => origin.id(),
            (None, None) => SessionId::Former,
        }
    }

    /// Returns the URL of the running server that the session was created for.
    #[must_use]
    pub fn server(&self) -> Option<String> {
        match self.origin.as_ref()? {
            SessionOrigin::Server(url) | SessionOrigin::Namespace(url, _) => Some(server_text(url)),
            SessionOrigin::Directory(_) => None,
        }
    }

    /// Returns the namespace that the session was created for; `None` for the root namespace and for
    /// other servers.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        match self.origin.as_ref()? {
            SessionOrigin::Namespace(_, namespace) => Some(namespace.as_str()),
            SessionOrigin::Server(_) | SessionOrigin::Directory(_) => None,
        }
    }

    /// Returns the directory that the session was created for.
    #[must_use]
    pub fn directory(&self) -> Option<String> {
        self.origin
            .as_ref()
            .filter(|origin| matches!(origin, SessionOrigin::Directory(_)))
            .map(SessionOrigin::text)
    }

    /// Returns the text for `--session` that selects this session; `None` for the session of a
    /// version without named sessions.
    #[must_use]
    pub fn text(&self) -> Option<String> {
        match (&self.name, &self.origin) {
            (Some(name), _) => Some(name.to_string()),
            (None, origin) => origin.as_ref().map(SessionOrigin::text),
        }
    }
}

/// The identity of a session file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionId {
    /// The session of this name.
    Name(SessionName),
    /// The session of the server or directory with this hash.
    Origin(String),
    /// The only session of versions without named sessions.
    Former,
}

impl SessionId {
    /// Returns the path of the file in the directory of the sessions.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        match self {
            Self::Name(name) => Path::new(DIRECTORY).join(format!("{name}.{EXTENSION}")),
            Self::Origin(hash) => Path::new(DIRECTORY).join(format!("{UNNAMED}{hash}.{EXTENSION}")),
            Self::Former => PathBuf::from(FORMER_FILE),
        }
    }

    /// Returns the identity of the session file at a path; `None` for another file.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        if !path.parent()?.ends_with(DIRECTORY) {
            return path.ends_with(FORMER_FILE).then_some(Self::Former);
        }
        let name = path.file_name()?.to_str()?.strip_suffix(EXTENSION)?.strip_suffix('.')?;
        match name.strip_prefix(UNNAMED) {
            Some(hash) => {
                let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
                let is_hash = hash.len() == HASH_DIGITS && hash.bytes().all(is_digit);
                is_hash.then(|| Self::Origin(hash.to_owned()))
            }
            None => name.parse().ok().map(Self::Name),
        }
    }
}

/// The session that the user requests, in `--session` or `CC_SESSION`: a name, or the server or
/// directory that the session was created for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SessionRequest {
    /// The session of this name.
    Name(SessionName),
    /// The session of this server or directory.
    Origin(SessionOrigin),
}

impl SessionRequest {
    /// Returns the name, URL or path.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Name(name) => name.to_string(),
            Self::Origin(origin) => origin.text(),
        }
    }
}

impl FromStr for SessionRequest {
    type Err = SessionRequestError;

    /// A name contains neither `:` nor `/`, so the three forms cannot be confused.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.contains("://") {
            return Ok(Self::Origin(SessionOrigin::parse_server(text)?));
        }
        if text.starts_with('/') {
            // A session of a deleted directory can still be selected.
            let path = Path::new(text);
            let path = path.canonicalize().ok().filter(|path| path.to_str().is_some());
            let path = path.unwrap_or_else(|| PathBuf::from(text));
            return Ok(Self::Origin(SessionOrigin::Directory(path)));
        }
        Ok(Self::Name(text.parse()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn server(text: &str) -> SessionOrigin {
        SessionOrigin::server(&parse_url(text).unwrap())
    }

    #[test]
    fn session_name_accepts_only_safe_file_names() {
        let longest = "x".repeat(MAX_SESSION_NAME_BYTES);
        for name in ["a", "admin", "9", "site-1_b.x", "a..b", "session", "x.refresh", longest.as_str()] {
            assert_eq!(name.parse::<SessionName>().unwrap().as_str(), name);
        }
        let too_long = "x".repeat(MAX_SESSION_NAME_BYTES + 1);
        for name in ["", ".", "..", ".a", "-a", "_a", "a/b", "a b", "a\n", "ä", "@a", "a:b", &too_long] {
            assert!(name.parse::<SessionName>().is_err(), "{name:?}");
        }
    }

    #[test]
    fn request_is_a_name_a_server_or_a_directory() {
        let parse = |text: &str| text.parse::<SessionRequest>();
        assert_eq!(parse("work").unwrap(), SessionRequest::Name("work".parse().unwrap()));
        assert_eq!(
            parse("HTTPS://CC.example:443/").unwrap(),
            SessionRequest::Origin(server("https://cc.example"))
        );
        assert_eq!(parse("/").unwrap(), SessionRequest::Origin(SessionOrigin::Directory("/".into())));
        for text in ["", "a/b", "./a", "ftp://a", "https://", "https://u:p@a", "~"] {
            assert!(parse(text).is_err(), "{text}");
        }
        let error = parse("https://u:hunter2@a").unwrap_err();
        assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
    }

    #[test]
    fn server_is_normalized() {
        for text in ["https://cc.example/", "https://CC.EXAMPLE:443", "https://cc.example/?a=b#c"] {
            assert_eq!(server(text), server("https://cc.example"), "{text}");
        }
        assert_eq!(server("https://cc.example/sub/").text(), "https://cc.example/sub");
        for text in ["http://cc.example", "https://cc.example:444", "https://cc.example/sub"] {
            assert_ne!(server(text).id(), server("https://cc.example").id(), "{text}");
        }
    }

    #[test]
    fn namespace_of_a_server_has_its_own_session() {
        let at = |namespace: &str| {
            let url = parse_url("https://vault.example/").unwrap();
            SessionOrigin::namespace(&url, Namespace::parse(namespace).unwrap().as_ref())
        };
        assert_eq!(at("root"), server("https://vault.example"));
        assert_eq!(at("team/a").text(), "https://vault.example?namespace=team/a");
        for namespace in ["", "team", "team/a", "a&b=c", "x%2fy", "a+b"] {
            let text = at(namespace).text();
            let request: SessionRequest = text.parse().unwrap();
            assert_eq!(request, SessionRequest::Origin(at(namespace)), "{text}");
            assert_eq!(
                SessionKey { name: None, origin: Some(at(namespace)) }.server().unwrap(),
                "https://vault.example"
            );
        }
        assert_ne!(at("team").id(), at("other").id());
        for query in [
            "?namespace=a//b",
            "?namespce=team",
            "?namespace=a&namespace=b",
            "?namespace=a&x=1",
            "#a",
            "?namespace=a#b",
        ] {
            assert!(format!("https://vault.example{query}").parse::<SessionRequest>().is_err(), "{query}");
        }
        let texts = |origin: SessionOrigin| -> Vec<String> {
            origin.with_parents().iter().map(SessionOrigin::text).collect()
        };
        assert_eq!(
            texts(at("team/a")),
            [
                "https://vault.example?namespace=team/a",
                "https://vault.example?namespace=team",
                "https://vault.example"
            ]
        );
        assert_eq!(texts(SessionOrigin::Directory("/srv".into())), ["/srv"]);
    }

    #[test]
    fn directory_is_that_of_the_settings_or_the_current_one() {
        let base = tempfile::tempdir().unwrap();
        let base = base.path().canonicalize().unwrap();
        for name in ["a/var", "b", "c"] {
            fs::create_dir_all(base.join(name)).unwrap();
        }
        for name in ["a/config.json", "a/.env", "a/var/job.db", "b/site.json", "b/var.db"] {
            fs::write(base.join(name), "").unwrap();
        }
        std::os::unix::fs::symlink(base.join("a"), base.join("link")).unwrap();
        let at = |name: &str| (!name.is_empty()).then(|| base.join(name));
        for (config, env_file, db, expected) in [
            ("", "", "", "c"),
            ("a/config.json", "", "", "a"),
            ("link/config.json", "", "", "a"),
            ("b/site.json", "a/.env", "", "b/site.json"),
            ("", "a/.env", "b/var.db", "a"),
            ("", "", "a/var/job.db", "a"),
            ("", "", "b/var.db", "b/var.db"),
        ] {
            let (config, env_file, db) = (at(config), at(env_file), at(db));
            let found = SessionOrigin::of_settings(
                config.as_deref(),
                env_file.as_deref(),
                db.as_deref(),
                Some(&base.join("c")),
            )
            .unwrap();
            assert_eq!(found, Some(SessionOrigin::Directory(base.join(expected))), "{expected}");
        }
        assert_eq!(SessionOrigin::of_settings(None, None, None, Some(&base.join("none"))).unwrap(), None);
        assert_eq!(SessionOrigin::of_settings(None, None, None, None).unwrap(), None);
        let missing = base.join("none");
        for [config, env_file, db] in [
            [Some(missing.as_path()), None, None],
            [None, Some(missing.as_path()), None],
            [None, None, Some(missing.as_path())],
        ] {
            let found = SessionOrigin::of_settings(config, env_file, db, Some(&base));
            assert!(matches!(found, Err(FileError::Missing(_))), "{found:?}");
        }
    }

    #[test]
    fn file_of_a_name_differs_from_all_other_files() {
        let origin = SessionOrigin::Directory("/srv/cc".into());
        let id = SessionKey { name: None, origin: Some(origin.clone()) }.id();
        let named = SessionKey { name: "session".parse().ok(), origin: Some(origin) }.id();
        let files = [&id, &named, &SessionId::Former].map(|id| Path::new("/home/x").join(id.file()));
        for (file, id) in files.iter().zip([&id, &named, &SessionId::Former]) {
            assert_eq!(SessionId::of_path(file).as_ref(), Some(id), "{}", file.display());
        }
        assert!(files[0] != files[1] && files[1] != files[2]);
        for other in [
            "sessions/a.json.lock",
            "sessions/a",
            "sessions/@0.json",
            "sessions/.cc-auth-0.tmp",
            "other.json",
            "sessions/.json",
        ] {
            assert_eq!(SessionId::of_path(&Path::new("/home/x").join(other)), None, "{other}");
        }
    }
}
