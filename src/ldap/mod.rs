//! The directory: LDAP binds and searches.
//!
//! A [`Connection`] is opened to the first of several servers that answers, bound, and asked:
//! [`Connection::read_all`] reads all users into a [`LdapSnapshot`], page by page, and gives it out only
//! when the LDAP server reported a complete answer; [`Connection::find`] looks up one user. Nothing
//! here depends on the user table.
//!
//! Every name that goes into a filter or a DN is escaped by [`escape`]; an empty password never
//! reaches the network (RFC 4513 5.1.2 lets a server take it for an anonymous login).

mod ber;
pub mod bind;
pub mod config;
pub mod connection;
mod conversation;
pub mod error;
pub mod escape;
pub mod filter;
mod message;
mod relay;
pub mod search;
pub mod server;
pub mod snapshot;
mod transport;
pub mod url;

pub use bind::BindRejection;
pub use config::{LdapConfig, LdapOptions};
pub use connection::{BindCredentials, Connection};
pub use error::LdapError;
pub use filter::Filter;
pub use search::{LdapUser, UserSearch, UserSearchResult};
pub use server::{LdapServer, LdapTrust};
pub use snapshot::LdapSnapshot;
pub use url::LdapUrl;
