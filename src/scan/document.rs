//! The search of one document: items by their form, then their members.
//!
//! The form finds every item with its line, also in a comment or in a file with errors. The members of
//! the document add where an item belongs, and what only they show: values in base64 or with escapes, keys
//! that only their names announce, references to files.

use std::collections::HashMap;
use std::sync::LazyLock;

use memchr::memmem::Finder;

use super::field::{Field, PathStyle};
use super::item::Item;
use super::known_keys::KnownKeys;
use super::names::{self, NamedKey, TokenUse};
use super::recognize::{Match, decode, find, public_key};
use super::{format, jwk, lines, manifest};
use crate::util::secret::SecretBytes;

/// The largest document whose members are read, in bytes. Larger text is searched by form only.
pub(super) const MAX_DOCUMENT: usize = 4 << 20;

/// The maximum number of nested documents, such as a file in a Secret in a manifest in an annotation.
const MAX_NESTED: usize = 4;

/// The maximum number of items of a document. More of them is a log or a list of tokens, not a configuration.
pub(super) const MAX_ITEMS: usize = 10_000;

/// An item in a document.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Finding {
    pub(super) item: Item,
    /// The line, counted from 1.
    pub(super) line: u64,
    /// The member: a JSON pointer, or names with dots; `#` separates a document in a value.
    pub(super) member: Option<String>,
    pub(super) token_use: TokenUse,
    /// The value begins with `Bearer `.
    pub(super) has_bearer: bool,
    /// The member is at the root of a JSON document.
    pub(super) is_root_public_key: bool,
    /// The variables that override the member.
    pub(super) overridden_by: Vec<String>,
    /// It is an item only because the key is known; no name announces it.
    pub(super) needs_known_key: bool,
}

/// Everything that a document contains.
#[derive(Debug, Default)]
pub(super) struct DocumentFindings {
    pub(super) findings: Vec<Finding>,
    /// Files that members name.
    pub(super) references: Vec<String>,
    /// The items above the limit, which are not in the list.
    pub(super) unlisted: u64,
    /// Variables with a value that override a member of a configuration, with their lines.
    pub(super) variables: Vec<(String, u64)>,
}

impl Finding {
    pub(super) const fn new(item: Item, line: u64, member: Option<String>) -> Self {
        Self {
            item,
            line,
            member,
            token_use: TokenUse::Unknown,
            has_bearer: false,
            is_root_public_key: false,
            overridden_by: Vec::new(),
            needs_known_key: false,
        }
    }
}

/// Searches a document. `name` is its file name.
pub(super) fn search(bytes: &[u8], name: &str, known: &KnownKeys) -> DocumentFindings {
    search_nested(bytes, name, known, 0)
}

fn search_nested(bytes: &[u8], name: &str, known: &KnownKeys, depth: usize) -> DocumentFindings {
    let mut matches = find(bytes, known);
    let unlisted = matches.len().saturating_sub(MAX_ITEMS) as u64;
    matches.truncate(MAX_ITEMS);
    if matches.is_empty() && !names::may_have_names(bytes) && !may_have_escapes(bytes) {
        return DocumentFindings::default();
    }
    let mut result =
        DocumentFindings { findings: by_form(bytes, matches), unlisted, ..DocumentFindings::default() };
    let text = String::from_utf8_lossy(bytes);
    let mut fields = format::fields(bytes, &text, name);
    manifest::decode_secrets(&mut fields.list);
    let mut attribution = Attribution::new(&result.findings);
    let scopes = scopes(&fields.list);
    for field in &fields.list {
        let outer = fields.style.write(&field.path);
        let inner = members(field, fields.style, &scopes, known, depth);
        result.references.extend(inner.references);
        result.variables.extend(inner.variables);
        // The items of a text in the document are among its own.
        result.unlisted = result.unlisted.max(inner.unlisted);
        for mut finding in inner.findings {
            finding.member = Some(match finding.member {
                Some(member) => format!("{outer}#{member}"),
                None => outer.clone(),
            });
            attribution.add(finding, &mut result.findings);
        }
    }
    for key in jwk::keys(&fields.list, fields.style) {
        attribution.add(Finding::new(key.item, key.line, key.member), &mut result.findings);
    }
    if result.findings.iter().all(|finding| finding.member.is_none()) && is_bearer(&text) {
        result.findings.iter_mut().for_each(|finding| finding.has_bearer = true);
    }
    result.findings.sort_by_key(|finding| finding.line);
    result
}

