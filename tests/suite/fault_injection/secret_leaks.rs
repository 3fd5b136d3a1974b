//! Secret-leak test: recognizable passwords, keys and tokens, and a search for them in places where
//! they must not occur: output with any `-v`, errors, arguments and environment of child processes,
//! files that other accounts can read.

use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::*;
use crate::idp::{Behavior, Idp};
use crate::oidc::{configure, session};
use crate::slapd::{Slapd, TREE, person};
use crate::support::{Run, has, path_with_programs};

/// The secrets, each with a description, and the forms in which it might leak.
struct Secrets(Vec<(String, String)>);

impl Secrets {
    fn add(&mut self, what: &str, secret: &str) {
        assert!(secret.len() >= 10, "{what} is too short to stand out: {secret}");
        let mut forms = vec![secret.to_owned(), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)];
        // Parts, because a message could contain the beginning or the end of a value.
        if secret.len() >= 32 {
            forms.push(secret[..20].to_owned());
            forms.push(secret[secret.len() - 20..].to_owned());
        }
        if let Ok(bytes) = STANDARD.decode(secret) {
            forms.push(URL_SAFE_NO_PAD.encode(&bytes));
            forms.push(bytes.iter().map(|byte| format!("{byte:02x}")).collect());
            forms.push(format!("{bytes:?}").trim_matches(['[', ']']).to_owned());
        }
        forms.push(format!("{:?}", secret.as_bytes()).trim_matches(['[', ']']).to_owned());
        self.0.extend(forms.into_iter().map(|form| (what.to_owned(), form)));
    }

    fn add_new(&mut self, what: &str, rng: &mut Rng) -> String {
        let secret = format!("Secret{:016x}{:016x}", rng.next(), rng.next());
        self.add(what, &secret);
        secret
    }

    /// Adds a token: its header may be printed, its payload and signature may not.
    fn add_token(&mut self, what: &str, token: &str) {
        let mut parts = token.trim().split('.').skip(1);
        let (payload, signature) = (parts.next().unwrap(), parts.next().unwrap());
        self.0.push((format!("{what} (signature)"), signature[..20].to_owned()));
        self.0.push((format!("{what} (payload)"), payload.to_owned()));
    }

    /// Returns the descriptions of the secrets in a text.
    fn within(&self, text: &str) -> Vec<&str> {
        let found: BTreeSet<&str> = self
            .0
            .iter()
            .filter(|(_, form)| text.contains(form.as_str()))
            .map(|(what, _)| what.as_str())
            .collect();
        found.into_iter().collect()
    }
}

/// A directory with recognizable secrets.
struct Site {
    directory: TestEnv,
    secrets: Secrets,
    runs: usize,
    searched: usize,
    _idp: Idp,
    _slapd: Slapd,
}

/// The verbosity options with which a command is run; the short form uses the last ones.
const VERBOSITY: [&str; 7] = ["-q", "", "-v", "-vv", "--json", "--json -vvv", "-vvv"];

