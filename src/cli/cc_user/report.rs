//! A user as reports show one.

use serde::Serialize;
use serde::ser::{SerializeStruct as _, Serializer};

use crate::user::{AuthSource, User};
use crate::user_db::Record;
use crate::util::quote::escape;

/// A record in JSON; the manual of `list` says what each member means.
pub(super) struct RecordReport<'record>(pub(super) &'record Record);

impl Serialize for RecordReport<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Record { user, has_password, broken } = self.0;
        let mut object = serializer.serialize_struct("User", 9)?;
        object.serialize_field("username", &user.username)?;
        object.serialize_field("name", &user.name)?;
        object.serialize_field("email", &user.email)?;
        object.serialize_field("roles", &user.roles)?;
        object.serialize_field("projects", &user.projects)?;
        object.serialize_field("source", user.source.map_or("unknown", AuthSource::name))?;
        object.serialize_field("source_number", &source_number(user))?;
        object.serialize_field("has_password", has_password)?;
        let broken: Vec<_> = broken.iter().map(|broken| broken.column).collect();
        object.serialize_field("broken", &broken)?;
        object.end()
    }
}

fn source_number(user: &User) -> i64 {
    user.source.map_or_else(|number| number, AuthSource::number)
}

/// The auth source for people.
pub(super) fn source(user: &User) -> String {
    match user.source {
        Ok(source) => source.name().to_owned(),
        Err(number) => format!("unknown ({number})"),
    }
}

/// A list for people; escaped, `-` where there is nothing.
pub(super) fn list(entries: &[String]) -> String {
    if entries.is_empty() { "-".to_owned() } else { escape(&entries.join(",")) }
}
