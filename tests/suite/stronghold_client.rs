//! The client of Stronghold, OpenBao and Vault against a running OpenBao.

use cc_auth::stronghold::{
    ConnectionOptions, JwtLogin, MountPath, ServerSettings, StrongholdClient, StrongholdError,
};
use cc_auth::util::environment::Environment;
use cc_auth::util::secret::SecretText;
use serde_json::json;

use crate::openbao_server::{OpenBao, ROOT_TOKEN};
use crate::support::has;

fn client(bao: &OpenBao, namespace: Option<&str>) -> StrongholdClient {
    let options = ConnectionOptions {
        server: Some(bao.url.clone()),
        namespace: namespace.map(str::to_owned),
        ..ConnectionOptions::default()
    };
    let environment = Environment::default();
    StrongholdClient::new(ServerSettings::resolve(&options, &environment).unwrap(), &environment).unwrap()
}

fn secret(text: &str) -> SecretText {
    SecretText::new(text.to_owned())
}

fn mount(text: &str) -> MountPath {
    text.parse().unwrap()
}

#[test]
fn roles_and_configuration_of_a_mount_are_read_with_a_token() {
    if !has("bao") {
        return;
    }
    let bao = OpenBao::start();
    bao.set("sys/auth/team/jwt", &json!({"type": "jwt"}));
    let (client, root, team) = (client(&bao, None), secret(ROOT_TOKEN), mount("team/jwt"));
    assert_eq!(client.health().unwrap().version, "2.7.2");
    assert_eq!(client.list_roles(&root, &team).unwrap(), [""; 0], "a mount without roles");
    let keys = json!({"jwt_validation_pubkeys": [include_str!("../data/login-roles/ed25519.pub.pem")]});
    bao.set("auth/team/jwt/config", &keys);
    for role in ["demo", "other"] {
        let role_fields = json!({"role_type": "jwt", "user_claim": "sub", "bound_audiences": ["x"]});
        bao.set(&format!("auth/team/jwt/role/{role}"), &role_fields);
    }
    assert_eq!(client.list_roles(&root, &team).unwrap(), ["demo", "other"]);
    assert_eq!(client.read_role(&root, &team, "demo").unwrap()["bound_audiences"], json!(["x"]));
    assert!(client.read_config(&root, &team).unwrap()["jwt_validation_pubkeys"].is_array());
    assert_eq!(client.look_up(&root).unwrap().policies, ["root"]);
}

#[test]
fn error_of_the_server_names_the_wrong_setting() {
    if !has("bao") {
        return;
    }
    let bao = OpenBao::start();
    bao.set("sys/auth/jwt", &json!({"type": "jwt"}));
    let keys = json!({"jwt_validation_pubkeys": [include_str!("../data/login-roles/ed25519.pub.pem")]});
    bao.set("auth/jwt/config", &keys);
    let (at, root, jwt) = (client(&bao, None), secret(ROOT_TOKEN), mount("jwt"));
    let error = at.list_roles(&secret("hvs.hunter2"), &jwt).unwrap_err();
    assert!(matches!(error, StrongholdError::Denied { .. }), "{error}");
    assert!(!format!("{error:?} {error}").contains("hunter2"), "{error}");
    assert!(matches!(at.read_role(&root, &jwt, "gone"), Err(StrongholdError::NotFound { .. })));
    assert!(matches!(at.read_role(&root, &jwt, "../config"), Err(StrongholdError::RoleName(_))));
    assert!(matches!(at.list_roles(&root, &mount("gone")), Err(StrongholdError::NotFound { .. })));
    let error = client(&bao, Some("gone")).list_roles(&root, &jwt).unwrap_err().to_string();
    assert!(error.ends_with("does not have the namespace 'gone', which is from --namespace"), "{error}");
    let login = |mount: &MountPath| {
        let login = JwtLogin { mount, role: Some("gone"), jwt: &secret("a.b.c"), wrap_ttl: None };
        at.log_in_with_jwt(&login).unwrap_err().to_string()
    };
    assert!(login(&jwt).contains("could not be found"), "{}", login(&jwt));
    assert!(login(&mount("gone")).contains("the mount or the namespace does not exist"));
}
