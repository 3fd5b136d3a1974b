//! Renewal of the tokens in one file of a consumer.

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::access::ExpectedAccess;
use super::command::{ChangeCommand, CommandRunner, PendingMarker};
use super::edit::{EditError, FoundValue};
use super::error::ConsumerError;
use super::issuer::{TokenIssuer, TokenSpec};
use super::overrides;
use super::target::{Target, TargetMember};
use super::value::TokenValue;
use crate::config::{DEFAULT_CONFIG, DEFAULT_ENV_FILE, Sources};
use crate::renew::{
    CommandResult, Due, RenewAction, RenewMode, RenewReason, Renewal, RenewalSubject, Renewer, TokenFile,
};
use crate::scan::names::{TokenUse, is_header, token_use};
use crate::util::file::{FileError, Location, ReplaceableFile, SETTINGS_LIMIT};
use crate::util::note::Notes;
use crate::util::quote::{quote, quote_path};
use crate::util::secret::SecretText;
use crate::util::time::Timestamp;

/// A text with the characters of a token.
const SAMPLE: &str = "eyJ.e30.c2ln";

/// A token in a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerToken {
    /// Its member.
    pub member: TargetMember,
    /// What it is issued for.
    pub spec: TokenSpec,
    /// The command after a change.
    pub command: Option<ChangeCommand>,
}

/// A file with the tokens in it that are renewed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerFile {
    /// The file.
    pub output: TokenFile,
    /// The expected owner, group and mode.
    pub access: ExpectedAccess,
    /// The tokens; at least one.
    pub tokens: Vec<ConsumerToken>,
}

/// Renews tokens in the files of consumers.
pub struct ConsumerRenewer<'a> {
    /// The sources of the server's settings, read for each renewal.
    pub sources: Sources,
    /// Runs the commands after changes.
    pub commands: &'a mut dyn CommandRunner,
}

/// A file as it was read.
struct FileContent {
    /// None if the file does not exist.
    file: Option<ReplaceableFile>,
    text: Zeroizing<String>,
}

impl ConsumerFile {
    fn path(&self) -> &Path {
        &self.output.path
    }

    fn edit_error(&self, member: &TargetMember, problem: EditError) -> ConsumerError {
        ConsumerError::Edit { path: self.path().to_owned(), member: member.to_string(), problem }
    }

    fn read(&self, location: Location) -> Result<FileContent, ConsumerError> {
        let is_whole = self.tokens.iter().all(|token| token.member.is_whole_file());
        if location.found().is_none() {
            if is_whole && self.access.permits_creation() {
                return Ok(FileContent { file: None, text: Zeroizing::default() });
            }
            return Err(FileError::Missing(self.path().to_owned()).into());
        }
        let (file, mut bytes) = ReplaceableFile::read(location, SETTINGS_LIMIT)?;
        self.access.check(self.path(), file.metadata())?;
        let text = crate::util::file::text(self.path(), std::mem::take(&mut *bytes))?;
        Ok(FileContent { file: Some(file), text: Zeroizing::new(text) })
    }

    fn find(&self, text: &str, member: &TargetMember) -> Result<FoundValue, ConsumerError> {
        let name = self.path().to_string_lossy();
        FoundValue::find(text, &name, member.steps()).map_err(|problem| self.edit_error(member, problem))
    }

    /// The earliest expiry of the tokens in the file, which are not verified.
    fn current_expiry(&self) -> Option<Timestamp> {
        let location = self.output.locate(Location::find_input).ok()?;
        let content = self.read(location).ok()?;
        let expiry = |token: &ConsumerToken| {
            let found = self.find(&content.text, &token.member).ok()?;
            let inspection = crate::token::inspect(TokenValue::of(&found.value)?.token);
            let (_, claims) = inspection.unproven()?;
            claims.time("exp").ok().flatten().map(|time| time.instant())
        };
        self.tokens.iter().filter_map(expiry).min()
    }

    /// The commands after a change, each once.
    fn commands(&self) -> Vec<&ChangeCommand> {
        let mut commands: Vec<&ChangeCommand> = Vec::new();
        for command in self.tokens.iter().filter_map(|token| token.command.as_ref()) {
            if commands.iter().all(|known| known.line != command.line) {
                commands.push(command);
            }
        }
        commands
    }
}

