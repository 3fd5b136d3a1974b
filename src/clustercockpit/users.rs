//! The users of a server, over the requests of its REST interface and of its configuration page.
//!
//! `GET /api/users/` and `POST /api/user/NAME` accept a token whose roles are admin and api, and the web session of an
//! administrator. `POST` and `DELETE /config/users/` accept only the web session. No request changes a password, a full
//! name or a mail address.

use std::fmt;

use serde::Deserialize;
use serde_json::json;
use url::Url;
use zeroize::Zeroizing;

use super::error::{RejectedCredentials, ServerError};
use super::login::ServerSession;
use super::request::{error_text, rejection_text, url_below};
use crate::http::{Client, HttpError, Response, display_url};
use crate::token::inspect;
use crate::user::{AuthSource, User};
use crate::util::quote::quote;
use crate::util::secret::SecretText;

/// The maximum size of the list of users, in bytes. 200,000 users with full names and mail addresses have about 40 MB.
pub const USERS_LIMIT: usize = 256 << 20;

/// A change of the roles or projects of a user, as one request does it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserOperation {
    /// Adds a role.
    AddRole(String),
    /// Adds a project of a manager.
    AddProject(String),
    /// Removes a project.
    RemoveProject(String),
    /// Removes a role; the role manager only without projects.
    RemoveRole(String),
}

impl UserOperation {
    /// The member of the request.
    const fn member(&self) -> &'static str {
        match self {
            Self::AddRole(_) => "add-role",
            Self::AddProject(_) => "add-project",
            Self::RemoveProject(_) => "remove-project",
            Self::RemoveRole(_) => "remove-role",
        }
    }

    /// The role or project.
    fn entry(&self) -> &String {
        match self {
            Self::AddRole(entry)
            | Self::AddProject(entry)
            | Self::RemoveProject(entry)
            | Self::RemoveRole(entry) => entry,
        }
    }

    /// Whether the user is already as the operation would change it.
    #[must_use]
    pub fn is_done(&self, user: &User) -> bool {
        let entry = self.entry();
        match self {
            Self::AddRole(_) => user.roles.contains(entry),
            Self::AddProject(_) => user.projects.contains(entry),
            Self::RemoveProject(_) => !user.projects.contains(entry),
            Self::RemoveRole(_) => !user.roles.contains(entry),
        }
    }

    /// Changes the user as the server does.
    pub fn apply(&self, user: &mut User) {
        if self.is_done(user) {
            return;
        }
        let entry = self.entry();
        match self {
            Self::AddRole(_) => user.roles.push(entry.clone()),
            Self::AddProject(_) => user.projects.push(entry.clone()),
            Self::RemoveProject(_) => user.projects.retain(|project| project != entry),
            Self::RemoveRole(_) => user.roles.retain(|role| role != entry),
        }
    }
}

impl fmt::Display for UserOperation {
    /// Writes the operation as an imperative, such as `add the role 'api'`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::AddRole(_) => "add the role",
            Self::AddProject(_) => "add the project",
            Self::RemoveProject(_) => "remove the project",
            Self::RemoveRole(_) => "remove the role",
        };
        write!(f, "{what} {}", quote(self.entry()))
    }
}

/// A user to add, with the one role and the one project that the request can have.
#[derive(Debug, Clone, Copy)]
pub struct NewUser<'a> {
    /// The username, of 1 to 100 bytes.
    pub username: &'a str,
    /// The password; only a user with the role api alone may have none.
    pub password: Option<&'a SecretText>,
    /// The role. The server does not check whether it exists.
    pub role: &'a str,
    /// The project; required for a manager, and only for a manager.
    pub project: Option<&'a str>,
    /// The full name.
    pub name: Option<&'a str>,
    /// The mail address.
    pub email: Option<&'a str>,
}

/// The users of a server, with the credentials for their requests.
pub enum UserApi {
    /// With a token of a user with the roles admin and api.
    Token {
        /// The HTTP client.
        client: Client,
        /// The URL of the server.
        server: Url,
        /// The token.
        token: SecretText,
    },
    /// With the web session of a user with the role admin.
    Session(ServerSession),
}

impl fmt::Debug for UserApi {
    /// Omits the credentials.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserApi").field("url", &self.url()).finish_non_exhaustive()
    }
}

impl UserApi {
    /// Returns the URL of the server.
    #[must_use]
    pub const fn server(&self) -> &Url {
        match self {
            Self::Token { server, .. } => server,
            Self::Session(session) => &session.server,
        }
    }

