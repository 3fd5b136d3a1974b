//! The runs of the journal, and the changes in a form for reports.

use std::collections::VecDeque;

use serde::Serialize;

use super::error::AccountsErrors;
use crate::history::{ChangeLine, DisabledEntry, Journal, RowImage, RunEnd, RunSummary};
use crate::user::exchange::StoredValue;
use crate::user_db::UserDb;
use crate::util::time::Timestamp;

/// The runs to list.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogRequest {
    /// Only runs that changed this user, with these changes.
    pub username: Option<String>,
    /// Only the run with this ID, or those whose ID begins with it, with all changes.
    pub run: Option<String>,
    /// Only runs whose program and arguments contain these words.
    pub command: Option<String>,
    /// Only runs since this time.
    pub since: Option<Timestamp>,
    /// The maximum number of runs, the last ones; all of them without a limit.
    pub limit: Option<usize>,
}

/// A run of the journal.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct RunReport {
    /// The ID.
    pub run: String,
    /// The time.
    pub time: String,
    /// The account.
    pub account: String,
    /// The program.
    pub program: String,
    /// The arguments, without secrets.
    pub command: String,
    /// The end: committed, rolled-back or unknown; null for a run that is interrupted or has not ended.
    pub end: Option<RunEnd>,
    /// The number of changes.
    pub changes: u64,
    /// The number of these whose lines are missing in the journal, such as in a damaged one.
    pub missing_changes: u64,
    /// The changes; null unless a user or a run is requested.
    pub users: Option<Vec<UserChangeReport>>,
}

/// The change of a user.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct UserChangeReport {
    /// The username before the change.
    pub username: String,
    /// What happened: add, change, rename or delete.
    pub action: &'static str,
    /// The values that changed.
    pub values: Vec<ValueChange>,
}

/// A value that changed.
#[derive(Debug, Serialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct ValueChange {
    /// The value: username, source, name, email, roles, projects, password, disabled or given.
    pub value: &'static str,
    /// The value before the change, or null. A password is set, locked or null.
    pub before: Option<String>,
    /// After the change, or null.
    pub after: Option<String>,
}

/// The result of [`log()`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LogCount {
    /// The runs that the limit left out.
    pub older: u64,
    /// The lines that are malformed.
    pub malformed: u64,
}

/// Calls `visit` with each run of the request, the oldest first.
///
/// # Errors
/// The errors of the journal and of `visit`.
pub fn log<E: From<AccountsErrors>>(
    db: &UserDb,
    request: &LogRequest,
    mut visit: impl FnMut(RunReport) -> Result<(), E>,
) -> Result<LogCount, E> {
    let journal = Journal::open(db.path()).map_err(AccountsErrors::from)?;
    let user = request.username.as_ref().map(|name| StoredValue::text(name.as_str()));
    let since = request.since.map(Timestamp::rfc3339);
    let mut runs: VecDeque<RunSummary> = VecDeque::new();
    let mut count = LogCount::default();
    count.malformed = journal.for_each_run(user.as_ref(), |run| {
        let is_requested = (user.is_none() || run.has_user)
            && request.run.as_ref().is_none_or(|id| run.run.as_str().starts_with(id.as_str()))
            && request.command.as_ref().is_none_or(|words| has_words(&run, words))
            && since.as_ref().is_none_or(|since| run.time >= *since);
        if is_requested {
            runs.push_back(run);
            if request.limit.is_some_and(|limit| runs.len() > limit) {
                runs.pop_front();
                count.older += 1;
            }
        }
        Ok::<_, AccountsErrors>(())
    })?;
    for run in runs {
        visit(report(&journal, run, request, user.as_ref())?)?;
    }
    Ok(count)
}

/// Whether the program and its arguments contain words, which follow one another.
fn has_words(run: &RunSummary, words: &str) -> bool {
    let words: Vec<&str> = words.split_whitespace().collect();
    let command: Vec<&str> =
        std::iter::once(run.program.as_str()).chain(run.command.split_whitespace()).collect();
    command.windows(words.len().max(1)).any(|part| part == words)
}

