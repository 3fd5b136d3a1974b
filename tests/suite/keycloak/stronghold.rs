//! Logins at OpenBao with Keycloak behind it, by the commands of `docs/stronghold-login.md` alone.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::server::{Realm, page};
use crate::ci_providers::CiProvider;
use crate::openbao_server::{OpenBao, ROOT_TOKEN};
use crate::support::{Run, TestEnv, has, has_npm};

const PAGE: &str = "docs/stronghold-login.md";

/// The server and the provider of the guide.
const SERVER: &str = "https://stronghold.example.org";
const PROVIDER: &str = "https://idp.example.org/realms/hpc";

/// The `sh` blocks of the guide that no test has run yet, by the title of their section.
struct Guide(BTreeMap<String, Vec<String>>);

impl Guide {
    fn read() -> Self {
        let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let text = std::fs::read_to_string(format!("{}/{PAGE}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        for section in text.split("\n## ").skip(1) {
            let title = section.lines().next().unwrap().to_owned();
            let found =
                section.split("\n```sh\n").skip(1).map(|rest| rest.split("\n```").next().unwrap().to_owned());
            blocks.entry(title).or_default().extend(found);
        }
        blocks.retain(|_, found| !found.is_empty());
        Self(blocks)
    }

    /// The next block of a section.
    #[track_caller]
    fn next(&mut self, title: &str) -> String {
        let blocks = self.0.get_mut(title).unwrap_or_else(|| panic!("{PAGE} has no section '{title}'"));
        let block = blocks.remove(0);
        if blocks.is_empty() {
            self.0.remove(title);
        }
        block
    }
}

/// OpenBao without mounts, with a realm of Keycloak, and the directory of a user.
struct Site {
    realm: Realm,
    bao: OpenBao,
    directory: TestEnv,
}

/// Adds the client of OpenBao to a realm, and the audience of OpenBao to the access tokens of the client `cc`.
fn add_clients(realm: &mut Value, bao: &OpenBao) {
    let own = format!("{}/v1/auth/oidc_deckhouse/oidc/callback", bao.url);
    let mut client = realm["clients"][0].clone();
    client["clientId"] = json!("stronghold");
    client["redirectUris"] = json!(["http://localhost/oidc/callback", own]);
    // Not a client of this program: Keycloak's defaults.
    client["protocolMappers"] = json!([]);
    realm["clients"].as_array_mut().unwrap().push(client);
    let audience = json!({
        "name": "audience", "protocol": "openid-connect", "protocolMapper": "oidc-audience-mapper",
        "config": {"included.custom.audience": bao.url, "access.token.claim": "true"},
    });
    realm["clients"][0]["protocolMappers"].as_array_mut().unwrap().push(audience);
}

impl Site {
    fn new(bao: OpenBao, realm: Realm) -> Self {
        bao.set(
            "sys/policies/acl/job",
            &json!({"policy": "path \"secret/data/job\" { capabilities = [\"read\"] }"}),
        );
        bao.set("secret/data/job", &json!({"data": {"word": "from the server"}}));
        let directory = realm.directory(&json!({}));
        directory.write("client-secret", "s3cret");
        directory.write("bin/vault", "#!/bin/sh\nexec bao \"$@\"\n");
        directory.sh("chmod 755 bin/vault; chmod 600 client-secret").ended(0);
        Self { realm, bao, directory }
    }

    /// Runs commands of the guide: only the names of the site are others.
    fn run(&self, variables: &str, commands: &str) -> Run {
        let commands = commands
            .replace(PROVIDER, &self.realm.issuer())
            .replace("bound_audiences=cc-login", "bound_audiences=cc")
            .replace("/var/run/secrets/tokens/stronghold", "projected")
            .replace(SERVER, &self.bao.url);
        let url = &self.bao.url;
        self.directory.sh(&format!(
            "export PATH=\"$PWD/bin:$PATH\" STRONGHOLD_ADDR={url}\n{variables}\nset -e\n{commands}"
        ))
    }

