//! Errors of an import. Messages do not contain text of the line, because any column of a file
//! without a valid header line may contain passwords or hashes.

use crate::user::password::HashError;
use crate::util::count::counted;
use crate::util::diagnostic::Diagnostic;
use crate::util::kind::Kind;

/// Error of a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// Not UTF-8.
    #[error("invalid text: expected UTF-8")]
    NotUtf8,
    /// A quote at an invalid position (RFC 4180 2.5 to 2.7).
    #[error("a quote inside a field that does not begin with one")]
    StrayQuote,
    /// Something between the closing quote and the separator.
    #[error("text after the closing quote of a field")]
    TextAfterQuote,
    /// The file ends inside a quoted field.
    #[error("a quoted field that begins here has no closing quote")]
    UnclosedQuote,
    /// More or fewer fields than the heading has.
    #[error("found {}, expected {expected} as in the header line", counted(*.found, "field"))]
    FieldCount {
        /// In this line.
        found: usize,
        /// In the header line.
        expected: usize,
    },
    /// The first line does not name the columns.
    #[error("the first line is not a header line: it has no column 'username'")]
    MissingHeader,
    /// An unknown column.
    #[error("unknown column {position} in the header line")]
    UnknownColumn {
        /// Its number, from 1.
        position: usize,
        /// A known column with a similar name.
        near: Option<&'static str>,
        /// Whether it is for passwords in plain text.
        is_password: bool,
    },
    /// A column that occurs twice.
    #[error("duplicate column '{0}' in the header line")]
    DuplicateColumn(&'static str),
    /// Not the JSON object of a user.
    #[error("column {column}: {message}")]
    Json {
        /// Where, in bytes from 1.
        column: usize,
        /// What is wrong, without any text of the line.
        message: &'static str,
    },
    /// An unknown member.
    #[error("unknown member at column {column}")]
    UnknownMember {
        /// Where, in bytes from 1.
        column: usize,
        /// A known member with a similar name.
        near: Option<&'static str>,
        /// Whether it is for passwords in plain text.
        is_password: bool,
    },
    /// A member that occurs twice.
    #[error("duplicate member '{0}'")]
    DuplicateMember(&'static str),
    /// A value of another type.
    #[error("invalid '{column}': expected {expected}")]
    InvalidType {
        /// The column.
        column: &'static str,
        /// The expected values.
        expected: &'static str,
    },
    /// NULL where the table does not accept it.
    #[error("invalid '{0}': the table does not accept NULL there")]
    Null(&'static str),
    /// No username.
    #[error("no username")]
    MissingUsername,
    /// The auth source.
    #[error("invalid 'source': expected local, ldap, token, oidc or a number")]
    InvalidSource,
    /// The password hash.
    #[error("invalid 'password_hash'{}: {error}", .found.map(|found| format!(" ({found})")).unwrap_or_default())]
    InvalidHash {
        /// The reason.
        error: HashError,
        /// What kind of hash it seems to be.
        found: Option<&'static str>,
    },
    /// An earlier line has the same username.
    #[error("duplicate username: line {first} has the same")]
    Duplicate {
        /// The earlier line.
        first: u64,
    },
    /// The user is in the database.
    #[error("the user already exists")]
    Exists,
    /// The user's row in the database is damaged, and the line does not replace the column.
    #[error(
        "the column '{column}' of this user is damaged in the database, and the line does not replace it"
    )]
    InvalidRow {
        /// The column.
        column: &'static str,
    },
    /// The user in the database has another source.
    #[error("the user has the source {there} in the database, not {given}")]
    OtherSource {
        /// The source in the database.
        there: String,
        /// The source in the line.
        given: String,
    },
}

/// An invalid line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file} line {line}: {error}")]
pub struct LineError {
    /// The file, quoted.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The error.
    pub error: EntryError,
}

impl Diagnostic for LineError {
    fn kind(&self) -> Kind {
        match &self.error {
            EntryError::InvalidHash { error, .. } => error.kind(),
            EntryError::Exists => Kind::UserExists,
            EntryError::Duplicate { .. } => Kind::ImportDuplicateUser,
            EntryError::InvalidRow { .. } => Kind::UserRowInvalid,
            EntryError::InvalidSource => Kind::SourceUnknown,
            EntryError::InvalidType { .. } | EntryError::Null(_) | EntryError::MissingUsername => {
                Kind::ImportUserInvalid
            }
            EntryError::OtherSource { .. } => Kind::UserOfOtherSource,
            EntryError::UnknownColumn { .. } | EntryError::DuplicateColumn(_) | EntryError::MissingHeader => {
                Kind::CsvHeading
            }
            EntryError::Json { .. } | EntryError::UnknownMember { .. } | EntryError::DuplicateMember(_) => {
                Kind::JsonMalformed
            }
            EntryError::NotUtf8 => Kind::FileNotText,
            EntryError::StrayQuote
            | EntryError::TextAfterQuote
            | EntryError::UnclosedQuote
            | EntryError::FieldCount { .. } => Kind::CsvMalformed,
        }
    }

    fn hint(&self) -> Option<String> {
        let list = || super::MEMBERS.join(", ");
        match &self.error {
            EntryError::UnknownColumn { is_password: true, .. }
            | EntryError::UnknownMember { is_password: true, .. } => Some(
                "a password is imported as its bcrypt hash, in the column 'password_hash'; \
                 without one, set it after the import: cc-user passwd NAME"
                    .to_owned(),
            ),
            EntryError::UnknownColumn { near, .. } | EntryError::UnknownMember { near, .. } => Some(match near {
                Some(near) => format!("did you mean '{near}'? the columns are {}", list()),
                None => format!("the columns are {}", list()),
            }),
            EntryError::MissingHeader => Some(format!("begin with the line {}", super::MEMBERS[..6].join(","))),
            EntryError::Exists => {
                Some("use --update to change existing users, or --skip-existing to skip them".to_owned())
            }
            EntryError::InvalidHash { error: HashError::Malformed, .. } => Some(
                "expected a bcrypt hash ($2a$, $2b$ or $2y$); without one, set a password after the import: cc-user passwd NAME"
                    .to_owned(),
            ),
            _ => None,
        }
    }
}

/// The known column that a name resembles, and whether it is one for passwords.
pub(super) fn resembles(name: &str) -> (Option<&'static str>, bool) {
    let lower = name.trim().to_lowercase();
    let is_password = ["password", "passwd", "pass", "pw", "hash", "userpassword"].contains(&lower.as_str());
    (crate::util::suggest::nearest(&lower, super::MEMBERS), is_password)
}