static ESCAPES: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| ["\\/", "\\u00", "KEY-----\\\\n"].map(Finder::new));

/// Returns whether the strings of a JSON document may have a token or key that its text does not show: an
/// escaped slash, an escaped ASCII character, or a key in a document in a string.
fn may_have_escapes(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'['))
        && ESCAPES.iter().any(|finder| finder.find(bytes).is_some())
}

/// Returns the items by their form, each with its line and the name before it.
fn by_form(bytes: &[u8], matches: Vec<Match>) -> Vec<Finding> {
    let (mut line, mut counted, mut line_start) = (1, 0, 0);
    matches
        .into_iter()
        .map(|Match { item, range, needs_known_key }| {
            let between = bytes.get(counted..range.start).unwrap_or_default();
            line += lines::count_lines(between);
            if let Some(at) = memchr::memrchr(b'\n', between) {
                line_start = counted + at + 1;
            }
            counted = range.start;
            // A name is near; a line may be long.
            let near = line_start.max(range.start.saturating_sub(200));
            let before = bytes.get(near..range.start).unwrap_or_default();
            let name = lines::name_before(&String::from_utf8_lossy(before)).map(str::to_owned);
            Finding { needs_known_key, ..Finding::new(item, line, name) }
        })
        .collect()
}

/// Searches the value of a member, which may be a document. The lines of the result are those of the
/// document around it.
fn members(
    field: &Field,
    style: PathStyle,
    scopes: &HashMap<&[String], &str>,
    known: &KnownKeys,
    depth: usize,
) -> DocumentFindings {
    let mut result = DocumentFindings::default();
    let value = field.value.trim();
    if names::is_reference(&field.path) {
        result.references.push(value.trim_start_matches('-').to_owned());
    }
    if names::is_overriding(field.name()) && !value.is_empty() {
        result.variables.push((field.name().to_owned(), field.line));
    }
    let is_document = value.contains('\n') || value.starts_with(['{', '[']);
    if is_document && depth < MAX_NESTED {
        let nested = search_nested(field.value.as_bytes(), field.name(), known, depth + 1);
        result.unlisted = nested.unlisted;
        result.references.extend(nested.references);
        result.variables.extend(nested.variables.into_iter().map(|(name, _)| (name, field.line)));
        result.findings = nested.findings;
    } else {
        result.findings = by_form(value.as_bytes(), find(value.as_bytes(), known));
        result.findings.iter_mut().for_each(|finding| finding.member = None);
    }
    if let Some(item) = named(field, value) {
        match result.findings.iter_mut().find(|finding| finding.item == item) {
            Some(finding) => finding.needs_known_key = false,
            None => result.findings.push(Finding::new(item, 1, None)),
        }
    }
    let scope = || scopes.get(field.path.split_last()?.1).copied();
    for finding in &mut result.findings {
        if finding.member.is_none() {
            finding.token_use = names::token_use(&field.path);
            finding.has_bearer = is_bearer(value) && !names::is_header(&field.path);
            if style == PathStyle::Pointer {
                finding.is_root_public_key =
                    matches!(field.path.as_slice(), [only] if only == "jwt-public-key");
                finding.overridden_by = names::overriding_variables(&field.path, scope);
            }
        }
        finding.line = if field.is_block { field.line + finding.line - 1 } else { field.line };
    }
    result
}

