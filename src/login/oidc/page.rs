//! The pages for the browser: small, without scripts and external resources, with light and dark
//! styles, readable on a phone.

use std::fmt::Write as _;
use std::sync::OnceLock;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::util::quote::escape;

/// The style of every page; its hash is in the content security policy.
const STYLE: &str = "\
:root{color-scheme:light dark;--back:#f4f5f7;--card:#fff;--text:#1c2026;--quiet:#545d69;--line:#d9dde3;--success:#176639;--failure:#a3211b}
@media(prefers-color-scheme:dark){:root{--back:#14171b;--card:#1e2228;--text:#e8eaee;--quiet:#a7b0bc;--line:#353b44;--success:#6fd39a;--failure:#ff9d94}}
*{box-sizing:border-box}
body{margin:0;min-height:100vh;display:flex;align-items:center;justify-content:center;padding:1rem;background:var(--back);color:var(--text);font:1rem/1.55 system-ui,sans-serif}
main{width:100%;max-width:34rem;padding:1.75rem;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--mark);border-radius:.5rem;overflow-wrap:anywhere}
.success{--mark:var(--success)}.failure{--mark:var(--failure)}
h1{margin:0 0 .75rem;font-size:1.35rem;line-height:1.3;color:var(--mark)}
p{margin:.5rem 0 0}
.quiet{color:var(--quiet)}
footer{margin-top:1.5rem;padding-top:.75rem;border-top:1px solid var(--line);font-size:.875rem;color:var(--quiet)}";

/// The content of a page. All texts are escaped in the HTML.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrowserPage {
    /// Whether the page reports success.
    pub is_success: bool,
    /// The heading.
    pub heading: String,
    /// What happened.
    pub text: String,
    /// The next step.
    pub next: String,
}

impl BrowserPage {
    /// Returns the page after a successful login.
    #[must_use]
    pub fn logged_in(name: &str) -> Self {
        Self {
            is_success: true,
            heading: "You are logged in".to_owned(),
            text: format!("Logged in as {}.", escape(name)),
            next: "You can close this tab and return to the terminal.".to_owned(),
        }
    }

    /// Returns the page after a failed login, with the reason and the hint.
    #[must_use]
    pub fn failed(reason: &str, hint: Option<&str>) -> Self {
        Self {
            is_success: false,
            heading: "Login failed".to_owned(),
            text: sentence(reason),
            next: hint.map_or_else(
                || "You can close this tab and return to the terminal.".to_owned(),
                |hint| format!("What to do: {}", sentence(hint)),
            ),
        }
    }

    /// Returns the page for a request that is not part of this login.
    #[must_use]
    pub fn rejected(reason: &str) -> Self {
        Self {
            is_success: false,
            heading: "Not part of this login".to_owned(),
            text: sentence(reason),
            next: "cc-login is still waiting. Use the URL that it printed last.".to_owned(),
        }
    }

    /// Returns the page for another path or method.
    #[must_use]
    pub fn not_found() -> Self {
        Self {
            is_success: false,
            heading: "Not found".to_owned(),
            text: "This port is only for the login that is in progress.".to_owned(),
            next: "You can close this tab.".to_owned(),
        }
    }

    /// Renders the page as HTML.
    #[must_use]
    pub fn html(&self) -> String {
        let class = if self.is_success { "success" } else { "failure" };
        let heading = html_escape(&self.heading);
        let mut out = String::with_capacity(STYLE.len() + 1024);
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
             <meta name=\"robots\" content=\"noindex\">\n<link rel=\"icon\" href=\"data:,\">\n\
             <title>{heading} - cc-login</title>\n<style>{STYLE}</style>\n</head>\n<body>\n\
             <main class=\"{class}\">\n<h1>{heading}</h1>\n<p>{}</p>\n<p class=\"quiet\">{}</p>\n\
             <footer>This page is from cc-login on this computer, not from a website.</footer>\n</main>\n\
             </body>\n</html>\n",
            html_escape(&self.text),
            html_escape(&self.next),
        );
        out
    }
}

/// The content security policy of every page: only its own style, no frames.
#[must_use]
pub fn content_security_policy() -> &'static str {
    static POLICY: OnceLock<String> = OnceLock::new();
    POLICY.get_or_init(|| {
        let hash = STANDARD.encode(digest(&SHA256, STYLE.as_bytes()));
        format!(
            "default-src 'none'; style-src 'sha256-{hash}'; img-src data:; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'none'"
        )
    })
}

/// Formats a message as a sentence with a capital letter and a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{first}{}{end}", letters.as_str())
}

fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_escapes_untrusted_text() {
        let page = BrowserPage::failed("the provider sent '<script>alert(1)</script>&\"'", Some("<b>"));
        let html = page.html();
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;&amp;&quot;&#39;."), "{html}");
        let html = BrowserPage::logged_in("\u{202e}<i>x").html();
        assert!(!html.contains('\u{202e}') && !html.contains("<i>"), "{html}");
    }

    #[test]
    fn page_has_no_scripts_or_external_resources() {
        for page in
            [BrowserPage::logged_in("clara"), BrowserPage::failed("no", None), BrowserPage::not_found()]
        {
            let html = page.html();
            for word in ["http://", "https://", "<script", "url(", "@import", "src=", "onload"] {
                assert!(!html.contains(word), "{word} in {html}");
            }
            assert!(html.len() < 4096, "{} bytes", html.len());
        }
        let policy = content_security_policy();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"), "{policy}");
    }
}