fn report(
    journal: &Journal,
    run: RunSummary,
    request: &LogRequest,
    user: Option<&StoredValue>,
) -> Result<RunReport, AccountsErrors> {
    let users = if request.username.is_some() || request.run.is_some() {
        let mut users = Vec::new();
        journal.for_each_change(&run, |change| {
            if user.is_none_or(|user| change.user == *user || change.renamed_to.as_ref() == Some(user)) {
                users.push(UserChangeReport::new(&change));
            }
            Ok::<_, AccountsErrors>(())
        })?;
        Some(users)
    } else {
        None
    };
    let (changes, missing_changes) = (run.made(), run.made() - run.changes);
    let RunSummary { run, time, account, program, command, end, .. } = run;
    Ok(RunReport {
        run: run.to_string(),
        time,
        account,
        program,
        command,
        end,
        changes,
        missing_changes,
        users,
    })
}

impl UserChangeReport {
    fn new(change: &ChangeLine) -> Self {
        let action = match (&change.before, &change.after) {
            (None, Some(_)) => "add",
            (Some(_), None) => "delete",
            _ if change.renamed_to.is_some() => "rename",
            _ => "change",
        };
        let mut values = Vec::new();
        let mut add = |value, before: Option<String>, after: Option<String>| {
            if before != after {
                values.push(ValueChange { value, before, after });
            }
        };
        if let Some(new) = &change.renamed_to {
            add("username", change.user.lossy(), new.lossy());
        }
        let texts = |image: &Option<RowImage>| image.as_ref().map(texts);
        let (before, after) = (texts(&change.before), texts(&change.after));
        let of = |image: &Option<[Option<String>; 6]>, index: usize| {
            image.as_ref().and_then(|texts| texts.get(index).cloned().flatten())
        };
        let names = ["source", "name", "email", "roles", "projects", "password"];
        for (index, name) in names.into_iter().enumerate() {
            add(name, of(&before, index), of(&after, index));
        }
        if change.password_changed && of(&before, 5) == of(&after, 5) {
            values.push(ValueChange {
                value: "password",
                before: of(&before, 5),
                after: Some("another one".to_owned()),
            });
        }
        if let Some(state) = &change.disabled {
            let text = |entry: &Option<DisabledEntry>| {
                Some(match entry.as_ref().map(|entry| entry.missing_since) {
                    None => "no".to_owned(),
                    Some(None) => "yes".to_owned(),
                    Some(Some(since)) => format!("missing since {}", Timestamp(since).rfc3339()),
                })
            };
            values.push(ValueChange {
                value: "disabled",
                before: text(&state.before),
                after: text(&state.after),
            });
        }
        if let Some(state) = &change.given {
            let text = |rights: &crate::history::UserRights| {
                let all = rights.iter().flat_map(|(source, rights)| {
                    let names = rights.roles.iter().chain(&rights.projects);
                    names.map(move |name| format!("{}:{name}", source.name()))
                });
                Some(all.collect::<Vec<_>>().join(","))
            };
            values.push(ValueChange {
                value: "given",
                before: text(&state.before),
                after: text(&state.after),
            });
        }
        Self { username: change.username(), action, values }
    }
}

/// The columns as texts; an empty list is none.
fn texts(image: &RowImage) -> [Option<String>; 6] {
    let list = |value: &StoredValue| match value.as_list() {
        Some(list) if list.is_empty() => None,
        Some(list) => Some(list.join(",")),
        None => value.lossy(),
    };
    let password = match image.password {
        crate::history::PasswordState::None => None,
        crate::history::PasswordState::Set => Some("set".to_owned()),
        crate::history::PasswordState::Locked => Some("locked".to_owned()),
    };
    [
        Some(image.auth_source().to_string()),
        image.name.lossy(),
        image.email.lossy(),
        list(&image.roles),
        list(&image.projects),
        password,
    ]
}
