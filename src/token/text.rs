//! Extraction of tokens from text, the same for all commands.
//!
//! Supported formats are a bare token, an `Authorization` header, quotes, the JSON response of a token
//! endpoint, the output of `cc-jwt issue --json`, HTCondor's token file, the base64 of a Kubernetes
//! Secret, and NATS credentials.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use serde_json::Value;

use super::error::TokenError;
use super::json;
use crate::util::diagnostic::diagnostics;
use crate::util::kind::Kind;
use crate::util::quote::quote_path;

/// The members that contain a token: RFC 6749 5.1, OpenID Connect Core 3.1.3.3, `cc-jwt issue --json`,
/// Kubernetes service accounts.
const MEMBERS: [&str; 4] = ["access_token", "token", "id_token", "refresh_token"];

/// The line before the token in a NATS credentials file.
const NATS_BEGIN: &str = "-----BEGIN NATS USER JWT-----";

/// The base64 prefix of `eyJ`, with which every token begins.
const BASE64_OF_TOKEN: &str = "ZXlK";

/// Why a text does not contain a token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// The text is empty, or it has several tokens where one is expected.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The text begins like a JSON object but is not JSON.
    #[error("this is neither a token nor JSON: {0}")]
    NotJson(String),
    /// The JSON object does not contain a token.
    #[error("the JSON object has no token as access_token, token, id_token or refresh_token")]
    NoToken,
}

diagnostics! { TextError:
    Self::Token(error) => error.kind(), error.hint();
    Self::NotJson(_) => Kind::OauthResponseNotJson;
    Self::NoToken => Kind::OauthResponseWithoutToken;
}

/// Why a file does not contain a token, with the path of the file.
#[derive(Debug, thiserror::Error)]
#[error("{}: {error}", quote_path(.path))]
pub struct FileTextError {
    path: PathBuf,
    error: TextError,
}

diagnostics! { FileTextError:
    FileTextError { error, .. } => error.kind(), error.hint();
}

impl TextError {
    /// Adds the path of the file that does not contain a token.
    #[must_use]
    pub fn in_file(self, path: &Path) -> FileTextError {
        FileTextError { path: path.to_owned(), error: self }
    }
}

/// Extracts the only token from the text of a file.
///
/// # Errors
/// [`FileTextError`], also for a text without the form of a token.
pub fn one_of_file<'a>(path: &Path, text: &'a str) -> Result<TextToken<'a>, FileTextError> {
    let found = one(text).map_err(|error| error.in_file(path))?;
    match found.token.matches('.').count() {
        2 | 4 => Ok(found),
        dots => Err(TextError::from(TokenError::Parts(dots + 1)).in_file(path)),
    }
}

/// A token and its location in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextToken<'a> {
    /// The JSON member or the format; `None` for a bare token.
    pub name: Option<&'static str>,
    /// The token.
    pub token: Cow<'a, str>,
}

/// Extracts all tokens from a text, the preferred one first. If each of several lines is a token, all
/// lines are returned.
///
/// # Errors
/// [`TextError`].
pub fn all(text: &str) -> Result<Vec<TextToken<'_>>, TextError> {
    let bare = bare(text);
    if bare.is_empty() {
        return Err(TokenError::Empty.into());
    }
    if bare.starts_with('{') {
        return in_json(bare);
    }
    if let Some((_, after)) = bare.split_once(NATS_BEGIN) {
        let token = after.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
        return Ok(vec![TextToken { name: Some("NATS credentials"), token: Cow::Borrowed(token) }]);
    }
    let lines: Vec<&str> = bare.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let is_token = |line: &&str| self::bare(line).matches('.').count() >= 2;
    if lines.len() > 1 && lines.iter().all(is_token) {
        let each =
            lines.into_iter().map(|line| TextToken { name: None, token: Cow::Borrowed(self::bare(line)) });
        return Ok(each.collect());
    }
    Ok(vec![match decoded(bare) {
        Some(token) => TextToken { name: Some("base64"), token: Cow::Owned(token) },
        None => TextToken { name: None, token: Cow::Borrowed(bare) },
    }])
}

/// Returns whether a text contains a token, by its format only: three or five parts without white
/// space.
#[must_use]
pub fn has_token(text: &str) -> bool {
    let is_token =
        |token: &str| matches!(token.matches('.').count(), 2 | 4) && !token.contains(char::is_whitespace);
    all(text).is_ok_and(|tokens| tokens.iter().any(|found| is_token(&found.token)))
}

/// Extracts the only token from a text. From a JSON object, it is the first of `access_token`, `token`,
/// `id_token`, `refresh_token`.
///
/// # Errors
/// [`TextError`], with [`TokenError::Several`] for several lines.
pub fn one(text: &str) -> Result<TextToken<'_>, TextError> {
    if text.starts_with("eyJ") && !text.contains(char::is_whitespace) {
        return Ok(TextToken { name: None, token: Cow::Borrowed(text) });
    }
    let mut found = all(text)?;
    if found.len() > 1 && found.iter().all(|token| token.name.is_none()) {
        return Err(TokenError::Several(found.len()).into());
    }
    Ok(found.swap_remove(0))
}

