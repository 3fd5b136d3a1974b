//! A small ClusterCockpit server for the tests: logins and user administration with the statuses and rules that server
//! 1.5 was recorded with, and faults on request. The texts of its answers are its own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::httpd::{Reply, Request, Server};

/// A user of the server; the password is that of a web login.
#[derive(Debug, Clone, Default)]
pub struct Account {
    pub roles: Vec<String>,
    pub projects: Vec<String>,
    pub name: String,
    pub email: String,
    pub source: i64,
    pub password: String,
}

impl Account {
    pub fn new(roles: &str) -> Self {
        Self { roles: list(roles), ..Self::default() }
    }
}

fn list(text: &str) -> Vec<String> {
    text.split(',').filter(|entry| !entry.is_empty()).map(str::to_owned).collect()
}

/// What goes wrong with a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// This answer comes instead; the server does nothing.
    Instead(Reply),
    /// The server does what is requested, and this answer comes.
    Afterwards(Reply),
}

pub type Accounts = Arc<Mutex<BTreeMap<String, Account>>>;

/// The server.
pub struct Backend {
    pub server: Server,
    pub accounts: Accounts,
}

/// The users at the start. `root` is the administrator, with the password `rootpw`.
fn accounts() -> BTreeMap<String, Account> {
    let account = |roles: &str, projects: &str, name: &str, source, password: &str| Account {
        projects: list(projects),
        name: name.to_owned(),
        source,
        password: password.to_owned(),
        ..Account::new(roles)
    };
    let rows = [
        ("fritz", account("user,api", "", "Fritz F", 0, "fritzpw")),
        ("lena", account("user", "", "Lena L", 1, "")),
        ("max", account("user,manager", "p1,p2", "", 0, "")),
        ("guest", account("", "", "", 0, "guestpw")),
        ("root", account("admin", "", "", 0, "rootpw")),
    ];
    rows.into_iter().map(|(name, account)| (name.to_owned(), account)).collect()
}

/// A token as the server issues it; the signature is not one. The server knows its tokens by their text.
pub fn token(subject: &str, roles: &[&str]) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!(
        "{}.{}.{}",
        part(json!({"alg": "EdDSA", "typ": "JWT"})),
        part(json!({"sub": subject, "roles": roles, "iat": 1, "exp": 4_000_000_000_i64})),
        URL_SAFE_NO_PAD.encode([7; 64])
    )
}

impl Backend {
    pub fn start() -> Self {
        Self::start_with(|_, _| None)
    }

    /// A server with faults; the function gets each request and its number, from 0.
    pub fn start_with(fault: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static) -> Self {
        let (accounts, handler) = Self::handler(fault);
        Self { server: Server::start(handler), accounts }
    }

    /// The users, and the function that answers.
    pub fn handler(
        fault: impl Fn(&Request, usize) -> Option<Fault> + Send + Sync + 'static,
    ) -> (Accounts, impl Fn(&Request) -> Reply + Send + Sync + 'static) {
        let accounts: Accounts = Arc::new(Mutex::new(accounts()));
        let (rows, count) = (Arc::clone(&accounts), Mutex::new(0));
        let handler = move |request: &Request| {
            let number = {
                let mut count = count.lock().unwrap();
                *count += 1;
                *count - 1
            };
            match fault(request, number) {
                Some(Fault::Instead(reply)) => reply,
                Some(Fault::Afterwards(reply)) => {
                    answer(request, &mut rows.lock().unwrap());
                    reply
                }
                None => answer(request, &mut rows.lock().unwrap()),
            }
        };
        (accounts, handler)
    }

    pub fn url(&self) -> String {
        self.server.url()
    }

    pub fn account(&self, name: &str) -> Option<Account> {
        self.accounts.lock().unwrap().get(name).cloned()
    }

    /// The roles of a user, with commas.
    pub fn roles(&self, name: &str) -> String {
        self.account(name).unwrap().roles.join(",")
    }

    /// The projects of a user, with commas.
    pub fn projects(&self, name: &str) -> String {
        self.account(name).unwrap().projects.join(",")
    }

