//! The members of the programs' configurations that should have a token but have something else.

use std::collections::HashMap;

use super::document::MAX_DOCUMENT;
use super::field::{Field, PathStyle};
use super::item::OccurrenceKind;
use super::known_keys::KnownKeys;
use super::recognize::{find, public_key};
use super::{format, manifest};

/// The maximum number of nested documents, such as a file in a manifest.
const MAX_NESTED: usize = 4;

/// What a member has instead of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum OtherContent {
    Empty,
    /// Text in angle brackets or similar, which an administrator should replace.
    Placeholder,
    /// A key, or a token of NATS.
    Item(OccurrenceKind),
    Text,
}

/// A member that should have a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberWithoutToken {
    /// The member, as a scan prints it.
    pub(crate) member: String,
    pub(crate) content: OtherContent,
    /// A program can have the token in a variable instead.
    pub(crate) is_optional: bool,
}

/// Finds the members of programs that should have a token and do not have one. `name` is the name of the file.
/// Shell scripts are not read: their values are computed.
pub(crate) fn members_without_token(bytes: &[u8], name: &str) -> Vec<MemberWithoutToken> {
    let is_script = bytes.starts_with(b"#!") || name.ends_with(".sh") || name.ends_with(".bash");
    let mut found = Vec::new();
    if !is_script && bytes.len() <= MAX_DOCUMENT && !bytes.contains(&0) {
        add(bytes, name, "", 0, &mut found);
    }
    found
}

fn add(bytes: &[u8], name: &str, outer: &str, depth: usize, found: &mut Vec<MemberWithoutToken>) {
    let text = String::from_utf8_lossy(bytes);
    let mut fields = format::fields(bytes, &text, name);
    manifest::decode_secrets(&mut fields.list);
    let siblings = Siblings::of(&fields.list);
    for field in &fields.list {
        let member = || format!("{outer}{}", fields.style.write(&field.path));
        let value = field.value.trim();
        if value.starts_with(['{', '[']) || (value.contains('\n') && !value.starts_with("-----BEGIN")) {
            if depth < MAX_NESTED {
                add(field.value.as_bytes(), field.name(), &format!("{}#", member()), depth + 1, found);
            }
            continue;
        }
        let Some(expected) = expected(&field.path, siblings.get(&field.path, "type")) else { continue };
        // A template or a variable is replaced before the program reads it.
        let is_template = fields.style == PathStyle::Dotted && value.contains('$') || value.contains("{{");
        if is_template || siblings.has_other_source(&field.path) {
            continue;
        }
        if let Some(content) = other_content(value) {
            found.push(MemberWithoutToken {
                member: member(),
                content,
                is_optional: expected == Expected::Optional,
            });
        }
    }
}

/// Whether a program needs the token in a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    Required,
    /// The token may be elsewhere.
    Optional,
}

/// Returns whether a program expects a token in a member. `kind` is the member `type` beside it. Names that
/// other software has too count only in the sections of these programs.
fn expected(path: &[String], kind: Option<&str>) -> Option<Expected> {
    let parts: Vec<String> = path
        .iter()
        .flat_map(|name| name.split('.'))
        .map(|name| name.to_ascii_lowercase().replace('_', "-"))
        .collect();
    let above = |name: &str| parts.iter().rev().skip(1).any(|part| part == name);
    let name = parts.last()?.as_str();
    match name {
        "ccrestjwt" | "ccsync-apikey" => Some(Expected::Required),
        "jwt" if kind == Some("http") || above("sinks") => Some(Expected::Required),
        "apikey" if above("cc-backend") => Some(Expected::Required),
        "token" if above("metricdatarepository") => Some(Expected::Required),
        "token" if above("metric-store-external") || above("fleet") => Some(Expected::Optional),
        "cc-fleet-token" | "metricstore-token" => Some(Expected::Optional),
        _ if name.starts_with("metricstore-token-") && !name.ends_with("-file") => Some(Expected::Optional),
        _ => None,
    }
}