impl Site {
    fn new() -> Self {
        let mut rng = Rng::new();
        let mut secrets = Secrets(Vec::new());
        let bind = secrets.add_new("bind password", &mut rng);
        let refresh = secrets.add_new("refresh token", &mut rng);
        let client = secrets.add_new("client secret", &mut rng);
        let people = [person("anna", "Anna A"), person("fritz", "F")].concat();
        let anna = secrets.add_new("password in the directory", &mut rng);
        let ldif = format!("{TREE}{people}").replace("syncpw", &bind).replace("annapw", &anna);
        let slapd = Slapd::with(&ldif);
        let sent = refresh.clone();
        let idp = Idp::start(Behavior {
            tokens: Box::new(move |tokens| {
                tokens.insert("refresh_token".to_owned(), sent.clone().into());
            }),
            pending: 1,
            ..Behavior::default()
        });
        for (what, secret) in [("device code", "the-device-code"), ("access token", "the-access-token")] {
            secrets.0.push((what.to_owned(), secret.to_owned()));
        }
        let directory = TestEnv::new();
        directory.sh("umask 077; cc-user init -q; gen-keypair -a hs512 --write -q; rm -f .env.old*").ended(0);
        let env = directory.read(".env");
        let mut env = env.trim_end().to_owned();
        let file = dotenv::read(env.as_bytes()).unwrap();
        for name in ["JWT_PRIVATE_KEY", "SESSION_KEY", "CROSS_LOGIN_JWT_HS512_KEY"] {
            secrets.add(name, file.get(name).unwrap().value.expose());
        }
        env += &format!("\nLDAP_ADMIN_PASSWORD={bind}\nOID_CLIENT_ID=cc\nOID_CLIENT_SECRET={client}\n");
        fs::write(directory.file(".env"), env).unwrap();
        let ldap = json!({"ldap": {
            "url": slapd.url(), "user-base": crate::slapd::BASE, "search-dn": crate::slapd::SYNC_DN,
            "user-bind": format!("uid={{username}},ou=people,{}", crate::slapd::BASE),
            "user-filter": "(objectclass=posixAccount)",
        }});
        configure(&directory, &idp.issuer(), &json!({}), &ldap);
        for (name, what) in [("pw", "password"), ("new-pw", "new password"), ("wrong-pw", "wrong password")] {
            let secret = secrets.add_new(what, &mut rng);
            directory.write(name, format!("{secret}\n"));
        }
        directory.write("anna-pw", format!("{anna}\n"));
        // Malformed inputs that contain secrets.
        let odd = secrets.add_new("secret in a broken file", &mut rng);
        directory.write("broken.env", format!("JWT_PRIVATE_KEY=\"{odd}\nSESSION_KEY={odd}\nA B\n"));
        directory.write("odd.env", format!("JWT_PRIVATE_KEY={odd}\nJWT_PUBLIC_KEY={odd}\nSESSION_KEY='{odd}'\nCROSS_LOGIN_JWT_HS512_KEY=%{odd}\n"));
        directory.write(
            "bad.csv",
            format!("username,roles,password\nbad,wizard,{odd}\nbad2,user,\"{odd}\nbad3,{odd}\n"),
        );
        directory
            .write("bad2.csv", format!("username,roles,password_hash\nbad,user,{odd}\nbad2,user,\"{odd}\n"));
        directory.write(
            "good.csv",
            format!(
                "username,roles,password_hash\nimported,user,{}\n",
                "$2a$10$nrX1Pn9PCEBzPe9pbLcJXOhBXsJSq2rlPCFrFPNYNnAtxgM.eSDQq"
            ),
        );
        directory.write("bad.json", format!("{{\"auth\":{{\"ldap\":{{\"url\":1,\"sync-password\":\"{odd}\"}},\"oidc\":{{\"client-secret\":\"{odd}\"}}}}}}"));
        directory.write("rubbish.token", format!("eyJhbGciOiJFZERTQSJ9.{odd}.{odd}"));
        directory
            .write("bad.pem", format!("-----BEGIN PRIVATE KEY-----\n{odd}\n-----END PRIVATE KEY-----\n"));
        let resource = fs::read_to_string(data("osdf-example.yaml")).unwrap();
        let key = "MHcCAQEEIIphQalRpd3lclrnNmbR8df1";
        assert!(resource.contains(key));
        secrets.add("key of the resource", key);
        directory.write("bad.yaml", resource.replace(key, &odd));
        directory.write("r.yaml", resource);
        directory.sh("umask 077; gen-keypair -f pem -o pair -q; gen-keypair -a es256 -f jwk > key.jwk; gen-keypair -f nkey > seed.nk").ended(0);
        let names = directory.sh("ls pair* pair/* 2>/dev/null").stdout;
        for name in names.lines().filter(|name| directory.file(name).is_file()) {
            let text = directory.read(name);
            if text.contains("PRIVATE") {
                directory.write("private.pem", &text);
                secrets.add("PEM key", text.lines().nth(1).unwrap());
            }
        }
        let jwk: serde_json::Value = serde_json::from_str(&directory.read("key.jwk")).unwrap();
        let jwk = jwk.get("keys").map_or(&jwk, |keys| &keys[0]);
        secrets.add("d of the JWK", jwk["d"].as_str().unwrap());
        let seed = directory.read("seed.nk");
        let seed = seed.split_whitespace().find(|word| word.starts_with("SU")).unwrap().to_owned();
        secrets.add("seed of the nkey", &seed);
        directory.sh("chmod -R go= .").ended(0);
        Self { directory, secrets, runs: 0, searched: 0, _idp: idp, _slapd: slapd }
    }

