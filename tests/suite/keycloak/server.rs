//! One Keycloak for all tests, and a realm for each test.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::oidc::configure;
use crate::support::{Run, TestEnv, has, skip};

/// The time for the start on a loaded machine.
const START: Duration = Duration::from_secs(300);

/// The running server.
struct Keycloak {
    http: String,
    https: String,
    ca_file: PathBuf,
    token: String,
}

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(".ci/keycloak")
}

impl Keycloak {
    /// The server of `KEYCLOAK_FILE`, which `.ci/run` starts, otherwise one that this process starts.
    fn start() -> Self {
        let (file, mut own) = match std::env::var_os("KEYCLOAK_FILE") {
            Some(file) => (PathBuf::from(file), None),
            None => {
                let directory = tempfile::tempdir().unwrap();
                let file = directory.path().join("server");
                // The script ends the server when this process has ended.
                let log = std::fs::File::create(directory.path().join("log")).unwrap();
                let child = Command::new(script())
                    .arg("serve")
                    .arg(&file)
                    .stdin(Stdio::null())
                    .stdout(log.try_clone().unwrap())
                    .stderr(log)
                    .spawn()
                    .unwrap();
                (file, Some((directory, child)))
            }
        };
        let begun = Instant::now();
        while !file.exists() {
            let has_ended = own.as_mut().is_some_and(|(_, child)| child.try_wait().unwrap().is_some());
            if has_ended || begun.elapsed() > START {
                let name = if own.is_some() { "log" } else { "keycloak.log" };
                let log = std::fs::read_to_string(file.with_file_name(name)).unwrap_or_default();
                panic!("Keycloak does not start: {log}");
            }
            std::thread::sleep(Duration::from_millis(200));
        }
        let text = std::fs::read_to_string(&file).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        let [http, https, ca_file, password] = lines[..] else { panic!("{text}") };
        let server = |token: String| Self {
            http: http.to_owned(),
            https: https.to_owned(),
            ca_file: PathBuf::from(ca_file),
            token,
        };
        let log_in = || {
            let form = format!("grant_type=password&client_id=admin-cli&username=admin&password={password}");
            let url = format!("{http}/realms/master/protocol/openid-connect/token");
            let answer = curl(&["-d", &form, &url], "");
            answer["access_token"].as_str().unwrap().to_owned()
        };
        // The first token is valid for a minute, the second one for the whole run.
        let first = server(log_in());
        first.admin("PUT", "/master", &json!({"accessTokenLifespan": 36_000}));
        server(log_in())
    }

    /// A request to the administration of the realms; panics unless it succeeds.
    #[track_caller]
    fn admin(&self, method: &str, path: &str, body: &Value) -> Value {
        let url = format!("{}/admin/realms{path}", self.http);
        let bearer = format!("Authorization: Bearer {}", self.token);
        let json = "Content-Type: application/json";
        let body = if body.is_null() { String::new() } else { body.to_string() };
        curl(&["-X", method, "-H", &bearer, "-H", json, "--data-binary", "@-", &url], &body)
    }
}

