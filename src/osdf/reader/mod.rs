//! Reads resources from YAML or JSON.
//!
//! The reader is strict and reports all errors together. An unknown field is an error: with a
//! misspelled `resignBefore` a token would not be renewed.

mod key;
mod metadata;

use std::collections::{BTreeMap, HashMap};

use serde_json::{Map, Value};

use metadata::Metadata;

use super::location::{FieldError, FieldPath, ResourceError, SourceName};
use super::resource::{FieldOverride, Resource, apply};
use super::yaml::{self, YamlContent, YamlNode};
use crate::key::Algorithm;
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote};
use crate::util::suggest::nearest;

/// The resource's version.
pub const API_VERSION: &str = "tokens.osg-htc.org/v1";

/// The supported algorithms: those of RFC 7518 whose verifying key may be public.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::Rs256,
    Algorithm::Es256,
    Algorithm::EdDsa,
    Algorithm::Es384,
    Algorithm::Rs384,
    Algorithm::Rs512,
    Algorithm::Ps256,
    Algorithm::Ps384,
    Algorithm::Ps512,
];

/// The longest lifetime, in seconds: a hundred years.
const MAX_LIFETIME: i64 = 100 * 365 * 86_400;
/// Reads all resources of a stream. Documents of other kinds are skipped with a note.
///
/// # Errors
/// All errors of the stream, in the order of their lines; at least one.
pub fn read(
    text: &str,
    origin: &SourceName,
    changes: &[FieldOverride],
    notes: &mut Notes,
) -> Result<Vec<Resource>, Vec<ResourceError>> {
    let (documents, mut faults) = yaml::read(text, origin, notes);
    let unread = !faults.is_empty();
    let mut resources = Vec::new();
    let mut seen = 0;
    for document in documents {
        for (prefix, document) in open_lists(document) {
            let mut reader = Reader { origin, notes, faults: Vec::new(), lines: BTreeMap::new() };
            if !reader.is_resource(&prefix, &document) {
                faults.append(&mut reader.faults);
                continue;
            }
            seen += 1;
            if let Some(resource) = reader.resource(&prefix, document, changes) {
                resources.push(resource);
            }
            faults.append(&mut reader.faults);
        }
    }
    if seen == 0 && !unread && faults.is_empty() {
        faults.push(ResourceError {
            source: origin.clone(),
            line: 0,
            path: FieldPath::root(),
            error: FieldError::NotAResource,
        });
    }
    if faults.is_empty() {
        return Ok(resources);
    }
    faults.sort_by_key(|fault| fault.line);
    Err(faults)
}

/// The errors of resources whose output would be the same file.
#[must_use]
pub fn duplicate_names(resources: &[Resource]) -> Vec<ResourceError> {
    let name_path = || FieldPath::root().member("metadata").member("name");
    let mut known: HashMap<&str, &Resource> = HashMap::new();
    let mut faults = Vec::new();
    for resource in resources {
        match known.get(resource.name.as_str()) {
            Some(first) => faults.push(resource.error(
                name_path(),
                FieldError::SameName { name: resource.name.clone(), first: first.line_of(&name_path()) },
            )),
            None => {
                known.insert(&resource.name, resource);
            }
        }
    }
    faults
}

/// The documents of a `kind: List`, as `kubectl get` prints it; any other document alone.
fn open_lists(document: YamlNode) -> Vec<(FieldPath, YamlNode)> {
    let is_list = document.member("kind").is_some_and(
        |kind| matches!(&kind.content, YamlContent::Scalar { text, .. } if text.as_str() == "List" || text.as_str() == "JWTList"),
    );
    if is_list
        && let YamlContent::Object(members) = &document.content
        && let Some((_, YamlNode { content: YamlContent::List(items), .. })) =
            members.iter().find(|(key, _)| key.name == "items")
    {
        let path = FieldPath::root().member("items");
        return items.iter().cloned().enumerate().map(|(i, item)| (path.entry(i), item)).collect();
    }
    vec![(FieldPath::root(), document)]
}