    /// Runs a command with each verbosity. `result`: its standard output is a secret by design.
    #[track_caller]
    fn line(&mut self, line: &str, status: i32, result: bool) {
        for verbosity in &VERBOSITY[if is_long() { 0 } else { VERBOSITY.len() - 2 }..] {
            // The output of a requested format is not a report.
            if !(verbosity.contains("--json") && line.contains(" --to ")) {
                // A rejected login counts as an attempt, and the attempt limit has another exit
                // status.
                self.directory.sh("rm -f .home/.local/state/cc-auth/attempts*").ended(0);
                self.once(line, verbosity, status, result);
            }
        }
    }

    #[track_caller]
    fn once(&mut self, line: &str, verbosity: &str, status: i32, result: bool) -> Run {
        let line = format!("{line} {verbosity}");
        let mut command = self.directory.command("sh");
        command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
        let run: Run = command.args(["-c", &line]).output().unwrap().into();
        let about = line;
        assert_eq!(run.status, status, "{about}: {}", run.stderr);
        assert_stderr_is_clean(&run.stderr, &about);
        self.free(&run.stderr, &format!("standard error of {about}"));
        if !result {
            self.free(&run.stdout, &format!("standard output of {about}"));
        }
        self.runs += 1;
        run
    }

    #[track_caller]
    fn free(&mut self, text: &str, about: &str) {
        self.searched += text.len();
        let found = self.secrets.within(text);
        assert!(found.is_empty(), "{about} has {found:?}:\n{text}");
    }

    /// Checks that files with secrets are not accessible to other accounts.
    #[track_caller]
    fn assert_files_are_private(&mut self) -> usize {
        let mut directories = vec![self.directory.path().to_owned()];
        let mut closed = 0;
        while let Some(directory) = directories.pop() {
            for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
                let metadata = entry.metadata().unwrap();
                if metadata.is_dir() {
                    directories.push(entry.path());
                    continue;
                }
                if !metadata.is_file() {
                    continue;
                }
                let bytes = fs::read(entry.path()).unwrap();
                self.searched += bytes.len();
                let found = self.secrets.within(&String::from_utf8_lossy(&bytes));
                let name = entry.path();
                if !found.is_empty() {
                    let mode = metadata.mode() & 0o777;
                    assert!(mode & 0o077 == 0, "{} has {found:?} and mode {mode:o}", name.display());
                    closed += 1;
                }
                if name.extension().is_some_and(|end| end == "db") {
                    assert!(found.is_empty(), "{} has {found:?}", name.display());
                }
            }
        }
        closed
    }
}

/// Checks standard error; verbose runs print additional lines.
#[track_caller]
fn assert_stderr_is_clean(stderr: &str, about: &str) {
    for word in ["panicked", "stack backtrace", "SecretText", "SecretBytes"] {
        assert!(!stderr.contains(word), "{about}: {stderr}");
    }
}

