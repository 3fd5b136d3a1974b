//! Compares redirect URIs as the reference server does: with the URL parser of Go, and without the port for a
//! loopback host (RFC 8252 7.3).

/// The hosts with which the port does not count.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// The result of looking for a redirect URI in the list of a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RedirectMatch<'a> {
    /// The list has it.
    Found,
    /// The list does not have it.
    Missing,
    /// It is not a URI.
    Malformed,
    /// An entry of the list is not a URI: the server reads no further, and rejects.
    MalformedEntry(&'a str),
}

/// Looks for a redirect URI in a list.
pub(super) fn find<'a>(uri: &str, allowed: &'a [String]) -> RedirectMatch<'a> {
    let Some(requested) = GoUrl::parse(uri) else { return RedirectMatch::Malformed };
    if !requested.is_loopback() {
        let found = allowed.iter().any(|entry| entry == uri);
        return if found { RedirectMatch::Found } else { RedirectMatch::Missing };
    }
    for entry in allowed {
        match GoUrl::parse(entry) {
            None => return RedirectMatch::MalformedEntry(entry),
            Some(entry) if entry == requested => return RedirectMatch::Found,
            Some(_) => {}
        }
    }
    RedirectMatch::Missing
}

/// The parts of a URL that Go's `net/url` compares, without the port. The escapes of path and fragment are
/// those with which Go writes them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct GoUrl {
    scheme: String,
    /// What follows the scheme if that is not a slash.
    opaque: Option<String>,
    user: Option<(Vec<u8>, Option<Vec<u8>>)>,
    pub(super) host: String,
    pub(super) path: String,
    query: Option<String>,
    fragment: String,
}

impl GoUrl {
    /// Parses a URL; `None` where Go returns an error.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
        if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
            return None;
        }
        let fragment = canonical(fragment, |byte| b"!()*".contains(&byte))?;
        let (scheme, rest) = scheme(text)?;
        let (rest, query) = match rest.split_once('?') {
            Some((rest, query)) => (rest, Some(query.to_owned())),
            None => (rest, None),
        };
        let mut url = Self {
            scheme,
            opaque: None,
            user: None,
            host: String::new(),
            path: String::new(),
            query,
            fragment,
        };
        if !rest.starts_with('/') && !url.scheme.is_empty() {
            url.opaque = Some(rest.to_owned());
            return Some(url);
        }
        // A colon in the first segment looks like a scheme.
        if !rest.starts_with('/') && rest.split('/').next().is_some_and(|segment| segment.contains(':')) {
            return None;
        }
        let has_authority = rest.starts_with("//") && (!url.scheme.is_empty() || !rest.starts_with("///"));
        let path = if has_authority {
            let rest = &rest[2..];
            let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
            let host = match authority.rsplit_once('@') {
                Some((user, host)) => {
                    url.user = Some(user_info(user)?);
                    host
                }
                None => authority,
            };
            url.host = host_name(host)?;
            path
        } else {
            rest
        };
        url.path = canonical(path, |_| false)?;
        Some(url)
    }

    /// Returns whether the port does not count.
    pub(super) fn is_loopback(&self) -> bool {
        LOOPBACK.contains(&self.host.as_str())
    }
}

/// Splits the scheme off, in lower case; it is empty if there is none.
fn scheme(text: &str) -> Option<(String, &str)> {
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if at > 0 => {}
            b':' if at == 0 => return None,
            b':' => return Some((text[..at].to_ascii_lowercase(), &text[at + 1..])),
            _ => break,
        }
    }
    Some((String::new(), text))
}

fn user_info(text: &str) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let is_valid = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !text.bytes().all(is_valid) {
        return None;
    }
    match text.split_once(':') {
        None => Some((unescape(text)?, None)),
        Some((name, password)) => Some((unescape(name)?, Some(unescape(password)?))),
    }
}

/// Returns the host without port and brackets.
fn host_name(text: &str) -> Option<String> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => rest.rsplit_once(']')?,
        None => text.split_at(text.rfind(':').unwrap_or(text.len())),
    };
    let is_port = port.is_empty()
        || port.strip_prefix(':').is_some_and(|port| port.bytes().all(|b| b.is_ascii_digit()));
    let is_plain = |byte: u8| {
        !byte.is_ascii() || byte.is_ascii_alphanumeric() || b"-_.~!$&'()*+,;=:[]<>\"%".contains(&byte)
    };
    if !is_port || !name.bytes().all(is_plain) {
        return None;
    }
    String::from_utf8(unescape(name)?).ok()
}

/// Returns the bytes without percent escapes; `None` if an escape is malformed.
fn unescape(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte == b'%' {
            let digits = rest.get(..2)?;
            let value = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok();
            bytes.push(value.filter(|_| digits.iter().all(u8::is_ascii_hexdigit))?);
            rest = &rest[2..];
        } else {
            bytes.push(byte);
        }
    }
    Some(bytes)
}

/// Returns a path or fragment with the escapes of Go: unchanged if each character may be there, otherwise
/// escaped anew. `extra` are characters that Go writes without an escape.
fn canonical(text: &str, extra: impl Fn(u8) -> bool) -> Option<String> {
    let bytes = unescape(text)?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@".contains(&byte);
    if text.bytes().all(|byte| is_plain(byte) || b"!'()*[]%".contains(&byte)) {
        return Some(text.to_owned());
    }
    let mut out = String::with_capacity(text.len());
    for byte in bytes {
        if is_plain(byte) || extra(byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirect_uri_on_loopback_matches_with_any_port_and_others_exactly() {
        let allowed = |entries: &[&str]| entries.iter().map(|entry| (*entry).to_owned()).collect::<Vec<_>>();
        for (uri, entries, expected) in [
            ("http://localhost:1/cb", &["http://localhost:8250/cb"][..], RedirectMatch::Found),
            ("http://localhost/cb", &["HTTP://localhost:8250/cb"], RedirectMatch::Found),
            ("http://[::1]:7/cb", &["http://[::1]:1/cb"], RedirectMatch::Found),
            ("http://127.0.0.1:1/cb", &["http://localhost:1/cb"], RedirectMatch::Missing),
            ("http://LOCALHOST:3/cb", &["http://LOCALHOST/cb"], RedirectMatch::Missing),
            ("http://localhost", &["http://localhost/"], RedirectMatch::Missing),
            ("http://localhost/ä", &["http://localhost/%C3%A4"], RedirectMatch::Found),
            ("http://localhost/%2f", &["http://localhost/%2F"], RedirectMatch::Missing),
            ("https://x.example/cb", &["https://x.example/cb"], RedirectMatch::Found),
            ("https://x.example:444/cb", &["https://x.example/cb"], RedirectMatch::Missing),
            ("http://localhost/", &["%zz", "http://localhost/"], RedirectMatch::MalformedEntry("%zz")),
            ("http://localhost:x/", &["http://localhost/"], RedirectMatch::Malformed),
        ] {
            let allowed = allowed(entries);
            let found = find(uri, &allowed);
            assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{uri} {entries:?}");
        }
    }
}