    fn url(&self) -> String {
        display_url(self.server())
    }

    const fn client(&self) -> &Client {
        match self {
            Self::Token { client, .. } => client,
            Self::Session(session) => &session.client,
        }
    }

    /// The header with the credentials.
    fn credentials(&self) -> (&'static str, Zeroizing<String>) {
        match self {
            Self::Token { token, .. } => {
                ("authorization", Zeroizing::new(format!("Bearer {}", token.expose())))
            }
            Self::Session(session) => ("cookie", session.cookie.clone()),
        }
    }

    /// Requests all users, in the order of the server. `not-just-user` is not used: the server compares the stored
    /// text and lists some of the users that have only the role user.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn list(&self) -> Result<Vec<User>, ServerError> {
        let (name, value) = self.credentials();
        let address = url_below(self.server(), "api/users/")?;
        let answer =
            self.client().get(&address, &[(name, value.as_str()), ("accept", "application/json")])?;
        self.check(&answer, "list the users")?;
        let users: Vec<ListedUser> = answer.json()?;
        Ok(users.into_iter().map(User::from).collect())
    }

    /// Changes a role or a project of a user.
    ///
    /// # Errors
    /// [`ServerError::ChangeRejected`] also where the change is done already; other [`ServerError`]s.
    pub fn change(&self, username: &str, operation: &UserOperation) -> Result<(), ServerError> {
        let (name, value) = self.credentials();
        let address = user_url(self.server(), username)?;
        let document = json!({ operation.member(): operation.entry() });
        let headers = [(name, value.as_str()), ("accept", "application/json")];
        let answer = self.client().post_json(&address, &headers, &document)?;
        self.check(&answer, &format!("{operation} of {}", quote(username)))
    }

    fn check(&self, answer: &Response, action: &str) -> Result<(), ServerError> {
        check(answer, self.server(), || self.rejected(), action)
    }

    fn rejected(&self) -> RejectedCredentials {
        match self {
            Self::Token { token, .. } => {
                let inspection = inspect(token.expose());
                let roles = inspection.unproven().map(|(_, claims)| claims.roles()).unwrap_or_default();
                RejectedCredentials::Token { roles: roles.into_iter().map(str::to_owned).collect() }
            }
            Self::Session(session) => session.rejected(),
        }
    }
}

impl ServerSession {
    /// Adds a user.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn add_user(&self, user: &NewUser<'_>) -> Result<(), ServerError> {
        let address = url_below(&self.server, "config/users/")?;
        let form = [
            ("username", user.username),
            ("password", user.password.map_or("", SecretText::expose)),
            ("role", user.role),
            ("name", user.name.unwrap_or_default()),
            ("email", user.email.unwrap_or_default()),
            ("project", user.project.unwrap_or_default()),
        ];
        let answer = self.client.post_form(&address, &[("cookie", self.cookie.as_str())], &form)?;
        check(&answer, &self.server, || self.rejected(), &format!("add the user {}", quote(user.username)))
    }

    /// Deletes a user. The server does not report whether the user exists.
    ///
    /// # Errors
    /// [`ServerError`].
    pub fn delete_user(&self, username: &str) -> Result<(), ServerError> {
        let mut address = url_below(&self.server, "config/users/")?;
        address.query_pairs_mut().append_pair("username", username);
        let answer = self.client.delete(&address, &[("cookie", self.cookie.as_str())])?;
        check(&answer, &self.server, || self.rejected(), &format!("delete the user {}", quote(username)))
    }

    fn rejected(&self) -> RejectedCredentials {
        RejectedCredentials::Session { name: self.name.clone() }
    }
}

/// Checks the status of an answer. A web page is not an answer of these requests.
fn check(
    answer: &Response,
    server: &Url,
    credentials: impl FnOnce() -> RejectedCredentials,
    action: &str,
) -> Result<(), ServerError> {
    let url = display_url(server);
    let action = || action.to_owned();
    let path = answer.url().path();
    Err(match answer.status() {
        200..=299 if answer.media_type() != "text/html" => return Ok(()),
        200..=299 => {
            ServerError::UnexpectedResponse { url, why: format!("{} responds with a web page", quote(path)) }
        }
        401 => ServerError::CredentialsRejected { url, credentials: credentials() },
        403 => ServerError::NotAdmin { url, credentials: credentials() },
        404 | 405 => ServerError::UnexpectedResponse {
            url,
            why: format!(
                "it responds to {} with status {}; another version may have other paths",
                quote(path),
                answer.status()
            ),
        },
        400 if matches!(answer.to_error(), HttpError::ExpectsTls(_)) => answer.to_error().into(),
        status @ (400 | 422) => {
            ServerError::ChangeRejected { url, action: action(), status, text: rejection_text(answer) }
        }
        status @ 500..=599 => {
            ServerError::RequestFailed { url, action: action(), status, text: error_text(answer) }
        }
        _ => answer.to_error().into(),
    })
}

