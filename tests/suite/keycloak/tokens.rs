//! Tokens of Keycloak in forms that the login does not support, and claims that are not as the server expects them.

use serde_json::{Value, json};

use super::server::{Realm, log_in, mappers};
use crate::support::{Run, TestEnv, has, skip};

/// Asserts that a run failed with this message and this hint.
#[track_caller]
fn assert_rejected(run: &Run, message: &str, hint: &str) {
    assert_ne!(run.status, 0, "{}", run.stderr);
    let line = |start: &str| run.stderr.lines().find(|line| line.starts_with(start)).unwrap_or_default();
    assert!(line("cc-login: ").contains(message), "expected {message:?}: {}", run.stderr);
    assert!(line("hint: ").contains(hint), "expected {hint:?}: {}", run.stderr);
}

fn attribute(realm: &Realm, name: &str, value: &str) {
    realm.change_client("cc", &json!({"attributes": {name: value}}));
}

#[test]
fn keycloak_token_that_is_signed_with_the_secret_or_encrypted_names_the_setting() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    let signature = [
        ("id.token.signed.response.alg", "ID token", "ID token signature algorithm"),
        ("user.info.response.signature.alg", "signed UserInfo", "User info signed response algorithm"),
    ];
    for (name, token, label) in signature {
        for algorithm in ["HS256", "HS512"] {
            attribute(&realm, name, algorithm);
            let words = format!(
                "invalid {token} of the provider: it is signed with {algorithm}, whose key is a secret"
            );
            assert_rejected(&log_in(&directory, "", ""), &words, label);
        }
        attribute(&realm, name, "RS256");
    }
    directory
        .sh("gen-keypair -q --algorithm rs256 --format pem -o keys; convert-pem-pubkey keys/public.pem --to jwk > key")
        .ended(0);
    let mut key: Value = serde_json::from_str(&directory.read("key")).unwrap();
    key.as_object_mut()
        .unwrap()
        .extend(json!({"use": "enc", "alg": "RSA-OAEP"}).as_object().unwrap().clone());
    realm.change_client(
        "cc",
        &json!({"attributes": {"use.jwks.string": "true", "jwks.string": json!({"keys": [key]}).to_string()}}),
    );
    let encryption = [
        ("id.token.encrypted.response", "ID token", "ID token encryption key management algorithm"),
        (
            "user.info.encrypted.response",
            "signed UserInfo",
            "User info response encryption key management algorithm",
        ),
    ];
    for (name, token, label) in encryption {
        attribute(&realm, &format!("{name}.alg"), "RSA-OAEP");
        attribute(&realm, &format!("{name}.enc"), "A256GCM");
        let words = format!("invalid {token} of the provider: the token has 5 parts: it is encrypted (JWE)");
        assert_rejected(&log_in(&directory, "", ""), &words, label);
        attribute(&realm, &format!("{name}.alg"), "");
        attribute(&realm, &format!("{name}.enc"), "");
    }
    log_in(&directory, "", "").ended(0);
}

/// Adds login roles for tokens of the realm to a site.
fn add_roles(directory: &TestEnv, realm: &Realm, roles: &Value) {
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["auth"]["jwt-config"] =
        json!({"oidc_discovery_url": realm.issuer(), "bound_issuer": realm.issuer()});
    config["auth"]["jwt-roles"] = roles.clone();
    directory.write("config.json", config.to_string());
}

