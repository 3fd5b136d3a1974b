//! What the name of a member says about its value: keys that no form distinguishes from other bytes,
//! references to files, the use of a token, and variables that override the member.

use std::sync::LazyLock;

use memchr::memmem::Finder;

/// Parts of the names that this module knows. A text with none of them has no such member.
const PARTS: [&str; 16] = [
    "PUBLIC_KEY",
    "public-key",
    "public_key",
    "HS512",
    "hs512",
    "SESSION_KEY",
    "session-key",
    "kty",
    "Secret",
    "ConfigMap",
    "METRICSTORE_TOKEN",
    "CC_FLEET_TOKEN",
    "-file",
    "_file",
    "File",
    "_FILE",
];

static FINDERS: LazyLock<[Finder<'static>; 16]> = LazyLock::new(|| PARTS.map(Finder::new));

/// Returns whether a text may have a member that this module knows, or is a manifest of Kubernetes.
pub(super) fn may_have_names(bytes: &[u8]) -> bool {
    FINDERS.iter().any(|finder| finder.find(bytes).is_some())
}

/// The kind of key that the name of a member announces.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NamedKey {
    /// A public key of 32 bytes in base64.
    PublicKey,
    /// An HMAC secret in base64.
    HmacSecret,
    /// The key of the server's session cookies in base64.
    SessionKey,
}

/// The use of a token, as far as its member shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TokenUse {
    /// cc-backend presents it to cc-metric-store, which ignores its roles.
    MetricStore,
    /// A program presents it to the REST API, which requires the role api.
    Api,
    /// Not known.
    Unknown,
}

/// Lower case, with `-` for `_`.
fn normalized(name: &str) -> String {
    name.to_ascii_lowercase().replace('_', "-")
}

fn last(path: &[String]) -> String {
    normalized(path.last().map_or("", String::as_str))
}

fn has(path: &[String], name: &str) -> bool {
    path.iter().any(|part| normalized(part) == name)
}

/// Returns the kind of key in a member.
pub(super) fn named_key(path: &[String]) -> Option<NamedKey> {
    let name = last(path);
    let is_in_jwts = has(path, "jwts");
    if name.ends_with("jwt-public-key") || name == "cross-login-public-key" {
        return Some(NamedKey::PublicKey);
    }
    match name.as_str() {
        "public-key" if is_in_jwts => Some(NamedKey::PublicKey),
        "session-key" => Some(NamedKey::SessionKey),
        _ if name.ends_with("hs512-key") => Some(NamedKey::HmacSecret),
        _ => None,
    }
}

/// Returns the use of a token in a member.
pub(crate) fn token_use(path: &[String]) -> TokenUse {
    let name = last(path);
    if name.starts_with("metricstore-token")
        || has(path, "metric-store-external")
        || has(path, "metricdatarepository")
    {
        return TokenUse::MetricStore;
    }
    match name.as_str() {
        "jwt" | "ccrestjwt" | "apikey" | "ccsync-apikey" | "bearer-token" | "auth-token"
        | "cc-fleet-token" => TokenUse::Api,
        "token" if has(path, "fleet") => TokenUse::Api,
        _ => TokenUse::Unknown,
    }
}

/// Returns whether the value of a member is a whole header, which begins with `Bearer `.
pub(crate) fn is_header(path: &[String]) -> bool {
    let name = last(path);
    name.contains("header") || name.contains("authorization") || name == "auth"
}

/// Returns whether the value of a member names a file that may contain tokens or keys: a section in a
/// file of its own, a secret, a configuration or an environment file.
pub(super) fn is_reference(path: &[String]) -> bool {
    const SECRETS: [&str; 9] = [
        "creds-file-path",
        "natscredsfile",
        "natsnkeyseedfile",
        "nkey-file",
        "nkeyseedfile",
        "credsfile",
        "jwt-file",
        "conf-file",
        "environmentfile",
    ];
    let name = last(path);
    // The programs read a section from a file if its name has no other hyphen.
    let is_section = |name: &str| {
        let section = path.last().and_then(|name| name.strip_suffix("-file"));
        section.is_some_and(|section| !section.contains(['-', '_'])) && !name.starts_with("pid")
    };
    SECRETS.contains(&name.as_str())
        || name.ends_with("token-file")
        || name.ends_with("jwt-file")
        || name.ends_with("-key-file") && name.contains("jwt")
        || is_section(&name)
}