    fn run_as_administrator(&self, commands: &str) {
        let variables = format!("export BAO_ADDR=$STRONGHOLD_ADDR BAO_TOKEN={ROOT_TOKEN}");
        self.run(&variables, commands).ended(0);
    }

    /// A user at a display, with Chromium.
    fn at_display(commands: &str) -> (String, String) {
        let browser = format!("CC_PASSWORD=pw node {}/tests/tools/browser.mjs", env!("CARGO_MANIFEST_DIR"));
        (format!("export BROWSER='{browser} %s > browser.json 2> browser.err'"), commands.to_owned())
    }

    /// A user over ssh, who opens the printed URL on another computer, and pastes the URL of the page that it cannot load.
    fn over_ssh(commands: &str) -> (String, String) {
        let paste = format!(
            "rm -f shown; paste() {{
                n=0; until grep -q 'paste it here' shown || test $n -gt 300; do sleep 0.1; n=$((n + 1)); done
                {} --stop http://localhost:8250/oidc/callback \"$(grep -o 'http[^ ]*client_id=[^ ]*' shown)\"
             }} 2> paste.err",
            page("")
        );
        (paste, format!("paste | {{ {commands}\n}} 2> shown || {{ cat shown paste.err >&2; exit 1; }}"))
    }

    /// Logs in and checks the name and the rights of the token.
    #[track_caller]
    fn logs_in(&self, (variables, commands): (String, String)) -> Run {
        let run = self.run(&variables, &commands).ended(0);
        let start = format!("logged in: clara (policies: default, job) by stronghold at {}", self.bao.url);
        assert!(run.stdout.starts_with(&start), "{}", run.stdout);
        let token = self.run("", "cc-login token").ended(0).stdout;
        let (status, secret) = self.bao.call_as(token.trim(), "GET", "secret/data/job", &Value::Null);
        assert_eq!((status, &secret["data"]["data"]["word"]), (200, &json!("from the server")));
        run
    }
}

#[test]
fn keycloak_behind_openbao_logs_in_by_the_commands_of_the_guide() {
    if !has("bao") || !has("chromium") || !has_npm("playwright-core") {
        return;
    }
    let bao = OpenBao::start();
    let Some(realm) = Realm::with(|realm| add_clients(realm, &bao)) else { return };
    let site = Site::new(bao, realm);
    let mut guide = Guide::read();
    const SETUP: &str = "Set up the server";
    // From a terminal and over ssh, in each mode.
    let terminal = guide.next("From a terminal");
    let manual = guide.next("Over ssh");
    site.run_as_administrator(&guide.next(SETUP));
    site.logs_in(Site::at_display(&terminal));
    site.logs_in(Site::over_ssh(&terminal));
    site.logs_in(Site::over_ssh(&manual));
    site.run_as_administrator(&guide.next(SETUP));
    let direct = site.logs_in(Site::at_display(&terminal));
    assert!(direct.stderr.starts_with("Log in with any browser at this URL:"), "{}", direct.stderr);
    site.run_as_administrator(&guide.next(SETUP));
    // OpenBao does not use PKCE in this mode.
    let rejected = site.run("", &terminal).ended(69);
    assert!(rejected.stderr.contains("Missing parameter: code_challenge_method"), "{}", rejected.stderr);
    assert!(rejected.stderr.contains("switch off 'Require PKCE' of its client"), "{}", rejected.stderr);
    site.realm.change_client("stronghold", &json!({"attributes": {"pkce.code.challenge.method": ""}}));
    let device = site.logs_in(Site::at_display(&terminal));
    assert!(device.stderr.contains("?user_code="), "{}", device.stderr);

    site.run_as_administrator(&guide.next(SETUP));
    with_jwt(&site, &mut guide);
    in_job(&site, &mut guide);
    use_session(&site, &mut guide);
    assert!(guide.0.is_empty(), "no test runs {:?}", guide.0);
}

