//! `cc-user add`.

use clap::Args;

use super::error::{UserCommandError, named, word};
use super::report::{RecordReport, list};
use super::{DatabaseOptions, complete};
use crate::cli::console::Console;
use crate::cli::failure::{Failure, UsageError};
use crate::cli::prompt::PasswordOptions;
use crate::policy::Endpoint;
use crate::user::account::MANY_PROJECTS;
use crate::user::{AccountDraft, AccountError, AuthSource, PasswordHash, Role, User, password};
use crate::user_db::{OpenMode, UserDbError, UserRecord};
use crate::util::diagnostic::ExitStatus;
use crate::util::secret::SecretText;

/// Add a user with a password of his or her own
#[derive(Debug, Args)]
pub(super) struct Add {
    /// The new user's name; NAME:ROLES:PASSWORD, as the server's -add-user takes it, shows
    /// the password to everybody who lists the processes
    #[arg(value_name = "NAME", required = true, num_args = 1..)]
    names: Vec<String>,

    /// Roles: admin, support, manager, user, api or anonymous; several with commas between them
    #[arg(short, long = "role", value_name = "ROLE", value_delimiter = ',', add = complete::roles())]
    roles: Vec<String>,

    /// The full name
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,

    /// The mail address
    #[arg(long, value_name = "ADDRESS")]
    email: Option<String>,

    /// A project of a manager; can be given several times
    #[arg(short, long = "project", value_name = "PROJECT")]
    projects: Vec<String>,

    /// Add the user without a password: he or she cannot log in by one
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    no_password: bool,

    #[command(flatten)]
    password: PasswordOptions,
}

pub(super) fn run(
    add: Add,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<ExitStatus, Failure> {
    let Add { names, roles, name, email, projects, no_password, password: options } = add;
    let [username] = names.as_slice() else {
        // What clap would show of the surplus arguments may hold a password.
        return Err(UsageError::new(format!("{} names given, wanted one", names.len()))
            .hint("many users at once: cc-user import FILE")
            .into());
    };
    let draft = AccountDraft { username: username.clone(), roles, projects, name, email };
    let (draft, spelled) = if username.contains(':') { server_spelling(draft)? } else { (draft, None) };
    let is_spelled = username.contains(':');
    let user = draft.check(AuthSource::Local).map_err(|errors| {
        let hide = |error| match error {
            AccountError::Role(_) if is_spelled => UserCommandError::SpelledRoles,
            other => UserCommandError::Account(other),
        };
        Failure::several(errors.into_iter().map(hide))
    })?;
    if let Some(given) = &spelled {
        password::check(given)?;
        console.warn_of_danger(
            "password-in-arguments",
            &format!(
                "the password of {} was an argument: everybody who could list the processes has seen it",
                named(&user.username)
            ),
        );
    }

    let mut store = database.open(OpenMode::Write, console)?;
    // Nobody types a password in vain.
    if store.record(&user.username)?.is_some() {
        return Err(UserDbError::UserExists(user.username).into());
    }
    if let Some(similar) = store.similar_username(&user.username)? {
        console.warn("similar-usernames", &format!(
            "the new user {} differs from {} only by case or blanks, which a directory takes for the same",
            named(&user.username),
            named(&similar)
        ));
    }
    let password = match spelled {
        Some(given) => Some(given),
        None if no_password => None,
        // The server lets only api users go without a password.
        None if user.roles == [Role::Api.name()] => options.read(console)?,
        None => Some(options.new_one(&format!("Password for {}", named(&user.username)), console)?),
    };
    let hash = password.as_ref().map(PasswordHash::new).transpose()?;

    let mut action = store.transaction()?;
    action.add(&user, hash.as_ref())?;
    action.commit()?;
    report(user, hash.is_some(), console)
}

/// Takes `NAME:ROLE[,ROLE]:PASSWORD` apart; everything after the second colon is the password.
fn server_spelling(draft: AccountDraft) -> Result<(AccountDraft, Option<SecretText>), Failure> {
    let mut parts = draft.username.splitn(3, ':');
    let (Some(name), Some(roles), Some(password), true) =
        (parts.next(), parts.next(), parts.next(), draft.roles.is_empty())
    else {
        return Err(UserCommandError::Spelling.into());
    };
    let roles: Vec<String> = roles.split(',').filter(|role| !role.is_empty()).map(str::to_owned).collect();
    let password =
        Some(password).filter(|text| !text.is_empty()).map(|text| SecretText::new(text.to_owned()));
    if password.is_none() && roles != [Role::Api.name()] {
        return Err(crate::user::PasswordError::Empty.into());
    }
    let username = name.to_owned();
    Ok((AccountDraft { username, roles, ..draft }, password))
}

fn report(user: User, has_password: bool, console: &mut Console) -> Result<ExitStatus, Failure> {
    let name = user.username.clone();
    console.note(&format!("added {} ({})", named(&name), list(&user.roles)));
    if !has_password && user.roles != [Role::Api.name()] {
        console.note(&format!("{} has no password and cannot log in by one", named(&name)));
    }
    if let Some(surprise) = api_surprise(&user) {
        console.note(&surprise);
    }
    warn_of_many_projects(&user, console);
    if console.is_json() {
        console.json(&RecordReport(&UserRecord { user, has_password, invalid_columns: Vec::new() }))?;
    }
    Ok(ExitStatus::Success)
}

/// What the server's endpoints make of `api` beside other roles.
pub(super) fn api_surprise(user: &User) -> Option<String> {
    let surprising = user.has_role(Role::Api) && user.roles.len() > 1 && !user.has_role(Role::Admin);
    surprising.then(|| {
        format!(
            "{}: /userapi accepts a token of this user, /api rejects it (it accepts {})",
            named(&user.username),
            Endpoint::Api.accepted_roles()
        )
    })
}

/// The session cookie of a manager with very many projects cannot be made.
pub(super) fn warn_of_many_projects(user: &User, console: &mut Console) {
    if user.projects.len() >= MANY_PROJECTS {
        console.warn("many-projects", &format!(
            "{} has {} projects: from about 300 on the server cannot make the session cookie, and the web login fails (see them with 'cc-user show {}')",
            named(&user.username),
            user.projects.len(),
            word(&user.username)
        ));
    }
}
