//! The report of a scan.

use std::sync::Arc;

use serde::Serialize;

use super::item::OccurrenceKind;
use super::walk::ScanCounts;
use crate::util::duration::GoDuration;
use crate::util::note::Warning;
use crate::util::time::Timestamp;
use crate::verify::StoredTokenResult;

/// The tokens and keys that a scan found.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ScanReport {
    /// Whether everything was searched: no file was unreadable or too large, and the time sufficed
    pub complete: bool,
    /// The tokens and keys, sorted by file and line
    pub occurrences: Vec<Occurrence>,
    /// The numbers of files
    pub files: ScanCounts,
    /// The files that cannot be read, and the limits that were reached
    pub warnings: Vec<Warning>,
}

/// A token or key in a file.
#[derive(Debug, Clone, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct Occurrence {
    /// What it is
    pub kind: OccurrenceKind,
    /// The first 12 hexadecimal digits of SHA-256 of the token or of the raw bytes of the key
    pub fingerprint: String,
    /// The file, or `standard input`
    pub file: String,
    /// The name of the file in an archive
    pub archive_member: Option<String>,
    /// The line, counted from 1
    pub line: u64,
    /// The member of the document: a JSON pointer, or the section and the name of a setting; after # the member of a
    /// document in the value
    pub member: Option<String>,
    /// The claim 'sub' of a token, which is not verified if signed_by is null
    pub subject: Option<String>,
    /// The roles in the token
    pub roles: Vec<String>,
    /// The claim 'iss' of a token
    pub issuer: Option<String>,
    /// The algorithm of a token, or the type of a key
    pub algorithm: Option<String>,
    /// The name of the known key that signed the token, or of the known key that this key is or belongs to
    pub signed_by: Option<String>,
    /// The endpoints that accept the token; null if it is not a token of the server, or the server's key is not known
    pub accepted_by: Option<Vec<&'static str>>,
    /// When the token was issued, RFC 3339
    pub issued_at: Option<String>,
    /// When the token expires, RFC 3339; null if it never expires, or if its claims cannot be read
    pub expires_at: Option<String>,
    /// The whole days until the token expires; negative after that
    pub days_left: Option<i64>,
    /// What should be changed
    pub problems: Vec<Warning>,
    /// The expiry as an instant.
    #[serde(skip)]
    pub expiry: Option<Timestamp>,
    /// It is a token without an expiry. Whether an encrypted token expires is not known.
    #[serde(skip)]
    pub never_expires: bool,
    /// The time from the claim 'iat' to the expiry.
    #[serde(skip)]
    pub lifetime: Option<GoDuration>,
    /// The verdicts on a token of the server, with reasons if two states are compared.
    #[serde(skip)]
    pub verdicts: Option<Arc<StoredTokenResult>>,
    /// The position among the items of the walk: the same for all states of a server.
    #[serde(skip)]
    pub index: usize,
}

impl Occurrence {
    /// Returns where it is: file, name in the archive, line and member.
    #[must_use]
    pub fn place(&self) -> String {
        let entry = self.archive_member.as_ref().map_or_else(String::new, |entry| format!("!{entry}"));
        let member = self.member.as_ref().map_or_else(String::new, |member| format!(" {member}"));
        format!("{}{entry}:{}{member}", self.file, self.line)
    }

    /// Returns whether it has this problem.
    #[must_use]
    pub fn has(&self, check: &str) -> bool {
        self.problems.iter().any(|problem| problem.check == check)
    }
}

impl ScanReport {
    /// Returns the number of problems.
    #[must_use]
    pub fn problems(&self) -> usize {
        self.occurrences.iter().map(|occurrence| occurrence.problems.len()).sum()
    }
}