impl ConsumerRenewer<'_> {
    /// Checks the tokens of a file, renews those that are due, and runs the command of a change.
    fn run_job(
        &mut self,
        job: &ConsumerFile,
        mode: RenewMode,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Renewal, ConsumerError> {
        let renewal = self.renew(job, mode, now, notes);
        if mode == RenewMode::CheckOnly {
            return renewal.and_then(|renewal| with_pending_command(job, renewal));
        }
        // The command of an earlier change is due even if this renewal failed.
        let command = self.run_pending_commands(job, notes);
        match (renewal, command) {
            (Ok(renewal), Ok(command)) => Ok(Renewal { command, ..renewal }),
            (Ok(_), Err(error)) => Err(error),
            (Err(error), command) => {
                if let Err(command) = command {
                    notes.warn("renewal-command", command.to_string());
                }
                Err(error)
            }
        }
    }

    fn renew(
        &self,
        job: &ConsumerFile,
        mode: RenewMode,
        now: Timestamp,
        notes: &mut Notes,
    ) -> Result<Renewal, ConsumerError> {
        let issuer = TokenIssuer::open(self.sources.clone(), notes)?;
        let location = job.output.locate(Location::find)?;
        let content = job.read(location)?;
        let mut text = content.text.clone();
        let (mut reason, mut times) = (None, Vec::new());
        for token in &job.tokens {
            let spec = issuer.current(&token.spec)?;
            let found = job.find(&text, &token.member)?;
            let value = current_token(&found, mode == RenewMode::Force)
                .ok_or_else(|| job.edit_error(&token.member, EditError::NotAToken))?;
            overrides::warn(
                job.path(),
                &token.member,
                &found,
                &issuer.settings,
                &self.sources.environment,
                notes,
            );
            let because = match issuer.check(value.token, &spec, now) {
                Due::Fresh(fresh) if mode != RenewMode::Force => {
                    times.push(fresh);
                    continue;
                }
                Due::Fresh(_) => RenewReason::Forced,
                Due::Now { reason, expires_at } if mode == RenewMode::CheckOnly => {
                    return Ok(due(reason, expires_at, now));
                }
                Due::Now { reason, .. } => reason,
            };
            let (new, new_times) = issuer.issue(&spec, now, notes)?;
            let prefix = prefix(job.path(), token, &found, value, notes);
            let new = Zeroizing::new(format!("{prefix}{}{}", new.expose(), value.line_end));
            text = found.replaced(&new).map_err(|problem| job.edit_error(&token.member, problem))?;
            times.push(new_times);
            reason = reason.or(Some(because));
        }
        let expires_at = times.iter().map(|times| times.expires_at).min();
        let renew_at = times.iter().map(|times| times.renew_at).min();
        let Some(reason) = reason else {
            return Ok(Renewal { action: RenewAction::Fresh, expires_at, renew_at, command: None });
        };
        self.write(job, &content, &text)?;
        Ok(Renewal { action: RenewAction::Renewed(reason), expires_at, renew_at, command: None })
    }

    /// Writes the marker of the command, then the file.
    fn write(&self, job: &ConsumerFile, content: &FileContent, text: &str) -> Result<(), ConsumerError> {
        if !job.commands().is_empty() {
            let location = job.output.locate(Location::find)?;
            PendingMarker::beside(&location)?.create()?;
        }
        match &content.file {
            Some(file) => file.replace(text.as_bytes())?,
            None => job.output.write(&SecretText::new(text.to_owned()))?,
        }
        Ok(())
    }

    /// Runs the commands of a file with a marker, and deletes the marker if all of them succeed. Without a command, the
    /// marker remains for the next run with one.
    fn run_pending_commands(
        &mut self,
        job: &ConsumerFile,
        notes: &mut Notes,
    ) -> Result<Option<CommandResult>, ConsumerError> {
        let commands = job.commands();
        let Some(marker) = pending_marker(job)? else { return Ok(None) };
        if commands.is_empty() {
            notes.warn(
                "renewal-command",
                format!(
                    "{}: the command of an earlier change has not succeeded, and this renewal does not have a \
                     command: delete {} after a restart of the program",
                    quote_path(job.path()),
                    quote_path(&marker.path())
                ),
            );
            return Ok(None);
        }
        for command in commands {
            log::info!("runs {}", quote(&command.line));
            self.commands.run(command).map_err(|failure| ConsumerError::Command {
                path: job.path().to_owned(),
                command: command.line.clone(),
                failure,
            })?;
        }
        marker.remove()?;
        Ok(Some(CommandResult::Succeeded))
    }
}