#[test]
fn secrets_do_not_leak() {
    if !has("slapd") || !has("curl") {
        return;
    }
    let mut site = Site::new();
    for token in ["fritz", "other"] {
        site.directory.sh(&format!("cc-user add {token} --role user,api --password-file pw -q")).ended(0);
    }
    let token = site.directory.sh("umask 077; cc-jwt issue fritz -q | tee token.txt").ended(0).stdout;
    site.secrets.add_token("token", &token);
    site.directory.sh("umask 077; cat token.txt token.txt rubbish.token > tokens.txt").ended(0);
    site.directory.sh("umask 077; cc-jwt issue fritz --algorithm hs512 -q > hs.txt").ended(0);
    let shared = site.directory.read("hs.txt");
    site.secrets.add_token("login token", &shared);

    // Commands that succeed.
    for (line, status) in [
        ("cc-user passwd other --password-file new-pw", 0),
        ("cc-user passwd other --password-stdin < new-pw", 0),
        ("cc-user list", 0),
        ("cc-user show fritz", 0),
        ("cc-user sync-ldap", 0),
        ("cc-user sync-ldap --dry-run", 0),
        ("cc-user import good.csv --update", 0),
        ("cc-jwt inspect --token-file token.txt", 0),
        ("cc-jwt verify --token-file token.txt", 0),
        ("cc-jwt verify - < token.txt", 0),
        ("cc-jwt verify --stream --token-file tokens.txt", 1),
        ("cc-jwt issue fritz -o issued.txt --force", 0),
        ("cc-jwt issue --all -o issued-all.txt --force", 0),
        ("cc-jwt issue fritz --key private.pem -o issued-key.txt --force", 0),
        ("cc-jwt renew --spec r.yaml --force -o renewed", 0),
        ("cc-jwt renew --spec r.yaml --check -o renewed", 0),
        ("cc-jwt jwks --server", 0),
        ("cc-jwt jwks private.pem", 0),
        ("cc-jwt spec check r.yaml", 0),
        ("cc-login fritz --method local --password-file pw", 0),
        ("cc-login anna --method ldap --password-file anna-pw", 0),
        ("cc-login anna --method ldap --password-stdin < anna-pw", 0),
        ("cc-login --method token --token-file hs.txt", 0),
        ("cc-login status", 0),
        ("cc-login logout", 0),
        ("gen-keypair --write --env-file other.env --force", 0),
        ("gen-keypair -f pem -o made --force", 0),
        ("convert-pem-pubkey --from-env JWT_PUBLIC_KEY --to pem", 0),
    ] {
        site.line(line, status, false);
    }
    // Commands that print a secret by design.
    for line in ["cc-jwt issue fritz", "gen-keypair", "gen-keypair -f jwk", "gen-keypair -a session"] {
        let run = site.once(line, "-vv", 0, true);
        let secrets: Vec<&str> = run
            .stdout
            .split_whitespace()
            .filter(|word| word.len() > 20 && !word.contains("PUBLIC"))
            .collect();
        assert!(!secrets.is_empty(), "{line}: {}", run.stdout);
        for secret in secrets {
            assert!(!run.stderr.contains(secret), "{line}: {}", run.stderr);
        }
    }
    // Commands that fail.
    for (line, status) in [
        ("cc-login fritz --method local --password-file wrong-pw", 1),
        ("cc-login anna --method ldap --password-file wrong-pw", 1),
        ("cc-login --method token --token-file rubbish.token", 1),
        ("cc-login --method token --token-file token.txt", 1),
        ("cc-jwt verify --token-file rubbish.token", 65),
        ("cc-jwt verify \"$(cat rubbish.token)\"", 65),
        ("cc-jwt verify \"Bearer  $(cut -c1-150 token.txt)\"", 1),
        ("cc-jwt inspect --token-file wrong-pw", 65),
        ("cc-jwt inspect rubbish", 65),
        ("cc-jwt verify --token-file token.txt --key bad.pem", 65),
        ("cc-jwt verify --token-file token.txt --hmac-secret-file pw", 65),
        ("cc-jwt issue fritz --key bad.pem", 65),
        ("cc-jwt issue fritz --key wrong-pw", 65),
        ("cc-jwt issue fritz --env-file broken.env", 78),
        ("cc-jwt issue fritz --env-file odd.env", 78),
        ("cc-jwt verify --token-file token.txt --env-file odd.env", 78),
        ("cc-login fritz --password-file pw --env-file broken.env", 78),
        ("cc-user sync-ldap --config bad.json", 78),
        ("cc-user sync-ldap --env-file odd.env", 78),
        ("cc-user import bad.csv", 65),
        ("cc-user import bad2.csv", 65),
        ("cc-user init --env-file broken.env", 78),
        ("gen-keypair --write --env-file broken.env", 78),
        ("cc-jwt renew --spec bad.yaml -o renewed", 65),
        ("cc-jwt spec check bad.yaml", 65),
        ("cc-jwt jwks bad.pem", 65),
        ("convert-pem-pubkey private.pem", 65),
        ("convert-pem-pubkey bad.pem", 65),
        ("convert-pem-pubkey key.jwk", 65),
        ("convert-pem-pubkey seed.nk", 65),
        ("convert-pem-pubkey wrong-pw", 65),
        ("convert-pem-pubkey --from-env JWT_PRIVATE_KEY", 78),
    ] {
        site.line(line, status, false);
    }

    // Logins that start child processes, which record what they can read of the program.
    site.directory.write(
        "browser",
        "#!/bin/sh\numask 077\nenv >> seen.txt\ncat /proc/$$/cmdline /proc/$PPID/cmdline >> seen.txt\n\
         p=$(sed -n 's/^PPid:.//p' /proc/$PPID/status)\ncat /proc/$p/cmdline >> seen.txt\n\
         curl -sL -c /dev/null --max-time 20 -o page.html \"$1\"\n",
    );
    site.directory.sh("chmod 700 browser; mkdir bin; ln -s ../browser bin/xdg-open").ended(0);
    let env = dotenv::read(site.directory.read(".env").as_bytes()).unwrap();
    let known = env.entries().iter().map(|entry| (entry.key.as_str(), entry.value.expose()));
    let known: Vec<(&str, &str)> = known.chain([("BEARER_TOKEN", token.trim())]).collect();
    let path = format!("{}:{}", site.directory.file("bin").display(), path_with_programs());
    for how in ["--port 0 --browser ./browser", "--port 0 --browser './browser %s'", "--port 0", "--device"] {
        for verbosity in ["-v", "-vvv", "--json"] {
            let line = format!("cc-login --method oidc {how} {verbosity}");
            let mut command = site.directory.command("sh");
            command.env("RUST_LOG", "trace").env("RUST_BACKTRACE", "full");
            command.envs(known.iter().copied()).env("PATH", &path).env("DISPLAY", ":99");
            let run: Run = command.args(["-c", &line]).output().unwrap().into();
            let about = format!("cc-login --method oidc {how} {verbosity}");
            assert_eq!(run.status, 0, "{about}: {}", run.stderr);
            let kept = session(&site.directory).unwrap();
            site.secrets.add_token("session token", kept["token"].as_str().unwrap());
            site.secrets.add_token("ID token", kept["id_token"].as_str().unwrap());
            for text in [&run.stdout, &run.stderr] {
                site.free(text, &about);
            }
            site.runs += 1;
        }
    }
    let seen = site.directory.read("seen.txt");
    assert!(seen.matches("cc-login").count() >= 9 && seen.contains("DISPLAY=:99"), "{seen}");
    assert!(!seen.contains("RUST_LOG"), "a browser gets the variables it needs only: {seen}");
    site.free(&seen, "environment and arguments of a browser");
    for line in ["cc-login refresh", "cc-login status", "cc-login logout"] {
        site.line(line, 0, false);
    }

    let closed = site.assert_files_are_private();
    assert!(closed >= 10, "{closed}");
    let (runs, searched, forms) = (site.runs, site.searched, site.secrets.0.len());
    report(&format!(
        "secrets: {forms} forms of them looked for in {runs} runs and {} KB; none out, {closed} files that \
         hold some are closed to others",
        searched / 1024
    ));
}
