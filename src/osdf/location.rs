//! Locations in a resource, and the errors at them.

use std::fmt;

use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote};

/// The source of a text, as messages name it: a file or `standard input`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SourceName(pub String);

impl SourceName {
    const STANDARD_INPUT: &str = "standard input";

    /// The name of standard input.
    #[must_use]
    pub fn standard_input() -> Self {
        Self(Self::STANDARD_INPUT.to_owned())
    }

    /// Whether this is standard input, which can be read once only.
    #[must_use]
    pub fn is_standard_input(&self) -> bool {
        self.0 == Self::STANDARD_INPUT
    }
}

/// The path of a field from the top of its document, such as `spec.data['wlcg.ver']`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldPath {
    /// The exact path, for comparisons.
    exact: String,
    /// The path for messages. Names that may be a misplaced secret are replaced.
    shown: String,
}

impl FieldPath {
    /// The path of the document.
    #[must_use]
    pub const fn root() -> Self {
        Self { exact: String::new(), shown: String::new() }
    }

    /// The path of a member of this object.
    #[must_use]
    pub fn member(&self, name: &str) -> Self {
        let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-".contains(&b));
        let joined = |path: &str, name: &str, plain: bool| match (plain, path.is_empty()) {
            (true, true) => name.to_owned(),
            (true, false) => format!("{path}.{name}"),
            (false, _) => format!("{path}[{name}]"),
        };
        let exact = if plain { name.to_owned() } else { quote(name) };
        let shown = PrintableText::member(name);
        Self {
            exact: joined(&self.exact, &exact, plain),
            shown: joined(&self.shown, shown.as_str(), plain && shown.as_str() == name),
        }
    }

    /// The path of an entry of this list; the first has the index 0.
    #[must_use]
    pub fn entry(&self, index: usize) -> Self {
        Self { exact: format!("{}[{index}]", self.exact), shown: format!("{}[{index}]", self.shown) }
    }

    /// The path for messages. Names that may be a misplaced secret are replaced.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The exact path as text; empty for the document.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.exact
    }
}

/// An error of a resource, with its location. All errors of a resource are reported together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceError {
    /// The file.
    pub source: SourceName,
    /// The line, from 1; 0 if the error does not have a line.
    pub line: usize,
    /// The field.
    pub path: FieldPath,
    /// The problem.
    pub error: FieldError,
}

/// A problem of a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// Neither YAML nor JSON.
    #[error("not YAML: {}", escape(.0))]
    Syntax(String),
    /// A line is indented with a tab, which YAML does not permit.
    #[error("indented with a tab: expected spaces")]
    Tab,
    /// Lists and objects are nested too deeply.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// Too many entries.
    #[error("more than {0} entries")]
    TooManyEntries(usize),
    /// Aliases expand to too many entries.
    #[error("its aliases unfold to more than {0} entries")]
    AliasesUnfold(usize),
    /// Anchors and aliases copy too many bytes.
    #[error("its anchors and aliases stand for more than {0} MiB")]
    CopiesTooMuch(usize),
    /// The name of a member is too long.
    #[error("a member's name is longer than {0} bytes")]
    NameTooLong(usize),
    /// An alias inside the node that it refers to.
    #[error("an alias of a node that contains it")]
    AliasOfItself,
    /// The merge key `<<`, which YAML 1.2 does not have.
    #[error("'<<' is not part of YAML 1.2: write the members out")]
    MergeKey,
    /// A tag, such as `!!binary`.
    #[error("has the tag {0}: tags are not supported")]
    Tag(PrintableText),
    /// A key that is a list or an object.
    #[error("a list or an object as a key")]
    KeyNotText,
    /// A member occurs more than once, with different values.
    #[error("duplicate member with different values, first in line {first}")]
    Duplicate {
        /// The line of the first one.
        first: usize,
    },
    /// A text that YAML 1.1, and therefore Kubernetes, reads differently from YAML 1.2.
    #[error(
        "{text} is {in_kubernetes} in YAML 1.1 and a string in YAML 1.2: put it in quotes or write {in_kubernetes}"
    )]
    Ambiguous {
        /// The text.
        text: PrintableText,
        /// The type of the value in YAML 1.1.
        in_kubernetes: &'static str,
    },
    /// A number whose value would change because of limited precision.
    #[error("the number {0} cannot be represented exactly: quote it if it is a string")]
    Inexact(PrintableText),
    /// A number that JSON does not have, such as infinity.
    #[error("{0} is not a number in JSON")]
    NotAJsonNumber(PrintableText),
    /// A required field is missing.
    #[error("missing")]
    Missing,
    /// A required field is empty.
    #[error("empty")]
    Empty,
    /// The object does not have a field of this name.
    #[error("unknown field{}", near_name(*.near))]
    Unknown {
        /// The most similar known name.
        near: Option<&'static str>,
    },
    /// The value has another type.
    #[error("found {found}, expected {expected}")]
    Kind {
        /// The value.
        found: &'static str,
        /// The expected type.
        expected: &'static str,
    },
    /// The value is not supported.
    #[error("found {found}, expected {expected}")]
    Value {
        /// The value.
        found: PrintableText,
        /// The supported values.
        expected: String,
    },
    /// None or more than one of several fields.
    #[error("found {}, expected exactly one of {of}", list(.found))]
    NotExactlyOne {
        /// The fields that are set.
        found: Vec<PrintableText>,
        /// The fields of which exactly one must be set.
        of: &'static str,
    },
    /// `resignBefore` is not shorter than the token's lifetime.
    #[error(
