//! The login chain compared with cc-backend 1.5: all recorded password, LDAP, token and cookie
//! logins, with the same users, keys and LDAP directory.

use std::collections::BTreeMap;

use cc_auth::config::{Origin, Sources, Value as Setting, load};
use cc_auth::ldap::LdapOptions;
use cc_auth::login::{Credentials, Identity, LoginContext, LoginError, login};
use cc_auth::user_db::{OpenMode, UserDb};
use cc_auth::util::note::Notes;
use cc_auth::util::secret::SecretText;
use cc_auth::util::time::Timestamp;
use serde_json::Value;

use crate::slapd::{Manner, Slapd};
use crate::support::{TestEnv, data, has, rows};

/// The columns of a user that a login may change.
type Row = (i64, Option<String>, Value, Value);

fn table(directory: &TestEnv) -> BTreeMap<String, Row> {
    let connection = rusqlite::Connection::open(directory.file("job.db")).unwrap();
    let mut statement = connection
        .prepare("SELECT username, ldap, name, CAST(roles AS TEXT), CAST(projects AS TEXT) FROM user")
        .unwrap();
    let list = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
    let rows = statement
        .query_map([], |row| {
            Ok((row.get(0)?, (row.get(1)?, row.get(2)?, list(row.get(3)?), list(row.get(4)?))))
        })
        .unwrap();
    rows.map(Result::unwrap).collect()
}

fn fill(directory: &TestEnv, users: &Value) {
    let path = directory.file("job.db");
    // With the journal of the former database, which would report that it was replaced.
    directory.sh("rm -f job.db*").ended(0);
    cc_auth::user_db::create(&path).unwrap();
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    let transaction = connection.transaction().unwrap();
    for user in users.as_array().unwrap() {
        let list = |name: &str| match &user[name] {
            Value::Null => "[]".to_owned(),
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        transaction
            .execute(
                "INSERT INTO user(username, password, ldap, name, roles, projects) VALUES (?, ?, ?, ?, ?, ?)",
                rusqlite::params![
                    user["username"].as_str(),
                    user["password"].as_str(),
                    user["ldap"].as_i64().unwrap_or(0),
                    user["name"].as_str(),
                    list("roles"),
                    list("projects"),
                ],
            )
            .unwrap();
    }
    transaction.commit().unwrap();
}

/// The parts of a browser's request that the server's login uses.
fn presented(request: &Value, cookie_name: Option<&str>) -> Credentials {
    let mut shown = Credentials::default();
    let secret = |text: &str| Some(SecretText::new(text.to_owned()));
    let path = url::Url::parse(&format!("http://x{}", request["path"].as_str().unwrap())).unwrap();
    let body = request["body"].as_str().unwrap_or_default().replace("\r", "");
    let form: Vec<(String, String)> = if let Some(parts) = body.strip_prefix("--BB\n") {
        parts
            .split("--BB")
            .filter_map(|part| {
                let (head, value) = part.split_once("\n\n")?;
                let name = head.split("name=\"").nth(1)?.split('"').next()?;
                Some((name.to_owned(), value.trim_end_matches('\n').to_owned()))
            })
            .collect()
    } else {
        url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
    };
    for (name, value) in form.into_iter().chain(path.query_pairs().into_owned()) {
        match name.as_str() {
            "username" => shown.name = Some(value),
            "password" => shown.password = secret(&value),
            "login-token" if shown.token.is_none() => shown.token = secret(&value),
            _ => {}
        }
    }
    let mut cookie = None;
    for header in request["headers"].as_array().unwrap() {
        let (name, value) = header.as_str().unwrap().split_once(": ").unwrap_or_default();
        if name == "Authorization" {
            shown.token = value.strip_prefix("Bearer ").map(|text| SecretText::new(text.to_owned()));
        } else if name == "Cookie" {
            for pair in value.split("; ") {
                let (name, value) = pair.split_once('=').unwrap_or_default();
                if Some(name) == cookie_name && cookie.is_none() {
                    cookie = secret(value.trim_matches('"'));
                }
            }
        }
    }
    shown.token = shown.token.or(cookie);
    shown
}

/// Rows that are about HTTP, not about logins.
fn is_about_http(row: &Value) -> bool {
    let case = row["case"].as_str().unwrap();
    let path = row["request"]["path"].as_str().unwrap();
    let status = row["status"].as_i64().unwrap();
    ![302, 401].contains(&status)
        || case.starts_with("rate limit")
        || case.contains("Authorization Basic")
        || case.contains("Authorization: Basic")
        || case.contains("without login")
        || case == "no content type"
        // Spaces and a prefix around a token are accepted in all places here.
        || case.contains("double blank")
            && case.contains("Authorization")
        || case.contains("blank at the end")
        || case.contains("Bearer prefix")
        || case == "login-token header"
        || (path.starts_with("/jwt-login") && row["config"].as_str().unwrap().starts_with("local"))
}

/// Rows in which this toolkit intentionally decides differently, and the reason.
fn stricter(row: &Value) -> Option<&'static str> {
    let case = row["case"].as_str().unwrap();
    let config = row["config"].as_str().unwrap();
    let by_token = config.starts_with("jwt") || config.starts_with("cookie");
    let is = |words: &[&str]| words.iter().any(|word| case.contains(word));
    if by_token
        && is(&[
            "roles unknown only",
            "roles null",
            "roles string",
            "roles empty",
            "roles missing",
            "no roles claim",
            "roles number only",
        ])
    {
        return Some("a token without any usable role would lead to a session that is dead");
    }
    if by_token && is(&["crit", "duplicate", "newline"]) {
        return Some("what can be read in two ways, or is marked critical, is not a token");
    }
    if by_token && config.contains("sync") && is(&["sub 300 chars", "sub with blanks"]) {
        return Some("no user is added under an invalid username");
    }
    None
}

