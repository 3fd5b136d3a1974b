//! `cc-user list`.

use clap::Args;

use super::columns::{self, Column};
use super::server::{CredentialOptions, HEADING, RequestOptions, ServerOptions};
use super::{DatabaseOptions, complete};
use crate::accounts::{self, DisabledUsers, LdapUsers, ListCount, ListRequest, UserReport, UserStore};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::ldap::LdapSearchOptions;
use crate::cli::progress::Progress;
use crate::cli::quantity::whole_number;
use crate::cli::settings;
use crate::cli::style;
use crate::cli::table::Table;
use crate::config::Settings;
use crate::history::GracePeriod;
use crate::ldap::{LdapConfig, LdapOptions};
use crate::sync;
use crate::user::{AuthSource, Role, RoleError, UsernamePattern};
use crate::user_db::{UserDb, UserDbError, UserFilter, UserRecord};
use crate::util::count::counted;
use crate::util::diagnostic::ExitStatus;
use crate::util::note::Notes;
use crate::util::quote::{escape, quote};

/// List the users
#[derive(Debug, Args)]
pub(super) struct List {
    /// Only usernames that match one of these patterns, in which * matches any characters and ? one
    #[arg(value_name = "PATTERN", add = complete::usernames())]
    patterns: Vec<String>,

    #[command(flatten)]
    which: UserSelection,

    /// Only disabled users, with the times of those missing from the LDAP directory; --role selects by
    /// the roles before
    #[arg(long)]
    disabled: bool,

    /// Only LDAP users that the LDAP directory does not have
    #[arg(long)]
    not_in_ldap: bool,

    /// Sort by these columns; - before a column reverses its order [default: username]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', allow_hyphen_values = true,
          add = columns::candidates())]
    sort: Vec<String>,

    /// List at most NUMBER users
    #[arg(long, value_name = "NUMBER", value_parser = whole_number::<u64>(0..=u64::MAX))]
    limit: Option<u64>,

    /// Print these columns [default: username,name,roles,source,projects,email; with --disabled:
    /// username,name,roles,source,missing-since,delete-at]
    #[arg(long, value_name = "COLUMN", value_delimiter = ',', conflicts_with_all = ["json", "names"],
          add = columns::candidates())]
    columns: Vec<String>,

    /// Print a table whose values are not cut, also into a pipe or a file
    #[arg(long, conflicts_with_all = ["json", "names"])]
    wide: bool,

    /// Print only the usernames, one per line
    #[arg(long, conflicts_with = "json")]
    names: bool,

    #[command(flatten)]
    directory: LdapSearchOptions,

    #[command(flatten, next_help_heading = HEADING)]
    credentials: CredentialOptions,

    #[command(flatten, next_help_heading = HEADING)]
    request: RequestOptions,
}

/// The users that match all of these options.
#[derive(Debug, Args)]
pub(super) struct UserSelection {
    /// Only users with one of these roles
    #[arg(long, value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    role: Vec<String>,

    /// Only users of this auth source: local, ldap, token or oidc
    #[arg(long, value_name = "SOURCE", add = complete::sources())]
    source: Option<String>,

    /// Only managers of this project
    #[arg(long, value_name = "PROJECT")]
    project: Option<String>,
}

impl UserSelection {
    pub(super) fn filter(self) -> Result<UserFilter, Failure> {
        let roles = self
            .role
            .iter()
            .map(|role| role.parse::<Role>())
            .collect::<Result<_, _>>()
            .map_err(|error: RoleError| error)?;
        let source = self
            .source
            .map(|source| source.parse::<AuthSource>())
            .transpose()
            .map_err(|error| UsageError::new(format!("--source: {error}")))?;
        Ok(UserFilter { roles, source, project: self.project })
    }
}

/// The form of the output.
enum Form {
    /// One JSON array with a line for each user.
    Json,
    /// The usernames alone.
    Names,
    /// A table for readers.
    Table { columns: Vec<Column>, width: Option<usize> },
    /// Fields with a tab between them, for scripts: the columns, without a line of headings.
    Tsv(Vec<Column>),
}

