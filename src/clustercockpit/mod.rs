//! The client of a running ClusterCockpit server: a login like that of the web page, the tokens it issues, and its users.
//!
//! Requests and answers are those of server 1.5. No request follows a redirect, and credentials are sent to the origin
//! of the server's URL only. A cookie is sent only in the session that it was received in: the server fails with an old
//! one.

mod error;
mod login;
mod probe;
mod request;
mod users;

pub use error::{RejectedCredentials, ServerError};
pub use login::{ServerSession, log_in};
pub use probe::request_clusters;
pub use users::{NewUser, USERS_LIMIT, UserApi, UserOperation};
