//! The server's user table in SQLite.
//!
//! Opens a database that the server made and may be using at this moment, or one that
//! [`fn@create`] made; reads users in every form the server has ever written, and changes them in
//! one transaction an action, which the journal records ([`crate::history`]). The schema, the server's migrations table and all other tables are
//! never touched (rows of `configuration` are renamed or deleted with their user).
//!
//! Knows nothing of what roles or names are allowed; that is for the callers.
//!
//! ```no_run
//! use cc_auth::user_db::{OpenMode, UserDb};
//! let db = UserDb::open("var/job.db".as_ref(), OpenMode::Read)?;
//! if let Some(user) = db.find("fritz")? {
//!     println!("{:?}", user.roles);
//! }
//! # Ok::<(), cc_auth::user_db::UserDbError>(())
//! ```

mod changing;
mod column;
mod connect;
mod create;
mod error;
mod identity;
mod layout;
mod order;
mod query;
mod record;
mod recording;
mod rename;
mod transaction;
mod write;

pub use column::{InvalidColumn, ListColumn};
pub use connect::{DEFAULT_TIMEOUT, OpenMode, UserDb};
pub use create::{check_no_leftovers, create};
pub use error::UserDbError;
pub use identity::companion_files;
pub use layout::Migration;
pub use order::{SortColumn, SortKey, sort_users};
pub use record::{UserFilter, UserRecord};
pub use rename::UserReferences;
pub use transaction::{DataVersion, Transaction, UserSummary};
pub use write::NewUser;
