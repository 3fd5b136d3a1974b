//! LDAP binds and searches.
//!
//! A [`Connection`] connects to the first available server and binds. [`Connection::read_all`]
//! reads all users page by page and returns an [`LdapSnapshot`] only if the server reports a
//! complete response; [`Connection::find`] looks up one user. This module does not depend on the user
//! table.
//!
//! [`escape`] escapes all usernames in filters and distinguished names. An empty password is never
//! sent, since a server may accept it as an unauthenticated bind (RFC 4513 5.1.2).

mod ber;
pub mod bind;
pub mod config;
pub mod connection;
mod conversation;
mod entry;
pub mod error;
pub mod escape;
pub mod filter;
mod group_memberships;
mod group_reader;
pub mod group_search;
pub mod groups;
mod message;
mod relay;
mod results;
pub mod search;
pub mod server;
pub mod snapshot;
mod transport;
pub mod url;
pub mod user_index;

pub use bind::BindRejection;
pub use config::{LdapConfig, LdapOptions};
pub use connection::{BindCredentials, Connection};
pub use error::LdapError;
pub use filter::Filter;
pub use group_search::{GroupMap, GroupSearch, Membership, Nesting};
pub use groups::{GroupDirectory, GroupScope, LdapGroup};
pub use search::{LdapUser, UserSearch, UserSearchResult};
pub use server::{LdapServer, LdapTrust};
pub use snapshot::LdapSnapshot;
pub use url::LdapUrl;
pub use user_index::UserIndex;
