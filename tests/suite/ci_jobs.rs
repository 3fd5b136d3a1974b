//! Logins of CI jobs with the identity that GitHub, GitLab, Kubernetes or SPIFFE gives them.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};

use serde_json::{Value, json};

use crate::ci_providers::{BEARER, CiProvider};
use crate::openbao_server::{OpenBao, ROOT_TOKEN};
use crate::support::{Run, TestEnv, has, has_python};

const AUDIENCE: &str = "https://cc.example.org";

/// The directory of a server with a login role for the jobs of an issuer, and the users of the jobs.
fn server(issuer: &CiProvider, role: &Value) -> TestEnv {
    let directory = TestEnv::with_setup();
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["auth"]["jwt-config"] =
        json!({"oidc_discovery_url": issuer.issuer(), "bound_issuer": issuer.issuer()});
    config["auth"]["jwt-roles"] = json!({"ci": role});
    directory.write("config.json", config.to_string());
    directory
        .sh("cc-user init -q 2> /dev/null; cc-user add site/benchmarks --role user,api --no-password -q
         cc-user add reporter --role api --no-password -q")
        .ended(0);
    directory
}

fn github_role() -> Value {
    json!({
        "role_type": "jwt", "user_claim": "repository", "bound_audiences": [AUDIENCE], "token_ttl": "10m",
        "bound_claims": {"repository_owner": "site", "ref": "refs/heads/main"},
    })
}

#[test]
fn github_job_logs_in_with_its_own_identity_and_audience() {
    let github = CiProvider::github();
    let directory = server(&github, &github_role());
    let job = github.github_job();
    let done = directory.sh(&format!("{job} cc-login --identity github:{AUDIENCE} --role ci")).ended(0);
    assert!(
        done.stdout.starts_with("logged in: site/benchmarks (user, api) by token, until ")
            && done.stdout.contains("(in 10 minutes)"),
        "{} {}",
        done.stdout,
        done.stderr
    );
    directory.sh("cc-login token | cc-jwt verify - --endpoint user-api -q").ended(0);
    let request = github.seen().into_iter().find(|seen| seen.path.ends_with("/idtoken")).unwrap();
    assert_eq!(request.parameter("audience").as_deref(), Some(AUDIENCE));
    assert_eq!(request.parameter("api-version").as_deref(), Some("2.0"));
    assert_eq!(request.header("authorization"), Some(&*format!("Bearer {BEARER}")));
    // GitHub's default audience is not that of the role.
    let other = directory.sh(&format!("{job} cc-login --identity github role=ci -v")).ended(1);
    assert!(
        other.stderr.contains("login with a token rejected: audience") || other.stderr.contains("aud"),
        "{}",
        other.stderr
    );
    let all = format!("{}{}{}{}", done.stdout, done.stderr, other.stdout, other.stderr);
    assert!(!all.contains("runner-s3cret") && !all.contains("eyJ"), "{all}");
}

#[test]
fn github_job_that_may_not_request_a_token_gets_the_permission_as_a_hint() {
    let github = CiProvider::github();
    let directory = server(&github, &github_role());
    let login = format!("cc-login --identity github:{AUDIENCE} --role ci");
    let cases = [
        (
            "export GITHUB_ACTIONS=true; ",
            78,
            "ACTIONS_ID_TOKEN_REQUEST_URL is not set",
            "permissions: {id-token: write",
        ),
        ("", 78, "this is not a job of GitHub Actions", "--identity env:NAME or file:PATH"),
        (
            "export GITHUB_ACTIONS=true ACTIONS_ID_TOKEN_REQUEST_URL=ftp://x ACTIONS_ID_TOKEN_REQUEST_TOKEN=x; ",
            65,
            "ACTIONS_ID_TOKEN_REQUEST_URL: invalid URL",
            "",
        ),
        (
            "export GITHUB_ACTIONS=true ACTIONS_ID_TOKEN_REQUEST_URL=http://h.example/x ACTIONS_ID_TOKEN_REQUEST_TOKEN=x; ",
            77,
            "is plain http",
            "",
        ),
    ];
    for (variables, _status, message, hint) in cases {
        let run = directory.sh(&format!("{variables} {login}"));
        assert!(
            run.status != 0 && run.stderr.contains(message) && run.stderr.contains(hint),
            "{variables}: {}",
            run.stderr
        );
    }
    assert!(github.seen().is_empty());
    let wrong = github.github_job().replace("runner-s3cret", "expired-s3cret");
    let run = directory.sh(&format!("{wrong} {login}")).ended(77);
    assert!(
        run.stderr.contains(
            "GitHub rejected the request for a token with status 401: 'The token of the job has expired'"
        ) && run.stderr.contains("hint: ")
            && !run.stderr.contains("expired-s3cret"),
        "{}",
        run.stderr
    );
}

#[test]
fn github_endpoint_that_fails_for_a_moment_is_asked_again() {
    let github = CiProvider::github();
    let directory = server(&github, &github_role());
    let login = format!("{} cc-login --identity github:{AUDIENCE} --role ci", github.github_job());
    github.fail_next(1);
    directory.sh(&login).ended(0);
    github.fail_next(9);
    let before = github.seen().len();
    let run = directory.sh(&login).ended(69);
    assert!(run.stderr.contains("responded with status 503"), "{}", run.stderr);
    assert_eq!(github.seen().len() - before, 3);
    // A limit of requests does not reject the job.
    github.fail_next_with(429, 1);
    directory.sh(&login).ended(0);
    github.fail_next_with(429, 9);
    let before = github.seen().len();
    let run = directory.sh(&login).ended(69);
    assert!(run.stderr.contains("responded with status 429"), "{}", run.stderr);
    assert_eq!(github.seen().len() - before, 3);
}

#[test]
fn github_bearer_token_that_no_header_can_have_is_named_and_not_printed() {
    let github = CiProvider::github();
    let directory = server(&github, &github_role());
    for bearer in ["s3cret\nX-Other: y", "s3cret ", "s3cr\u{e9}t", "s3cret\r"] {
        let job = github.github_job().replace(BEARER, bearer);
        let run = directory.sh(&format!("{job} cc-login --identity github:{AUDIENCE} --role ci")).ended(78);
        let message = "ACTIONS_ID_TOKEN_REQUEST_TOKEN: expected a token without blanks and line breaks";
        assert!(run.stderr.contains(message) && !run.stderr.contains("s3cr"), "{bearer:?}: {}", run.stderr);
    }
    assert!(github.seen().is_empty());
}

#[test]
fn job_of_an_unknown_user_gets_the_command_that_adds_the_user_and_no_setting() {
    let github = CiProvider::github();
    let directory = server(&github, &github_role());
    directory.sh("cc-user del -q site/benchmarks").ended(0);
    let login = format!("{} cc-login --identity github:{AUDIENCE} --role ci", github.github_job());
    let run = directory.sh(&login).ended(0);
    let hint = "hint: cc-user add site/benchmarks --role user --no-password; then log in again";
    assert!(run.stderr.contains(hint) && !run.stderr.contains("sync-user-on-login"), "{}", run.stderr);
    directory
        .sh(&format!(
            "cc-user add site/benchmarks -q --role user --no-password; {login} -q && cc-login token -q"
        ))
        .ended(0);
}

fn gitlab_role() -> Value {
    json!({
        "role_type": "jwt", "user_claim": "project_path", "bound_audiences": [AUDIENCE],
        "bound_claims": {"ref_protected": "true"},
    })
}

#[test]
fn gitlab_job_logs_in_with_the_token_of_a_variable() {
    let gitlab = CiProvider::gitlab();
    let directory = server(&gitlab, &gitlab_role());
    let login = "cc-login --identity env:CC_ID_TOKEN --role ci";
    let with = |token: &str| directory.sh(&format!("export CC_ID_TOKEN='{token}'; {login}"));
    let done = with(&gitlab.token(AUDIENCE)).ended(0);
    assert!(done.stdout.starts_with("logged in: site/benchmarks (user, api) by token"), "{}", done.stdout);
    let missing = directory.sh(login).ended(78);
    assert!(
        missing.stderr.contains("the variable 'CC_ID_TOKEN' is not set")
            && missing.stderr.contains("id_tokens: {CC_ID_TOKEN: {aud: URL}}"),
        "{}",
        missing.stderr
    );
    assert!(with("").ended(78).stderr.contains("the variable 'CC_ID_TOKEN' is empty"));
    let rubbish = with("hunter2").ended(65);
    assert!(
        rubbish.stderr.contains("does not contain a token") && !rubbish.stderr.contains("hunter2"),
        "{}",
        rubbish.stderr
    );
    with(&gitlab.token("https://vault.example.org")).ended(1);
    gitlab.issue_tokens_of_age(3_600);
    let old = with(&gitlab.token(AUDIENCE)).ended(1);
    assert!(old.stderr.contains("expired"), "{}", old.stderr);
    let other = CiProvider::gitlab();
    with(&other.token(AUDIENCE)).ended(1);
}

/// Writes a token as the kubelet does: the file is a link through `..data`, which is replaced as a whole.
fn project(directory: &TestEnv, version: u32, token: &str) {
    let volume = directory.file("tokens");
    let data = volume.join(format!("..2026_{version}"));
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("cc"), token).unwrap();
    fs::set_permissions(data.join("cc"), fs::Permissions::from_mode(0o644)).unwrap();
    let link = volume.join("..data_tmp");
    symlink(format!("..2026_{version}"), &link).unwrap();
    fs::rename(&link, volume.join("..data")).unwrap();
    if version == 1 {
        symlink("..data/cc", volume.join("cc")).unwrap();
    }
}

