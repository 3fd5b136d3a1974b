//! The recipes of cc-auth(7), README and the guides work: every block of commands is run as it
//! stands, in the trouble that it is for.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::json;

use crate::guides;
use crate::idp::{Behavior, Idp};
use crate::oidc::directory_for;
use crate::slapd::{Manner, Slapd, crowd};
use crate::support::{Run, TestEnv, has};
use crate::sync::{configure, table};

/// The blocks of commands by the title of their section.
fn blocks() -> BTreeMap<String, Vec<String>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("man/cc-auth.7");
    let page = fs::read_to_string(path).unwrap().replace("\\-", "-").replace("\\e", "\\");
    let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut title = String::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(next) = line.strip_prefix(".SH ").or_else(|| line.strip_prefix(".SS ")) {
            title = next.trim_matches('"').to_owned();
        }
        if line == ".nf" {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != ".fi").collect();
            blocks.entry(title.clone()).or_default().push(block.join("\n"));
        }
    }
    blocks
}

/// The `sh` blocks of README and the guides, by page and title of their section.
fn guide_blocks() -> BTreeMap<String, Vec<String>> {
    let mut blocks: BTreeMap<String, Vec<String>> = BTreeMap::new();
    // The blocks of this page, and of a section below, need OpenBao: other tests run them.
    let pages = guides::pages().into_iter().filter(|(page, _)| page != "docs/stronghold-login.md");
    for (page, text) in pages {
        let mut title = String::new();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(next) = line.strip_prefix("## ") {
                title = format!("{page}: {next}");
            }
            if line == "```sh" && title != "docs/ci.md: Stronghold, OpenBao and Vault" {
                let block: Vec<&str> = lines.by_ref().take_while(|line| *line != "```").collect();
                blocks.entry(title.clone()).or_default().push(block.join("\n"));
            }
        }
    }
    blocks
}

/// The recipes, each block run once.
struct Recipes {
    left: BTreeMap<String, Vec<String>>,
}

impl Recipes {
    /// The next block of a recipe, run until a line fails.
    #[track_caller]
    fn run(&mut self, title: &str, directory: &TestEnv) -> Run {
        let blocks = self.left.get_mut(title).unwrap_or_else(|| panic!("no recipe '{title}'"));
        let block = blocks.remove(0);
        if blocks.is_empty() {
            self.left.remove(title);
        }
        directory.sh(&format!("set -e\n{block}"))
    }
}

/// A server's directory as the main job leaves it: fritz, his token, a copy of last night.
fn server() -> TestEnv {
    TestEnv::with_setup()
}

/// Makes the server ask its table for a token's roles, or not.
fn validate_user(directory: &TestEnv, expected: bool) {
    let mut config: serde_json::Value = serde_json::from_str(&directory.read("config.json")).unwrap();
    config["auth"]["jwts"]["validate-user"] = json!(expected);
    directory.write("config.json", config.to_string());
}

#[test]
fn recipes_of_the_manual_work() {
    let mut recipes = Recipes { left: blocks() };
    recipes.left.extend(guide_blocks());
    let total: usize = recipes.left.values().map(Vec::len).sum();
    prepare(&mut recipes);
    keys(&mut recipes);
    key_set(&mut recipes);
    tokens(&mut recipes);
    users(&mut recipes);
    provider(&mut recipes);
    let directory = has("slapd");
    if directory {
        directories(&mut recipes);
    }
    println!("recipes: {} of {total} blocks run", total - recipes.left.values().map(Vec::len).sum::<usize>());
    recipes.left.retain(|title, _| directory || !title.contains("LDAP"));
    assert!(recipes.left.is_empty(), "no test runs {:?}", recipes.left);
}

