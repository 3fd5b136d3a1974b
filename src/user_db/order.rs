//! The order of a list of users.

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

/// The terms of ORDER BY for these keys; users who are equal in all of them are in the order of
/// their usernames.
pub(super) fn order_by(keys: &[SortKey], has_projects: bool) -> String {
    let mut terms: Vec<String> = keys.iter().map(|key| key.terms(has_projects)).collect();
    terms.push("username ASC".to_owned());
    terms.join(", ")
}
