//! A line of an import.

use crate::base::fault::Fault;
use crate::base::kind::Kind;
use crate::base::near::nearest;
use crate::base::quote::{escape, quote};
use crate::user::account::{AccountError, Draft, ManagerRule};
use crate::user::password::{HashError, PasswordHash};
use crate::user::{AuthSource, UnknownSource, User};

/// What a line says of a user; what it does not say is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Entry {
    /// The number of the line, or of the first of its lines, from 1.
    pub line: u64,
    /// The username.
    pub username: String,
    /// The full name; said to be none is `Some(None)`.
    pub name: Option<Option<String>>,
    /// The mail address; said to be none is `Some(None)`.
    pub email: Option<Option<String>>,
    /// The names of the roles.
    pub roles: Option<Vec<String>>,
    /// The projects.
    pub projects: Option<Vec<String>>,
    /// Where the record came from.
    pub source: Option<AuthSource>,
    /// What goes into the password column; said to be nothing is `Some(None)`.
    pub password: Option<Option<PasswordHash>>,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// Not UTF-8.
    #[error("it is not UTF-8")]
    NotText,
    /// A quote where none may be (RFC 4180 2.5 to 2.7).
    #[error("a quote stands inside a field that does not begin with one")]
    StrayQuote,
    /// Something between the closing quote and the comma.
    #[error("something follows the closing quote of a field")]
    AfterQuote,
    /// The file ends inside a quoted field.
    #[error("a quoted field that begins here is never closed")]
    OpenQuote,
    /// More or fewer fields than the heading has.
    #[error("found {found} field{}, wanted {wanted} as in the heading", if *.found == 1 { "" } else { "s" })]
    Fields {
        /// In this line.
        found: usize,
        /// In the heading.
        wanted: usize,
    },
    /// No heading, or one without the username.
    #[error("the heading has no column 'username'")]
    NoHeading,
    /// A column that no user has.
    #[error("unknown column {}", quote(.0))]
    UnknownColumn(String),
    /// A column that stands twice.
    #[error("the column {} stands twice", quote(.0))]
    DoubleColumn(String),
    /// No JSON object of a user.
    #[error("column {column}: {}", escape(.message))]
    Json {
        /// Where, in bytes from 1.
        column: usize,
        /// What the parser said.
        message: String,
    },
    /// A list that begins as JSON but is none.
    #[error("the {0} begin with '[' but are no JSON array of texts")]
    List(&'static str),
    /// The auth source.
    #[error(transparent)]
    Source(#[from] UnknownSource),
    /// The password hash, which is not shown.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// Name, roles, projects.
    #[error(transparent)]
    Account(#[from] AccountError),
    /// The same user stood in an earlier line.
    #[error("the user {} stood in line {first} already", quote(.name))]
    Double {
        /// The user.
        name: String,
        /// The earlier line.
        first: u64,
    },
    /// The user is in the database.
    #[error("the user {} exists already", quote(.0))]
    Exists(String),
    /// The user's row in the database can't be read, and the line does not write it anew.
    #[error("the {column} of the user {} in the database can't be read, and the line does not say them", quote(.name))]
    Broken {
        /// The user.
        name: String,
        /// The column.
        column: &'static str,
    },
    /// The user in the database came from elsewhere.
    #[error("the user {} is of source {} in the database, not {}", quote(.name), .there, .given.name())]
    OtherSource {
        /// The user.
        name: String,
        /// The source in the database.
        there: String,
        /// The source in the line.
        given: AuthSource,
    },
}

/// A bad line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place} line {line}: {problem}")]
pub struct LineFault {
    /// The file, quoted.
    pub place: String,
    /// The line, from 1.
    pub line: u64,
    /// What is wrong with it.
    pub problem: Problem,
}

impl Fault for LineFault {
    fn kind(&self) -> Kind {
        match &self.problem {
            Problem::Account(_) => Kind::ImportUserInvalid,
            Problem::Hash(error) => error.kind(),
            Problem::Exists(_) => Kind::UserExists,
            Problem::Double { .. } => Kind::ImportDuplicateUser,
            Problem::Broken { .. } => Kind::UserRowInvalid,
            Problem::Source(_) => Kind::SourceUnknown,
            Problem::OtherSource { .. } => Kind::UserOfOtherSource,
            Problem::UnknownColumn(_) | Problem::DoubleColumn(_) | Problem::NoHeading => Kind::CsvHeading,
            Problem::Json { .. } => Kind::JsonMalformed,
            Problem::NotText => Kind::FileNotText,
            _ => Kind::CsvMalformed,
        }
    }

    fn hint(&self) -> Option<String> {
        match &self.problem {
            Problem::Account(error) => error.hint(),
            Problem::UnknownColumn(name) if name == "password" => Some(
                "a password is imported as its bcrypt hash, in the column 'password_hash'; \
                 'cc-user passwd' sets one"
                    .to_owned(),
            ),
            Problem::UnknownColumn(name) => {
                let known = super::MEMBERS;
                let list = known.join(", ");
                Some(match nearest(name, known) {
                    Some(near) => format!("did you mean '{near}'? the columns are {list}"),
                    None => format!("the columns are {list}"),
                })
            }
            Problem::NoHeading => Some(format!("begin with the line {}", super::MEMBERS[..6].join(","))),
            Problem::Exists(_) => {
                Some("--update changes those who exist, --skip-existing leaves them alone".to_owned())
            }
            _ => None,
        }
    }
}

impl Entry {
    /// The new user that the line describes, local where it does not say otherwise.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn to_new(&self) -> Result<User, Vec<AccountError>> {
        Draft {
            username: self.username.clone(),
            roles: self.roles.clone().unwrap_or_default(),
            projects: self.projects.clone().unwrap_or_default(),
            name: self.name.clone().flatten(),
            email: self.email.clone().flatten(),
        }
        .check(self.source.unwrap_or(AuthSource::Local), ManagerRule::MayBeEmpty)
    }

    /// A user who is there with what the line says of him or her.
    ///
    /// # Errors
    /// All that is wrong with the outcome. The name is not checked: it is there already.
    pub fn to_changed(&self, there: &User) -> Result<User, Vec<AccountError>> {
        let changed = Draft {
            // Any name that is fit; the real one takes its place.
            username: "x".to_owned(),
            roles: self.roles.clone().unwrap_or_else(|| there.roles.clone()),
            projects: self.projects.clone().unwrap_or_else(|| there.projects.clone()),
            name: self.name.clone().unwrap_or_else(|| there.name.clone()),
            email: self.email.clone().unwrap_or_else(|| there.email.clone()),
        };
        let user = changed.check(AuthSource::Local, ManagerRule::MayBeEmpty)?;
        Ok(User { username: there.username.clone(), source: there.source, ..user })
    }

    /// What is wrong with the line by itself; a line that changes a user need not say all.
    pub(super) fn problems(&self, existing_too: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Some(Some(hash)) = &self.password
            && let Err(error) = hash.check_unlocked()
        {
            problems.push(error.into());
        }
        if !existing_too && let Err(errors) = self.to_new() {
            problems.extend(errors.into_iter().map(Problem::from));
        }
        problems
    }
}

/// Adds to `faults` what is wrong with the entries by themselves and among each other.
pub(super) fn check(entries: &[Entry], place: &str, existing_too: bool, faults: &mut Vec<LineFault>) {
    let mut seen = std::collections::HashMap::new();
    for entry in entries {
        let mut problems = entry.problems(existing_too);
        if let Some(first) = seen.insert(entry.username.as_str(), entry.line) {
            seen.insert(entry.username.as_str(), first);
            problems.push(Problem::Double { name: entry.username.clone(), first });
        }
        faults.extend(problems.into_iter().map(|problem| LineFault {
            place: place.to_owned(),
            line: entry.line,
            problem,
        }));
    }
    faults.sort_by_key(|fault| fault.line);
}

/// The lines that are not UTF-8, or the text without its byte order mark.
pub(super) fn text<'a>(bytes: &'a [u8], place: &str) -> Result<&'a str, Vec<LineFault>> {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    std::str::from_utf8(bytes).map_err(|_| {
        let lines = (1..).zip(bytes.split(|byte| *byte == b'\n'));
        lines
            .filter(|(_, line)| std::str::from_utf8(line).is_err())
            .map(|(line, _)| LineFault { place: place.to_owned(), line, problem: Problem::NotText })
            .collect()
    })
}
