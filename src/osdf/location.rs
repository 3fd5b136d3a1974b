//! Locations in a resource, and the errors at them.

use std::fmt;

use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::{escape, quote};

/// Where a text came from: a file's name or `standard input`, as shown in messages.
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

/// The way to a field from the top of its document: `spec.data['wlcg.ver']`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FieldPath {
    /// The path, to compare it.
    exact: String,
    /// The path for messages, without names that may be a secret in the wrong place.
    shown: String,
}

impl FieldPath {
    /// The document itself.
    #[must_use]
    pub const fn root() -> Self {
        Self { exact: String::new(), shown: String::new() }
    }

    /// A member of what this path leads to.
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

    /// An entry of the list this path leads to, counted from 0.
    #[must_use]
    pub fn entry(&self, index: usize) -> Self {
        Self { exact: format!("{}[{index}]", self.exact), shown: format!("{}[{index}]", self.shown) }
    }

    /// The path for a message: without a name that may be a secret in the wrong place.
    #[must_use]
    pub fn shown(&self) -> &str {
        &self.shown
    }

    /// The path as text; empty for the document itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.exact
    }
}

/// Something wrong with a resource, with its place. Several of one resource are reported together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResourceError {
    /// The file.
    pub source: SourceName,
    /// The line, counted from 1; 0 where no line is to blame.
    pub line: usize,
    /// The field.
    pub path: FieldPath,
    /// What is wrong with it.
    pub error: FieldError,
}

/// What can be wrong with a resource.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FieldError {
    /// No YAML or JSON.
    #[error("not YAML: {}", escape(.0))]
    Syntax(String),
    /// Indented with a tab.
    #[error("indented with a tab: expected spaces")]
    Tab,
    /// Lists and objects in each other beyond all need.
    #[error("nested deeper than {0} levels")]
    TooDeep(usize),
    /// More entries than any resource has.
    #[error("more than {0} entries")]
    TooManyEntries(usize),
    /// Aliases that unfold to more entries than any resource has.
    #[error("its aliases unfold to more than {0} entries")]
    AliasesUnfold(usize),
    /// Anchors and aliases that copy more than any resource has.
    #[error("its anchors and aliases stand for more than {0} MiB")]
    CopiesTooMuch(usize),
    /// A member's name that is longer than any has.
    #[error("a member's name is longer than {0} bytes")]
    NameTooLong(usize),
    /// An alias inside the node that it refers to.
    #[error("an alias of a node that contains it")]
    AliasOfItself,
    /// `<<`, which YAML 1.2 has not.
    #[error("'<<' is not part of YAML 1.2: write the members out")]
    MergeKey,
    /// A tag, such as `!!binary`.
    #[error("has the tag {0}: tags are not supported")]
    Tag(PrintableText),
    /// A key that is a list or an object.
    #[error("a list or an object as a key")]
    KeyNotText,
    /// The same member twice, with different values.
    #[error("duplicate member with different values, first in line {first}")]
    Duplicate {
        /// The line of the first.
        first: usize,
    },
    /// A text that YAML 1.1, and so Kubernetes, reads otherwise than YAML 1.2.
    #[error(
        "{text} is {in_kubernetes} to Kubernetes and a string to others: put it in quotes or write {in_kubernetes}"
    )]
    Ambiguous {
        /// As written.
        text: PrintableText,
        /// What YAML 1.1 takes it for.
        in_kubernetes: &'static str,
    },
    /// A number that would change its value.
    #[error("the number {0} cannot be represented exactly: quote it if it is a string")]
    Inexact(PrintableText),
    /// Not a number that JSON has.
    #[error("{0} is not a number in JSON")]
    NotAJsonNumber(PrintableText),
    /// Not there.
    #[error("missing")]
    Missing,
    /// There, but with nothing in it.
    #[error("empty")]
    Empty,
    /// No field of this object.
    #[error("unknown field{}", near_name(*.near))]
    Unknown {
        /// The nearest known name.
        near: Option<&'static str>,
    },
    /// Another kind of value.
    #[error("found {found}, expected {expected}")]
    Kind {
        /// The value found.
        found: &'static str,
        /// What should.
        expected: &'static str,
    },
    /// A value that is not among those there are.
    #[error("found {found}, expected {expected}")]
    Value {
        /// The value found.
        found: PrintableText,
        /// What should.
        expected: String,
    },
    /// Not exactly one of several.
    #[error("found {}, expected exactly one of {of}", list(.found))]
    NotExactlyOne {
        /// The values found.
        found: Vec<PrintableText>,
        /// Those of which one should.
        of: &'static str,
    },
    /// Not shorter than the token's lifetime.
    #[error("is {resign} seconds: expected less than expiryTime, which is {expiry} seconds")]
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
    /// No document of the expected kind.
    #[error("no document of kind JWT in it")]
    NotAResource,
    /// Two resources of one name, where names become files.
    #[error("duplicate resource {}, first in line {first}", quote(.name))]
    SameName {
        /// The name.
        name: String,
        /// The line of the first.
        first: usize,
    },
    /// `--set` leads through something that is not an object.
    #[error("{} is not an object: its members cannot be set", quote(.0))]
    NotAnObject(String),
    /// A rule of the token's profile, under `--strict`.
    #[error("{reason}")]
    Profile {
        /// What a validator would say.
        reason: String,
        /// What to write instead.
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