fn provider(recipes: &mut Recipes) {
    let idp = Idp::start(Behavior::default());
    let directory = directory_for(&idp.issuer(), &json!({"update-user-on-login": true}));
    directory.sh("cc-login --method oidc").ended(0);
    directory.sh("cc-login token > t; cc-jwt verify --token-file t -q --endpoint user-api").ended(1);
    recipes.run("A session token is not accepted by the REST interface", &directory).ended(0);
    for _ in 0..2 {
        directory.sh("cc-login token > t; cc-jwt verify --token-file t -q --endpoint user-api").ended(0);
        directory.sh("cc-login --method oidc").ended(0);
    }
    recipes.run("docs/tokens-for-scripts.md: A command with a variable", &directory).ended(0);
    directory
        .sh(r#"eval "$(cc-login token --export CC_TOKEN)"
               cc-login token | sh -c 'read -r token; test "$token" = "$CC_TOKEN"'"#)
        .ended(0);
}

fn prepare(recipes: &mut Recipes) {
    let directory = TestEnv::new();
    recipes.run("QUICK START", &directory).ended(0);
    recipes.run("PREPARATIONS", &directory).ended(0);
    let mode = |name: &str| {
        use std::os::unix::fs::PermissionsExt as _;
        fs::metadata(directory.file(name)).unwrap().permissions().mode() & 0o777
    };
    assert_eq!((mode("backup"), mode("backup/users.jsonl"), mode("backup/env")), (0o700, 0o600, 0o600));
}

fn keys(recipes: &mut Recipes) {
    let directory = server();
    let before = directory.read(".env");
    let without: String = before
        .lines()
        .filter(|line| !line.starts_with("JWT_PRIVATE_KEY"))
        .map(|line| format!("{line}\n"))
        .collect();
    directory.write(".env", &without);
    directory.sh("cc-jwt verify --token-file token.txt").ended(0);
    directory.sh("cc-jwt issue fritz").ended(78);
    recipes.run("A private key is lost", &directory).ended(0);
    directory.sh("cc-jwt issue fritz | cc-jwt verify -").ended(0);
    directory.sh("cc-jwt verify --token-file token.txt").ended(1);
    assert_eq!(directory.read(".env.old"), without);

    let directory = server();
    let before = directory.read(".env");
    recipes.run("A key is changed without an outage", &directory).ended(0);
    assert_eq!(directory.read(".env"), before, "nothing is changed before the moment");
    directory.sh("cc-jwt verify --token-file token.txt").ended(0);
    recipes.run("A key is changed without an outage", &directory).ended(0);
    directory.sh("cc-jwt verify --token-file token.txt").ended(1);
    assert_eq!(directory.read("previous.env"), before);
    let rest = |text: &str| {
        text.lines().filter(|line| !line.starts_with("JWT_")).map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(rest(&directory.read(".env")), rest(&before), "the other keys stay");

    let directory = server();
    let before = directory.read(".env");
    recipes.run("Other accounts could read the environment file", &directory).ended(0);
    for line in before.lines().filter(|line| line.contains("KEY=")) {
        assert!(!directory.read(".env").contains(line), "{} is as it was", line.split('=').next().unwrap());
    }
}

fn key_set(recipes: &mut Recipes) {
    const TITLE: &str = "A signing key of a published key set is changed";
    let directory = TestEnv::new();
    directory.sh("gen-keypair -q --algorithm es256 --format pem -o osdf").ended(0);
    directory
        .sh("cc-jwt spec new -q --issuer https://tokens.example.org --kid 2026 --key osdf/private.pem -o osdf.yaml")
        .ended(0);
    directory
        .sh("cc-jwt jwks --spec osdf.yaml --out-dir www && cc-jwt renew --spec osdf.yaml -o osdf.jwt")
        .ended(0);
    directory.sh("cp osdf.jwt old.jwt").ended(0);
    let good =
        |name: &str| directory.sh(&format!("cc-jwt verify --token-file {name} --key www/jwks.json")).status;
    recipes.run(TITLE, &directory).ended(0);
    assert_eq!(good("old.jwt"), 0, "validators know both keys");
    recipes.run(TITLE, &directory).ended(0);
    assert_ne!(directory.read("old.jwt"), directory.read("osdf.jwt"), "signed anew by itself");
    assert_eq!((good("old.jwt"), good("osdf.jwt")), (0, 0));
    recipes.run(TITLE, &directory).ended(0);
    assert_eq!((good("old.jwt"), good("osdf.jwt")), (1, 0));
}

fn tokens(recipes: &mut Recipes) {
    const TITLE: &str = "A token was leaked";
    const LOCK_OUT: &str = "A user must be locked out now";
    let session = |text: &str| text.lines().find(|line| line.starts_with("SESSION_KEY")).unwrap().to_owned();
    let directory = server();
    directory.sh("cp token.txt leaked.txt").ended(0);
    let shown = recipes.run(TITLE, &directory).ended(0);
    assert!(shown.stdout.contains("fritz") && shown.stdout.contains("expires"), "{}", shown.stdout);
    // What the text says: without the role api, GraphQL still accepts the token.
    directory.sh("cc-jwt verify --token-file leaked.txt --endpoint user-api").ended(0);
    directory.sh("cc-user role remove fritz api").ended(0);
    directory.sh("cc-jwt verify --token-file leaked.txt --endpoint user-api").ended(1);
    directory.sh("cc-jwt verify --token-file leaked.txt --endpoint query").ended(0);
    let rejected = recipes.run(TITLE, &directory).ended(1);
    assert!(rejected.stdout.contains("fail     user"), "{}", rejected.stdout);
    // Under the old name it is valid again, and without validate-user it never was invalid.
    let verify = "cc-jwt verify --token-file leaked.txt --endpoint query";
    directory.sh(&format!("cc-user add fritz --role api --no-password && {verify}")).ended(0);
    let deleted = directory.sh("cc-user del fritz").ended(0);
    assert!(!deleted.stderr.contains("tokens of 'fritz'"), "{}", deleted.stderr);
    directory.sh("cc-user add fritz --role user,api --no-password").ended(0);
    validate_user(&directory, false);
    let deleted = directory.sh("cc-user del fritz").ended(0);
    assert!(deleted.stderr.contains("tokens of 'fritz' remain valid"), "{}", deleted.stderr);
    directory.sh(verify).ended(0);
    directory.sh(&format!("{verify} --at +2000h")).ended(1);

    let directory = server();
    let before = directory.read(".env");
    let locked_out = recipes.run(LOCK_OUT, &directory).ended(0);
    assert!(locked_out.stderr.contains("open web sessions of 'fritz' keep the old roles for up to 168h"));
    assert_ne!(session(&before), session(&directory.read(".env")));
    directory.sh("cc-jwt verify --token-file token.txt --endpoint user-api").ended(1);
    // What the text says of tokens, and of the return of the user.
    directory.sh("cc-jwt verify --token-file token.txt --endpoint query").ended(0);
    directory.sh("cc-user enable fritz && cc-jwt verify --token-file token.txt --endpoint user-api").ended(0);
    directory.sh("cc-user del fritz").ended(0);
    directory.sh("cc-jwt verify --token-file token.txt --endpoint query").ended(1);

    // README's two recipes.
    let directory = server();
    directory.sh("cc-user add anna --role admin --no-password -q; cp token.txt leaked.txt").ended(0);
    directory
        .sh("cc-user role remove fritz user && cc-jwt verify --token-file leaked.txt --endpoint api")
        .ended(0);
    let rejected = recipes.run("README.md: Revoke a token", &directory).ended(1);
    assert!(rejected.stdout.contains("fail     user"), "{}", rejected.stdout);
    let before = directory.read(".env");
    recipes.run("README.md: Revoke a token", &directory).ended(0);
    assert_ne!(session(&before), session(&directory.read(".env")));
    assert_eq!(directory.run("cc-user", &["list", "--names"]).ended(0).stdout, "");

    let directory = server();
    directory.sh("printf 'pw of fritz' > pw.txt; chmod 600 pw.txt").ended(0);
    directory
        .sh("cc-user passwd fritz --password-file pw.txt && cc-login fritz --password-file pw.txt")
        .ended(0);
    let before = directory.read(".env");
    recipes.run("A session was stolen", &directory).ended(0);
    directory.sh("cc-login status").ended(1);
    recipes.run("A session was stolen", &directory).ended(0);
    assert_ne!(session(&before), session(&directory.read(".env")));
    directory.sh("cc-jwt verify --token-file token.txt").ended(0);

    // Issued by a clock that is four minutes fast, with a beginning.
    let directory = server();
    directory.sh("cc-jwt issue fritz --not-before +4m --force -o token.txt").ended(0);
    directory.sh("cc-jwt verify --token-file token.txt").ended(1);
    recipes.run("The clock is wrong", &directory).ended(0);
}

fn users(recipes: &mut Recipes) {
    let directory = server();
    directory.sh("printf 'pw of anna' > pw.txt; chmod 600 pw.txt").ended(0);
    directory
        .sh("cc-user add anna --role manager,user --project physics --password-file pw.txt && mkdir -m 700 backup")
        .ended(0);
    directory.sh("cc-user export --with-passwords -o backup/users.jsonl").ended(0);
    let before = table(&directory);
    directory.sh("cc-user del anna && cc-user role add fritz support").ended(0);
    const DELETED: &str = "Users were deleted by mistake";
    recipes.run(DELETED, &directory).ended(0);
    let after = table(&directory);
    assert_eq!(after[0], before[0], "anna is back");
    assert!(after[1].contains("support"), "fritz stays as he is now: {after:?}");
    directory.sh("cc-login anna --password-file pw.txt").ended(0);

    let held = rusqlite::Connection::open(directory.file("var/job.db")).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    let locked = directory.sh("cc-user role remove fritz support --wait 100ms").ended(75);
    assert!(locked.stderr.contains("locked"), "{}", locked.stderr);
    let release = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        held.execute_batch("COMMIT").unwrap();
    });
    recipes.run("The database is locked", &directory).ended(0);
    release.join().unwrap();
    recipes.run("The disk is full", &directory).ended(0);
}