/// Rows in which the decision is the same, but the change of the table differs.
fn better(row: &Value) -> Option<&'static str> {
    let case = row["case"].as_str().unwrap();
    let config = row["config"].as_str().unwrap();
    if config.contains("ldap") && row["status"] == 401 {
        return Some("no user is added before the password was right");
    }
    if case.contains("name in other case")
        || case.contains("leading blank")
        || case.contains("inner double blank")
    {
        return Some("a new user is added under the spelling of the LDAP directory");
    }
    if config.contains("update-user-on-login") && case.contains("name differs in the directory") {
        return Some("the full name of an LDAP user is brought up to date");
    }
    if case.contains("known LDAP user") || case.contains("known local") {
        return Some("a token changes no user of another source");
    }
    if case.contains("nested") {
        return Some("a list or an object is not part of a name");
    }
    None
}

#[test]
fn recorded_logins_match_the_server_or_are_stricter() {
    if !has("slapd") {
        return;
    }
    let ldif = std::fs::read_to_string(data("login-ldap.ldif")).unwrap();
    let usual = Slapd::with(&ldif);
    let lax = Slapd::start(
        &ldif,
        &Manner { global: "allow bind_anon_cred bind_anon_dn".into(), ..Manner::default() },
    );
    let setup: Value =
        serde_json::from_str(&std::fs::read_to_string(data("login-setup.json")).unwrap()).unwrap();
    let directory = TestEnv::new();
    let mut wrong = Vec::new();
    let mut reported = BTreeMap::new();
    let mut replayed = 0;
    for row in rows("login.jsonl").iter().filter(|row| !is_about_http(row)) {
        let config = &setup["configs"][row["config"].as_str().unwrap()];
        let text = config["config"]
            .to_string()
            .replace("127.0.0.1:18389", &format!("127.0.0.1:{}", usual.port))
            .replace("127.0.0.1:18390", &format!("127.0.0.1:{}", lax.port))
            .replace("127.0.0.1:18999", "127.0.0.1:1");
        directory.write("config.json", text);
        let env = config["env"].as_object().unwrap();
        let environment =
            env.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())).collect();
        let named = |name: &str| Some(Setting::new(directory.file(name), Origin::Default));
        let sources =
            Sources { config: named("config.json"), db: named("job.db"), environment, ..Sources::default() };
        let (settings, _) = load(sources).unwrap();
        fill(&directory, &config["hpc_user"]);
        let before = table(&directory);
        let mut store =
            UserDb::open(&directory.file("job.db"), OpenMode::Write(&crate::support::author())).unwrap();
        let cookie_name = settings.jwts.cookie_name.as_ref().map(|name| name.value.clone());
        let shown = presented(&row["request"], cookie_name.as_deref());
        let now = Timestamp(row["at"].as_f64().unwrap() as i64);
        let context = LoginContext { settings: &settings, ldap_options: &LdapOptions::default(), now };
        let outcome: Result<Identity, LoginError> =
            login(None, &shown, &context, &mut store, None, &mut Notes::new());
        drop(store);
        replayed += 1;
        let name = format!("{} | {}", row["config"].as_str().unwrap(), row["case"].as_str().unwrap());
        let server_let_in = row["status"] == 302;
        match (&outcome, stricter(row)) {
            (Err(_), Some(why)) if server_let_in => {
                *reported.entry(why).or_insert(0) += 1;
                assert_eq!(table(&directory), before, "{name}");
                continue;
            }
            (outcome, _) if outcome.is_ok() != server_let_in => {
                wrong.push(format!("{name}: the server let in: {server_let_in}, here {outcome:?}"));
                continue;
            }
            _ => {}
        }
        let mut expected = before.clone();
        for change in row["hpc_user_changes"].as_array().unwrap() {
            let after = &change["after"];
            let list = |value: &Value| -> Value {
                let text = value.as_str().or_else(|| value["blob"].as_str()).unwrap();
                serde_json::from_str(text).unwrap()
            };
            expected.insert(
                after["username"].as_str().unwrap().to_owned(),
                (
                    after["ldap"].as_i64().unwrap(),
                    after["name"].as_str().map(str::to_owned),
                    list(&after["roles"]),
                    list(&after["projects"]),
                ),
            );
        }
        let seen = table(&directory);
        if seen != expected {
            match better(row) {
                Some(why) => *reported.entry(why).or_insert(0) += 1,
                None => {
                    let differs: Vec<_> =
                        seen.iter().filter(|(name, row)| expected.get(*name) != Some(row)).collect();
                    let lacks: Vec<_> =
                        expected.iter().filter(|(name, row)| seen.get(*name) != Some(row)).collect();
                    wrong.push(format!("{name}: here {differs:?}, at the server {lacks:?}"));
                }
            }
        }
    }
    for (why, count) in &reported {
        println!("{count} otherwise on purpose: {why}");
    }
    println!("{replayed} rows replayed");
    assert!(wrong.is_empty(), "{} of {replayed} rows differ:\n{}", wrong.len(), wrong.join("\n"));
}