#[test]
fn kubernetes_job_logs_in_with_a_projected_token_that_is_read_again_each_time() {
    let cluster = CiProvider::kubernetes();
    let role = json!({
        "role_type": "jwt", "bound_audiences": [AUDIENCE],
        "user_claim": "/kubernetes.io/serviceaccount/name", "user_claim_json_pointer": true,
        "bound_claims": {"/kubernetes.io/namespace": "monitoring"},
    });
    let directory = server(&cluster, &role);
    directory.write("reader", format!("{BEARER}\n"));
    fs::set_permissions(directory.file("reader"), fs::Permissions::from_mode(0o600)).unwrap();
    let login = "cc-login --identity file:tokens/cc --role ci";
    let missing = directory.sh(login).ended(66);
    assert!(
        missing.stderr.contains("tokens/cc") && missing.stderr.contains("serviceAccountToken"),
        "{}",
        missing.stderr
    );
    cluster.issue_tokens_of_age(3_600);
    project(&directory, 1, &cluster.token(AUDIENCE));
    // The keys of an API server are not public.
    let denied = directory.sh(login).ended(69);
    assert!(denied.stderr.contains("status 403"), "{}", denied.stderr);
    let login = format!("{login} --bearer-token-file reader");
    assert!(directory.sh(&login).ended(1).stderr.contains("expired"));
    cluster.issue_tokens_of_age(0);
    project(&directory, 2, &cluster.token(AUDIENCE));
    let done = directory.sh(&login).ended(0);
    assert!(done.stdout.starts_with("logged in: reporter (api) by token"), "{}", done.stdout);
    // Other accounts of a container may read the token: the kubelet sets this mode.
    assert!(!done.stderr.contains("tokens/cc"), "{}", done.stderr);
}

