//! The columns of a list of users.

use std::borrow::Cow;
use std::str::FromStr;

use clap_complete::engine::{ArgValueCandidates, CompletionCandidate};

use crate::accounts::DisabledUsers;
use crate::cli::failure::UsageError;
use crate::cli::table::{Shrink, TableColumn};
use crate::user_db::{SortColumn, SortKey, UserRecord};
use crate::util::printable::PrintableText;
use crate::util::suggest::nearest;
use crate::util::time::Timestamp;

/// A column of a list of users.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Column {
    Username,
    Name,
    Roles,
    Source,
    Projects,
    Email,
    Password,
    Disabled,
    MissingSince,
    DeleteAt,
}

/// The columns without `--columns`; in a narrow terminal, the last ones shrink first.
pub(super) const DEFAULT: [Column; 6] =
    [Column::Username, Column::Name, Column::Roles, Column::Source, Column::Projects, Column::Email];

/// The columns of --disabled without `--columns`.
pub(super) const DEFAULT_OF_DISABLED: [Column; 6] =
    [Column::Username, Column::Name, Column::Roles, Column::Source, Column::MissingSince, Column::DeleteAt];

impl Column {
    const ALL: [Self; 10] = [
        Self::Username,
        Self::Name,
        Self::Roles,
        Self::Source,
        Self::Projects,
        Self::Email,
        Self::Password,
        Self::Disabled,
        Self::MissingSince,
        Self::DeleteAt,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Username => "username",
            Self::Name => "name",
            Self::Roles => "roles",
            Self::Source => "source",
            Self::Projects => "projects",
            Self::Email => "email",
            Self::Password => "password",
            Self::Disabled => "disabled",
            Self::MissingSince => "missing-since",
            Self::DeleteAt => "delete-at",
        }
    }

    /// The column of a table.
    pub(super) const fn in_table(self) -> TableColumn {
        const fn shrink(order: u8, comfortable: usize, min: usize) -> Option<Shrink> {
            Some(Shrink { order, comfortable, min })
        }
        let (heading, shrink) = match self {
            Self::Username => ("USERNAME", shrink(4, 16, 8)),
            Self::Name => ("NAME", shrink(2, 16, 8)),
            Self::Roles => ("ROLES", shrink(3, 10, 5)),
            Self::Source => ("SOURCE", None),
            Self::Projects => ("PROJECTS", shrink(1, 12, 8)),
            Self::Email => ("EMAIL", shrink(0, 16, 8)),
            Self::Password => ("PASSWORD", None),
            Self::Disabled => ("DISABLED", None),
            Self::MissingSince => ("MISSING SINCE", None),
            Self::DeleteAt => ("DELETE AT", None),
        };
        TableColumn { heading, shrink }
    }

    /// The value of a user: `-` if there is none.
    pub(super) fn value(self, record: &UserRecord, disabled: &DisabledUsers) -> Cow<'static, str> {
        let user = &record.user;
        let text = |text: &Option<String>| match text.as_deref() {
            None | Some("") => Cow::Borrowed("-"),
            Some(text) => Cow::Owned(text.to_owned()),
        };
        let time =
            |time: Option<Timestamp>| time.map_or(Cow::Borrowed("-"), |time| Cow::Owned(time.rfc3339()));
        let yes_or_no = |is: bool| Cow::Borrowed(if is { "yes" } else { "no" });
        let entries = |name: &str, entries: &[String]| match entries {
            _ if record.invalid_columns.iter().any(|invalid| invalid.column == name) => {
                Cow::Borrowed("(invalid)")
            }
            [] => Cow::Borrowed("-"),
            entries => Cow::Owned(entries.join(",")),
        };
        match self {
            Self::Username => Cow::Owned(user.username.clone()),
            Self::Name => text(&user.name),
            Self::Roles if disabled.contains(record) => Cow::Borrowed("(disabled)"),
            Self::Roles => entries("roles", &user.roles),
            Self::Source => Cow::Owned(user.source.to_string()),
            Self::Projects => entries("projects", &user.projects),
            Self::Email => text(&user.email),
            Self::Password => yes_or_no(record.has_password),
            Self::Disabled => yes_or_no(disabled.contains(record)),
            Self::MissingSince => {
                let entry = disabled.entry_of(record);
                time(entry.and_then(|entry| entry.missing_since).map(Timestamp))
            }
            Self::DeleteAt => time(disabled.entry_of(record).and_then(|entry| disabled.delete_at(entry))),
        }
    }

    /// The column for sorting; `None` for a column that is not in the user table.
    const fn sort_column(self) -> Option<SortColumn> {
        Some(match self {
            Self::Username => SortColumn::Username,
            Self::Name => SortColumn::Name,
            Self::Roles => SortColumn::Roles,
            Self::Source => SortColumn::Source,
            Self::Projects => SortColumn::Projects,
            Self::Email => SortColumn::Email,
            Self::Password => SortColumn::Password,
            Self::Disabled | Self::MissingSince | Self::DeleteAt => return None,
        })
    }

    /// Whether a running server does not report the column.
    pub(super) const fn is_only_in_database(self) -> bool {
        matches!(self, Self::Password | Self::Disabled | Self::MissingSince | Self::DeleteAt)
    }

    fn names(is_listed: impl Fn(Self) -> bool) -> Vec<&'static str> {
        Self::ALL.into_iter().filter(|column| is_listed(*column)).map(Self::name).collect()
    }
}

impl FromStr for Column {
    type Err = UsageError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|column| column.name().eq_ignore_ascii_case(text))
            .ok_or_else(|| unknown("--columns", text, &Self::names(|_| true)))
    }
}

/// Parses a column of `--sort`, with `-` before it for the descending order.
///
/// # Errors
/// [`UsageError`] for an unknown column.
pub(super) fn sort_key(text: &str) -> Result<SortKey, UsageError> {
    let (name, is_descending) = text.strip_prefix('-').map_or((text, false), |name| (name, true));
    let column = name.parse::<Column>().ok().and_then(Column::sort_column);
    let column = column
        .ok_or_else(|| unknown("--sort", name, &Column::names(|column| column.sort_column().is_some())))?;
    Ok(SortKey { column, is_descending })
}

fn unknown(option: &str, text: &str, known: &[&'static str]) -> UsageError {
    let list = known.join(", ");
    UsageError::new(format!("{option}: unknown column {}", PrintableText::name(text))).hint(
        match nearest(text, known.iter().copied()) {
            Some(near) => format!("did you mean '{near}'? the columns are {list}"),
            None => format!("the columns are {list}"),
        },
    )
}

/// Completes the names of columns.
pub(super) fn candidates() -> ArgValueCandidates {
    ArgValueCandidates::new(|| Column::names(|_| true).into_iter().map(CompletionCandidate::new).collect())
}
