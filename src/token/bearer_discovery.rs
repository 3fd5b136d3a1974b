//! WLCG Bearer Token Discovery: finds a token that was not given on the command line.
//!
//! The search order is: the variable `BEARER_TOKEN`; the file that `BEARER_TOKEN_FILE` names; the file
//! `bt_uID` in `XDG_RUNTIME_DIR` if that is set; `/tmp/bt_uID`, where ID is the effective user ID.
//! Empty and missing sources are skipped. A source with other content ends the search with an error, so
//! that no unexpected token is used.

use std::fmt;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{MAX_BYTES, text};
use crate::util::diagnostic::Diagnostic;
use crate::util::environment::Environment;
use crate::util::file::reason;
use crate::util::kind::Kind;
use crate::util::quote::quote_path;
use crate::util::secret::SecretText;

/// The source of a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BearerSource {
    /// The variable `BEARER_TOKEN`.
    Variable,
    /// The file that `BEARER_TOKEN_FILE` names.
    NamedFile(PathBuf),
    /// The file in `XDG_RUNTIME_DIR`.
    RuntimeDir(PathBuf),
    /// The file in `/tmp`.
    Tmp(PathBuf),
}

impl BearerSource {
    /// Returns the path, if the source is a file.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Variable => None,
            Self::NamedFile(path) | Self::RuntimeDir(path) | Self::Tmp(path) => Some(path),
        }
    }
}

impl fmt::Display for BearerSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Variable => f.write_str("the variable BEARER_TOKEN"),
            Self::NamedFile(path) => write!(f, "{} (BEARER_TOKEN_FILE)", quote_path(path)),
            Self::RuntimeDir(path) | Self::Tmp(path) => f.write_str(&quote_path(path)),
        }
    }
}

/// Why the search failed although a source has content.
#[derive(Debug, thiserror::Error)]
pub enum BearerDiscoveryError {
    /// The content has characters that RFC 6750 2.1 does not allow in a bearer token.
    #[error("{0} does not contain a bearer token")]
    NoToken(BearerSource),
    /// The content is longer than the longest possible token.
    #[error("the content of {0} is longer than {MAX_BYTES} bytes")]
    TooLong(BearerSource),
    /// A file in `/tmp`, where all accounts can create files, that is not a regular file of the user.
    #[error("{source_} is not used: it is {what}")]
    NotOwn {
        /// The file.
        source_: BearerSource,
        /// The type or the owner of the file.
        what: &'static str,
    },
    /// The source exists but cannot be read.
    #[error("{source_} cannot be read: {}", reason(.error))]
    Unreadable {
        /// The file.
        source_: BearerSource,
        /// The I/O error.
        error: io::Error,
    },
}

impl Diagnostic for BearerDiscoveryError {
    fn kind(&self) -> Kind {
        match self {
            Self::NoToken(_) => Kind::BearerDiscoveryNoToken,
            Self::TooLong(_) => Kind::BearerDiscoveryTooLong,
            Self::NotOwn { .. } => Kind::BearerDiscoveryWrongOwner,
            Self::Unreadable { .. } => Kind::BearerDiscoveryUnreadable,
        }
    }

    fn hint(&self) -> Option<String> {
        Some("give the token as an argument, from - or with --token-file, or correct this place".to_owned())
    }
}

/// Returns the searched sources in order.
#[must_use]
pub fn places(environment: &Environment, user: u32) -> Vec<BearerSource> {
    let mut places = vec![BearerSource::Variable];
    if let Some(path) = environment.non_empty("BEARER_TOKEN_FILE") {
        places.push(BearerSource::NamedFile(PathBuf::from(path)));
    }
    let name = format!("bt_u{user}");
    if let Some(directory) = environment.non_empty("XDG_RUNTIME_DIR") {
        places.push(BearerSource::RuntimeDir(Path::new(directory).join(&name)));
    }
    places.push(BearerSource::Tmp(Path::new("/tmp").join(name)));
    places
}