/// Returns the first member `scope` of each object, by the path of the object.
fn scopes(fields: &[Field]) -> HashMap<&[String], &str> {
    let mut scopes = HashMap::new();
    for field in fields.iter().filter(|field| field.name() == "scope") {
        if let Some((_, above)) = field.path.split_last() {
            scopes.entry(above).or_insert(field.value.as_str());
        }
    }
    scopes
}

/// Returns whether a text is a token after the word `Bearer`.
fn is_bearer(text: &str) -> bool {
    let text = text.trim_start();
    text.get(..7).is_some_and(|start| start.eq_ignore_ascii_case("bearer ")) && text.contains("eyJ")
}

/// Returns the key that the name of a member announces.
fn named(field: &Field, value: &str) -> Option<Item> {
    let joined: String = value.split_ascii_whitespace().collect();
    match names::named_key(&field.path)? {
        NamedKey::PublicKey => public_key(&joined).map(Item::PublicKey),
        NamedKey::HmacSecret => secret(&joined).map(Item::HmacSecret),
        NamedKey::SessionKey => secret(&joined).map(Item::SessionKey),
    }
}

fn secret(text: &str) -> Option<SecretBytes> {
    decode(text).filter(|bytes| !bytes.is_empty()).map(|bytes| SecretBytes::new(bytes.to_vec()))
}

/// Finds for an item of a member the same item by its form, so that it is reported once.
struct Attribution {
    /// The positions of the items without a member, by fingerprint.
    open: HashMap<String, Vec<usize>>,
}