    /// The method, path, query and body of each request so far.
    pub fn requests(&self) -> Vec<String> {
        let line = |seen: Request| {
            let query = if seen.query.is_empty() { String::new() } else { format!("?{}", seen.query) };
            format!("{} {}{query} {}", seen.method, seen.path, seen.body).trim_end().to_owned()
        };
        self.server.seen().into_iter().map(line).collect()
    }
}

fn text(status: u16, text: &str) -> Reply {
    Reply::status(status, "text/plain; charset=utf-8", text)
}

fn rejection(error: &str) -> Reply {
    let body = json!({"status": "Unprocessable Entity", "error": error}).to_string();
    Reply::status(422, "application/json", body)
}

fn answer(request: &Request, accounts: &mut BTreeMap<String, Account>) -> Reply {
    let path = request.path.as_str();
    match (request.method.as_str(), path) {
        // The real server fails on an old cookie.
        ("POST", "/login") if request.header("cookie").is_some() => {
            text(500, "securecookie: the value is not valid")
        }
        ("POST", "/login") => log_in(request, accounts),
        ("GET", "/frontend/jwt/") => {
            let name = request.parameter("username").unwrap_or_default();
            let account = accounts
                .get(&name)
                .filter(|_| request.header("cookie") == Some(&format!("session=of-{name}")));
            match account {
                None => text(403, "only admins may do that"),
                Some(account) => {
                    let roles: Vec<&str> = account.roles.iter().map(String::as_str).collect();
                    text(200, &token(&name, &roles))
                }
            }
        }
        ("GET", "/api/users/") => rights(request, accounts, true).unwrap_or_else(|| users(accounts)),
        ("POST", "/config/users/") => {
            rights(request, accounts, false).unwrap_or_else(|| add(request, accounts))
        }
        ("DELETE", "/config/users/") => rights(request, accounts, false).unwrap_or_else(|| {
            accounts.remove(&request.parameter("username").unwrap_or_default());
            Reply::status(200, "text/plain", "")
        }),
        ("POST", _) => match path.strip_prefix("/api/user/") {
            Some(name) if !name.contains('/') => {
                let name = percent_decoded(name);
                rights(request, accounts, true).unwrap_or_else(|| change(&name, &request.body, accounts))
            }
            _ => text(404, "404 page not found"),
        },
        _ => text(404, "404 page not found"),
    }
}

fn percent_decoded(text: &str) -> String {
    let text = text.replace('+', "%2B").replace('=', "%3D").replace('&', "%26");
    let (name, _) = url::form_urlencoded::parse(text.as_bytes()).next().unwrap_or_default();
    name.into_owned()
}

fn log_in(request: &Request, accounts: &BTreeMap<String, Account>) -> Reply {
    let field = |name| request.field(name).unwrap_or_default();
    let (name, password) = (field("username"), field("password"));
    match accounts.get(&name) {
        Some(account) if !account.password.is_empty() && account.password == password => {
            Reply::redirect(302, "/")
                .with("set-cookie", &format!("session=of-{name}; Path=/; HttpOnly; SameSite=Lax"))
        }
        _ => Reply::status(401, "text/html", "<html>Login failed</html>"),
    }
}

/// The answer to a request without the rights to manage users.
fn rights(request: &Request, accounts: &BTreeMap<String, Account>, token_is_enough: bool) -> Option<Reply> {
    if let Some(name) = request.header("cookie").and_then(|cookie| cookie.strip_prefix("session=of-")) {
        let roles = accounts.get(name).map(|account| account.roles.clone()).unwrap_or_default();
        return match roles.iter().any(|role| role == "admin") {
            true => None,
            false if roles.is_empty() => Some(text(401, "no or unknown roles")),
            false => Some(text(403, "only admins may do that")),
        };
    }
    let bearer = request.header("authorization").and_then(|value| value.strip_prefix("Bearer "));
    let roles = bearer.filter(|_| token_is_enough).and_then(token_roles);
    let Some(roles) = roles else { return Some(text(401, "authentication failed")) };
    let count = roles.iter().filter(|role| ["admin", "api"].contains(&role.as_str())).count();
    match roles.as_slice() {
        [only] if only == "api" => Some(text(403, "only admins may do that")),
        [_] => Some(text(401, "missing permissions")),
        _ if count == 2 => None,
        _ => Some(text(401, "missing permissions")),
    }
}

