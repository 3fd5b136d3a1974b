//! Accounts in the server's user table: add, change, disable, rename, delete, passwords, import, export, and the files
//! of a new server.
//!
//! Each action has a request whose fields are checked already, one function that runs it in one
//! transaction, and a report. A report has [`Notes`](crate::util::note::Notes) with what the action
//! does not change, such as open web sessions. Nothing here prints; a password is requested through a
//! function of the caller.

pub mod add;
pub mod change;
pub mod delete;
pub mod disable;
pub mod error;
pub mod export;
pub mod import;
pub mod init;
pub mod ldap_layout;
pub mod list;
pub mod log;
pub mod password;
pub mod rename;
pub mod report;
mod returning;
pub mod server_limit;
pub mod server_users;
pub mod sessions;
pub mod store;
pub mod undo;

pub use crate::history::DisabledUsers;
pub use add::{AddReport, AddRequest, add};
pub use change::{ChangeReport, ChangeRequest, ListChange, change};
pub use delete::{DeleteReport, DeleteRequest, delete};
pub use disable::{DisableRequest, disable, enable};
pub use error::{AccountsError, AccountsErrors};
pub use export::{ExportRequest, export};
pub use import::{ExistingUsers, ImportError, ImportReport, ImportRequest, import};
pub use init::{InitReport, InitRequest, init};
pub use ldap_layout::LdapLayout;
pub use list::{LdapUsers, ListCount, ListRequest, list};
pub use log::{LogCount, LogRequest, RunReport, UserChangeReport, ValueChange, log};
pub use password::{
    PasswordChange, PasswordInput, PasswordQuery, PasswordReport, PasswordRequest, set_password,
};
pub use rename::{RenameRequest, rename};
pub use report::UserReport;
pub use server_limit::ServerLimit;
pub use server_users::ServerUsers;
pub use sessions::SessionPolicy;
pub use store::UserStore;
pub use undo::{RunSelector, RunSelectorError, UndoConflict, UndoReport, UndoRequest, undo};
