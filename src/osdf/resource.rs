//! The `kind: JWT` resource: what the token is to say, how long it lives, what signs it.
//!
//! Read strictly, all faults together: an unknown field is a fault, since a misspelt
//! `resignBefore` would otherwise be a token that nobody renews.

use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;

use serde_json::{Map, Value};

use super::location::{FieldError, FieldPath, ResourceError, SourceName};
use super::yaml::{self, YamlContent, YamlNode};
use crate::key::Algorithm;
use crate::util::note::Notes;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote};
use crate::util::secret::SecretText;
use crate::util::suggest::nearest;

/// The resource's version.
pub const API_VERSION: &str = "tokens.osg-htc.org/v1";

/// The algorithms a resource may name: those of RFC 7518 whose verifying key may be public.
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

/// The longest life, in seconds: a hundred years.
const MAX_LIFETIME: i64 = 100 * 365 * 86_400;

/// A resource that was read without a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// The file it stands in.
    pub source: SourceName,
    /// `metadata.name`: the Secret's name.
    pub name: String,
    /// `metadata.namespace`.
    pub namespace: Option<String>,
    /// `metadata.labels`, in order.
    pub labels: Vec<(String, String)>,
    /// `spec.issuer`: becomes `iss`.
    pub issuer: String,
    /// `spec.keyId`: becomes `kid`.
    pub kid: String,
    /// `spec.algorithm`.
    pub algorithm: Algorithm,
    /// `spec.data` without the claims that are set here: `iss`, `iat`, `nbf`, `exp`, `jti`.
    pub data: Map<String, Value>,
    /// `spec.expiryTime` in seconds.
    pub lifetime: i64,
    /// `spec.resignBefore` in seconds: how long before its end the token is signed anew.
    pub resign_before: Option<i64>,
    /// `spec.key`.
    pub key: ResourceKeySource,
    /// Lines of the fields, by path.
    lines: BTreeMap<String, usize>,
}

/// Where the signing key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResourceKeySource {
    /// In the resource itself, as PEM.
    Value(SecretText),
    /// In a Kubernetes Secret or ConfigMap, which is looked for as `DIR/NAME/KEY`.
    Mounted {
        /// The field that names it: `secret`, `configMap`, or one of their aliases.
        field: &'static str,
        /// The object's name.
        name: String,
        /// The key in it.
        key: String,
    },
    /// In a file; relative to the resource's directory.
    File(PathBuf),
    /// In an environment variable.
    Env(String),
}

impl Resource {
    /// The line of a field, 0 where it has none.
    #[must_use]
    pub fn line_of(&self, path: &FieldPath) -> usize {
        self.lines.get(path.as_str()).copied().unwrap_or(0)
    }

    /// A fault of this resource at a field.
    #[must_use]
    pub fn error(&self, path: FieldPath, problem: FieldError) -> ResourceError {
        ResourceError { source: self.source.clone(), line: self.line_of(&path), path, error: problem }
    }
}

/// A change to a resource before it is read: `spec.data.sub=jane`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldOverride {
    path: String,
    value: String,
}

impl FieldOverride {
    /// Reads `PATH=VALUE`; none where there is no `=` or no path.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (path, value) = text.split_once('=')?;
        let path = path.trim();
        let good = !path.is_empty() && !path.split('.').any(str::is_empty);
        good.then(|| Self { path: path.to_owned(), value: value.to_owned() })
    }

    /// The field it is about, as typed.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }
}

/// Reads all resources of a stream. Documents of other kinds are passed over with a note.
///
/// # Errors
/// All faults of the stream, in the order of their lines; at least one.
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

/// The faults of resources whose names would become the same file.
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

/// The documents of a `kind: List`, which is what `kubectl get` prints; any other one as it is.
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

/// What is used of `metadata`.
struct Metadata {
    name: String,
    namespace: Option<String>,
    labels: Vec<(String, String)>,
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

    fn wrong_kind(&mut self, node: &YamlNode, path: &FieldPath, wanted: &'static str) {
        self.fault(node.line, path, FieldError::Kind { found: node.kind(), wanted });
    }

    fn warn(&mut self, line: usize, path: &FieldPath, text: &str) {
        let place = if line > 0 { format!(":{line}") } else { String::new() };
        self.notes.warn("resource", format!("{}{place}: {}: {text}", escape(&self.origin.0), path.shown()));
    }

