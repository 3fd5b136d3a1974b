//! `metadata`: name, namespace and labels, as Kubernetes accepts them.

use super::super::location::{FieldError, FieldPath};
use super::super::yaml::{YamlContent, YamlNode};
use super::Reader;
use crate::util::printable::PrintableText;

/// The supported fields of `metadata`.
pub(super) struct Metadata {
    pub(super) name: String,
    pub(super) namespace: Option<String>,
    pub(super) labels: Vec<(String, String)>,
}

impl Reader<'_> {
    pub(super) fn metadata(
        &mut self,
        node: Option<&&YamlNode>,
        line: usize,
        path: &FieldPath,
    ) -> Option<Metadata> {
        // The fields after the first four are set by Kubernetes and printed by `kubectl get -o
        // yaml`.
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
            let expected = "a Kubernetes name: small letters, digits, '-' and '.', at most 253".to_owned();
            let line = members.get("name").map_or(0, |node| node.line);
            self.fault(line, &here, FieldError::Value { found: PrintableText::value(name), expected });
        }
        let here = path.member("namespace");
        let mut namespace = None;
        if let Some(node) = members.get("namespace").filter(|node| !node.is_null()) {
            namespace = self.text(Some(node), node.line, &here);
            if let Some(found) = namespace.as_deref().filter(|name| !is_label(name)) {
                let found = PrintableText::value(found);
                let expected = "a Kubernetes namespace: small letters, digits and '-', at most 63".to_owned();
                self.fault(node.line, &here, FieldError::Value { found, expected });
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
}

/// Returns whether a name is a DNS subdomain (RFC 1123), as Kubernetes requires for names.
pub(super) fn is_subdomain(name: &str) -> bool {
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

pub(super) fn is_data_key(key: &str) -> bool {
    key.len() <= 253
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
        && key != "."
        && !key.starts_with("..")
}