/// Returns what a value has instead of a token; `None` if it has one.
fn other_content(value: &str) -> Option<OtherContent> {
    if value.is_empty() {
        return Some(OtherContent::Empty);
    }
    let kinds: Vec<OccurrenceKind> =
        find(value.as_bytes(), &KnownKeys::default()).iter().map(|found| found.item.kind()).collect();
    if kinds.iter().any(|kind| matches!(kind, OccurrenceKind::Token | OccurrenceKind::EncryptedToken)) {
        return None;
    }
    let is_marked = value.starts_with('<') && value.ends_with('>');
    let upper = value.to_ascii_uppercase();
    let is_word = ["CHANGEME", "CHANGE-ME", "CHANGE_ME", "TODO", "TOKEN", "JWT", "XXX"].contains(&&*upper);
    Some(match kinds.first() {
        Some(kind) => OtherContent::Item(*kind),
        None if public_key(value).is_some() => OtherContent::Item(OccurrenceKind::PublicKey),
        None if is_marked || is_word => OtherContent::Placeholder,
        None => OtherContent::Text,
    })
}

/// The members of each object.
struct Siblings<'a>(HashMap<&'a [String], Vec<&'a Field>>);

impl<'a> Siblings<'a> {
    fn of(fields: &'a [Field]) -> Self {
        let mut objects: HashMap<&[String], Vec<&Field>> = HashMap::new();
        for field in fields {
            if let Some((_, above)) = field.path.split_last() {
                objects.entry(above).or_default().push(field);
            }
        }
        Self(objects)
    }

