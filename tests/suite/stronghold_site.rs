//! An OpenBao server with a role for the tests of `cc-login --method stronghold`, and an empty directory.

use std::fs;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::parse::read_signing;
use cc_auth::key::{Algorithm, KeyStrength};
use cc_auth::util::note::Notes;
use serde_json::{Value, json};

use crate::openbao_server::OpenBao;
use crate::support::{Run, TestEnv};

/// The audience of the JWTs.
const AUDIENCE: &str = "https://vault.example";

pub fn seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs()
}

/// Signs a JWT of alice for an hour.
fn jwt() -> String {
    let key = include_bytes!("../data/login-roles/ed25519.key.pem");
    let key = read_signing(key, KeyStrength::Enforce, &mut Notes::new()).unwrap();
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let now = seconds();
    let claims = json!({"sub": "alice", "aud": AUDIENCE, "iat": now - 5, "nbf": now - 5, "exp": now + 3600});
    let message = format!("{}.{}", part(json!({"alg": "EdDSA", "typ": "JWT"})), part(claims));
    let signature = key.sign(Algorithm::EdDsa, message.as_bytes()).unwrap();
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// A server whose mount `jwt` has the role demo, and an empty directory with the file `jwt`.
pub struct Site {
    pub bao: OpenBao,
    pub directory: TestEnv,
}

impl Site {
    pub fn start() -> Self {
        let bao = OpenBao::start();
        bao.set("sys/auth/jwt", &json!({"type": "jwt"}));
        configure(&bao, "");
        let directory = TestEnv::new();
        directory.write("jwt", jwt());
        directory.sh("chmod 600 jwt").ended(0);
        Self { bao, directory }
    }

    pub fn role(&self, name: &str, more: &Value) {
        let mut role = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": [AUDIENCE]});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.bao.set(&format!("auth/jwt/role/{name}"), &role);
    }

    pub fn sh(&self, line: &str) -> Run {
        self.directory.sh(&format!("export BAO_ADDR={}; {line}", self.bao.url))
    }

    pub fn token(&self) -> String {
        self.sh("cc-login token").ended(0).stdout.trim().to_owned()
    }

    /// Whether the server accepts a token.
    pub fn accepts(&self, token: &str) -> bool {
        self.bao.call_as(token, "GET", "auth/token/lookup-self", &Value::Null).0 == 200
    }

    /// The file of a named session.
    pub fn session_named(&self, name: &str) -> (std::path::PathBuf, Value) {
        let path = self.directory.file(&format!(".home/.local/state/cc-auth/sessions/{name}.json"));
        let session = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path, session)
    }

    /// The file of the only session.
    pub fn session(&self) -> (std::path::PathBuf, Value) {
        let sessions = self.directory.file(".home/.local/state/cc-auth/sessions");
        let files = fs::read_dir(sessions).unwrap().map(|entry| entry.unwrap().path());
        let mut files = files.filter(|path| path.extension().is_some_and(|extension| extension == "json"));
        let path = files.next().unwrap();
        let session = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        (path, session)
    }

    pub fn change_session(&self, member: &str, value: Value) {
        let (path, mut session) = self.session();
        session[member] = value;
        fs::write(path, session.to_string()).unwrap();
    }
}

/// Sets the keys and the role demo of the mount `jwt` of a namespace, such as `team/`.
pub fn configure(bao: &OpenBao, namespace: &str) {
    let key = include_str!("../data/login-roles/ed25519.pub.pem");
    let config = json!({"jwt_validation_pubkeys": [key], "default_role": "demo"});
    bao.set(&format!("{namespace}auth/jwt/config"), &config);
    let role =
        json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": [AUDIENCE], "token_ttl": 600});
    bao.set(&format!("{namespace}auth/jwt/role/demo"), &role);
}

/// A login with the JWT.
pub const LOGIN: &str = "cc-login --method stronghold --token-file jwt";