/// Returns the variables that override a member of a configuration if they are not empty, the strongest
/// first. `scope` returns the scope of an entry of `metric-store-external`.
pub(crate) fn overriding_variables<'a>(
    path: &[String],
    scope: impl FnOnce() -> Option<&'a str>,
) -> Vec<String> {
    let name = last(path);
    let variables = match name.as_str() {
        "token" if has(path, "metric-store-external") => {
            let scoped = scope().map(|scope| {
                let upper: String = scope
                    .chars()
                    .map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' })
                    .collect();
                format!("METRICSTORE_TOKEN_{upper}")
            });
            scoped.into_iter().chain(["METRICSTORE_TOKEN".to_owned()]).collect()
        }
        "token" if has(path, "fleet") => vec!["CC_FLEET_TOKEN".to_owned()],
        "public-key" if has(path, "jwts") => vec!["JWT_PUBLIC_KEY".to_owned()],
        "private-key" if has(path, "jwts") => vec!["JWT_PRIVATE_KEY".to_owned()],
        "cross-login-public-key" => vec!["CROSS_LOGIN_JWT_PUBLIC_KEY".to_owned()],
        "cross-login-hs512-key" => vec!["CROSS_LOGIN_JWT_HS512_KEY".to_owned()],
        _ => Vec::new(),
    };
    let each = |variable: String| [format!("{variable}_FILE"), variable];
    variables.into_iter().flat_map(|variable: String| each(variable).into_iter().rev()).collect()
}

/// Returns whether a variable overrides a member of a configuration.
pub(crate) fn is_overriding(name: &str) -> bool {
    let name = name.strip_suffix("_FILE").unwrap_or(name);
    name == "METRICSTORE_TOKEN"
        || name.starts_with("METRICSTORE_TOKEN_")
        || matches!(
            name,
            "CC_FLEET_TOKEN"
                | "JWT_PUBLIC_KEY"
                | "JWT_PRIVATE_KEY"
                | "CROSS_LOGIN_JWT_PUBLIC_KEY"
                | "CROSS_LOGIN_JWT_HS512_KEY"
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> Vec<String> {
        text.split('/').map(str::to_owned).collect()
    }

    #[test]
    fn key_is_announced_by_exact_names_only() {
        for (name, expected) in [
            ("JWT_PUBLIC_KEY", Some(NamedKey::PublicKey)),
            ("main/jwt-public-key", Some(NamedKey::PublicKey)),
            ("jwt_public_key", Some(NamedKey::PublicKey)),
            ("auth/jwts/public-key", Some(NamedKey::PublicKey)),
            ("auth/jwts/cross-login-public-key", Some(NamedKey::PublicKey)),
            ("CROSS_LOGIN_JWT_HS512_KEY", Some(NamedKey::HmacSecret)),
            ("SESSION_KEY", Some(NamedKey::SessionKey)),
            ("Interface/PublicKey", None),
            ("ssh/public-key", None),
            ("key", None),
        ] {
            assert_eq!(named_key(&path(name)), expected, "{name}");
        }
    }

    #[test]
    fn use_of_a_token_is_that_of_its_member() {
        for (name, expected) in [
            ("metric-store-external/0/token", TokenUse::MetricStore),
            ("METRICSTORE_TOKEN_FRITZ", TokenUse::MetricStore),
            ("metricDataRepository/token", TokenUse::MetricStore),
            ("sinks/http/jwt", TokenUse::Api),
            ("ccRestJwt", TokenUse::Api),
            ("cc-backend/apikey", TokenUse::Api),
            ("fleet/token", TokenUse::Api),
            ("TOKEN", TokenUse::Unknown),
        ] {
            assert_eq!(token_use(&path(name)), expected, "{name}");
        }
    }

    #[test]
    fn reference_is_a_section_or_a_secret_in_a_file() {
        for name in
            ["sinks-file", "nats/creds-file-path", "natsCredsFile", "METRICSTORE_TOKEN_FILE", "CONF_FILE"]
        {
            assert!(is_reference(&path(name)) && may_have_names(name.as_bytes()), "{name}");
        }
        for name in ["metric-store-external-file", "log_file", "pid-file", "ca-cert-file"] {
            assert!(!is_reference(&path(name)), "{name}");
        }
    }

    #[test]
    fn variable_overrides_the_entry_of_its_scope() {
        let found = overriding_variables(&path("metric-store-external/0/token"), || Some("a-b"));
        assert_eq!(found[..2], ["METRICSTORE_TOKEN_A_B", "METRICSTORE_TOKEN_A_B_FILE"]);
        assert_eq!(found[2..], ["METRICSTORE_TOKEN", "METRICSTORE_TOKEN_FILE"]);
        assert!(found.iter().all(|name| is_overriding(name)));
        assert!(overriding_variables(&path("sinks/token"), || None).is_empty() && !is_overriding("TOKEN"));
    }
}