"is {}: expected less than expiryTime, which is {}", counted(*.resign, "second"), counted(*.expiry, "second"))]
    ResignNotBefore {
        /// resignBefore in seconds.
        resign: i64,
        /// expiryTime in seconds.
        expiry: i64,
    },
    /// `iss` beside `spec.issuer`.
    #[error("is {claim}, but spec.issuer is {issuer}")]
    OtherIssuer {
        /// The claim.
        claim: PrintableText,
        /// The issuer.
        issuer: PrintableText,
    },
    /// The stream does not have a document of the expected kind.
    #[error("no document of kind JWT in it")]
    NotAResource,
    /// Two resources have the same name, which is the name of the output file.
    #[error("duplicate resource {}, first in line {first}", quote(.name))]
    SameName {
        /// The name.
        name: String,
        /// The line of the first one.
        first: usize,
    },
    /// A path of `--set` goes through a value that is not an object.
    #[error("{} is not an object: its members cannot be set", quote(.0))]
    NotAnObject(String),
    /// A rule of the token's profile, under `--strict`.
    #[error("{reason}")]
    Profile {
        /// The message of the check.
        reason: String,
        /// The correction.
        hint: Option<String>,
    },
}

fn near_name(near: Option<&'static str>) -> String {
    near.map_or_else(String::new, |name| format!(": did you mean '{name}'?"))
}

fn list(found: &[PrintableText]) -> String {
    match found {
        [] => "none".to_owned(),
        names => names.iter().map(PrintableText::as_str).collect::<Vec<_>>().join(" and "),
    }
}

impl fmt::Display for ResourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&escape(&self.source.0))?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.path.as_str().is_empty() {
            write!(f, ": {}", self.path.shown())?;
        }
        write!(f, ": {}", self.error)
    }
}

impl std::error::Error for ResourceError {}

impl Diagnostic for ResourceError {
    fn kind(&self) -> Kind {
        match self.error {
            FieldError::Syntax(_) | FieldError::Tab | FieldError::AliasOfItself => Kind::ResourceNotYaml,
            FieldError::TooDeep(_)
            | FieldError::TooManyEntries(_)
            | FieldError::AliasesUnfold(_)
            | FieldError::CopiesTooMuch(_)
            | FieldError::NameTooLong(_) => Kind::ResourceTooLarge,
            FieldError::MergeKey | FieldError::Tag(_) | FieldError::KeyNotText => Kind::ResourceYamlForm,
            FieldError::Duplicate { .. } => Kind::ResourceDuplicateMember,
            FieldError::Ambiguous { .. } => Kind::ResourceValueAmbiguous,
            FieldError::Inexact(_) | FieldError::NotAJsonNumber(_) => Kind::ResourceNumber,
            FieldError::Missing | FieldError::Empty => Kind::ResourceMissingMember,
            FieldError::Unknown { .. } => Kind::ResourceUnknownMember,
            FieldError::Kind { .. } | FieldError::Value { .. } | FieldError::NotAnObject(_) => {
                Kind::ResourceMemberValue
            }
            FieldError::NotExactlyOne { .. } => Kind::ResourceMemberChoice,
            FieldError::ResignNotBefore { .. } => Kind::ResourceResignBefore,
            FieldError::OtherIssuer { .. } => Kind::ResourceIssuer,
            FieldError::NotAResource => Kind::ResourceNone,
            FieldError::SameName { .. } => Kind::ResourceDuplicateName,
            FieldError::Profile { .. } => Kind::ResourceProfile,
        }
    }

    fn hint(&self) -> Option<String> {
        match &self.error {
            FieldError::NotAResource => Some("write one to start from: cc-jwt spec new".to_owned()),
            FieldError::OtherIssuer { .. } => Some("leave 'iss' out: spec.issuer becomes it".to_owned()),
            FieldError::SameName { .. } => {
                Some("give it another metadata.name, or another --out-dir".to_owned())
            }
            FieldError::Profile { hint, .. } => hint.clone(),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reads_as_people_write_it() {
        let data = FieldPath::root().member("spec").member("data");
        assert_eq!(data.member("sub").as_str(), "spec.data.sub");
        assert_eq!(data.member("wlcg.ver").as_str(), "spec.data['wlcg.ver']");
        assert_eq!(data.member("aud").entry(1).as_str(), "spec.data.aud[1]");
        assert_eq!(FieldPath::root().member("a\x1b").as_str(), r"['a\u{1b}']");
    }
}
