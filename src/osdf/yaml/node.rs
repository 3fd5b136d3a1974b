//! The nodes of a document with their lines, and scalar values by the core schema of YAML 1.2.

use serde_json::{Map, Number, Value};
use zeroize::Zeroizing;

use super::super::location::{FieldError, FieldPath};
use crate::util::printable::PrintableText;

/// An entry of a document.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::osdf) struct YamlNode {
    /// The line, counted from 1; 0 for a value that is not from the file.
    pub(in crate::osdf) line: usize,
    /// What it is.
    pub(in crate::osdf) content: YamlContent,
}

/// The content of a node. Strings may be private keys and are wiped on drop.
#[derive(Clone, PartialEq, Eq)]
pub(in crate::osdf) enum YamlContent {
    /// A scalar. A `plain` one is unquoted and may be a number, a boolean or null.
    Scalar { text: Zeroizing<String>, plain: bool },
    /// A list.
    List(Vec<YamlNode>),
    /// An object; its members in order.
    Object(Vec<(YamlKey, YamlNode)>),
}

/// The name of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::osdf) struct YamlKey {
    pub(in crate::osdf) name: String,
    pub(in crate::osdf) line: usize,
}

impl YamlNode {
    /// A text that was set from outside.
    pub(in crate::osdf) fn text(text: &str) -> Self {
        Self { line: 0, content: YamlContent::Scalar { text: Zeroizing::new(text.to_owned()), plain: false } }
    }

    /// A value that was set from outside.
    pub(in crate::osdf) fn value(value: &Value) -> Self {
        let content = match value {
            Value::String(text) => return Self::text(text),
            Value::Array(list) => YamlContent::List(list.iter().map(Self::value).collect()),
            Value::Object(members) => YamlContent::Object(
                members
                    .iter()
                    .map(|(name, value)| (YamlKey { name: name.clone(), line: 0 }, Self::value(value)))
                    .collect(),
            ),
            other => YamlContent::Scalar { text: Zeroizing::new(other.to_string()), plain: true },
        };
        Self { line: 0, content }
    }

    /// The members, if it is an object.
    pub(in crate::osdf) fn members(&self) -> Option<&[(YamlKey, Self)]> {
        match &self.content {
            YamlContent::Object(members) => Some(members),
            _ => None,
        }
    }

    /// A member by its name.
    pub(in crate::osdf) fn member(&self, name: &str) -> Option<&Self> {
        self.members()?.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Whether the value is null: `null`, `~`, or missing.
    pub(in crate::osdf) fn is_null(&self) -> bool {
        match &self.content {
            YamlContent::Scalar { text, plain: true } => is_null(text),
            _ => false,
        }
    }

    /// Returns the type for messages, without the content, which may be secret.
    pub(in crate::osdf) fn kind(&self) -> &'static str {
        match &self.content {
            YamlContent::Scalar { text, plain: true } => match scalar(text) {
                Ok(Value::Null) => "nothing",
                Ok(Value::Bool(_)) => "a boolean",
                Ok(Value::Number(_)) => "a number",
                _ => "a string",
            },
            YamlContent::Scalar { .. } => "a string",
            YamlContent::List(_) => "an array",
            YamlContent::Object(_) => "an object",
        }
    }

    pub(super) fn entries(&self) -> usize {
        1 + match &self.content {
            YamlContent::Scalar { .. } => 0,
            YamlContent::List(list) => list.iter().map(Self::entries).sum(),
            YamlContent::Object(members) => members.iter().map(|(_, node)| 1 + node.entries()).sum(),
        }
    }

    /// How many bytes a copy takes, roughly.
    pub(super) fn bytes(&self) -> usize {
        size_of::<Self>()
            + match &self.content {
                YamlContent::Scalar { text, .. } => text.len(),
                YamlContent::List(list) => list.iter().map(Self::bytes).sum(),
                YamlContent::Object(members) => members
                    .iter()
                    .map(|(key, node)| size_of::<YamlKey>() + key.name.len() + node.bytes())
                    .sum(),
            }
    }