fn directories(recipes: &mut Recipes) {
    // A directory of 40 people, later one of 25: more are gone than the limit allows.
    let manner = || Manner { global: "sizelimit unlimited".to_owned(), ..Manner::default() };
    let server = Slapd::start(&crowd(40), &manner());
    let directory = TestEnv::with_setup();
    let env = directory.read(".env");
    let settings = |server: &Slapd| {
        configure(&directory, &server.url(), json!({"sync-del-old-users": true}));
        let password = directory.read(".env");
        directory.write(".env", format!("{env}{password}"));
    };
    settings(&server);
    directory.sh("cc-user sync-ldap").ended(0);
    let before = table(&directory);
    assert_eq!(before.len(), 41);

    drop(server);
    directory.sh("printf 'pw of rescue' > password.txt; chmod 600 password.txt").ended(0);
    const GONE: &str = "The LDAP server does not respond";
    let blocks = recipes.left[GONE].clone();
    // Each line on its own: the first one fails, as the text says.
    let lines: Vec<&str> = blocks[0].lines().collect();
    directory.sh(lines[0]).ended(69);
    for line in &lines[1..] {
        directory.sh(line).ended(0);
    }
    recipes.left.remove(GONE);
    assert_eq!(table(&directory).len(), before.len() + 1);

    let smaller = Slapd::start(&crowd(25), &manner());
    settings(&smaller);
    directory.sh("cc-user sync-ldap").ended(75);
    const REFUSED: &str = "Too many LDAP users would be deleted";
    let lines = recipes.left.remove(REFUSED).unwrap();
    let lines: Vec<&str> = lines[0].lines().collect();
    let shown = directory.sh(lines[0]).ended(75);
    assert!(shown.stdout.contains("u000039"), "{}", shown.stdout);
    directory.sh(lines[1]).ended(0);
    assert_eq!(table(&directory).len(), 27);
}