/// Returns the file to which a token is written for other programs: the first source that is a file, by
/// default the one in `/tmp`.
#[must_use]
pub fn place_to_write(environment: &Environment, user: u32) -> BearerSource {
    let files = places(environment, user).into_iter().find(|place| place.path().is_some());
    files.unwrap_or_else(|| BearerSource::Tmp(Path::new("/tmp").join(format!("bt_u{user}"))))
}

/// Searches for a token; `user` is the effective user ID. Returns `None` if no source has content.
///
/// # Errors
/// [`BearerDiscoveryError`] if a source has content that is not a token, or must not be read.
pub fn discover(
    environment: &Environment,
    user: u32,
) -> Result<Option<(SecretText, BearerSource)>, BearerDiscoveryError> {
    for source in places(environment, user) {
        let content = match &source {
            BearerSource::Variable => environment.get("BEARER_TOKEN").map(|text| text.as_bytes().to_vec()),
            BearerSource::NamedFile(path) | BearerSource::RuntimeDir(path) => {
                read(path, &source, false, user)?
            }
            BearerSource::Tmp(path) => read(path, &source, true, user)?,
        };
        let Some(content) = content.map(zeroize::Zeroizing::new) else { continue };
        let token = trim(&content);
        if token.is_empty() {
            continue;
        }
        if token.len() > MAX_BYTES {
            return Err(BearerDiscoveryError::TooLong(source));
        }
        return match std::str::from_utf8(token) {
            // A file may contain the response of a token endpoint, which Pelican also reads.
            Ok(text) if text.starts_with('{') && source.path().is_some() => match text::one(text) {
                Ok(found) => Ok(Some((SecretText::new(found.token.into_owned()), source))),
                Err(_) => Err(BearerDiscoveryError::NoToken(source)),
            },
            Ok(text) if is_bearer_token(text) => Ok(Some((SecretText::new(text.to_owned()), source))),
            _ => Err(BearerDiscoveryError::NoToken(source)),
        };
    }
    Ok(None)
}

/// Reads the file; returns `None` if it does not exist. In a directory that all users share, it must be
/// a regular file of the user that no other account can write.
fn read(
    path: &Path,
    source: &BearerSource,
    shared: bool,
    user: u32,
) -> Result<Option<Vec<u8>>, BearerDiscoveryError> {
    let unreadable = |error: io::Error| BearerDiscoveryError::Unreadable { source_: source.clone(), error };
    let not_own = |what| BearerDiscoveryError::NotOwn { source_: source.clone(), what };
    // NONBLOCK: another account's named pipe must not block the program.
    let follow = if shared { OFlags::NOFOLLOW } else { OFlags::empty() };
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | follow;
    let file = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(descriptor) => std::fs::File::from(descriptor),
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => return Ok(None),
        Err(rustix::io::Errno::LOOP) if shared => return Err(not_own("a symbolic link")),
        Err(error) => return Err(unreadable(error.into())),
    };
    if shared {
        let metadata = file.metadata().map_err(unreadable)?;
        if !metadata.is_file() {
            return Err(not_own("no plain file"));
        }
        if metadata.uid() != user {
            return Err(not_own("another user's"));
        }
        if metadata.mode() & 0o022 != 0 {
            return Err(not_own("writable by others"));
        }
    }
    let mut content = Vec::new();
    // White space around the token does not count toward its length.
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX).saturating_mul(2);
    file.take(limit).read_to_end(&mut content).map_err(unreadable)?;
    Ok(Some(content))
}

/// Removes the white space that the specification names at both ends.
fn trim(mut text: &[u8]) -> &[u8] {
    const fn is_space(byte: u8) -> bool {
        matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
    }
    while let [first, rest @ ..] = text
        && is_space(*first)
    {
        text = rest;
    }
    while let [rest @ .., last] = text
        && is_space(*last)
    {
        text = rest;
    }
    text
}

