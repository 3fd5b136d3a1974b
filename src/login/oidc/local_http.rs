//! The subset of HTTP/1.1 that a login needs. Pure functions.

use super::page::{BrowserPage, content_security_policy};
use super::redirect::CALLBACK_PATH;

/// The path of the last page, which contains no data of the login.
pub(super) const DONE_PATH: &str = "/oidc/done";

/// The prefix of the start URL's path; a secret follows.
pub(super) const START_PATH: &str = "/oidc/start/";

/// The parts of a request head that are used.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Head<'a> {
    /// The request line.
    pub(super) request: CallbackRequest<'a>,
    /// The `Host` header; `None` if it is missing or duplicate (RFC 9112 3.2).
    pub(super) host: Option<&'a str>,
    /// The values of the `Cookie` headers.
    pub(super) cookies: Vec<&'a str>,
}

/// The request line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum CallbackRequest<'a> {
    /// The start URL, with its secret.
    Start(&'a str),
    /// The redirect URI, with its query.
    Callback(&'a str),
    /// The last page.
    Done,
    /// One of these paths with another method than GET.
    WrongMethod,
    /// Any other path.
    OtherPath,
    /// Not HTTP.
    Malformed,
}

/// Whether the input contains a complete head.
pub(super) fn find_head_end(input: &[u8]) -> bool {
    input.windows(4).any(|four| four == b"\r\n\r\n") || input.windows(2).any(|two| two == b"\n\n")
}

/// Parses a head.
pub(super) fn parse(input: &[u8]) -> Head<'_> {
    let malformed = Head { request: CallbackRequest::Malformed, host: None, cookies: Vec::new() };
    let mut lines = input.split(|byte| *byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    let Some(Ok(line)) = lines.next().map(std::str::from_utf8) else { return malformed };
    let mut words = line.split(' ');
    let (Some(method), Some(target), Some(version), None) =
        (words.next(), words.next(), words.next(), words.next())
    else {
        return malformed;
    };
    // RFC 9112 3.2: a target has no control characters.
    let printable = target.bytes().all(|byte| byte.is_ascii_graphic());
    if !version.starts_with("HTTP/1.") || !target.starts_with('/') || !printable {
        return malformed;
    }
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let request = match (path, method) {
        (CALLBACK_PATH, "GET") => CallbackRequest::Callback(query),
        (DONE_PATH, "GET") => CallbackRequest::Done,
        (CALLBACK_PATH | DONE_PATH, _) => CallbackRequest::WrongMethod,
        _ => match (path.strip_prefix(START_PATH), method) {
            (Some(secret), "GET") => CallbackRequest::Start(secret),
            (Some(_), _) => CallbackRequest::WrongMethod,
            (None, _) => CallbackRequest::OtherPath,
        },
    };
    let (mut hosts, mut cookies) = (Vec::new(), Vec::new());
    for line in lines.take_while(|line| !line.is_empty()) {
        let Ok(line) = std::str::from_utf8(line) else { continue };
        let Some((name, value)) = line.split_once(':') else { continue };
        if name.eq_ignore_ascii_case("host") {
            hosts.push(value.trim());
        } else if name.eq_ignore_ascii_case("cookie") {
            cookies.push(value.trim());
        }
    }
    let host = if hosts.len() == 1 { hosts.pop() } else { None };
    Head { request, host, cookies }
}

/// Returns the response to a request that is not part of the login.
pub(super) fn rejection(request: &CallbackRequest<'_>) -> Vec<u8> {
    let page = BrowserPage::not_found();
    match request {
        CallbackRequest::WrongMethod => answer(405, "Method Not Allowed", &page),
        CallbackRequest::Malformed => answer(400, "Bad Request", &page),
        _ => answer(404, "Not Found", &page),
    }
}

pub(super) fn too_large() -> Vec<u8> {
    answer(431, "Request Header Fields Too Large", &BrowserPage::not_found())
}

/// Returns a redirect: to the provider with a cookie, or to the last page.
pub(super) fn redirect(to: Option<(&str, &str)>) -> Vec<u8> {
    let more = match to {
        Some((url, cookie)) => format!("Location: {url}\r\nSet-Cookie: {cookie}\r\n"),
        None => format!("Location: {DONE_PATH}\r\n"),
    };
    head(303, "See Other", &format!("{more}Content-Length: 0\r\n")).into_bytes()
}

pub(super) fn answer(status: u16, reason: &str, page: &BrowserPage) -> Vec<u8> {
    let html = page.html();
    let mut more = format!("Content-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n", html.len());
    if status == 405 {
        more.push_str("Allow: GET\r\n");
    }
    let mut out = head(status, reason, &more);
    out.push_str(&html);
    out.into_bytes()
}

fn head(status: u16, reason: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 {status} {reason}\r\n{more}Connection: close\r\nCache-Control: no-store\r\n\
         Referrer-Policy: no-referrer\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n\
         Content-Security-Policy: {}\r\n\r\n",
        content_security_policy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_callback_requires_its_path_and_get() {
        let table: [(&str, CallbackRequest<'_>); 17] = [
            ("GET /oidc/callback?a=b HTTP/1.1\r\n\r\n", CallbackRequest::Callback("a=b")),
            ("GET /oidc/callback HTTP/1.0\n\n", CallbackRequest::Callback("")),
            ("GET /oidc/done HTTP/1.1\r\n\r\n", CallbackRequest::Done),
            ("GET /oidc/start/abc HTTP/1.1\r\n\r\n", CallbackRequest::Start("abc")),
            ("GET /oidc/start HTTP/1.1\r\n\r\n", CallbackRequest::OtherPath),
            ("HEAD /oidc/start/abc HTTP/1.1\r\n\r\n", CallbackRequest::WrongMethod),
            ("POST /oidc/callback?a=b HTTP/1.1\r\n\r\n", CallbackRequest::WrongMethod),
            ("HEAD /oidc/callback?a=b HTTP/1.1\r\n\r\n", CallbackRequest::WrongMethod),
            ("GET /oidc/callback/ HTTP/1.1\r\n\r\n", CallbackRequest::OtherPath),
            ("GET /OIDC/callback HTTP/1.1\r\n\r\n", CallbackRequest::OtherPath),
            ("GET //oidc/callback HTTP/1.1\r\n\r\n", CallbackRequest::OtherPath),
            ("GET http://x/oidc/callback HTTP/1.1\r\n\r\n", CallbackRequest::Malformed),
            ("GET /oidc/callback\r\n\r\n", CallbackRequest::Malformed),
            ("GET /oidc/callback?a\x01b HTTP/1.1\r\n\r\n", CallbackRequest::Malformed),
            ("GET /oidc/callback?a=\u{e9} HTTP/1.1\r\n\r\n", CallbackRequest::Malformed),
            ("\x16\x03\x01 \r\n\r\n", CallbackRequest::Malformed),
            ("", CallbackRequest::Malformed),
        ];
        for (text, expected) in table {
            assert_eq!(parse(text.as_bytes()).request, expected, "{text:?}");
        }
        assert_eq!(parse(b"GET /\xff HTTP/1.1\r\n\r\n").request, CallbackRequest::Malformed);
    }

    #[test]
    fn parse_duplicate_host_counts_as_missing_and_cookies_are_collected() {
        let head = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}\r\n\r\nHost: body");
        let text = head("host:  localhost:1 \r\nCookie: a=1; b=2\r\nX: y\r\ncookie: c=3");
        let found = parse(text.as_bytes());
        assert_eq!((found.host, found.cookies), (Some("localhost:1"), vec!["a=1; b=2", "c=3"]));
        for lines in ["X: y", "Host: a\r\nHost: a", "Host: a\r\nhOST: evil"] {
            assert_eq!(parse(head(lines).as_bytes()).host, None, "{lines:?}");
        }
    }
}