    /// The value as JSON by YAML 1.2's core schema; each value that JSON cannot represent is an error.
    pub(in crate::osdf) fn to_json(
        &self,
        path: &FieldPath,
        faults: &mut Vec<(usize, FieldPath, FieldError)>,
    ) -> Value {
        match &self.content {
            YamlContent::Scalar { text, plain: false } => Value::String(text.to_string()),
            YamlContent::Scalar { text, plain: true } => scalar(text).unwrap_or_else(|problem| {
                faults.push((self.line, path.clone(), problem));
                Value::Null
            }),
            YamlContent::List(list) => Value::Array(
                list.iter()
                    .enumerate()
                    .map(|(index, node)| node.to_json(&path.entry(index), faults))
                    .collect(),
            ),
            YamlContent::Object(members) => {
                let mut object = Map::with_capacity(members.len());
                for (key, node) in members {
                    let value = node.to_json(&path.member(&key.name), faults);
                    object.insert(key.name.clone(), value);
                }
                Value::Object(object)
            }
        }
    }
}

fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

/// Resolves a plain scalar by the core schema (YAML 1.2.2, 10.3.2). It is an error if YAML 1.1,
/// which Kubernetes uses, resolves it differently: the operator would sign another token.
pub(in crate::osdf) fn scalar(text: &str) -> Result<Value, FieldError> {
    if is_null(text) {
        return Ok(Value::Null);
    }
    match text {
        "true" | "True" | "TRUE" => return Ok(Value::Bool(true)),
        "false" | "False" | "FALSE" => return Ok(Value::Bool(false)),
        "yes" | "Yes" | "YES" | "on" | "On" | "ON" | "y" | "Y" => {
            return Err(FieldError::Ambiguous { text: PrintableText::value(text), in_kubernetes: "true" });
        }
        "no" | "No" | "NO" | "off" | "Off" | "OFF" | "n" | "N" => {
            return Err(FieldError::Ambiguous { text: PrintableText::value(text), in_kubernetes: "false" });
        }
        ".inf" | ".Inf" | ".INF" | "+.inf" | "-.inf" | ".nan" | ".NaN" | ".NAN" => {
            return Err(FieldError::NotAJsonNumber(PrintableText::value(text)));
        }
        _ => {}
    }
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Ok(Value::String(text.to_owned()));
    }
    let inexact = || FieldError::Inexact(PrintableText::value(text));
    for (prefix, radix) in [("0x", 16), ("0o", 8)] {
        let number = text.strip_prefix(prefix).filter(|number| !number.is_empty());
        if let Some(number) = number.filter(|number| number.chars().all(|c| c.is_digit(radix))) {
            return u64::from_str_radix(number, radix).map(Value::from).map_err(|_| inexact());
        }
    }
    if digits.bytes().all(|b| b.is_ascii_digit()) {
        if digits.len() > 1 && digits.starts_with('0') {
            return Err(FieldError::Ambiguous {
                text: PrintableText::value(text),
                in_kubernetes: "an octal number",
            });
        }
        let plain = text.strip_prefix('+').unwrap_or(text);
        return plain
            .parse::<i64>()
            .map(Value::from)
            .or_else(|_| plain.parse::<u64>().map(Value::from))
            .map_err(|_| inexact());
    }
    if is_float(digits) {
        let value: f64 = text.parse().map_err(|_| inexact())?;
        return Number::from_f64(value).map(Value::Number).ok_or_else(inexact);
    }
    if is_number_to_kubernetes(digits) {
        return Err(FieldError::Ambiguous { text: PrintableText::value(text), in_kubernetes: "a number" });
    }
    Ok(Value::String(text.to_owned()))
}

/// Returns whether Kubernetes' YAML 1.1 parser reads an unsigned text as a number although it is a
/// string in YAML 1.2: digit groups (`1_000`), base prefixes in capitals, base 2, or a base prefix
/// after a sign.
fn is_number_to_kubernetes(digits: &str) -> bool {
    let digits = digits.replace('_', "").to_ascii_lowercase();
    let is_of = |prefix: &str, radix| {
        digits
            .strip_prefix(prefix)
            .is_some_and(|digits| !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(radix)))
    };
    is_of("0x", 16) || is_of("0o", 8) || is_of("0b", 2) || is_float(&digits)
}

/// `[0-9]* ('.' [0-9]*)? ([eE] [-+]? [0-9]+)?` with at least one digit before the exponent.
fn is_float(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|e| {
            let e = e.strip_prefix(['-', '+']).unwrap_or(e);
            !e.is_empty() && digits(e)
        })
}