/// Runs a line in the environment of a pipeline: no home directory, no terminal, no variable of a session.
fn pipeline(directory: &TestEnv, line: &str) -> Run {
    directory.sh(&format!("env -i PATH=\"$PATH\" sh -c '{line}' < /dev/null"))
}

#[test]
fn command_of_a_pipeline_runs_with_a_token_that_is_not_stored() {
    let github = CiProvider::github();
    let directory = server(&github, &github_role());
    let job = github.github_job().replace('\'', "\"");
    let login = format!("--identity github:{AUDIENCE} --role ci");
    let run = pipeline(
        &directory,
        &format!(
            "{job} cc-login run {login} -- sh -c \"cc-jwt verify - --endpoint user-api -q <<E\n\\$TOKEN\nE\nexit 7\""
        ),
    );
    let run = run.ended(7);
    assert!(!run.stderr.contains("eyJ"), "{}", run.stderr);
    let soon = pipeline(&directory, &format!("{job} cc-login run {login} --min-ttl 1h -- true")).ended(1);
    assert!(soon.stderr.contains("expires"), "{}", soon.stderr);
    // No directory for a session is a problem of a stored session only.
    let stored = pipeline(&directory, &format!("{job} cc-login {login}")).ended(73);
    assert!(
        stored.stderr.contains("no directory for the session")
            && stored.stderr.contains("hint: export XDG_STATE_HOME="),
        "{}",
        stored.stderr
    );
    pipeline(
        &directory,
        &format!("{job} export XDG_STATE_HOME=\"$PWD/state\"; cc-login {login} && cc-login run -- true"),
    )
    .ended(0);
    let failed = pipeline(&directory, "cc-login run --identity env:NOT_SET --role ci -- touch ran").ended(78);
    assert!(failed.stderr.contains("NOT_SET"), "{}", failed.stderr);
    assert!(!directory.file("ran").exists());
    let files = directory.sh("find . -name '*.json' -path '*session*' | grep -v ^./state || true").ended(0);
    assert_eq!(files.stdout, "", "a session was stored");
}