/// The token in a value. By force, other text counts as no token, but only in the members of the programs, whose
/// value is a token in any case.
fn current_token(found: &FoundValue, is_forced: bool) -> Option<TokenValue<'_>> {
    let is_known = || token_use(found.path()) != TokenUse::Unknown;
    TokenValue::of(&found.value).or_else(|| (is_forced && is_known()).then_some(TokenValue::MISSING))
}

/// Checks that a renewal can write a token to a target, by force or without it.
///
/// # Errors
/// [`ConsumerError`], as in a renewal.
pub fn check_target(target: &Target, is_forced: bool) -> Result<(), ConsumerError> {
    let file = ConsumerFile {
        output: TokenFile { path: target.file.clone(), mode: None },
        access: ExpectedAccess::default(),
        tokens: Vec::new(),
    };
    let content = file.read(file.output.locate(Location::find)?)?;
    let found = file.find(&content.text, &target.member)?;
    let not_a_token = || file.edit_error(&target.member, EditError::NotAToken);
    current_token(&found, is_forced).ok_or_else(not_a_token)?;
    let written = found.replaced(SAMPLE);
    written.map(|_| ()).map_err(|problem| file.edit_error(&target.member, problem))
}

/// The marker of a file whose command has not succeeded yet.
fn pending_marker(job: &ConsumerFile) -> Result<Option<PendingMarker>, ConsumerError> {
    let location = job.output.locate(Location::find)?;
    let marker = PendingMarker::beside(&location)?;
    Ok(Some(marker).filter(PendingMarker::exists))
}

fn due(reason: RenewReason, expires_at: Option<Timestamp>, now: Timestamp) -> Renewal {
    Renewal { action: RenewAction::Due(reason), expires_at, renew_at: Some(now), command: None }
}

/// A fresh token whose command did not succeed is due.
fn with_pending_command(job: &ConsumerFile, renewal: Renewal) -> Result<Renewal, ConsumerError> {
    let is_pending = !job.commands().is_empty() && pending_marker(job)?.is_some();
    if is_pending && renewal.action == RenewAction::Fresh {
        return Ok(Renewal { action: RenewAction::Due(RenewReason::CommandPending), ..renewal });
    }
    Ok(renewal)
}

/// The text before the token. The programs whose members are known add `Bearer ` themselves.
fn prefix<'a>(
    path: &Path,
    token: &ConsumerToken,
    found: &FoundValue,
    value: TokenValue<'a>,
    notes: &mut Notes,
) -> &'a str {
    let member = found.path();
    if value.prefix.is_empty() || is_header(member) || token_use(member) == TokenUse::Unknown {
        return value.prefix;
    }
    notes.warn(
        "bearer-prefix",
        format!(
            "{}: 'Bearer ' before the token was removed: the program adds it itself",
            quote(&format!("{}#{}", path.to_string_lossy(), token.member))
        ),
    );
    ""
}

impl Renewer for ConsumerRenewer<'_> {
    type Job = ConsumerFile;
    type Error = ConsumerError;

    fn output(job: &ConsumerFile) -> &TokenFile {
        &job.output
    }

    fn subject(job: &ConsumerFile) -> RenewalSubject {
        let mut users: Vec<&str> = job.tokens.iter().map(|token| token.spec.user.as_str()).collect();
        users.dedup();
        let file = job.path().to_string_lossy();
        let output = match job.tokens.as_slice() {
            [only] if !only.member.is_whole_file() => format!("{file}#{}", only.member),
            _ => file.into_owned(),
        };
        RenewalSubject { name: users.join(", "), label: output.clone(), output }
    }

    fn inputs(&self, _: &ConsumerFile) -> Vec<PathBuf> {
        let file = |given: &Option<crate::config::Value<PathBuf>>, default: &str| {
            given.as_ref().map_or_else(|| PathBuf::from(default), |given| given.value.clone())
        };
        vec![file(&self.sources.env_file, DEFAULT_ENV_FILE), file(&self.sources.config, DEFAULT_CONFIG)]
    }

    fn is_from_stdin(_: &ConsumerFile) -> bool {
        false
    }

    fn run(
        &mut self,
        jobs: &[(&ConsumerFile, RenewMode)],
        now: Timestamp,
        notes: &mut Notes,
    ) -> Vec<Result<Renewal, ConsumerError>> {
        jobs.iter().map(|(job, mode)| self.run_job(job, *mode, now, notes)).collect()
    }

    fn current_expiry(job: &ConsumerFile) -> Option<Timestamp> {
        job.current_expiry()
    }

    fn is_old_token_left(error: &ConsumerError) -> bool {
        !matches!(error, ConsumerError::Command { .. })
    }
}