/// Removes a byte order mark, white space, quotes and the beginning of a header line, none of which
/// belongs to the token.
///
/// ```
/// use cc_auth::token::bare;
/// assert_eq!(bare(" Bearer a.b.c\n"), "a.b.c");
/// assert_eq!(bare("\"Authorization: Bearer a.b.c\""), "a.b.c");
/// ```
#[must_use]
pub fn bare(text: &str) -> &str {
    let mut rest = text.strip_prefix('\u{feff}').unwrap_or(text).trim_ascii();
    // Quotes around a header or a header around quotes: each at most once.
    for _ in 0..2 {
        for quote in ['"', '\'', '`'] {
            let inside = rest.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            rest = inside.unwrap_or(rest).trim_ascii();
        }
        for start in ["authorization:", "x-auth-token:", "bearer "] {
            if let Some((head, after)) = rest.split_at_checked(start.len())
                && head.eq_ignore_ascii_case(start)
            {
                rest = after.trim_ascii_start();
            }
        }
    }
    rest
}

/// Extracts the tokens from a JSON object: a response, or a Kubernetes Secret with base64 in `data`.
fn in_json(text: &str) -> Result<Vec<TextToken<'_>>, TextError> {
    let (answer, _) = json::any(text).map_err(TextError::NotJson)?;
    let mut found: Vec<TextToken<'_>> = MEMBERS
        .into_iter()
        .filter_map(|name| Some((name, answer.get(name)?.as_str()?)))
        // Access and refresh tokens may be opaque, so they count only if they look like a token.
        .filter(|(name, token)| *name == "id_token" || token.contains('.'))
        .map(|(name, token)| TextToken { name: Some(name), token: Cow::Owned(bare(token).to_owned()) })
        .collect();
    for (member, is_base64) in [("data", true), ("stringData", false)] {
        let values = answer.get(member).and_then(Value::as_object).into_iter().flat_map(|data| data.values());
        for value in values.filter_map(Value::as_str) {
            let token = if is_base64 { decoded(value) } else { Some(bare(value).to_owned()) };
            let token = token.filter(|token| token.starts_with("eyJ") && token.contains('.'));
            found.extend(token.map(|token| TextToken { name: Some("Secret"), token: Cow::Owned(token) }));
        }
    }
    // A token in JSON serialization (RFC 7515 7.2) is reported as such.
    if found.is_empty() && ["signature", "signatures"].iter().any(|name| answer.get(*name).is_some()) {
        found.push(TextToken { name: None, token: Cow::Borrowed(text) });
    }
    if found.is_empty() { Err(TextError::NoToken) } else { Ok(found) }
}

/// Decodes a token from base64, as in a Kubernetes Secret.
fn decoded(text: &str) -> Option<String> {
    let text = text.trim();
    if !text.starts_with(BASE64_OF_TOKEN) || text.contains('.') {
        return None;
    }
    let joined: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    let bytes = base64::engine::general_purpose::STANDARD.decode(joined).ok()?;
    let token = String::from_utf8(bytes).ok()?;
    let token = bare(&token);
    (token.matches('.').count() >= 2).then(|| token.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKEN: &str = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2lnbmF0dXJl";

    #[test]
    fn token_is_found_in_every_form() {
        let base64 = base64::engine::general_purpose::STANDARD.encode(format!("{TOKEN}\n"));
        for (text, name) in [
            (TOKEN.to_owned(), None),
            (format!("\u{feff}{TOKEN}\r\n"), None),
            (format!("Bearer {TOKEN}"), None),
            (format!("bearer  {TOKEN}"), None),
            (format!("Authorization: Bearer {TOKEN}"), None),
            (format!("'authorization: bearer {TOKEN}'"), None),
            (format!("X-Auth-Token: {TOKEN}"), None),
            (format!("\"{TOKEN}\"\n"), None),
            (format!("{{\"access_token\": \"{TOKEN}\"}}"), Some("access_token")),
            (format!("{{\"username\":\"a\",\"token\":\"{TOKEN}\"}}"), Some("token")),
            (format!("{{\"access_token\":\"opaque\",\"id_token\":\"{TOKEN}\"}}"), Some("id_token")),
            (base64.clone(), Some("base64")),
            (format!("{}\n{}\n", &base64[..40], &base64[40..]), Some("base64")),
            (
                format!("{{\"kind\":\"Secret\",\"data\":{{\"ca.crt\":\"QQ==\",\"token\":\"{base64}\"}}}}"),
                Some("Secret"),
            ),
            (
                format!(
                    "-----BEGIN NATS USER JWT-----\n{TOKEN}\n------END NATS USER JWT------\n\n-----BEGIN USER NKEY SEED-----\nSUAC\n"
                ),
                Some("NATS credentials"),
            ),
        ] {
            let found = one(&text).unwrap();
            assert_eq!((found.name, found.token.as_ref()), (name, TOKEN), "{text}");
        }
    }

    #[test]
    fn several_lines_are_several_tokens() {
        let text = format!("{TOKEN}\n\nBearer {TOKEN}\n");
        assert_eq!(all(&text).unwrap().len(), 2);
        assert_eq!(one(&text), Err(TextError::Token(TokenError::Several(2))));
        assert_eq!(one("{}"), Err(TextError::NoToken));
        assert_eq!(one(" \n"), Err(TextError::Token(TokenError::Empty)));
        assert!(matches!(one("{\"access_token\":"), Err(TextError::NotJson(_))));
    }
}