/// The role `ci` of the mount `jwt`, for the jobs of an issuer.
fn accept_jobs(site: &Site, issuer: &str, user_claim: &str) {
    site.bao.set("auth/jwt/config", &json!({"oidc_discovery_url": issuer, "bound_issuer": issuer}));
    site.bao.set(
        "auth/jwt/role/ci",
        &json!({
            "role_type": "jwt", "user_claim": user_claim, "bound_audiences": [SERVER, site.bao.url],
            "token_policies": ["job"],
        }),
    );
}

fn with_jwt(site: &Site, guide: &mut Guide) {
    const TITLE: &str = "With a JWT";
    let gitlab = CiProvider::gitlab();
    let by_file = guide.next(TITLE);
    // The tokens of the provider: the ID token and the access token of clara.
    let browser = format!("export BROWSER='{} %s > /dev/null'", page(""));
    let from_session = guide.next(TITLE).replace("--method oidc", "--method oidc --port 0");
    let run = site.run(&browser, &from_session).ended(0);
    assert!(run.stdout.contains("logged in: clara (policies: default, job) by stronghold"), "{}", run.stdout);
    let by_access_token = guide.next(TITLE);
    let run = site.run("", &by_access_token).ended(0);
    assert!(
        run.stdout.starts_with("logged in: clara (policies: default, job) by stronghold"),
        "{}",
        run.stdout
    );
    // The service account of a client, in a job.
    site.realm.change_client("cc", &json!({"serviceAccountsEnabled": true}));
    let job = "cc-login run --client-credentials --kind access --env JOB_TOKEN -- sh -c \
               'printenv JOB_TOKEN | cc-login --method stronghold --token-file - --role hpc'";
    let run = site.run("", job).ended(0);
    assert!(
        run.stdout.starts_with("logged in: service-account-cc (policies: default, job)"),
        "{}",
        run.stdout
    );

    accept_jobs(site, &gitlab.issuer(), "project_path");
    site.directory.write("job.jwt", gitlab.token(SERVER));
    site.directory.sh("chmod 600 job.jwt").ended(0);
    let run = site.run("", &by_file).ended(0);
    let user = "logged in: site/benchmarks (policies: default, job) by stronghold";
    assert_eq!(run.stdout.lines().filter(|line| line.starts_with(user)).count(), 2, "{}", run.stdout);
    let wrapped = site.run("", &guide.next("Deliver a token to another program")).ended(0).stdout;
    let unwrapped = site.bao.call_as(wrapped.trim(), "POST", "sys/wrapping/unwrap", &json!({}));
    assert!(unwrapped.1["auth"]["client_token"].is_string(), "{wrapped} {unwrapped:?}");
}

fn in_job(site: &Site, guide: &mut Guide) {
    const TITLE: &str = "From a CI job";
    let block = guide.next(TITLE);
    let [by_github, by_gitlab, by_kubernetes] = block.lines().collect::<Vec<_>>()[..] else {
        panic!("{block}")
    };
    let github = CiProvider::github();
    accept_jobs(site, &github.issuer(), "repository");
    site.run(&github.github_job(), by_github).ended(0);
    let gitlab = CiProvider::gitlab();
    accept_jobs(site, &gitlab.issuer(), "project_path");
    let variable = format!("export STRONGHOLD_JWT='{}'", gitlab.token(SERVER));
    site.run(&variable, by_gitlab).ended(0);
    let run = site.run(&format!("{variable}; cc-login logout"), &guide.next(TITLE)).ended(0);
    assert!(run.stdout.contains("from the server"), "{}", run.stdout);
    site.directory.write("projected", gitlab.token(SERVER));
    site.directory.sh("chmod 644 projected").ended(0);
    site.run("", by_kubernetes).ended(0);
}

fn use_session(site: &Site, guide: &mut Guide) {
    let run = site.run("", &guide.next("Use the session in vault and bao")).ended(0);
    assert!(run.stdout.contains("jwt-site/benchmarks"), "{}", run.stdout);
    let run = site.run("", &guide.next("Use the session")).ended(0);
    assert_eq!(run.stdout.matches("from the server").count(), 2, "{} {}", run.stdout, run.stderr);
    site.run("", "cc-login token").ended(1);
}