struct Reader<'a> {
    origin: &'a SourceName,
    notes: &'a mut Notes,
    faults: Vec<ResourceError>,
    lines: BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn fault(&mut self, line: usize, path: &FieldPath, problem: FieldError) {
        self.faults.push(ResourceError {
            source: self.origin.clone(),
            line,
            path: path.clone(),
            error: problem,
        });
    }

    fn wrong_kind(&mut self, node: &YamlNode, path: &FieldPath, expected: &'static str) {
        self.fault(node.line, path, FieldError::Kind { found: node.kind(), expected });
    }

    fn warn(&mut self, line: usize, path: &FieldPath, text: &str) {
        let place = if line > 0 { format!(":{line}") } else { String::new() };
        self.notes.warn("resource", format!("{}{place}: {}: {text}", escape(&self.origin.0), path.shown()));
    }

    /// Whether a document is a resource of this kind. A resource with a similar kind or version is an error.
    fn is_resource(&mut self, prefix: &FieldPath, document: &YamlNode) -> bool {
        if document.members().is_none() {
            self.wrong_kind(document, prefix, "an object of kind JWT");
            return false;
        }
        let text = |name: &str| match document.member(name).map(|node| &node.content) {
            Some(YamlContent::Scalar { text, .. }) => text.to_string(),
            _ => String::new(),
        };
        let (kind, version) = (text("kind"), text("apiVersion"));
        if kind == "JWT" {
            return true;
        }
        if kind.is_empty() || kind.eq_ignore_ascii_case("jwt") || version == API_VERSION {
            let node = document.member("kind");
            let line = node.map_or(document.line, |node| node.line);
            let problem = if node.is_none() {
                FieldError::Missing
            } else {
                FieldError::Value { found: PrintableText::value(&kind), expected: "'JWT'".to_owned() }
            };
            self.fault(line, &prefix.member("kind"), problem);
        } else {
            self.notes.note(format!(
                "{}:{}: a document of kind {} is skipped",
                escape(&self.origin.0),
                document.line,
                PrintableText::value(&kind)
            ));
        }
        false
    }

    /// The members of an object, with an error for each unknown one.
    fn object<'n>(
        &mut self,
        node: &'n YamlNode,
        path: &FieldPath,
        expected: &'static str,
        known: &[&'static str],
    ) -> HashMap<&'n str, &'n YamlNode> {
        let Some(members) = node.members() else {
            self.wrong_kind(node, path, expected);
            return HashMap::new();
        };
        for (key, node) in members {
            let here = path.member(&key.name);
            let line = if node.line == 0 { 0 } else { key.line };
            self.lines.insert(here.as_str().to_owned(), line);
            if !known.contains(&key.name.as_str()) {
                let near = nearest(&key.name, known.iter().copied())
                    .and_then(|near| known.iter().copied().find(|name| *name == near));
                self.fault(line, &here, FieldError::Unknown { near });
            }
        }
        members.iter().map(|(key, node)| (key.name.as_str(), node)).collect()
    }

    /// A required string. Other types are not converted.
    fn text(&mut self, node: Option<&&YamlNode>, parent_line: usize, path: &FieldPath) -> Option<String> {
        let Some(node) = node else {
            self.fault(parent_line, path, FieldError::Missing);
            return None;
        };
        match &node.content {
            YamlContent::Scalar { text, plain } => {
                match if *plain { yaml::scalar(text) } else { Ok(Value::String(String::new())) } {
                    Ok(Value::String(_)) if text.is_empty() => self.fault(node.line, path, FieldError::Empty),
                    Ok(Value::String(_)) => return Some(text.to_string()),
                    Ok(Value::Null) => self.fault(node.line, path, FieldError::Empty),
                    Ok(_) => {
                        self.wrong_kind(node, path, "a text (put it in quotes)");
                    }
                    Err(problem) => self.fault(node.line, path, problem),
                }
            }
            _ => self.wrong_kind(node, path, "a string"),
        }
        None
    }

    fn resource(
        &mut self,
        prefix: &FieldPath,
        mut document: YamlNode,
        changes: &[FieldOverride],
    ) -> Option<Resource> {
        for change in changes {
            if let Err(at) = apply(&mut document, change) {
                self.fault(0, &FieldPath::root().member("--set"), FieldError::NotAnObject(at));
            }
        }
        let line = document.line;
        let top = self.object(
            &document,
            prefix,
            "an object of kind JWT",
            &["apiVersion", "kind", "metadata", "spec", "status"],
        );
        let path = prefix.member("apiVersion");
        if let Some(version) = self.text(top.get("apiVersion"), line, &path)
            && version != API_VERSION
        {
            let expected = quote(API_VERSION);
            let line = top.get("apiVersion").map_or(line, |node| node.line);
            self.fault(line, &path, FieldError::Value { found: PrintableText::value(&version), expected });
        }
        let metadata = self.metadata(top.get("metadata"), line, &prefix.member("metadata"));
        let path = prefix.member("spec");
        let Some(spec) = top.get("spec") else {
            self.fault(line, &path, FieldError::Missing);
            return None;
        };
        let spec = self.spec(spec, &path)?;
        let Metadata { name, namespace, labels } = metadata?;
        if !self.faults.is_empty() {
            return None;
        }
        // The paths of the lines are relative to the resource, which may be an entry of a list.
        let lines = std::mem::take(&mut self.lines)
            .into_iter()
            .map(|(path, line)| {
                let inner = path.strip_prefix(prefix.as_str()).map(|p| p.trim_start_matches('.').to_owned());
                (inner.unwrap_or(path), line)
            })
            .collect();
        Some(Resource { name, namespace, labels, lines, ..spec })
    }

    fn spec(&mut self, node: &YamlNode, path: &FieldPath) -> Option<Resource> {
        const KNOWN: [&str; 7] =
            ["issuer", "keyId", "algorithm", "data", "expiryTime", "resignBefore", "key"];
        let members = self.object(node, path, "an object", &KNOWN);
        node.members()?;
        let line = node.line;
        let here = path.member("issuer");
        let issuer = self.text(members.get("issuer"), line, &here);
        if let Some(found) = issuer.as_ref().filter(|issuer| !is_url(issuer)) {
            let line = members.get("issuer").map_or(0, |node| node.line);
            let expected = "the issuer's URL".to_owned();
            self.fault(line, &here, FieldError::Value { found: PrintableText::value(found), expected });
        }
        let key_id = self.text(members.get("keyId"), line, &path.member("keyId"));
        let algorithm = self.algorithm(members.get("algorithm"), line, &path.member("algorithm"));
        let here = path.member("data");
        let data = match members.get("data") {
            Some(node) => self.data(node, &here, issuer.as_deref()),
            None => {
                self.fault(line, &here, FieldError::Missing);
                None
            }
        };
        let here = path.member("expiryTime");
        let lifetime = match members.get("expiryTime") {
            Some(node) => self.span(node, &here),
            None => {
                self.fault(line, &here, FieldError::Missing);
                None
            }
        };
        let here = path.member("resignBefore");
        let resign = members.get("resignBefore").filter(|node| !node.is_null());
        let resign_before = resign.and_then(|node| self.span(node, &here));
        if let (Some(expiry), Some(resign), Some(node)) = (lifetime, resign_before, resign)
            && resign >= expiry
        {
            self.fault(node.line, &here, FieldError::ResignNotBefore { resign, expiry });
        }
        // With other errors the name may be misspelled: the missing field is not reported as well.
        if resign.is_none() && self.faults.is_empty() {
            self.warn(line, &here, "missing: the token is not renewed before it expires");
        }
        let here = path.member("key");
        let key = match members.get("key") {
            Some(node) => self.key(node, &here),
            None => {
                self.fault(line, &here, FieldError::Missing);
                None
            }
        };
        Some(Resource {
            source: self.origin.clone(),
            name: String::new(),
            namespace: None,
            labels: Vec::new(),
            issuer: issuer?,
            kid: key_id?,
            algorithm: algorithm?,
            data: data?,
            lifetime: lifetime?,
            resign_before,
            key: key?,
            lines: BTreeMap::new(),
        })
    }

    fn algorithm(&mut self, node: Option<&&YamlNode>, line: usize, path: &FieldPath) -> Option<Algorithm> {
        let name = self.text(node, line, path)?;
        let known = ALGORITHMS.into_iter().find(|algorithm| algorithm.name() == name);
        if known.is_none() {
            let names = ALGORITHMS.map(Algorithm::name).join(", ");
            let line = node.map_or(line, |node| node.line);
            self.fault(
                line,
                path,
                FieldError::Value { found: PrintableText::value(&name), expected: format!("one of {names}") },
            );
        }
        known
    }

    /// The payload: all members, except the claims that are set here.
    fn data(
        &mut self,
        node: &YamlNode,
        path: &FieldPath,
        issuer: Option<&str>,
    ) -> Option<Map<String, Value>> {
        let Some(members) = node.members() else {
            self.wrong_kind(node, path, "an object: the token's payload");
            return None;
        };
        for (key, value) in members {
            let line = if value.line == 0 { 0 } else { key.line };
            self.lines.insert(path.member(&key.name).as_str().to_owned(), line);
        }
        let mut problems = Vec::new();
        let Value::Object(mut data) = node.to_json(path, &mut problems) else { return None };
        for (line, path, problem) in problems {
            self.fault(line, &path, problem);
        }
        let line_of =
            |name: &str| members.iter().find(|(key, _)| key.name == name).map_or(0, |(key, _)| key.line);
        if let Some(claim) = data.shift_remove("iss") {
            let here = path.member("iss");
            match (claim.as_str(), issuer) {
                (Some(claim), Some(issuer)) if claim != issuer => {
                    let problem = FieldError::OtherIssuer {
                        claim: PrintableText::value(claim),
                        issuer: PrintableText::value(issuer),
                    };
                    self.fault(line_of("iss"), &here, problem);
                }
                (None, _) => {
                    let problem = FieldError::Kind { found: "another value", expected: "a string" };
                    self.fault(line_of("iss"), &here, problem);
                }
                _ => {}
            }
        }
        for name in ["iat", "nbf", "exp", "jti"] {
            if data.shift_remove(name).is_some() {
                self.notes.note(format!(
                    "{}:{}: {}: replaced, since each token gets its own",
                    escape(&self.origin.0),
                    line_of(name),
                    path.member(name).shown()
                ));
            }
        }
        Some(data)
    }

    /// A duration in seconds: exactly one of days, hours and minutes.
    fn span(&mut self, node: &YamlNode, path: &FieldPath) -> Option<i64> {
        const UNITS: [(&str, i64); 3] = [("days", 86_400), ("hours", 3_600), ("minutes", 60)];
        let before = self.faults.len();
        let members =
            self.object(node, path, "an object with days, hours or minutes", &["days", "hours", "minutes"]);
        let all = node.members()?;
        let known: Vec<(&str, i64)> =
            UNITS.into_iter().filter(|(unit, _)| members.contains_key(unit)).collect();
        let [(unit, seconds)] = known.as_slice() else {
            if self.faults.len() == before {
                let found = all.iter().map(|(key, _)| PrintableText::name(&key.name)).collect();
                self.fault(node.line, path, FieldError::NotExactlyOne { found, of: "days, hours, minutes" });
            }
            return None;
        };
        let here = path.member(unit);
        let node = members.get(unit)?;
        let YamlContent::Scalar { text, plain: true } = &node.content else {
            self.wrong_kind(node, &here, "a whole number");
            return None;
        };
        let number = yaml::scalar(text).ok().and_then(|value| value.as_i64());
        match number.and_then(|number| number.checked_mul(*seconds)) {
            Some(span) if (1..=MAX_LIFETIME).contains(&span) => Some(span),
            _ => {
                let expected = "a whole number over 0 (at most 100 years)".to_owned();
                self.fault(
                    node.line,
                    &here,
                    FieldError::Value { found: PrintableText::value(text), expected },
                );
                None
            }
        }
    }
}

fn is_url(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && url::Url::parse(text).is_ok_and(|url| url.has_host())
}