    /// Whether a document is a resource of this kind. One that seems to want to be is a fault.
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
                FieldError::Value { found: PrintableText::value(&kind), wanted: "'JWT'".to_owned() }
            };
            self.fault(line, &prefix.member("kind"), problem);
        } else {
            self.notes.note(format!(
                "{}:{}: a document of kind {} is passed over",
                escape(&self.origin.0),
                document.line,
                PrintableText::value(&kind)
            ));
        }
        false
    }

    /// The members of an object with a fault for each unknown one.
    fn object<'n>(
        &mut self,
        node: &'n YamlNode,
        path: &FieldPath,
        wanted: &'static str,
        known: &[&'static str],
    ) -> HashMap<&'n str, &'n YamlNode> {
        let Some(members) = node.members() else {
            self.wrong_kind(node, path, wanted);
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

    /// A text that has to be there. Nothing is taken for a text that is not one.
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
            _ => self.wrong_kind(node, path, "a text"),
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
            let wanted = quote(API_VERSION);
            let line = top.get("apiVersion").map_or(line, |node| node.line);
            self.fault(line, &path, FieldError::Value { found: PrintableText::value(&version), wanted });
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
        // A path inside of a list is a matter of that file; the lines are asked for without it.
        let lines = std::mem::take(&mut self.lines)
            .into_iter()
            .map(|(path, line)| {
                let inner = path.strip_prefix(prefix.as_str()).map(|p| p.trim_start_matches('.').to_owned());
                (inner.unwrap_or(path), line)
            })
            .collect();
        Some(Resource { name, namespace, labels, lines, ..spec })
    }

    fn metadata(&mut self, node: Option<&&YamlNode>, line: usize, path: &FieldPath) -> Option<Metadata> {
        // Beyond the first four they are Kubernetes' own, which `kubectl get -o yaml` prints.
        const KNOWN: [&str; 13] = [
            "name",
            "namespace",
            "labels",
            "annotations",
            "uid",
            "resourceVersion",
            "generation",
            "creationTimestamp",
            "deletionTimestamp",
            "managedFields",
            "ownerReferences",
            "finalizers",
            "selfLink",
        ];
        let Some(node) = node else {
            self.fault(line, &path.member("name"), FieldError::Missing);
            return None;
        };
        let members = self.object(node, path, "an object", &KNOWN);
        node.members()?;
        let here = path.member("name");
        let name = self.text(members.get("name"), node.line, &here);
        if let Some(name) = name.as_deref().filter(|name| !is_subdomain(name)) {
            let wanted = "a Kubernetes name: small letters, digits, '-' and '.', at most 253".to_owned();
            let line = members.get("name").map_or(0, |node| node.line);
            self.fault(line, &here, FieldError::Value { found: PrintableText::value(name), wanted });
        }
        let here = path.member("namespace");
        let mut namespace = None;
        if let Some(node) = members.get("namespace").filter(|node| !node.is_null()) {
            namespace = self.text(Some(node), node.line, &here);
            if let Some(found) = namespace.as_deref().filter(|name| !is_label(name)) {
                let found = PrintableText::value(found);
                let wanted = "a Kubernetes namespace: small letters, digits and '-', at most 63".to_owned();
                self.fault(node.line, &here, FieldError::Value { found, wanted });
            }
        }
        let mut labels = Vec::new();
        let here = path.member("labels");
        if let Some(node) = members.get("labels").filter(|node| !node.is_null()) {
            match node.members() {
                Some(members) => {
                    for (key, value) in members {
                        let here = here.member(&key.name);
                        // A label may be empty, unlike other texts.
                        let empty = matches!(&value.content, YamlContent::Scalar { text, plain: false } if text.is_empty());
                        if empty {
                            labels.push((key.name.clone(), String::new()));
                        } else if let Some(text) = self.text(Some(&value), value.line, &here) {
                            labels.push((key.name.clone(), text));
                        }
                    }
                }
                None => self.wrong_kind(node, &here, "an object of texts"),
            }
        }
        Some(Metadata { name: name?, namespace, labels })
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
            let wanted = "the issuer's URL".to_owned();
            self.fault(line, &here, FieldError::Value { found: PrintableText::value(found), wanted });
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
        let life = match members.get("expiryTime") {
            Some(node) => self.span(node, &here),
            None => {
                self.fault(line, &here, FieldError::Missing);
                None
            }
        };
        let here = path.member("resignBefore");
        let resign = members.get("resignBefore").filter(|node| !node.is_null());
        let resign_before = resign.and_then(|node| self.span(node, &here));
        if let (Some(expiry), Some(resign), Some(node)) = (life, resign_before, resign)
            && resign >= expiry
        {
            self.fault(node.line, &here, FieldError::ResignNotBefore { resign, expiry });
        }
        // With a fault it may be there under another name.
        if resign.is_none() && self.faults.is_empty() {
            self.warn(line, &here, "missing: the token is not renewed before it ends");
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
            lifetime: life?,
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
                FieldError::Value { found: PrintableText::value(&name), wanted: format!("one of {names}") },
            );
        }
        known
    }

    /// The payload: whatever stands in it, but for the claims that are set here.
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
                    let problem = FieldError::Kind { found: "another value", wanted: "a text" };
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

    /// A span of time: exactly one of days, hours, minutes. In seconds.
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
                let wanted = "a whole number over 0 (at most 100 years)".to_owned();
                self.fault(node.line, &here, FieldError::Value { found: PrintableText::value(text), wanted });
                None
            }
        }
    }

    fn key(&mut self, node: &YamlNode, path: &FieldPath) -> Option<ResourceKeySource> {
        const KNOWN: [&str; 8] =
            ["value", "secret", "configMap", "secretRef", "configMapRef", "valueFrom", "file", "env"];
        const OF: &str = "value, secret, configMap, file, env";
        let before = self.faults.len();
        let members = self.object(node, path, "an object with value, secret, configMap, file or env", &KNOWN);
        let all = node.members()?;
        if members.len() != 1 {
            if self.faults.len() == before || members.len() > 1 {
                let found = all.iter().map(|(key, _)| PrintableText::name(&key.name)).collect();
                self.fault(node.line, path, FieldError::NotExactlyOne { found, of: OF });
            }
            return None;
        }
        let name = KNOWN.into_iter().find(|name| members.contains_key(name))?;
        let node = members.get(name)?;
        let path = path.member(name);
        match name {
            "value" => {
                let text = self.text(Some(node), node.line, &path)?;
                Some(ResourceKeySource::Value(SecretText::new(text)))
            }
            "file" => self
                .text(Some(node), node.line, &path)
                .map(|text| ResourceKeySource::File(PathBuf::from(text))),
            "env" => {
                let name = self.text(Some(node), node.line, &path)?;
                if name.contains(['=', '\0']) {
                    let wanted = "the name of an environment variable".to_owned();
                    self.fault(
                        node.line,
                        &path,
                        FieldError::Value { found: PrintableText::value(&name), wanted },
                    );
                    return None;
                }
                Some(ResourceKeySource::Env(name))
            }
            "valueFrom" => self.value_from(node, &path),
            field => self.reference(field, node, &path),
        }
    }

    fn value_from(&mut self, node: &YamlNode, path: &FieldPath) -> Option<ResourceKeySource> {
        const KNOWN: [&str; 2] = ["secretKeyRef", "configMapKeyRef"];
        let before = self.faults.len();
        let members = self.object(node, path, "an object with secretKeyRef or configMapKeyRef", &KNOWN);
        let all = node.members()?;
        let known: Vec<&'static str> = KNOWN.into_iter().filter(|name| members.contains_key(name)).collect();
        let [field] = known.as_slice() else {
            if self.faults.len() == before {
                let found = all.iter().map(|(key, _)| PrintableText::name(&key.name)).collect();
                self.fault(
                    node.line,
                    path,
                    FieldError::NotExactlyOne { found, of: "secretKeyRef, configMapKeyRef" },
                );
            }
            return None;
        };
        self.reference(field, members.get(field)?, &path.member(field))
    }

    /// A reference to a Secret or ConfigMap. Its namespace is the resource's own; what it says of
    /// one matters to the operator only.
    fn reference(
        &mut self,
        field: &'static str,
        node: &YamlNode,
        path: &FieldPath,
    ) -> Option<ResourceKeySource> {
        let members =
            self.object(node, path, "an object with name and key", &["name", "key", "namespace", "optional"]);
        node.members()?;
        let name = self.text(members.get("name"), node.line, &path.member("name"));
        let key = self.text(members.get("key"), node.line, &path.member("key"));
        let (name, key) = (name?, key?);
        let mut good = true;
        // They become a path below --secrets-dir and must not lead out of it.
        if !is_subdomain(&name) {
            good = false;
            let wanted = "a Kubernetes name".to_owned();
            let line = members.get("name").map_or(0, |node| node.line);
            self.fault(
                line,
                &path.member("name"),
                FieldError::Value { found: PrintableText::value(&name), wanted },
            );
        }
        if !is_data_key(&key) {
            good = false;
            let wanted = "a key of a Secret: letters, digits, '-', '_' and '.'".to_owned();
            let line = members.get("key").map_or(0, |node| node.line);
            self.fault(
                line,
                &path.member("key"),
                FieldError::Value { found: PrintableText::value(&key), wanted },
            );
        }
        good.then_some(ResourceKeySource::Mounted { field, name, key })
    }
}

