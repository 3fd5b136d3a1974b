//! The token in a value: alone, or after the beginning of a header.

/// A value that is a token, possibly after a text such as `Authorization: Bearer `.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TokenValue<'a> {
    /// The text before the token.
    pub(super) prefix: &'a str,
    /// The token; empty if there is none yet.
    pub(super) token: &'a str,
    /// The line end after the token, which `base64` encodes with it if the text comes from `echo` or from a file.
    pub(super) line_end: &'a str,
}

impl<'a> TokenValue<'a> {
    /// The value of a member that does not have a token.
    pub(super) const MISSING: Self = Self { prefix: "", token: "", line_end: "" };

    /// Splits a value. Returns `None` if it is another text.
    pub(super) fn of(value: &'a str) -> Option<Self> {
        let (text, line_end) = value.split_at(value.trim_end_matches(['\r', '\n']).len());
        let at = text.rfind(' ').map_or(0, |at| at + 1);
        let (prefix, token) = text.split_at(at);
        let is_prefix = prefix.is_empty() || {
            let lower = prefix.to_ascii_lowercase();
            lower.ends_with("bearer ") || lower.ends_with(": ")
        };
        let has_plain_prefix = prefix.chars().all(|c| c.is_ascii_alphanumeric() || " -_:".contains(c));
        (is_prefix && has_plain_prefix && (token.is_empty() || is_token(token))).then_some(Self {
            prefix,
            token,
            line_end,
        })
    }
}

/// Whether a text has the form of a signed token (RFC 7515 7.1).
fn is_token(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let is_part =
        |part: &&str| part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
    parts.len() == 3 && text.starts_with("eyJ") && parts.iter().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn token_is_the_whole_value_or_follows_a_header() {
        let token = "eyJhbGciOiJFZERTQSJ9.eyJzdWIiOiJhIn0.c2ln";
        for prefix in ["", "Bearer ", "bearer ", "Authorization: Bearer ", "X-Auth-Token: "] {
            for line_end in ["", "\n", "\r\n"] {
                let expected = TokenValue { prefix, token, line_end };
                assert_eq!(TokenValue::of(&format!("{prefix}{token}{line_end}")), Some(expected));
                let expected = TokenValue { prefix, token: "", line_end };
                assert_eq!(TokenValue::of(&format!("{prefix}{line_end}")), Some(expected), "{prefix}");
            }
        }
        for value in [
            "http",
            "https://example.org",
            "a b.c.d",
            &format!("see {token}"),
            &format!("{token} more"),
            &format!("{token}\n{token}"),
            &format!("\n{token}"),
            &format!("Authorization: \"Bearer {token}"),
            "eyJh.b",
            "eyJh.b.c.d",
            "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY",
        ] {
            assert_eq!(TokenValue::of(value), None, "{value}");
        }
    }
}