#[test]
fn options_of_a_login_for_one_command_require_the_login() {
    let directory = TestEnv::with_setup();
    for (arguments, message) in [
        ("--role ci", "--identity"),
        ("--method oidc", "--identity"),
        ("--ca-file x", "--identity"),
        ("--identity github --path site", "--method oidc"),
        ("--identity github --bearer-token-file x", "--role"),
        ("--identity github --session work", "--session"),
        ("--identity github --method ldap", "expected token, oidc or stronghold"),
    ] {
        let run = directory.sh(&format!("cc-login run {arguments} -- true")).ended(2);
        assert!(run.stderr.contains(message), "{arguments}: {}", run.stderr);
    }
}

/// A login of a job whose options are wrong.
#[track_caller]
fn usage(directory: &TestEnv, arguments: &str) -> Run {
    directory.sh(&format!("cc-login {arguments}")).ended(2)
}

#[test]
fn identity_options_that_have_no_effect_are_rejected() {
    let directory = TestEnv::with_setup();
    for (arguments, message) in [
        ("--identity gitlab", "expected github, github:AUDIENCE, env:NAME or file:PATH"),
        ("--identity env:A-B", "letters, digits"),
        ("--identity github --token-file x", "cannot be used with"),
        ("--identity github --method ldap", "--method token"),
        ("--identity github --device", "--method oidc"),
        ("fritz --bearer-token-file x", "--role"),
        ("--identity github --bearer-token-file x", "--role"),
        ("--token-file x --ca-file y", "--identity"),
        ("--identity github --role a role=b", "two different values"),
    ] {
        let run = usage(&directory, arguments);
        assert!(run.stderr.contains(message), "{arguments}: {}", run.stderr);
        let secret = usage(&directory, "--identity eyJhbGciOiJub25lIn0.e30.hunter2");
        assert!(!secret.stderr.contains("hunter2"), "{}", secret.stderr);
    }
}

/// The JSON and YAML blocks of a section of `docs/ci.md`.
fn section(title: &str) -> (String, String) {
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci.md")).unwrap();
    let text = page.split("\n## ").find(|part| part.starts_with(title)).unwrap();
    let block = |kind: &str| {
        let (_, after) = text.split_once(&format!("```{kind}\n")).unwrap();
        after.split_once("\n```").unwrap().0.to_owned()
    };
    (block("json"), block("yaml"))
}

