//! Token resources of the Open Science Data Federation: reading, checks, signing, and the key set that
//! an issuer publishes.
//!
//! A resource is YAML or JSON of kind `JWT`. It is read into a checked [`Resource`], and signed with
//! the key that it names.

pub mod jwks_document;
mod lint;
pub mod load;
pub mod location;
pub mod manifest;
pub mod published;
pub mod reader;
pub mod resource;
pub mod signing;
pub mod template;
mod yaml;

pub(crate) use yaml::read_list as read_yaml_list;

pub use load::{LoadError, LoadOptions, LoadedResource};
pub use location::{FieldError, FieldPath, ResourceError, SourceName};
pub use resource::{FieldOverride, OverrideError, Resource, ResourceKeySource};
pub use signing::{SignedToken, SigningContext, SigningError};