/// The URL for changes of a user. A URL has no segments `.` and `..`, and the server does not find a user behind a
/// slash.
fn user_url(server: &Url, username: &str) -> Result<Url, ServerError> {
    let not_in_url = || ServerError::NameNotInUrl(username.to_owned());
    if matches!(username, "" | "." | "..") || username.contains('/') {
        return Err(not_in_url());
    }
    let mut url = url_below(server, "api/user/")?;
    url.path_segments_mut().map_err(|()| not_in_url())?.pop_if_empty().push(username);
    Ok(url)
}

/// A user in the list of the server.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ListedUser {
    username: String,
    name: Option<String>,
    email: Option<String>,
    /// `null` if the last role was removed.
    roles: Option<Vec<String>>,
    projects: Option<Vec<String>>,
    auth_source: i64,
}

impl From<ListedUser> for User {
    fn from(listed: ListedUser) -> Self {
        let text = |text: Option<String>| text.filter(|text| !text.is_empty());
        let mut projects = listed.projects.unwrap_or_default();
        // The server stores an empty entry for a user who was added over HTTP without a project.
        projects.retain(|project| !project.is_empty());
        Self {
            username: listed.username,
            name: text(listed.name),
            email: text(listed.email),
            roles: listed.roles.unwrap_or_default(),
            projects,
            source: AuthSource::from_number(listed.auth_source),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn user_url_has_the_name_as_one_segment() {
        let server = Url::parse("https://cc.example.org/monitoring?x#y").unwrap();
        let url = |name: &str| user_url(&server, name).map(String::from);
        assert_eq!(url("fritz").unwrap(), "https://cc.example.org/monitoring/api/user/fritz");
        assert_eq!(
            url("a b?c#d%2e").unwrap(),
            "https://cc.example.org/monitoring/api/user/a%20b%3Fc%23d%252e"
        );
        assert_eq!(url("jürgen").unwrap(), "https://cc.example.org/monitoring/api/user/j%C3%BCrgen");
        for name in ["", ".", "..", "a/b", "/"] {
            assert_eq!(url(name), Err(ServerError::NameNotInUrl(name.to_owned())), "{name}");
        }
        for name in ["a\\b", "%2e%2e", "...", "%2E"] {
            let url = user_url(&server, name).unwrap();
            assert_eq!(url.path_segments().unwrap().count(), 4, "{url}");
            assert!(url.path().starts_with("/monitoring/api/user/"), "{url}");
        }
    }

    #[test]
    fn operation_changes_a_user_as_the_server_does() {
        let mut user = User::from_ldap("fritz", None);
        for (operation, roles, projects) in [
            (UserOperation::AddRole("manager".to_owned()), "user,manager", ""),
            (UserOperation::AddRole("manager".to_owned()), "user,manager", ""),
            (UserOperation::AddProject("p".to_owned()), "user,manager", "p"),
            (UserOperation::RemoveRole("user".to_owned()), "manager", "p"),
            (UserOperation::RemoveProject("p".to_owned()), "manager", ""),
        ] {
            operation.apply(&mut user);
            assert!(operation.is_done(&user), "{operation}");
            assert_eq!(
                (user.roles.join(","), user.projects.join(",")),
                (roles.to_owned(), projects.to_owned())
            );
        }
    }

    #[test]
    fn listed_user_without_values_is_read_with_its_meaning() {
        let listed = r#"{"username":"a","name":"","email":"","roles":null,"projects":[""],"authType":9,"authSource":7}"#;
        let user = User::from(serde_json::from_str::<ListedUser>(listed).unwrap());
        assert_eq!((user.name, user.email, user.source), (None, None, AuthSource::Unknown(7)));
        assert!(user.roles.is_empty() && user.projects.is_empty());
        assert!(serde_json::from_str::<ListedUser>(r#"{"username":"a","roles":[]}"#).is_err());
    }
}
