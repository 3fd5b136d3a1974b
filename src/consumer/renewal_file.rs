//! The renewal file: which tokens are renewed in which files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;

use super::access::{AccountName, ExpectedAccess};
use super::command::ChangeCommand;
use super::error::ConsumerError;
use super::issuer::TokenSpec;
use super::job::{ConsumerFile, ConsumerToken};
use super::target::{Target, TargetMember};
use crate::osdf::{ResourceError, SourceName, read_yaml_list};
use crate::renew::TokenFile;
use crate::renew::output::{FileIdentity, identity};
use crate::util::diagnostic::diagnostics;
use crate::util::duration::{DurationSyntax, GoDuration};
use crate::util::file::{self, FileError, SETTINGS_LIMIT};
use crate::util::kind::Kind;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote_path};

/// The time limit of a command.
pub const DEFAULT_COMMAND_TIMEOUT: Duration = Duration::from_secs(30);

/// A token to renew: an entry of a renewal file, or the options of a command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RenewalEntry {
    /// Where the token is.
    pub targets: Vec<Target>,
    /// What it is issued for.
    pub spec: TokenSpec,
    /// The expected owner, group and mode of the files.
    pub access: ExpectedAccess,
    /// The command after a change.
    pub command: Option<ChangeCommand>,
}

/// The text of an entry.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct EntryText {
    user: String,
    into: OneOrSeveral,
    lifetime: Option<String>,
    renew_before: Option<String>,
    owner: Option<NameOrNumber>,
    group: Option<NameOrNumber>,
    mode: Option<String>,
    command: Option<String>,
    command_timeout: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrSeveral {
    One(String),
    Several(Vec<String>),
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NameOrNumber {
    Name(String),
    Number(u32),
}

/// Why a renewal file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RenewalFileError {
    /// The file cannot be read, or another account can change it.
    #[error(transparent)]
    File(#[from] FileError),
    /// It is not YAML.
    #[error(transparent)]
    Syntax(#[from] ResourceError),
    /// An entry is invalid.
    #[error("{}:{line}: {}", escape(&.path.to_string_lossy()), escape(.reason))]
    Entry {
        /// The file.
        path: PathBuf,
        /// The line of the entry.
        line: usize,
        /// The reason.
        reason: String,
    },
    /// It does not have an entry.
    #[error("{}: expected a list of renewals, such as '- user: NAME'", quote_path(.0))]
    Empty(PathBuf),
}

diagnostics! { RenewalFileError:
    Self::File(error) => error.kind(), error.hint();
    Self::Syntax(error) => error.kind(), error.hint();
    Self::Entry { .. } => Kind::RenewalFileMalformed;
    Self::Empty(_) => Kind::RenewalFileMalformed;
}

/// Reads a renewal file. It may name commands, so no other account may be able to change it. Relative
/// targets are relative to its directory.
///
/// # Errors
/// [`RenewalFileError::File`] alone, or all errors of the entries.
pub fn read_renewal_file(path: &Path, notes: &mut Notes) -> Result<Vec<RenewalEntry>, Vec<RenewalFileError>> {
    let one = |error: FileError| vec![RenewalFileError::from(error)];
    let bytes = file::read_default(path, SETTINGS_LIMIT).map_err(one)?;
    let text = file::text(path, bytes).map_err(one)?;
    let source = SourceName(path.to_string_lossy().into_owned());
    let entries = read_yaml_list(&text, &source, notes)
        .map_err(|errors| errors.into_iter().map(RenewalFileError::from).collect::<Vec<_>>())?
        .filter(|entries| !entries.is_empty())
        .ok_or_else(|| vec![RenewalFileError::Empty(path.to_owned())])?;
    let directory = path.parent().unwrap_or(Path::new(""));
    let (mut found, mut errors) = (Vec::new(), Vec::new());
    for (line, value) in entries {
        let entry = serde_json::from_value(value)
            .map_err(|error| error.to_string())
            .and_then(|entry| RenewalEntry::of(entry, directory));
        match entry {
            Ok(entry) => found.push(entry),
            Err(reason) => errors.push(RenewalFileError::Entry { path: path.to_owned(), line, reason }),
        }
    }
    if errors.is_empty() { Ok(found) } else { Err(errors) }
}

impl RenewalEntry {
    fn of(text: EntryText, directory: &Path) -> Result<Self, String> {
        let duration = |name: &str, text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => match GoDuration::parse(text, DurationSyntax::Option) {
                Ok(duration) if duration.seconds() > 0 => Ok(Some(duration)),
                Ok(_) => Err(format!("{name}: expected a positive duration")),
                Err(error) => Err(format!("{name}: {error}")),
            },
        };
        let targets = match text.into {
            OneOrSeveral::One(target) => vec![target],
            OneOrSeveral::Several(targets) => targets,
        };
        let targets: Vec<Target> = targets
            .iter()
            .map(|target| {
                Target::parse(target)
                    .map(|target| target.below(directory))
                    .map_err(|error| format!("into: {error}"))
            })
            .collect::<Result<_, _>>()?;
        if targets.is_empty() {
            return Err("into: expected at least one target".to_owned());
        }
        let account = |name: Option<NameOrNumber>, find: fn(&str) -> Result<AccountName, ConsumerError>| {
            let name = name.map(|name| match name {
                NameOrNumber::Name(name) => name,
                NameOrNumber::Number(number) => number.to_string(),
            });
            name.map(|name| find(&name)).transpose().map_err(|error| error.to_string())
        };
        let mode = match text.mode.as_deref() {
            None => None,
            Some(mode) => Some(
                u32::from_str_radix(mode, 8)
                    .ok()
                    .filter(|mode| mode & !0o7777 == 0)
                    .ok_or("mode: expected an octal mode in quotes, such as \"0640\"")?,
            ),
        };
        let timeout = duration("command-timeout", &text.command_timeout)?;
        if timeout.is_some() && text.command.is_none() {
            return Err("command-timeout: expected together with command".to_owned());
        }
        Ok(Self {
            targets,
            spec: TokenSpec {
                user: text.user,
                lifetime: duration("lifetime", &text.lifetime)?,
                renew_before: duration("renew-before", &text.renew_before)?,
            },
            access: ExpectedAccess {
                owner: account(text.owner, AccountName::user)?,
                group: account(text.group, AccountName::group)?,
                mode,
            },
            command: text.command.map(|line| ChangeCommand {
                line,
                timeout: timeout.map_or(DEFAULT_COMMAND_TIMEOUT, GoDuration::to_std),
            }),
        })
    }
}

/// Why entries cannot be renewed together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntriesError {
    /// Two entries have the same target.
    #[error("duplicate target {}", quote_path(Path::new(.0)))]
    DuplicateTarget(String),
    /// The entries of a file expect another owner, group or mode.
    #[error("{}: the renewals of this file have different owners, groups or modes", quote_path(.0))]
    DifferentAccess(PathBuf),
}