pub(super) fn run(
    arguments: List,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let form = form(&arguments, console)?;
    if database.server.is_some() {
        check_columns_of_server(&arguments)?;
    }
    let ldap_options = arguments.directory.options()?;
    let mut request = ListRequest {
        filter: arguments.which.filter()?,
        patterns: arguments.patterns.into_iter().map(UsernamePattern::new).collect(),
        only_disabled: arguments.disabled,
        not_in_ldap: None,
        order: arguments.sort.iter().map(|text| columns::sort_key(text)).collect::<Result<_, _>>()?,
        limit: arguments.limit,
    };
    let List { credentials, request: request_options, directory, .. } = arguments;
    let server = ServerOptions::with_ca_file(credentials, request_options, directory.ca_file());
    // A database that cannot be opened is an error before the LDAP search.
    let mut store = database.open_users_to_read(&server, console)?;
    if arguments.not_in_ldap {
        request.not_in_ldap = Some(ldap_users(database, &ldap_options, console)?);
    }
    let disabled = match &store {
        UserStore::Database { db, .. } if request.only_disabled => DisabledUsers::load(db.path())?,
        UserStore::Database { db, .. } if !matches!(form, Form::Names) => disabled_users(db, console),
        UserStore::Database { .. } | UserStore::Server(_) => DisabledUsers::default(),
    };
    let disabled = if disabled.has_missing() && !matches!(form, Form::Names) {
        let settings = settings::load_quietly(&database.settings, console);
        disabled.with_grace_period(settings.as_ref().and_then(grace_period))
    } else {
        disabled
    };
    let is_for_scripts = matches!(form, Form::Json | Form::Names);
    let (status, count) = List::print(&mut store, &request, &disabled, form, console)?;
    if !is_for_scripts && !console.is_reader_gone() {
        console.flush()?;
        print_count(count, console);
    }
    Ok(status)
}

/// Rejects columns that a running server does not report.
fn check_columns_of_server(arguments: &List) -> Result<(), UsageError> {
    let sorted = arguments.sort.iter().map(|name| name.trim_start_matches('-'));
    let mut columns = arguments.columns.iter().map(String::as_str).chain(sorted);
    match columns.find(|name| name.parse().is_ok_and(Column::is_only_in_database)) {
        None => Ok(()),
        Some(name) => {
            Err(UsageError::new(format!("a running server does not report the column {}", quote(name)))
                .hint("list the users in the directory of the server, without --server"))
        }
    }
}

/// The form of the output that the options select: a table on a terminal, otherwise fields with a tab
/// between them.
fn form(arguments: &List, console: &Console) -> Result<Form, UsageError> {
    let columns = match arguments.columns.as_slice() {
        [] if arguments.disabled => columns::DEFAULT_OF_DISABLED.to_vec(),
        [] => columns::DEFAULT.to_vec(),
        names => names.iter().map(|name| name.parse()).collect::<Result<_, _>>()?,
    };
    Ok(if console.is_json() {
        Form::Json
    } else if arguments.names {
        Form::Names
    } else if arguments.wide {
        Form::Table { columns, width: None }
    } else {
        match console.terminal_width() {
            Some(width) => Form::Table { columns, width: Some(width) },
            None => Form::Tsv(columns),
        }
    })
}

/// All users of the LDAP directory.
fn ldap_users(
    database: &DatabaseOptions,
    options: &LdapOptions,
    console: &mut Console,
) -> Result<LdapUsers, Failure> {
    let settings = settings::load(&database.settings, console)?;
    let mut notes = Notes::new();
    let config = LdapConfig::from_settings(&settings, options, &mut notes);
    let connection = config.and_then(|config| {
        let connection = config.server.connect(&config.credentials, &mut notes)?;
        Ok((connection, config.search))
    });
    console.notes(notes);
    let (mut connection, search) = connection?;
    let mut progress = Progress::new("entries of the LDAP directory", console);
    let snapshot = connection.read_all(&search, &mut |entries| progress.at(entries))?;
    Ok(LdapUsers::new(snapshot)?)
}

/// The disabled users; none, with a warning, if their file cannot be read.
pub(super) fn disabled_users(store: &UserDb, console: &mut Console) -> DisabledUsers {
    DisabledUsers::load(store.path()).unwrap_or_else(|error| {
        console.warn("disabled-users-unreadable", &format!("disabled users are not shown: {error}"));
        DisabledUsers::default()
    })
}

/// The grace period of the settings.
pub(super) fn grace_period(settings: &Settings) -> Option<GracePeriod> {
    sync::configured_grace(settings).ok().flatten()
}

fn print_count(count: ListCount, console: &mut Console) {
    let users = |count| counted(count, "user");
    match count {
        ListCount { has_more: true, listed } => {
            console.note(&format!("{}, and more beyond --limit {listed}", users(listed)));
        }
        ListCount { listed: 0, .. } => console.note("no users found"),
        ListCount { listed, .. } => console.note(&users(listed)),
    }
}