/// Runs the command of an example of `docs/ci.md`, in the environment of a job, with the role of the example at the
/// site. `path` is the place of the command in the YAML document.
fn run_example(title: &str, issuer: &CiProvider, path: &str, replaced: &[(&str, &str)], job: &str) -> Run {
    let (json, yaml) = section(title);
    let directory = TestEnv::with_setup();
    let mut config: Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    let mut json = json;
    for (from, to) in replaced {
        json = json.replace(from, to);
    }
    let example: Value = serde_json::from_str(&json).unwrap();
    config["auth"].as_object_mut().unwrap().extend(example["auth"].as_object().unwrap().clone());
    directory.write("config.json", config.to_string());
    directory.write("job.yaml", yaml);
    let script = format!(
        "import shlex, yaml\nfound = yaml.safe_load(open('job.yaml')){path}
print(found if isinstance(found, str) else shlex.join(found))"
    );
    directory.write("print.py", script);
    let mut command = directory.sh("python3 print.py").ended(0).stdout;
    for (from, to) in replaced {
        command = command.replace(from, to);
    }
    directory.write("command", command);
    // The monitoring server, as far as the job sees it.
    directory.write("bin/curl", "#!/bin/sh\nsed s/^Authorization:.// | cc-jwt verify - --endpoint user-api > /dev/null && echo accepted\n");
    // The line of the page.
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci.md")).unwrap();
    let line = page.split('`').find(|piece| piece.starts_with("printenv TOKEN | ")).unwrap();
    directory.write("report", format!("#!/bin/sh\n{line}\n"));
    directory.write("reader", format!("{BEARER}\n"));
    directory.sh("chmod 755 bin/curl report; chmod 600 reader; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=ca -keyout ca.key -out ca.crt 2> /dev/null").ended(0);
    project(&directory, 1, &issuer.token(AUDIENCE));
    directory
        .sh("cc-user add site/benchmarks --role user,api --no-password -q
             cc-user add reporter --role user,api --no-password -q")
        .ended(0);
    directory.sh(&format!(
        "{job} env -u HOME -u XDG_RUNTIME_DIR PATH=\"$PWD/bin:$PATH\" sh -e command < /dev/null"
    ))
}

#[test]
fn examples_of_the_guide_log_in_and_use_the_token() {
    if !has_python("yaml") || !has("openssl") {
        return;
    }
    let github = CiProvider::github();
    let replaced = [("https://token.actions.githubusercontent.com", &*github.issuer())];
    let run = run_example(
        "GitHub",
        &github,
        "['jobs']['report']['steps'][1]['run']",
        &replaced,
        &github.github_job(),
    );
    assert_eq!(run.ended(0).stdout, "accepted\n");
    let denied = run_example(
        "GitHub",
        &github,
        "['jobs']['report']['steps'][1]['run']",
        &replaced,
        "export GITHUB_ACTIONS=true;",
    );
    assert!(denied.ended(78).stderr.contains("id-token: write"));
    let gitlab = CiProvider::gitlab();
    let replaced = [("https://gitlab.example.org", &*gitlab.issuer())];
    let job = format!("export CI=true GITLAB_CI=true CC_ID_TOKEN='{}';", gitlab.token(AUDIENCE));
    let run = run_example("GitLab", &gitlab, "['report']['script'][0]", &replaced, &job);
    assert_eq!(run.ended(0).stdout, "accepted\n");
    let cluster = CiProvider::kubernetes();
    let issuer = cluster.issuer();
    let replaced = [
        ("https://kubernetes.default.svc.cluster.local", &*issuer),
        ("https://kubernetes.default.svc", &*issuer),
        ("/var/run/secrets/cc/token", "tokens/cc"),
        ("/var/run/secrets/kubernetes.io/serviceaccount/token", "reader"),
        ("/var/run/secrets/kubernetes.io/serviceaccount/ca.crt", "ca.crt"),
    ];
    let path = "['spec']['template']['spec']['containers'][0]['command']";
    let run = run_example("Kubernetes", &cluster, path, &replaced, "");
    assert_eq!(run.ended(0).stdout, "accepted\n");
}

#[test]
fn example_of_the_guide_for_openbao_reads_a_secret_in_a_job() {
    if !has_python("yaml") || !has("bao") {
        return;
    }
    let bao = OpenBao::start();
    let gitlab = CiProvider::gitlab();
    let site = |text: &str| {
        text.replace("https://gitlab.example.org", &gitlab.issuer())
            .replace("https://stronghold.example.org", &bao.url)
    };
    let page = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/ci.md")).unwrap();
    let (_, section) = page.split_once("\n## Stronghold, OpenBao and Vault\n").unwrap();
    let block = |kind: &str| {
        let (_, after) = section.split_once(&format!("```{kind}\n")).unwrap();
        site(after.split_once("\n```").unwrap().0)
    };
    bao.set(
        "sys/policies/acl/job",
        &json!({"policy": "path \"secret/data/job\" { capabilities = [\"read\"] }"}),
    );
    bao.set("secret/data/job", &json!({"data": {"word": "from the server"}}));
    let directory = TestEnv::new();
    let setup = format!("set -e; export BAO_ADDR={} BAO_TOKEN={ROOT_TOKEN}\n{}", bao.url, block("sh"));
    directory.sh(&setup).ended(0);
    // The role of the page has no errors for this program either.
    let role = block("sh").split_once("<<'END'\n").unwrap().1.split_once("\nEND").unwrap().0.to_owned();
    directory.write("ci.json", role);
    directory.sh("cc-jwt role check ci.json").ended(0);
    directory.write("job.yaml", block("yaml"));
    directory.write(
        "print.py",
        "import yaml\njob = yaml.safe_load(open('job.yaml'))['report']
print('\\n'.join([f'export {name}={value}' for name, value in job['variables'].items()] + job['script']))",
    );
    let command = directory.sh("python3 print.py").ended(0).stdout;
    directory.write("bin/vault", "#!/bin/sh\nexec bao \"$@\"\n");
    directory.sh("chmod 755 bin/vault").ended(0);
    let job = |audience: &str| {
        let token = gitlab.token(audience);
        directory.sh(&format!("export STRONGHOLD_JWT='{token}' PATH=\"$PWD/bin:$PATH\"\n{command}"))
    };
    let run = job(&bao.url).ended(0);
    assert!(run.stdout.contains("from the server"), "{}", run.stdout);
    let other = job("https://cc.example.org").ended(1);
    assert!(
        other.stderr.contains("invalid audience (aud) claim") && other.stdout.is_empty(),
        "{}",
        other.stderr
    );
}
