//! The errors of a `.env` file, each with its position.

use std::fmt;

use super::expand::{GROWN_LIMIT, VALUE_LIMIT};
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;
use crate::util::printable::PrintableText;
use crate::util::quote::quote;

/// What is wrong in a line. No message repeats the line: it may be a piece of a secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DotenvErrorKind {
    /// The file begins with a byte order mark.
    ByteOrderMark,
    /// A character that no name can have.
    InName {
        /// The character; a byte above 127 is shown as the Latin-1 letter the server takes it for.
        found: char,
    },
    /// A line that ends before any `=`.
    NoValue,
    /// Something other than a comment or an assignment after a closing quote.
    AfterQuote {
        /// The first character that cannot be.
        found: char,
    },
    /// A quote that is never closed.
    Unterminated {
        /// The name whose value it is.
        key: PrintableText,
        /// The quote.
        quote: char,
        /// Whether the quote's last occurrence has a backslash before it, which keeps it from
        /// closing.
        escaped: bool,
    },
    /// `$NAME`s that double each other.
    TooLong {
        /// The name whose value it is.
        key: PrintableText,
    },
}

/// An error of the file: the server then reads nothing of it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {problem}")]
pub struct DotenvError {
    /// The line, counted from 1.
    pub line: usize,
    /// The place in the line, in bytes, counted from 1.
    pub column: usize,
    /// What is wrong.
    pub problem: DotenvErrorKind,
}

impl fmt::Display for DotenvErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ByteOrderMark => f.write_str("found a byte order mark (U+FEFF): expected plain UTF-8"),
            Self::InName { found } => write!(
                f,
                "found {} in a name: expected KEY=value with letters, digits, '_' and '.' in KEY",
                quote(&found.to_string())
            ),
            Self::NoValue => f.write_str("found the end of the line: expected KEY=value"),
            Self::AfterQuote { found } => write!(
                f,
                "found {} after a closing quote: expected the end of the line, a comment or KEY=value",
                quote(&found.to_string())
            ),
            Self::Unterminated { key, quote: mark, .. } => {
                write!(f, "the value of {key} begins with {mark} and is never closed")
            }
            Self::TooLong { key } => {
                let (one, all) = (VALUE_LIMIT >> 20, GROWN_LIMIT >> 20);
                write!(
                    f,
                    "the value of {key} grows beyond {one} MiB by the names in it, or those of the file beyond {all} MiB"
                )
            }
        }
    }
}

impl Diagnostic for DotenvError {
    fn kind(&self) -> Kind {
        Kind::EnvFileMalformed
    }

    fn hint(&self) -> Option<String> {
        Some(match &self.problem {
            DotenvErrorKind::ByteOrderMark => {
                "save the file without a byte order mark: the server rejects the whole file".to_owned()
            }
            DotenvErrorKind::Unterminated { escaped: true, .. } => {
                "a backslash before the closing quote escapes it: remove the quotes".to_owned()
            }
            DotenvErrorKind::AfterQuote { .. } => {
                "a quote inside a value ends it: put a value with ' into \", and one with \" into '"
                    .to_owned()
            }
            _ => "one invalid line makes the server ignore the whole file".to_owned(),
        })
    }
}

/// The errors of a file, in order; at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotenvErrors(pub(super) Vec<DotenvError>);

impl DotenvErrors {
    /// The first error, the one at which the server gives up.
    #[must_use]
    pub fn first(&self) -> &DotenvError {
        &self.0[0]
    }
}

impl IntoIterator for DotenvErrors {
    type Item = DotenvError;
    type IntoIter = std::vec::IntoIter<DotenvError>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl fmt::Display for DotenvErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            write!(f, "{}{error}", if index == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl std::error::Error for DotenvErrors {}
