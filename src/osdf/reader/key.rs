//! `spec.key`: where the signing key is.

use std::path::PathBuf;

use super::super::location::{FieldError, FieldPath};
use super::super::resource::ResourceKeySource;
use super::super::yaml::YamlNode;
use super::Reader;
use super::metadata::{is_data_key, is_subdomain};
use crate::util::printable::PrintableText;
use crate::util::secret::SecretText;

impl Reader<'_> {
    pub(super) fn key(&mut self, node: &YamlNode, path: &FieldPath) -> Option<ResourceKeySource> {
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
                    let expected = "the name of an environment variable".to_owned();
                    self.fault(
                        node.line,
                        &path,
                        FieldError::Value { found: PrintableText::value(&name), expected },
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

    /// Parses a reference to a Secret or ConfigMap in the namespace of the resource. An explicit
    /// namespace is only used by the operator.
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
        // The name becomes a path component below --secrets-dir and must not escape it.
        if !is_subdomain(&name) {
            good = false;
            let expected = "a Kubernetes name".to_owned();
            let line = members.get("name").map_or(0, |node| node.line);
            self.fault(
                line,
                &path.member("name"),
                FieldError::Value { found: PrintableText::value(&name), expected },
            );
        }
        if !is_data_key(&key) {
            good = false;
            let expected = "a key of a Secret: letters, digits, '-', '_' and '.'".to_owned();
            let line = members.get("key").map_or(0, |node| node.line);
            self.fault(
                line,
                &path.member("key"),
                FieldError::Value { found: PrintableText::value(&key), expected },
            );
        }
        good.then_some(ResourceKeySource::Mounted { field, name, key })
    }
}
