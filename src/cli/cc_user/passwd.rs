//! `cc-user passwd`.

use clap::Args;

use super::refusal::{Refusal, named, no_user};
use super::{DatabaseOptions, complete};
use crate::base::fault::Status;
use crate::cli::console::Console;
use crate::cli::failure::Failure;
use crate::cli::prompt::PasswordOptions;
use crate::store::Access;
use crate::user::{AuthSource, PasswordHash};

/// Give a local user a new password
#[derive(Debug, Args)]
pub(super) struct Passwd {
    /// The user's name
    #[arg(value_name = "NAME", add = complete::usernames())]
    name: String,

    /// Take the password away: the user can't log in by one any more
    #[arg(long, conflicts_with_all = ["password_stdin", "password_file"])]
    delete: bool,

    #[command(flatten)]
    password: PasswordOptions,
}

pub(super) fn run(
    passwd: &Passwd,
    database: &DatabaseOptions,
    console: &mut Console,
) -> Result<Status, Failure> {
    let mut store = database.open(Access::Write, console)?;
    let Some(record) = store.record(&passwd.name)? else {
        return Err(no_user(&passwd.name, store.similar(&passwd.name)?).into());
    };
    if record.user.source != Ok(AuthSource::Local) {
        return Err(Refusal::NotLocal(record.user).into());
    }
    let hash = if passwd.delete {
        None
    } else {
        let prompt = format!("New password for {}", named(&passwd.name));
        Some(PasswordHash::new(&passwd.password.new_one(&prompt, console)?)?)
    };
    let mut action = store.transaction()?;
    action.set_password(&passwd.name, hash.as_ref())?;
    action.commit()?;
    let what = if hash.is_some() { "has a new password" } else { "has no password any more" };
    console.note(&format!("{} {what}", named(&passwd.name)));
    if console.is_json() {
        console.json(&serde_json::json!({"username": passwd.name, "has_password": hash.is_some()}))?;
    }
    Ok(Status::Done)
}