/// RFC 6750 2.1: `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_bearer_token(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    !body.is_empty() && body.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~+/".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// A user ID that has no file in `/tmp`.
    const OTHER_USER: u32 = 4_123_456_789;

    #[test]
    fn the_first_place_with_something_in_it_counts() {
        let directory = tempfile::tempdir().unwrap();
        let own = directory.path().join(format!("bt_u{OTHER_USER}"));
        let named = directory.path().join("named");
        fs::write(&own, " \x0b\x0cown.a.b\r\n").unwrap();
        let dir = directory.path().to_str().unwrap();
        let all = |token: &str| {
            environment(&[
                ("BEARER_TOKEN", token),
                ("BEARER_TOKEN_FILE", named.to_str().unwrap()),
                ("XDG_RUNTIME_DIR", dir),
            ])
        };
        let found = |token: &str| {
            let (token, source) = discover(&all(token), OTHER_USER).unwrap().unwrap();
            (token.expose().to_owned(), source)
        };
        assert_eq!(found(" x.y.z\n"), ("x.y.z".to_owned(), BearerSource::Variable));
        assert_eq!(found(" \n"), ("own.a.b".to_owned(), BearerSource::RuntimeDir(own)));
        fs::write(&named, "").unwrap();
        assert_eq!(found("").0, "own.a.b", "an empty file is skipped");
        fs::write(&named, "n.a.m").unwrap();
        assert_eq!(found("").0, "n.a.m");
        assert_eq!(discover(&environment(&[]), OTHER_USER).unwrap(), None);
    }

    #[test]
    fn response_of_a_token_endpoint_is_read_from_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("named");
        let variables = environment(&[("BEARER_TOKEN_FILE", named.to_str().unwrap())]);
        fs::write(&named, " {\"access_token\": \"eyJ.a.b\", \"expires_in\": 60}\n").unwrap();
        assert_eq!(discover(&variables, OTHER_USER).unwrap().unwrap().0.expose(), "eyJ.a.b");
        for content in ["{}", "{\"access_token\"", "{\"access_token\": 7}"] {
            fs::write(&named, content).unwrap();
            let rejected = discover(&variables, OTHER_USER);
            assert!(matches!(rejected, Err(BearerDiscoveryError::NoToken(_))), "{content}: {rejected:?}");
        }
        let variables = environment(&[("BEARER_TOKEN", "{\"access_token\": \"eyJ.a.b\"}")]);
        assert!(discover(&variables, OTHER_USER).is_err());
    }

    #[test]
    fn invalid_token_ends_the_search() {
        let directory = tempfile::tempdir().unwrap();
        let named = directory.path().join("named");
        let variables = environment(&[("BEARER_TOKEN_FILE", named.to_str().unwrap())]);
        for content in ["a b", "a\u{e9}", "====", "\"x\"", "a\0b", "a=b", "Bearer x.y.z", "\u{a0}x"] {
            fs::write(&named, content).unwrap();
            let refused = discover(&variables, OTHER_USER);
            assert!(matches!(refused, Err(BearerDiscoveryError::NoToken(_))), "{content:?}: {refused:?}");
        }
        fs::write(&named, "x".repeat(MAX_BYTES + 1)).unwrap();
        assert!(matches!(discover(&variables, OTHER_USER), Err(BearerDiscoveryError::TooLong(_))));
        fs::remove_file(&named).unwrap();
        fs::create_dir(&named).unwrap();
        assert!(matches!(discover(&variables, OTHER_USER), Err(BearerDiscoveryError::Unreadable { .. })));
    }

    #[test]
    fn in_a_shared_directory_only_an_own_plain_file_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("bt");
        let source = BearerSource::Tmp(path.clone());
        let user = fs::metadata(directory.path()).unwrap().uid();
        fs::write(&path, "a.b.c").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert_eq!(read(&path, &source, true, user).unwrap().unwrap(), b"a.b.c");
        assert!(matches!(read(&path, &source, true, user + 1), Err(BearerDiscoveryError::NotOwn { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o620)).unwrap();
        assert!(matches!(read(&path, &source, true, user), Err(BearerDiscoveryError::NotOwn { .. })));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&path, &link).unwrap();
        let refused = read(&link, &source, true, user);
        assert!(
            matches!(refused, Err(BearerDiscoveryError::NotOwn { what: "a symbolic link", .. })),
            "{refused:?}"
        );
    }
}