    fn beside(&self, path: &[String]) -> impl Iterator<Item = &&'a Field> {
        path.split_last().and_then(|(_, above)| self.0.get(above)).into_iter().flatten()
    }

    fn get(&self, path: &[String], name: &str) -> Option<&'a str> {
        self.beside(path).find(|field| field.name() == name).map(|field| field.value.as_str())
    }

    /// Whether a member beside it names the file or the variable with the token, such as `jwt_file`.
    fn has_other_source(&self, path: &[String]) -> bool {
        let Some(name) = path.last() else { return false };
        self.beside(path).filter(|field| !field.value.is_empty()).any(|field| {
            let rest =
                field.name().strip_prefix(name.as_str()).and_then(|rest| rest.strip_prefix(['_', '-']));
            rest.is_some_and(|rest| ["file", "env"].iter().any(|one| rest.eq_ignore_ascii_case(one)))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{pair_base64, token};
    use super::*;
    use crate::key::PrivateKey;

    fn members(name: &str, text: &str) -> Vec<(String, OtherContent)> {
        let found = members_without_token(text.as_bytes(), name);
        found.into_iter().map(|one| (one.member, one.content)).collect()
    }

    #[test]
    fn member_of_each_program_with_other_text_is_found_in_each_format() {
        for (name, text, member) in [
            ("c.json", "{\"ccRestJwt\": \"x\"}", "/ccRestJwt"),
            ("sinks.json", "{\"s\": {\"type\": \"http\", \"jwt\": \"x\"}}", "/s/jwt"),
            ("c.json", "{\"sinks\": {\"s\": {\"jwt\": \"x\"}}}", "/sinks/s/jwt"),
            ("c.json", "{\"cc-backend\": {\"apikey\": \"x\"}}", "/cc-backend/apikey"),
            ("c.json", "{\"metric-store-external\": [{\"token\": \"x\"}]}", "/metric-store-external/0/token"),
            ("c.json", "{\"metricDataRepository\": {\"token\": \"x\"}}", "/metricDataRepository/token"),
            ("c.json", "{\"fleet\": {\"token\": \"x\"}}", "/fleet/token"),
            ("c.yaml", "sinks:\n  s: {jwt: x}\n", "/sinks/s/jwt"),
            (
                "m.yaml",
                "data:\n  sinks.json: |\n    {\"s\": {\"type\": \"http\", \"jwt\": \"x\"}}\n",
                "/data/sinks.json#/s/jwt",
            ),
            ("c.toml", "[sinks.http]\njwt = \"x\"\n", "sinks.http.jwt"),
            ("c.ini", "[cc-backend]\napikey = x\n", "cc-backend.apikey"),
            (".env", "METRICSTORE_TOKEN_FRITZ=x\n", "METRICSTORE_TOKEN_FRITZ"),
            ("99-cc.conf", "CCSYNC_APIKEY = x\n", "CCSYNC_APIKEY"),
        ] {
            assert_eq!(members(name, text), [(member.to_owned(), OtherContent::Text)], "{name} {text}");
        }
    }

    #[test]
    fn member_with_a_token_or_of_another_program_is_not_found() {
        for (name, text) in [
            ("c.json", format!("{{\"ccRestJwt\": \"{}\"}}", token("a"))),
            ("c.json", format!("{{\"ccRestJwt\": \"Bearer {}\"}}", token("a"))),
            ("c.json", "{\"jwt\": \"x\", \"apikey\": \"x\", \"token\": \"x\"}".to_owned()),
            ("c.json", "{\"sinks\": {\"s\": {\"jwt\": \"\", \"jwt_file\": \"/run/t\"}}}".to_owned()),
            ("c.json", "{\"metric-store-external\": [{\"scope\": \"x\", \"url\": \"x\"}]}".to_owned()),
            (".env", "METRICSTORE_TOKEN_FILE=/run/t\nTOKEN=x\n".to_owned()),
            ("c.conf", "CCSYNC_APIKEY = $(TOKEN)\n".to_owned()),
            ("c.yaml", "sinks:\n  s: {jwt: \"{{ token }}\"}\n".to_owned()),
            ("run", "#!/bin/sh\nCCSYNC_APIKEY=x\n".to_owned()),
        ] {
            assert_eq!(members(name, &text), [], "{name} {text}");
        }
    }

    #[test]
    fn placeholder_word_hides_no_token() {
        for word in ["changeme", "TODO", "token", "<jwt>", "xxx"] {
            let found = |value: &str| members("c.json", &format!("{{\"ccRestJwt\": \"{value}\"}}"));
            assert_eq!(found(word), [("/ccRestJwt".to_owned(), OtherContent::Placeholder)], "{word}");
            // A word beside a token or a key is not a placeholder.
            let token = token(word);
            for value in [token.clone(), format!("Bearer {token}"), format!("{word} {token} {word}")] {
                assert_eq!(found(&value), [], "{value}");
                let text = format!("{{\"ccRestJwt\": \"{value}\"}}");
                let kinds: Vec<_> =
                    find(text.as_bytes(), &KnownKeys::default()).iter().map(|one| one.item.kind()).collect();
                assert_eq!(kinds, [OccurrenceKind::Token], "{value}");
            }
            let key = pair_base64(&PrivateKey::ed25519_from_seed(&[63; 32]).unwrap());
            let expected = OtherContent::Item(OccurrenceKind::PrivateKey);
            assert_eq!(found(&format!("{word} {key}")), [("/ccRestJwt".to_owned(), expected)], "{word}");
        }
    }

    #[test]
    fn content_is_named_by_its_kind() {
        let key = PrivateKey::ed25519_from_seed(&[63; 32]).unwrap();
        for (value, expected) in [
            ("", OtherContent::Empty),
            ("<token>", OtherContent::Placeholder),
            ("changeme", OtherContent::Placeholder),
            ("eyJhbGciOiJFZERTQSJ9", OtherContent::Text),
            (&*pair_base64(&key), OtherContent::Item(OccurrenceKind::PrivateKey)),
            ("11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", OtherContent::Item(OccurrenceKind::PublicKey)),
        ] {
            assert_eq!(other_content(value), Some(expected), "{value}");
        }
    }
}
