//! The directory: LDAP binds and searches.
//!
//! A [`Connection`] is opened to the first of several servers that answers, bound, and asked:
//! [`Connection::read_all`] reads everybody into a [`LdapSnapshot`], page by page, and gives it out only
//! when the directory said that this was all; [`Connection::find`] looks one person up. Nothing
//! here knows of the user table.
//!
//! Every name that goes into a filter or a DN is escaped by [`escape`]; an empty password never
//! reaches the network (RFC 4513 5.1.2 lets a server take it for an anonymous login).

pub mod access;
pub mod address;
mod ber;
pub mod bind;
pub mod connection;
pub mod escape;
pub mod fault;
pub mod filter;
mod message;
pub mod read;
mod relay;
pub mod roster;
pub mod settings;
mod transport;
pub mod trust;

pub use access::LdapServer;
pub use address::Address;
pub use bind::BindRejection;
pub use connection::{BindCredentials, Connection};
pub use fault::LdapError;
pub use filter::Filter;
pub use read::{LdapUser, UserSearch, UserSearchResult};
pub use roster::LdapSnapshot;
pub use settings::{LdapConfig, LdapOptions, configured};
pub use trust::LdapTrust;