/// Reports a record with an invalid column; the list continues.
pub(super) fn report_invalid_row(error: UserDbError, console: &mut Console) -> ExitStatus {
    let failure = Failure::from(error);
    console.report(&failure);
    failure.status()
}

/// Why a list ends early.
pub(super) enum ListEnd {
    /// The reader closed standard output, as `| head -1` does.
    ReaderGone,
    /// Something failed.
    Failure(Failure),
}

impl<F: Into<Failure>> From<F> for ListEnd {
    fn from(failure: F) -> Self {
        Self::Failure(failure.into())
    }
}

impl List {
    /// Prints the users while they are read.
    fn print(
        store: &mut UserStore,
        request: &ListRequest,
        disabled: &DisabledUsers,
        form: Form,
        console: &mut Console,
    ) -> Result<(ExitStatus, ListCount), Failure> {
        let mut printer = Printer { is_server: store.is_server(), ..Printer::new(form) };
        let mut status = ExitStatus::Success;
        let listed = accounts::list(store, request, disabled, |record| {
            printer.print(&record, disabled, console)?;
            if !record.invalid_columns.is_empty() {
                let error = UserDbError::InvalidRow {
                    name: record.user.username,
                    invalid_columns: record.invalid_columns,
                };
                status = report_invalid_row(error, console);
            }
            if console.is_reader_gone() { Err(ListEnd::ReaderGone) } else { Ok(()) }
        });
        let count = match listed {
            Ok(count) => count,
            Err(ListEnd::ReaderGone) => return Ok((status, ListCount::default())),
            Err(ListEnd::Failure(failure)) => return Err(failure),
        };
        printer.finish(console)?;
        Ok((status, count))
    }
}

/// Prints one user after the other. The first one is written at once, so that a reader does not wait
/// for the others.
struct Printer {
    output: Output,
    is_server: bool,
    is_first: bool,
    line: String,
}

enum Output {
    Json,
    Names,
    Table(Vec<Column>, Table),
    Tsv(Vec<Column>),
}

impl Printer {
    fn new(form: Form) -> Self {
        let output = match form {
            Form::Json => Output::Json,
            Form::Names => Output::Names,
            Form::Tsv(columns) => Output::Tsv(columns),
            Form::Table { columns, width } => {
                let table = Table::new(columns.iter().map(|column| column.in_table()).collect(), width);
                Output::Table(columns, table)
            }
        };
        Self { output, is_server: false, is_first: true, line: String::new() }
    }

    fn print(
        &mut self,
        record: &UserRecord,
        disabled: &DisabledUsers,
        console: &mut Console,
    ) -> Result<(), Failure> {
        match &mut self.output {
            Output::Json => {
                console.text(if self.is_first { "[\n" } else { ",\n" })?;
                console.json_item(&if self.is_server {
                    UserReport::at_server(&record.user)
                } else {
                    UserReport::new(record, disabled)
                })?;
            }
            Output::Names => console.line(&escape(&record.user.username))?,
            Output::Tsv(columns) => {
                self.line.clear();
                for (index, column) in columns.iter().enumerate() {
                    if index > 0 {
                        self.line.push('\t');
                    }
                    self.line.push_str(&escape(&column.value(record, disabled)));
                }
                console.line(&self.line)?;
            }
            Output::Table(columns, table) => {
                let values: Vec<_> = columns.iter().map(|column| column.value(record, disabled)).collect();
                let cells: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
                let lines = table.row(&cells);
                return print_lines(&lines, &mut self.is_first, console);
            }
        }
        if std::mem::take(&mut self.is_first) {
            console.flush()?;
        }
        Ok(())
    }

    fn finish(&mut self, console: &mut Console) -> Result<(), Failure> {
        match &mut self.output {
            Output::Json => console.line(if self.is_first { "[]" } else { "\n]" })?,
            Output::Names | Output::Tsv(_) => {}
            Output::Table(_, table) => {
                let lines = table.finish();
                print_lines(&lines, &mut self.is_first, console)?;
                if let Some(note) = table.note() {
                    console.flush()?;
                    console.note(&note);
                }
            }
        }
        Ok(())
    }
}

/// Prints lines of a table; the first of all is the line of the headings.
fn print_lines(lines: &[String], is_first: &mut bool, console: &mut Console) -> Result<(), Failure> {
    let mut lines = lines.iter();
    if *is_first && let Some(headings) = lines.next() {
        *is_first = false;
        let headings = console.paint(style::HEADING, headings);
        console.line(&headings)?;
        for line in lines {
            console.line(line)?;
        }
        console.flush()?;
        return Ok(());
    }
    for line in lines {
        console.line(line)?;
    }
    Ok(())
}