/// The roles of a token of this server.
fn token_roles(token: &str) -> Option<Vec<String>> {
    let mut parts = token.split('.');
    let claims = URL_SAFE_NO_PAD.decode(parts.nth(1)?).ok()?;
    let claims: Value = serde_json::from_slice(&claims).ok()?;
    (parts.next()? == URL_SAFE_NO_PAD.encode([7; 64])).then_some(())?;
    serde_json::from_value(claims["roles"].clone()).ok()
}

fn users(accounts: &BTreeMap<String, Account>) -> Reply {
    let user = |(username, account): (&String, &Account)| {
        // The last role that is removed leaves null.
        let roles = if account.roles.is_empty() { Value::Null } else { json!(account.roles) };
        json!({
            "username": username, "name": account.name, "roles": roles, "email": account.email,
            "projects": account.projects, "authType": 0, "authSource": account.source,
        })
    };
    Reply::json(&accounts.iter().map(user).collect::<Value>())
}

fn change(name: &str, body: &str, accounts: &mut BTreeMap<String, Account>) -> Reply {
    let Ok(Value::Object(members)) = serde_json::from_str::<Value>(body) else {
        return text(400, "not JSON");
    };
    const OPERATIONS: [&str; 4] = ["add-role", "remove-role", "add-project", "remove-project"];
    if members.keys().any(|member| !OPERATIONS.contains(&member.as_str())) {
        return text(400, "unknown member");
    }
    let first =
        OPERATIONS.iter().find_map(|operation| Some((*operation, members.get(*operation)?.as_str()?)));
    let Some((operation, entry)) = first else { return text(400, "no operation") };
    let Some(account) = accounts.get_mut(name) else { return rejection("sql: no rows in result set") };
    let is_role = operation.ends_with("role");
    let known = ["admin", "support", "manager", "user", "api", "anonymous"];
    let is_manager = account.roles.iter().any(|role| role == "manager");
    let entries = if is_role { &account.roles } else { &account.projects };
    let has = entries.iter().any(|own| own == entry);
    let error = match operation {
        _ if is_role && !known.contains(&entry) => Some("unknown role"),
        "add-role" if has => Some("the user has the role already"),
        "remove-role" if !has => Some("the user does not have the role"),
        "remove-role" if entry == "manager" && !account.projects.is_empty() => Some("projects are left"),
        "add-project" | "remove-project" if !is_manager => Some("the user is not a manager"),
        "add-project" if has => Some("the user has the project already"),
        "remove-project" if !has => Some("the user does not have the project"),
        _ => None,
    };
    if let Some(error) = error {
        return rejection(error);
    }
    let entries = if is_role { &mut account.roles } else { &mut account.projects };
    if operation.starts_with("add") {
        entries.push(entry.to_owned());
    } else {
        entries.retain(|own| own != entry);
    }
    Reply::json(&json!({"msg": format!("{operation} done")}))
}

fn add(request: &Request, accounts: &mut BTreeMap<String, Account>) -> Reply {
    let field = |name| request.field(name).unwrap_or_default();
    let (name, password, role, project) =
        (field("username"), field("password"), field("role"), field("project"));
    if name.is_empty() || name.len() > 100 {
        return text(400, "the length of the username is invalid");
    }
    if password.is_empty() && role != "api" {
        return text(400, "only API users may have no password");
    }
    if (role == "manager") == project.is_empty() {
        return text(400, "only a manager has a project, and needs one");
    }
    if accounts.contains_key(&name) {
        return text(422, "UNIQUE constraint failed: hpc_user.username");
    }
    if password.len() > 72 {
        return text(422, "the password is longer than 72 bytes");
    }
    // An unknown role is stored. A user without a project has an empty one.
    let account = Account {
        roles: vec![role],
        projects: vec![project],
        name: field("name"),
        email: field("email"),
        source: 0,
        password,
    };
    accounts.insert(name.clone(), account);
    text(200, &format!("added {name}"))
}