impl Attribution {
    fn new(findings: &[Finding]) -> Self {
        let mut open: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, finding) in findings.iter().enumerate() {
            open.entry(finding.item.fingerprint()).or_default().push(index);
        }
        Self { open }
    }

    /// Adds an item of a member to the nearest of the same items, or to the end of the list.
    fn add(&mut self, finding: Finding, findings: &mut Vec<Finding>) {
        let open = self.open.entry(finding.item.fingerprint()).or_default();
        let distance =
            |index: &usize| findings.get(*index).map_or(u64::MAX, |raw| raw.line.abs_diff(finding.line));
        let nearest = (0..open.len()).min_by_key(|place| open.get(*place).map_or(u64::MAX, distance));
        match nearest.map(|place| open.remove(place)).and_then(|index| findings.get_mut(index)) {
            Some(raw) => *raw = Finding { line: raw.line, ..finding },
            None => findings.push(finding),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::item::OccurrenceKind;
    use super::super::testing::{known, pair_base64, token};
    use super::*;
    use crate::key::{PrivateKey, der, pem};

    fn places(name: &str, text: &str) -> Vec<(u64, String)> {
        let found = search(text.as_bytes(), name, &known());
        found.findings.iter().map(|one| (one.line, one.member.clone().unwrap_or_default())).collect()
    }

    #[test]
    fn escapes_of_json_hide_no_item() {
        let key = PrivateKey::ed25519_from_seed(&[63; 32]).unwrap();
        let pair = pair_base64(&key);
        assert!(pair.contains('/'), "{pair}");
        let all = |text: &str| text.chars().map(|c| format!("\\u{:04x}", u32::from(c))).collect::<String>();
        let pem = pem::write("PRIVATE KEY", der::write_pkcs8(&key).unwrap().expose());
        let nested = serde_json::json!({"x": serde_json::json!({"y": pem.as_str()}).to_string()});
        for (text, member) in [
            (format!("{{\"a\": \"{}\"}}", pair.replace('/', "\\/")), "/a"),
            (format!("\n {{\"a\": [\"{}\"]}}", all(&token("fritz"))), "/a/0"),
            (format!("{{\"a\": \"{}\"}}", token("fritz").replace('.', "\\u002e")), "/a"),
            (nested.to_string(), "/x#/y"),
        ] {
            let found = search(text.as_bytes(), "x.json", &known()).findings;
            let members: Vec<_> = found.iter().map(|finding| finding.member.as_deref()).collect();
            assert_eq!(members, [Some(member)], "{text}");
        }
    }

    #[test]
    fn token_has_line_and_member_in_each_format() {
        let t = token("a");
        for (name, text, expected) in [
            ("a.json", format!("{{\n\"s\": [{{\"jwt\":\n \"{t}\"}}]}}"), vec![(3, "/s/0/jwt")]),
            ("a.json", format!("{{\"jwt\": \"{t}\", \"x\": }}"), vec![(1, "/jwt")]),
            ("a.yaml", format!("s:\n- jwt: {t}\n# {t}\n"), vec![(2, "/s/0/jwt"), (3, "")]),
            ("a.yaml", format!("a: |\n  x\n  TOKEN={t}\n"), vec![(3, "/a#TOKEN")]),
            (".env", format!("A=1\nexport B=\"{t}\"\n"), vec![(2, "B")]),
            ("a.toml", format!("[sinks.http]\njwt = '{t}'\n"), vec![(2, "sinks.http.jwt")]),
            (
                "a.service",
                format!("[Service]\nEnvironment=A=1 \"B={t}\"\n"),
                vec![(2, "Service.Environment.B")],
            ),
            ("curlrc", format!("header = \"Authorization: Bearer {t}\"\n"), vec![(1, "header")]),
            ("a.sh", format!("curl -H 'Authorization: Bearer {t}' x\n"), vec![(1, "Authorization")]),
            ("crontab", format!("0 * * * * root TOKEN={t} /bin/x\n"), vec![(1, "TOKEN")]),
            ("token", format!("{t}\n"), vec![(1, "")]),
            ("x.json", format!("[{{\"a\": \"{{\\\"jwt\\\": \\\"{t}\\\"}}\"}}]"), vec![(1, "/0/a#/jwt")]),
        ] {
            let expected: Vec<_> =
                expected.into_iter().map(|(line, member)| (line, member.to_owned())).collect();
            assert_eq!(places(name, &text), expected, "{name} {text}");
        }
    }

    #[test]
    fn secret_manifest_is_decoded_with_whole_files() {
        let t = token("a");
        let encode = |text: &str| data_encoding::BASE64.encode(text.as_bytes());
        let file = encode(&format!("{{\"http\": {{\"jwt\": \"{t}\"}}}}"));
        let inner = format!("{{\"kind\":\"Secret\",\"data\":{{\"t\":\"{}\"}}}}", encode(&t));
        let quoted = serde_json::Value::String(inner).to_string();
        let text = format!(
            "kind: Secret\nmetadata:\n  annotations:\n    last: {quoted}\ndata:\n  token: {}\n  sinks.json: {file}\n",
            encode(&t)
        );
        let expected = [
            (4, "/metadata/annotations/last#/data/t"),
            (6, "/data/token"),
            (7, "/data/sinks.json#/http/jwt"),
        ];
        assert_eq!(places("s.yaml", &text), expected.map(|(line, member)| (line, member.to_owned())));
        let other = text.replace("kind: Secret", "kind: Other");
        assert_eq!(
            places("s.yaml", &other).len(),
            2,
            "a value that is a token in base64, and the annotation"
        );
    }

    #[test]
    fn key_is_found_by_the_name_of_its_member() {
        let public = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=";
        let secret = data_encoding::BASE64.encode(&[5; 64]);
        let kinds = |text: &str| -> Vec<OccurrenceKind> {
            let found = search(text.as_bytes(), "x", &known()).findings;
            found.iter().map(|one| one.item.kind()).collect()
        };
        assert_eq!(kinds(&format!("JWT_PUBLIC_KEY={public}\n")), [OccurrenceKind::PublicKey]);
        assert_eq!(
            kinds(&format!("{{\"main\": {{\"jwt-public-key\": \"{public}\"}}}}")),
            [OccurrenceKind::PublicKey]
        );
        assert_eq!(kinds(&format!("CROSS_LOGIN_JWT_HS512_KEY='{secret}'\n")), [OccurrenceKind::HmacSecret]);
        assert_eq!(kinds(&format!("SESSION_KEY={secret}\n")), [OccurrenceKind::SessionKey]);
        for text in [
            format!("[Peer]\nPublicKey = {public}\n"),
            format!("KEY={secret}\n"),
            "JWT_PUBLIC_KEY=\nSESSION_KEY=\"\"\n".to_owned(),
        ] {
            assert!(kinds(&text).is_empty(), "{text}");
        }
    }

    #[test]
    fn problems_of_members_are_found() {
        let t = token("a");
        let text = format!(
            "{{\"main\": {{}}, \"jwt-public-key\": \"11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\",\n\
             \"metric-store-external\": [{{\"scope\": \"a b\", \"token\": \"Bearer {t}\"}}],\n\
             \"headers\": \"Bearer {t}\", \"sinks-file\": \"./sinks.json\"}}"
        );
        let found = search(text.as_bytes(), "config.json", &known());
        let [key, first, second] = found.findings.as_slice() else { panic!("{found:?}") };
        assert!(key.is_root_public_key && !first.is_root_public_key);
        assert!(first.has_bearer && !second.has_bearer);
        assert_eq!(first.overridden_by[0], "METRICSTORE_TOKEN_A_B");
        assert_eq!(first.token_use, TokenUse::MetricStore);
        assert_eq!(found.references, ["./sinks.json"]);
        let found = search(format!("Bearer {t}\n").as_bytes(), "token", &known());
        assert!(found.findings[0].has_bearer);
        let found = search(b"METRICSTORE_TOKEN=x\nCC_FLEET_TOKEN=\n", ".env", &known());
        assert_eq!(found.variables, [("METRICSTORE_TOKEN".to_owned(), 1)]);
    }

    #[test]
    fn untrusted_document_of_any_form_is_searched_to_its_end() {
        let t = token("a");
        for (name, text) in [
            ("a.json", format!("{}\"{t}\"", "[".repeat(2_000_000))),
            ("a.json", format!("{{\"a\": \"{}{t}\"}}", "\\\\".repeat(500_000))),
            ("a.yaml", format!("{}\n# {t}\n", "- ".repeat(100_000))),
            ("a.yaml", format!("x: {}\n# {t}\n", "{a: ".repeat(100_000))),
            ("a", format!("{}{t}", "A=".repeat(500_000))),
            ("a", format!("{} {t}", "x".repeat(4_000_000))),
            (".env", format!("A=\"{}\n# {t}", "$A".repeat(100_000))),
        ] {
            let found = search(text.as_bytes(), name, &known()).findings;
            assert_eq!(found.len(), 1, "{name}");
        }
        let many = format!("{t}\n").repeat(12_000);
        let found = search(many.as_bytes(), "log", &known());
        assert_eq!((found.findings.len(), found.unlisted), (MAX_ITEMS, 2_000));
    }

    /// A long name above many members would be copied for each of them.
    #[test]
    fn memory_of_long_member_names_has_a_limit() {
        let name = "n".repeat(2 << 20);
        let values = "\"\",".repeat(200_000);
        for (file, text) in [
            ("a.json", format!("{{\"{name}\": [{values}\"\"]}}")),
            ("a.yaml", format!("? {name}\n: [{values}\"\"]\n")),
            ("a.ini", format!("[{name}]\n{}", "a=b\n".repeat(200_000))),
        ] {
            let fields = format::fields(text.as_bytes(), &text, file).list;
            let bytes: usize = fields.iter().flat_map(|field| &field.path).map(String::len).sum();
            assert!(
                !fields.is_empty() && bytes <= 64 << 20,
                "{file}: {} fields, {bytes} bytes",
                fields.len()
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_searched_without_panic(text in "[\\[\\]{}\":,=A-Za-z\\\\ \n#|>&*!-]{0,300}") {
            for name in ["a.json", "a.yaml", ".env", "a.toml", "a"] {
                search(format!("{text}\nkind: Secret -file").as_bytes(), name, &known());
            }
        }
    }
}