/// A DNS subdomain (RFC 1123), as Kubernetes has for names.
fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(|part| is_label_of(part, 253))
}

fn is_label(name: &str) -> bool {
    is_label_of(name, 63)
}

fn is_label_of(name: &str, limit: usize) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    !name.is_empty()
        && name.len() <= limit
        && name.bytes().all(inner)
        && !name.starts_with('-')
        && !name.ends_with('-')
}

fn is_data_key(key: &str) -> bool {
    key.len() <= 253
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && key != "."
        && !key.starts_with("..")
}

fn is_url(text: &str) -> bool {
    !text.chars().any(|c| c.is_whitespace() || c.is_control())
        && url::Url::parse(text).is_ok_and(|url| url.has_host())
}

/// Carries out a `--set`. Members on the way that are missing are made; claims of `spec.data`
/// whose names have dots in them (`wlcg.ver`) are found by their whole name. `null` takes a member
/// away. A value takes the kind of what it replaces: a text stays a text.
///
/// # Errors
/// What stands in the way and is no object.
fn apply(document: &mut YamlNode, change: &FieldOverride) -> Result<(), String> {
    let mut segments: Vec<String> = change.path.split('.').map(str::to_owned).collect();
    if segments.len() > 3 && segments[0] == "spec" && segments[1] == "data" {
        let data = document.member("spec").and_then(|spec| spec.member("data"));
        let known = |name: &str| {
            ["wlcg.ver", "wlcg.groups"].contains(&name)
                || data.is_some_and(|data| data.member(name).is_some())
        };
        let longest = (4..=segments.len()).rev().find(|end| known(&segments[2..*end].join(".")));
        if let Some(end) = longest {
            let name = segments[2..end].join(".");
            segments.splice(2..end, [name]);
        }
    }
    let Some((last, parents)) = segments.split_last() else { return Ok(()) };
    let mut node = document;
    let mut path = FieldPath::root();
    for name in parents {
        path = path.member(name);
        node = member_mut(node, name).ok_or_else(|| path.as_str().to_owned())?;
    }
    let is_data = parents.len() >= 2 && parents[0] == "spec" && parents[1] == "data";
    let is_span = parents.len() == 2 && ["expiryTime", "resignBefore"].contains(&parents[1].as_str());
    if is_span && let YamlContent::Object(members) = &mut node.content {
        // Exactly one of the units: another one replaces the first.
        members.retain(|(key, _)| key.name == *last);
    }
    if change.value == "null"
        && let YamlContent::Object(members) = &mut node.content
    {
        members.retain(|(key, _)| key.name != *last);
        return Ok(());
    }
    let target = member_mut(node, last).ok_or_else(|| path.as_str().to_owned())?;
    let was_text = matches!(&target.content, YamlContent::Scalar { text, plain }
        if !target.is_null() && (!plain || matches!(yaml::scalar(text), Ok(Value::String(_)))));
    let text_field = was_text || last == "wlcg.ver" || !(is_data || is_span);
    *target = match serde_json::from_str::<Value>(&change.value) {
        Ok(value) if !text_field || value.is_array() || value.is_object() || value.is_string() => {
            YamlNode::value(&value)
        }
        _ => YamlNode::text(&change.value),
    };
    Ok(())
}

fn member_mut<'a>(node: &'a mut YamlNode, name: &str) -> Option<&'a mut YamlNode> {
    if node.is_null() {
        node.content = YamlContent::Object(Vec::new());
    }
    let YamlContent::Object(members) = &mut node.content else { return None };
    let index = match members.iter().position(|(key, _)| key.name == name) {
        Some(index) => index,
        None => {
            let key = yaml::YamlKey { name: name.to_owned(), line: 0 };
            let nothing = YamlContent::Scalar { text: zeroize::Zeroizing::new(String::new()), plain: true };
            members.push((key, YamlNode { line: 0, content: nothing }));
            members.len() - 1
        }
    };
    members.get_mut(index).map(|(_, node)| node)
}
