//! `cc-user add`.

use clap::Args;

use super::error::AddArgumentError;
use super::server::ServerLoginOptions;
use super::{DatabaseOptions, complete};
use crate::accounts::{self, AddRequest, PasswordInput};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::prompt::PasswordOptions;
use crate::user::{AccountDraft, AccountError, AuthSource, PasswordError, Role, password};
use crate::util::diagnostic::ExitStatus;
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// Add a user
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The username; the server's form NAME:ROLES:PASSWORD shows the password to all accounts that
    /// can list the processes
    #[arg(value_name = "NAME", required = true, num_args = 1..)]
    names: Vec<String>,

    /// Roles: admin, support, manager, user, api or anonymous; separated by commas
    #[arg(short, long = "role", value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    roles: Vec<String>,

    /// The full name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// The mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// Projects of a manager; separated by commas
    #[arg(short, long = "project", value_name = "PROJECT", value_delimiter = ',')]
    projects: Vec<String>,

    /// Add the user without a password: a login with a password is not possible
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    no_password: bool,

    #[command(flatten)]
    password: PasswordOptions,

    #[command(flatten)]
    server: ServerLoginOptions,
}

pub(super) fn run(
    add: Add,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Add { names, roles, name, email, projects, no_password, password: options, server } = add;
    let [username] = names.as_slice() else {
        // The message of clap would show the other arguments, which may contain a password.
        return Err(UsageError::new(format!("found {} names: expected one", names.len()))
            .hint("to add several users: cc-user import FILE")
            .into());
    };
    let draft = AccountDraft { username: username.clone(), roles, projects, name, email };
    let has_server_form = username.contains(':');
    let (draft, argument) = if has_server_form { parse_server_form(draft)? } else { (draft, None) };
    let user = draft.check(AuthSource::Local).map_err(|errors| {
        let hide = |error| match error {
            AccountError::Role(_) if has_server_form => AddArgumentError::UnknownRole,
            other => AddArgumentError::Account(other),
        };
        Failure::several(errors.into_iter().map(hide))
    })?;
    let password = match argument {
        Some(text) => {
            password::check(&text)?;
            console.warn_of_danger(
                "password-in-arguments",
                &format!(
                    "the password of {} was an argument: all accounts that can list the processes could read it",
                    quote(&user.username)
                ),
            );
            PasswordInput::Given(text)
        }
        None if no_password || has_server_form => PasswordInput::None,
        None => PasswordInput::Prompt,
    };
    let request = AddRequest { user, password };
    if database.server.is_some() {
        // Before a prompt for the password of the administrator.
        request.check_for_server()?;
    }
    let mut store = database.open_users_with_login(&server, console)?;
    let report = accounts::add(&mut store, request, |query| {
        console.notes(query.notes);
        if query.is_required {
            let prompt = format!("Password for {}", quote(&query.username));
            return options.new_one(&prompt, console).map(Some);
        }
        options.read(console)
    })?;
    console.notes(report.notes);
    if console.is_json() {
        console.json(&report.user)?;
    }
    Ok(ExitStatus::Success)
}

/// Parses `NAME:ROLE[,ROLE]:PASSWORD`; everything after the second colon is the password.
fn parse_server_form(draft: AccountDraft) -> Result<(AccountDraft, Option<SecretText>), Failure> {
    let mut parts = draft.username.splitn(3, ':');
    let (Some(name), Some(roles), Some(password), true) =
        (parts.next(), parts.next(), parts.next(), draft.roles.is_empty())
    else {
        return Err(AddArgumentError::Form.into());
    };
    let roles: Vec<String> = roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
    let password =
        Some(password).filter(|text| !text.is_empty()).map(|text| SecretText::new(text.to_owned()));
    if password.is_none() && roles != [Role::Api.name()] {
        return Err(PasswordError::Empty.into());
    }
    let username = name.to_owned();
    Ok((AccountDraft { username, roles, ..draft }, password))
}