#[test]
fn keycloak_lightweight_access_token_names_the_setting() {
    let Some(realm) = Realm::new() else { return };
    realm.change_client("cc", &json!({"serviceAccountsEnabled": true}));
    attribute(&realm, "client.use.lightweight.access.token.enabled", "true");
    let directory = realm.directory(&json!({}));
    let switch = "'Always use lightweight access token'";
    let words = "the provider rejected the UserInfo request: 'invalid_token'";
    assert_rejected(&log_in(&directory, "", ""), words, switch);
    // As a token for a login role: it has neither an audience nor a name.
    let role = |more: Value| {
        let mut role = json!({"role_type": "jwt", "user_claim": "preferred_username"});
        role.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        role
    };
    let roles = json!({
        "audience": role(json!({"bound_audiences": ["account"]})),
        "name": role(json!({"bound_claims": {"azp": "cc"}})),
    });
    add_roles(&directory, &realm, &roles);
    directory
        .sh(&format!(
            "umask 077; curl -sS -d grant_type=client_credentials -d client_id=cc -d client_secret=s3cret \
             {}/protocol/openid-connect/token > answer; python3 -c '
import json; print(json.load(open(\"answer\"))[\"access_token\"])' > access",
            realm.issuer()
        ))
        .ended(0);
    for (role, words) in [
        ("audience", "audience: the token has no aud, expected 'account' (bound_audiences)"),
        ("name", "user-claim: the token has no claim 'preferred_username'"),
    ] {
        let run = directory.sh(&format!("cc-login --token-file access --role {role}"));
        let run = Run { stderr: without_warnings(&run.stderr), ..run };
        assert_rejected(&run, words, switch);
    }
}

/// The lines of the error and its hint.
fn without_warnings(stderr: &str) -> String {
    let lines = stderr.lines().filter(|line| !line.contains(": warning: ") && !line.starts_with("  "));
    lines.map(|line| format!("{line}\n")).collect()
}

/// A name that looks like an ID of the provider.
const EMPLOYEE: &str = "0d9e1a52-63f1-4a1c-8d57-4f8a6c1b2e90";

#[test]
fn keycloak_subject_that_a_role_selects_as_the_username_is_a_warning_and_in_no_hint() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({"sync-user-on-login": false}));
    let roles = json!({
        "browser": {
            "role_type": "oidc", "user_claim": "sub", "allowed_redirect_uris": ["http://localhost/oidc/callback"],
        },
        "job": {"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["cc"]},
    });
    add_roles(&directory, &realm, &roles);
    let id = realm.user_id("clara");
    let warning = format!("warning: 'sub' is '{id}', an ID at the provider and not a username");
    let by_browser = log_in(&directory, "--role browser", "").ended(0);
    directory.sh("umask 077; cc-login token --kind id > id-token").ended(0);
    let by_token = directory.sh("cc-login --token-file id-token --role job").ended(0);
    let status = directory.sh("cc-login token").ended(1);
    let verified = directory.sh(&format!(
        "cc-jwt verify --token-file id-token --discovery {} --endpoint user-api",
        realm.issuer()
    ));
    for run in [&by_browser, &by_token] {
        assert!(run.stderr.contains(&warning), "{}", run.stderr);
        assert!(run.stderr.contains("such as preferred_username"), "{}", run.stderr);
    }
    for run in [by_browser, by_token, status, verified.ended(1)] {
        let all = format!("{}{}", run.stdout, run.stderr);
        let hints: Vec<&str> = all.lines().filter(|line| line.trim_start().starts_with("hint: ")).collect();
        assert!(!hints.is_empty() && !hints.iter().any(|hint| hint.contains(&id)), "{all}");
    }
}

#[test]
fn keycloak_subject_in_the_claim_with_the_username_is_a_warning() {
    let Some(realm) = Realm::with(|realm| realm["users"][0]["username"] = json!(EMPLOYEE)) else { return };
    let directory = realm.directory(&json!({}));
    let run = log_in(&directory, "", &format!("--user {EMPLOYEE}")).ended(0);
    let warning =
        format!("warning: 'preferred_username' is '{EMPLOYEE}', an ID at the provider and not a username");
    assert!(run.stderr.contains(&warning) && run.stderr.contains("hint: use a login role"), "{}", run.stderr);
    let verified = directory.sh("cc-login token -q | cc-jwt verify - --endpoint user-api").ended(1);
    assert!(verified.stdout.contains("warn     subject"), "{}", verified.stdout);
    let hints = verified.stdout.lines().filter(|line| line.trim_start().starts_with("hint: "));
    assert!(!hints.clone().any(|hint| hint.contains(EMPLOYEE)), "{}", verified.stdout);
    assert!(hints.count() >= 2, "{}", verified.stdout);
}

#[test]
fn keycloak_projects_as_one_string_are_a_warning_with_the_setting() {
    let Some(realm) = Realm::new() else { return };
    let mut mappers = mappers();
    mappers.as_array_mut().unwrap().retain(|mapper| mapper["name"] == "projects");
    mappers[0]["name"] = json!("one project");
    mappers[0]["config"]["multivalued"] = json!("false");
    let client = realm.get("/clients?clientId=cc")[0]["id"].as_str().unwrap().to_owned();
    for mapper in realm.get(&format!("/clients/{client}/protocol-mappers/models")).as_array().unwrap() {
        if mapper["name"] == "projects" {
            let path =
                format!("/clients/{client}/protocol-mappers/models/{}", mapper["id"].as_str().unwrap());
            realm.send("DELETE", &path, &Value::Null);
        }
    }
    realm.send("POST", &format!("/clients/{client}/protocol-mappers/add-models"), &mappers);
    let directory = realm.directory(&json!({}));
    let run = log_in(&directory, "", "").ended(0);
    assert!(
        run.stderr.contains(
            "'projects' is a string: expected an array; skipped here, while the server rejects the login"
        ) && run.stderr.contains("switch on 'Multivalued' of the mapper"),
        "{}",
        run.stderr
    );
    let row = directory.sh("cc-user show clara --json").ended(0).json();
    assert_eq!(row["projects"], json!([]));
}

#[test]
fn keycloak_settings_in_messages_and_guides_are_labels_of_its_console() {
    let root = env!("CARGO_MANIFEST_DIR");
    if !has("python3") {
        return;
    }
    let directory = TestEnv::new();
    directory.write(
        "labels.py",
        "import glob, subprocess, sys, zipfile
server = subprocess.run([sys.argv[1], 'print'], capture_output=True, text=True, check=True).stdout.strip()
for jar in glob.glob(server + '/lib/lib/main/org.keycloak.keycloak-admin-ui-*.jar'):
    text = zipfile.ZipFile(jar).read('theme/keycloak.v2/admin/messages/messages_en.properties').decode()
    print('\\n'.join(line.split('=', 1)[1].strip() for line in text.splitlines() if '=' in line))\n",
    );
    let cache = std::env::var("HOME").unwrap();
    let run = directory.sh(&format!("HOME='{cache}' python3 labels.py {root}/.ci/keycloak")).ended(0);
    let labels: Vec<&str> = run.stdout.lines().collect();
    if labels.is_empty() && !skip("Keycloak is not installed: .ci/keycloak install") {
        return;
    }
    let mut names: Vec<String> =
        cc_auth::policy::keycloak_settings::ALL.iter().map(|name| (*name).to_owned()).collect();
    // In the guides, the names of Keycloak's settings are in italics.
    for page in ["openid-login.md", "ci.md", "stronghold-login.md"] {
        let text = std::fs::read_to_string(format!("{root}/docs/{page}")).unwrap();
        names.extend(italics(&text));
    }
    assert!(names.len() > 17, "{names:?}");
    for name in names {
        let is_label = labels.iter().any(|label| label.eq_ignore_ascii_case(&name));
        assert!(is_label, "'{name}' is not a label of Keycloak's console");
    }
}

/// The texts in italics of the sections about Keycloak, without the types of mappers and of client authentication, which
/// are not in the texts of the console.
fn italics(page: &str) -> Vec<String> {
    const TYPES: [&str; 5] =
        ["User realm role", "User client role", "User attribute", "Audience", "Signed JWT - Federated"];
    let sections = page.split("\n#").filter(|section| section.lines().next().unwrap().contains("Keycloak"));
    let mut found = Vec::new();
    for section in sections {
        let code_is_odd = section.split('`').enumerate().filter(|(count, _)| count % 2 == 0);
        let plain: String = code_is_odd.map(|(_, text)| text).collect::<String>().replace("**", "");
        found.extend(plain.split('*').skip(1).step_by(2).map(|text| text.replace("\n  ", " ")));
    }
    found.retain(|text| !TYPES.contains(&text.as_str()));
    found
}
