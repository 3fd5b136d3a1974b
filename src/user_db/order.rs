//! The order of a list of users.

use std::cmp::Ordering;

use crate::user::User;

/// A column by which a list of users can be sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortColumn {
    /// The username, by its bytes.
    Username,
    /// The full name.
    Name,
    /// The roles, as stored.
    Roles,
    /// The name of the auth source.
    Source,
    /// The projects, as stored.
    Projects,
    /// The mail address.
    Email,
    /// Whether there is a password.
    Password,
}

/// A column and its direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SortKey {
    /// The column.
    pub column: SortColumn,
    /// Whether the largest value comes first.
    pub is_descending: bool,
}

impl SortKey {
    /// The terms of ORDER BY. Users without a value come last in both directions; ASCII letters sort
    /// without regard to case, except in usernames.
    fn terms(self, has_projects: bool) -> String {
        let direction = if self.is_descending { "DESC" } else { "ASC" };
        let text = |column: &str, empty: &str| {
            format!("({column} IS NULL OR {column} IN ({empty})) ASC, {column} COLLATE NOCASE {direction}")
        };
        match self.column {
            SortColumn::Username => format!("username {direction}"),
            SortColumn::Name => text("name", "''"),
            SortColumn::Roles => text("roles", "'', '[]', 'null'"),
            SortColumn::Source => format!(
                "CASE ldap WHEN 0 THEN 'local' WHEN 1 THEN 'ldap' WHEN 2 THEN 'token' WHEN 3 THEN 'oidc' \
                 ELSE 'unknown' END {direction}"
            ),
            SortColumn::Projects if has_projects => text("projects", "'', '[]', 'null', '[\"\"]'"),
            SortColumn::Projects => "1".to_owned(),
            SortColumn::Email => text("email", "''"),
            SortColumn::Password => format!("(password IS NOT NULL AND password <> '') {direction}"),
        }
    }
}

impl SortKey {
    /// Compares two users as ORDER BY does; all users are equal in the column of the password.
    fn compare(self, a: &User, b: &User) -> Ordering {
        let text = |text: &User| match self.column {
            SortColumn::Username => Some(text.username.clone()),
            SortColumn::Name => text.name.clone(),
            SortColumn::Roles => stored_list(&text.roles),
            SortColumn::Source => Some(text.source.name().to_owned()),
            SortColumn::Projects => stored_list(&text.projects),
            SortColumn::Email => text.email.clone(),
            SortColumn::Password => None,
        };
        let has_case = self.column == SortColumn::Username;
        let key = |user: &User| {
            let text = text(user).filter(|text| !text.is_empty());
            text.map(|text| if has_case { text } else { text.to_ascii_lowercase() })
        };
        let (a, b) = (key(a), key(b));
        let by_value = a.cmp(&b);
        match a.is_none().cmp(&b.is_none()) {
            Ordering::Equal if self.is_descending => by_value.reverse(),
            Ordering::Equal => by_value,
            unequal => unequal,
        }
    }
}

/// The text of a list, in an order like that of its column; `None` for an empty one.
fn stored_list(entries: &[String]) -> Option<String> {
    if entries.is_empty() { None } else { Some(format!("{}\"]", entries.join("\",\""))) }
}

/// Sorts users as a list of the user table is sorted.
pub fn sort_users(users: &mut [User], keys: &[SortKey]) {
    users.sort_by(|a, b| {
        let order = keys.iter().map(|key| key.compare(a, b)).find(|order| order.is_ne());
        order.unwrap_or_else(|| a.username.cmp(&b.username))
    });
}

/// The terms of ORDER BY for these keys; users who are equal in all of them are in the order of
/// their usernames.
pub(super) fn order_by(keys: &[SortKey], has_projects: bool) -> String {
    let mut terms: Vec<String> = keys.iter().map(|key| key.terms(has_projects)).collect();
    terms.push("username ASC".to_owned());
    terms.join(", ")
}