#[track_caller]
fn curl(arguments: &[&str], stdin: &str) -> Value {
    let mut child = Command::new("curl")
        .args(["-sS", "--fail-with-body", "--max-time", "60"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let run = Run::from(child.wait_with_output().unwrap()).ended(0);
    serde_json::from_str(&run.stdout).unwrap_or(Value::Null)
}

fn server() -> Option<&'static Keycloak> {
    static SERVER: OnceLock<Option<Keycloak>> = OnceLock::new();
    let server = SERVER.get_or_init(|| {
        let run = Command::new(script()).arg("print").output().unwrap();
        let directory = String::from_utf8(run.stdout).unwrap();
        let is_there = std::env::var_os("KEYCLOAK_FILE").is_some()
            || Path::new(directory.trim()).join("prepared/password").exists();
        is_there.then(Keycloak::start)
    });
    if server.is_none() {
        skip("Keycloak is not installed: .ci/keycloak install");
    }
    server.as_ref()
}

/// A realm with the user `clara`, who has the realm role `manager` and the client role `support`, and with the
/// clients `cc` and `public`, which require PKCE and put roles and projects into the ID token.
pub struct Realm {
    server: &'static Keycloak,
    name: String,
}

/// A protocol mapper that writes a claim into the ID token only.
fn mapper(name: &str, provider: &str, config: &Value) -> Value {
    let mut all = json!({
        "id.token.claim": "true", "access.token.claim": "false", "userinfo.token.claim": "false",
        "multivalued": "true", "jsonType.label": "String",
    });
    all.as_object_mut().unwrap().extend(config.as_object().unwrap().clone());
    json!({"name": name, "protocol": "openid-connect", "protocolMapper": provider, "config": all})
}

/// The mappers that an administrator adds to the client.
pub fn mappers() -> Value {
    json!([
        mapper(
            "realm roles",
            "oidc-usermodel-realm-role-mapper",
            &json!({"claim.name": "realm_access.roles"})
        ),
        mapper(
            "client roles",
            "oidc-usermodel-client-role-mapper",
            &json!({"claim.name": "resource_access.${client_id}.roles"})
        ),
        mapper(
            "projects",
            "oidc-usermodel-attribute-mapper",
            &json!({"claim.name": "projects", "user.attribute": "projects"})
        ),
    ])
}

fn realm(name: &str) -> Value {
    let client = |id: &str, secret: Option<&str>| {
        json!({
            "clientId": id, "publicClient": secret.is_none(), "secret": secret,
            "standardFlowEnabled": true, "redirectUris": ["http://localhost/oidc/callback"],
            "attributes": {
                "oauth2.device.authorization.grant.enabled": "true", "pkce.code.challenge.method": "S256",
            },
            "protocolMappers": mappers(),
        })
    };
    let user = |name: &str, realm_roles: Value, client_roles: Value| {
        json!({
            "username": name, "enabled": true, "email": format!("{name}@example.org"), "emailVerified": true,
            "firstName": "Clara", "lastName": "Müller", "credentials": [{"type": "password", "value": "pw"}],
            "realmRoles": realm_roles, "clientRoles": client_roles, "attributes": {"projects": ["fusion"]},
        })
    };
    let named = |names: &[&str]| names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>();
    let profile = json!({
        "attributes": named(&["username", "email", "firstName", "lastName"]),
        "unmanagedAttributePolicy": "ENABLED",
    });
    json!({
        "realm": name, "enabled": true, "sslRequired": "none",
        // The time of a password comparison is not tested here.
        "passwordPolicy": "hashAlgorithm(pbkdf2-sha256) and hashIterations(1)",
        "oauth2DevicePollingInterval": 1,
        "roles": {
            "realm": named(&["manager", "admin", "offline_access"]),
            "client": {"cc": named(&["support", "admin"]), "public": named(&["api", "manager"])},
        },
        "clients": [client("cc", Some("s3cret")), client("public", None)],
        "users": [
            user("clara", json!(["manager", "offline_access"]), json!({"cc": ["support"]})),
            user("fritz", json!([]), json!({})),
        ],
        "components": {"org.keycloak.userprofile.UserProfileProvider": [
            {"providerId": "declarative-user-profile", "config": {"kc.user.profile.config": [profile.to_string()]}},
        ]},
    })
}

impl Realm {
    /// Creates a realm; `None` if the test is skipped.
    pub fn new() -> Option<Self> {
        Self::with(|_| {})
    }

    /// Creates a realm with changes.
    pub fn with(change: impl FnOnce(&mut Value)) -> Option<Self> {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        if !has("curl") || !has("python3") {
            return None;
        }
        let server = server()?;
        let name = format!("r{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let mut representation = realm(&name);
        change(&mut representation);
        server.admin("POST", "", &representation);
        Some(Self { server, name })
    }

    /// The issuer in plain http.
    pub fn issuer(&self) -> String {
        format!("{}/realms/{}", self.server.http, self.name)
    }

    /// The issuer with a certificate of a private CA.
    pub fn secure_issuer(&self) -> String {
        format!("{}/realms/{}", self.server.https, self.name)
    }

    pub fn ca_file(&self) -> &Path {
        &self.server.ca_file
    }

    /// Reads a resource of the realm.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.server.admin("GET", &format!("/{}{path}", self.name), &Value::Null)
    }

    #[track_caller]
    pub fn send(&self, method: &str, path: &str, body: &Value) {
        self.server.admin(method, &format!("/{}{path}", self.name), body);
    }

    /// The ID of the first resource of a list.
    #[track_caller]
    fn id(&self, path: &str) -> String {
        self.get(path)[0]["id"].as_str().unwrap().to_owned()
    }

    pub fn user_id(&self, name: &str) -> String {
        self.id(&format!("/users?exact=true&username={name}"))
    }

    /// Changes members of a client; members of `attributes` are merged.
    pub fn change_client(&self, client: &str, change: &Value) {
        let id = self.id(&format!("/clients?clientId={client}"));
        let mut all = self.get(&format!("/clients/{id}"));
        for (name, value) in change.as_object().unwrap() {
            match value {
                Value::Object(members) if name == "attributes" => {
                    all["attributes"].as_object_mut().unwrap().extend(members.clone());
                }
                _ => all[name] = value.clone(),
            }
        }
        self.send("PUT", &format!("/clients/{id}"), &all);
    }

    pub fn change_user(&self, user: &str, change: &Value) {
        let id = self.user_id(user);
        let mut all = self.get(&format!("/users/{id}"));
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        self.send("PUT", &format!("/users/{id}"), &all);
    }

    /// The number of sessions of a user at the provider.
    pub fn sessions(&self, user: &str) -> usize {
        let id = self.user_id(user);
        self.get(&format!("/users/{id}/sessions")).as_array().unwrap().len()
    }

    /// A directory of a site with this realm and the client `cc`; `more` goes into `auth.oidc`.
    pub fn directory(&self, more: &Value) -> TestEnv {
        self.directory_of(&self.issuer(), more)
    }

    pub fn directory_of(&self, issuer: &str, more: &Value) -> TestEnv {
        let directory = TestEnv::new();
        directory.sh("cc-user init -q").ended(0);
        configure(&directory, issuer, more, &json!({}));
        directory
    }
}

impl Drop for Realm {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.send("DELETE", "", &Value::Null);
        }
    }
}

/// The command of a user with a browser, who fills in the forms of Keycloak.
pub fn page(options: &str) -> String {
    format!("python3 {}/tests/tools/keycloak_page.py {options}", env!("CARGO_MANIFEST_DIR"))
}

/// A login with a browser, which writes where it ended to `page.json`.
pub fn log_in(directory: &TestEnv, arguments: &str, options: &str) -> Run {
    let browser = format!("{} %s > page.json 2> page.err", page(options));
    directory.sh(&format!(
        "cc-login --method oidc --port 0 --timeout 60s --browser '{browser}' {arguments}; e=$?
         n=0; while test ! -s page.json && test ! -s page.err && test $n -lt 100; do sleep 0.1; n=$((n + 1)); done
         exit $e"
    ))
}
