//! A user as reports show one.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::user_db::UserRecord;
use crate::util::quote::escape;

/// A record in JSON; the manual of `list` says what each member means.
pub(super) struct RecordReport<'record>(pub(super) &'record UserRecord);

impl Serialize for RecordReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let UserRecord { user, has_password, invalid_columns: broken } = self.0;
        let mut object = serializer.serialize_struct("User", 9)?;
        object.serialize_field("username", &user.username)?;
        object.serialize_field("name", &user.name)?;
        object.serialize_field("email", &user.email)?;
        object.serialize_field("roles", &user.roles)?;
        object.serialize_field("projects", &user.projects)?;
        object.serialize_field("source", user.source.name())?;
        object.serialize_field("source_number", &user.source.number())?;
        object.serialize_field("has_password", has_password)?;
        let broken: Vec<_> = broken.iter().map(|broken| broken.column).collect();
        object.serialize_field("invalid_columns", &broken)?;
        object.end()
    }
}

/// A list for people; escaped, `-` where there is nothing.
pub(super) fn list(entries: &[String]) -> String {
    if entries.is_empty() { "-".to_owned() } else { escape(&entries.join(",")) }
}