diagnostics! { EntriesError:
    Self::DuplicateTarget(_) => Kind::RenewalFileMalformed;
    Self::DifferentAccess(_) => Kind::RenewalFileMalformed;
}

/// Groups entries by their files: a file is locked, read and replaced once for all its tokens.
///
/// # Errors
/// [`EntriesError`].
pub fn files(entries: Vec<RenewalEntry>) -> Result<Vec<ConsumerFile>, EntriesError> {
    let mut files: Vec<(Option<FileIdentity>, ConsumerFile)> = Vec::new();
    for entry in entries {
        for Target { file, member } in entry.targets {
            let token = ConsumerToken {
                member: member.clone(),
                spec: entry.spec.clone(),
                command: entry.command.clone(),
            };
            // Two paths may lead to one file.
            let found = identity(&file);
            let is_known = |known: &&mut (Option<FileIdentity>, ConsumerFile)| {
                known.1.output.path == file || (found.is_some() && known.0 == found)
            };
            let Some((_, known)) = files.iter_mut().find(is_known) else {
                let output = TokenFile { path: file, mode: entry.access.mode };
                files.push((
                    found,
                    ConsumerFile { output, access: entry.access.clone(), tokens: vec![token] },
                ));
                continue;
            };
            if known.access != entry.access {
                return Err(EntriesError::DifferentAccess(file));
            }
            let is_same = |token: &ConsumerToken| overlaps(&token.member, &member);
            if known.tokens.iter().any(is_same) {
                return Err(EntriesError::DuplicateTarget(format!("{}#{member}", file.to_string_lossy())));
            }
            known.tokens.push(token);
        }
    }
    Ok(files.into_iter().map(|(_, file)| file).collect())
}

/// Whether two tokens of a file are in the same place.
fn overlaps(one: &TargetMember, other: &TargetMember) -> bool {
    one == other || one.is_whole_file() || other.is_whole_file()
}
