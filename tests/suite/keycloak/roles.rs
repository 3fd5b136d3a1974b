//! Logins in a browser, and the roles and projects of a user.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::server::{Realm, log_in, mappers};
use crate::oidc::session;
use crate::support::{TestEnv, has, has_npm};

/// The claims of the session's ID token.
fn id_token(directory: &TestEnv) -> Value {
    let kept = session(directory).unwrap();
    let token = kept["id_token"].as_str().unwrap().to_owned();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(1).unwrap()).unwrap()).unwrap()
}

/// The roles that the server reads from an ID token: those of the realm and of every client, of which it knows four.
fn roles_of_the_server(claims: &Value) -> Vec<String> {
    let mut found = Vec::new();
    let mut lists = vec![&claims["realm_access"]["roles"]];
    lists.extend(
        claims["resource_access"].as_object().into_iter().flatten().map(|(_, access)| &access["roles"]),
    );
    for role in lists.into_iter().filter_map(Value::as_array).flatten().filter_map(Value::as_str) {
        if ["user", "admin", "manager", "support"].contains(&role) && !found.iter().any(|known| known == role)
        {
            found.push(role.to_owned());
        }
    }
    if found.is_empty() {
        found.push("user".to_owned());
    }
    found.sort();
    found
}

fn sorted(roles: &Value) -> Vec<String> {
    let mut roles: Vec<String> = serde_json::from_value(roles.clone()).unwrap();
    roles.sort();
    roles
}

#[test]
fn keycloak_login_in_chromium_gives_a_session() {
    if !has_npm("playwright-core") || !has("chromium") {
        return;
    }
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    let browser = format!(
        "CC_PASSWORD=pw node {}/tests/tools/browser.mjs %s > browser.json 2> browser.err",
        env!("CARGO_MANIFEST_DIR")
    );
    let run = directory.sh(&format!(
        "cc-login clara --method oidc --port 0 --timeout 90s --browser '{browser}'; e=$?
         n=0; while ! grep -q url browser.json && test $n -lt 100; do sleep 0.1; n=$((n + 1)); done; exit $e"
    ));
    let run = run.ended(0);
    assert!(run.stdout.starts_with("logged in: clara (manager, support) by oidc, until "), "{run:?}");
    assert!(!run.stderr.contains("warning"), "{}", run.stderr);
    let page: Value = serde_json::from_str(&directory.read("browser.json")).unwrap();
    assert_eq!(page["title"], "You are logged in - cc-login");
    assert!(page["url"].as_str().unwrap().ends_with("/oidc/done"), "{page}");
    let row = directory.sh("cc-user show clara --json").ended(0).json();
    assert_eq!((&row["name"], &row["source"]), (&json!("Clara Müller"), &json!("oidc")));
    assert_eq!((&row["roles"], &row["projects"]), (&json!(["manager", "support"]), &json!(["fusion"])));
    directory.sh("cc-login token -q | cc-jwt verify - -q").ended(0);
}

#[test]
fn keycloak_public_client_and_confidential_client_log_in() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({}));
    log_in(&directory, "", "").ended(0);
    let env = directory.read(".env").replace("OID_CLIENT_SECRET=s3cret", "OID_CLIENT_SECRET=wrong");
    directory.write(".env", &env);
    let run = log_in(&directory, "", "").ended(77);
    assert!(run.stderr.contains("hint: check OID_CLIENT_ID and OID_CLIENT_SECRET"), "{}", run.stderr);
    let env = env.replace("OID_CLIENT_SECRET=wrong", "").replace("OID_CLIENT_ID=cc", "OID_CLIENT_ID=public");
    directory.write(".env", &env);
    log_in(&directory, "", "").ended(0);
    directory.write(".env", env.replace("OID_CLIENT_ID=public", "OID_CLIENT_ID=cc"));
    let run = log_in(&directory, "", "").ended(77);
    assert!(run.stderr.contains("hint: no client secret was sent: set OID_CLIENT_SECRET"), "{}", run.stderr);
}

#[test]
fn keycloak_roles_are_those_that_the_server_reads() {
    let change = |realm: &mut Value| {
        realm["users"][0]["clientRoles"] = json!({"cc": ["support"], "public": ["api", "manager"]});
        realm["users"].as_array_mut().unwrap().push(json!({
            "username": "ada", "enabled": true, "email": "ada@example.org", "emailVerified": true,
            "firstName": "A", "lastName": "L", "credentials": [{"type": "password", "value": "pw"}],
            "realmRoles": [], "clientRoles": {"cc": ["admin"]},
        }));
    };
    let Some(realm) = Realm::with(change) else { return };
    // The mapper "client roles" of the client scope has the roles of every client.
    let scopes = realm.get("/client-scopes");
    let scope = scopes.as_array().unwrap().iter().find(|scope| scope["name"] == "roles").unwrap();
    let mapper =
        scope["protocolMappers"].as_array().unwrap().iter().find(|mapper| mapper["name"] == "client roles");
    let mut mapper = mapper.unwrap().clone();
    mapper["config"]["id.token.claim"] = json!("true");
    let path = format!(
        "/client-scopes/{}/protocol-mappers/models/{}",
        scope["id"].as_str().unwrap(),
        mapper["id"].as_str().unwrap()
    );
    realm.send("PUT", &path, &mapper);
    for (user, expected) in [("clara", "manager, support"), ("ada", "admin"), ("fritz", "user")] {
        let directory = realm.directory(&json!({"update-user-on-login": true}));
        let run = log_in(&directory, "", &format!("--user {user}")).ended(0);
        assert!(run.stdout.contains(&format!("{user} ({expected}) by oidc")), "{}", run.stdout);
        let row = directory.sh(&format!("cc-user show {user} --json")).ended(0).json();
        assert_eq!(sorted(&row["roles"]), roles_of_the_server(&id_token(&directory)), "{user}");
    }
}

#[test]
fn keycloak_roles_outside_of_the_id_token_are_reported_and_not_used() {
    let Some(realm) = Realm::new() else { return };
    let directory = realm.directory(&json!({"update-user-on-login": true}));
    // Keycloak's default: in the access token only. And in UserInfo, which the server does not read for roles.
    for userinfo in ["false", "true"] {
        let mut mappers = mappers();
        for mapper in mappers.as_array_mut().unwrap() {
            mapper["config"]["id.token.claim"] = json!("false");
            mapper["config"]["access.token.claim"] = json!("true");
            mapper["config"]["userinfo.token.claim"] = json!(userinfo);
        }
        realm.change_client("cc", &json!({"protocolMappers": []}));
        let client = realm.get("/clients?clientId=cc")[0]["id"].as_str().unwrap().to_owned();
        realm.send("POST", &format!("/clients/{client}/protocol-mappers/add-models"), &mappers);
        let run = log_in(&directory, "", "").ended(0);
        assert!(run.stdout.starts_with("logged in: clara (user) by oidc"), "{}", run.stdout);
        assert!(run.stderr.contains("set 'Add to ID token' of the mappers"), "{}", run.stderr);
        let row = directory.sh("cc-user show clara --json").ended(0).json();
        assert_eq!(sorted(&row["roles"]), roles_of_the_server(&id_token(&directory)));
        assert_eq!(row["projects"], json!([]));
        for mapper in realm.get(&format!("/clients/{client}/protocol-mappers/models")).as_array().unwrap() {
            let id = mapper["id"].as_str().unwrap();
            realm.send("DELETE", &format!("/clients/{client}/protocol-mappers/models/{id}"), &Value::Null);
        }
    }
}
