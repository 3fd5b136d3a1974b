//! Hints lead to success: the command that a hint prints is run as it is printed, and the fault
//! that it belongs to is gone then.

use std::fs;
use std::path::Path;

use crate::support::{Run, TestEnv, has_root};

/// A fault, and what its hint promises.
struct Situation {
    /// Shell lines that lead to the fault, in a directory with a server's files; see [`SETUP`].
    setup: &'static str,
    /// The command that fails or warns.
    command: &'static str,
    /// The hint, or the message that names the command, as it is printed.
    hint: &'static str,
    /// Which of the commands in the hint is run.
    index: usize,
    /// What replaces a placeholder, or what would be typed at a terminal.
    values: &'static [(&'static str, &'static str)],
    after: After,
}

enum After {
    /// The command ends with success and prints the hint no more; `Some`: another command, where a
    /// new token or file is what the hint makes. What the hinted command prints is in `out.txt`.
    Gone(Option<&'static str>),
    /// The hinted command prints this.
    Prints(&'static str),
}

const AGAIN: After = After::Gone(None);

const SETUP: &str = "set -e; umask 077; cc-user init -q; cc-user add fritz --role user,api --no-password -q
    cc-jwt issue fritz -q > token.txt; echo secret123 > pw\n";

const VERIFY: &str = "cc-jwt verify --token-file token.txt";

const fn case(setup: &'static str, command: &'static str, hint: &'static str) -> Situation {
    Situation { setup, command, hint, index: 0, values: &[], after: AGAIN }
}

impl Situation {
    const fn nth(mut self, index: usize) -> Self {
        self.index = index;
        self
    }

    const fn with(mut self, values: &'static [(&'static str, &'static str)]) -> Self {
        self.values = values;
        self
    }

    const fn then(mut self, command: &'static str) -> Self {
        self.after = After::Gone(Some(command));
        self
    }

    const fn prints(mut self, text: &'static str) -> Self {
        self.after = After::Prints(text);
        self
    }
}

const PASSWORD: &str = "cc-user passwd fritz --password-file pw -q; ";
const LOGIN: &[(&str, &str)] = &[("cc-login fritz", "cc-login fritz --password-file pw")];
const NAME: &[(&str, &str)] = &[("NAME", "fritz --password-file pw")];
const NEW: &[(&str, &str)] = &[("NAME --role ROLE[,ROLE]", "mia --role user --no-password")];

/// A token of a user who is not in the table, for /jwt-login.
const GHOST: &str = "gen-keypair -q --algorithm hs512 --write
    sed -i 's/\"validate-user\": true/\"validate-user\": false/' config.json
    cc-jwt issue ghost -q --no-db --roles user --algorithm hs512 > t";
const GHOST_DISABLED: &str =
    "gen-keypair -q --algorithm hs512 --write; cc-user add -q ghost --role user --no-password
    cc-jwt issue ghost -q --algorithm hs512 > t; cc-user disable -q ghost
    sed -i 's/\"validate-user\": true/\"validate-user\": false/' config.json";
const GHOST_ENABLED: &str = "gen-keypair -q --algorithm hs512 --write
    sed -i 's/\"validate-user\": true/\"sync-user-on-login\": true, \"update-user-on-login\": true/' config.json
    cc-jwt issue ghost -q --no-db --roles user --algorithm hs512 > t
    cc-login -q --method token --token-file t; cc-user disable -q ghost";
const GHOST_LOGIN: &str = "cc-login --method token --token-file t";

/// A row of the user table that another program damaged.
const DAMAGE: &str = "python3 -c \"import sqlite3; c = sqlite3.connect('var/job.db')
c.execute('update user set roles=? where username=?', ('x', 'fritz')); c.commit()\"";

/// The same for a username that a shell reads as two words, and a file that repairs it.
const DAMAGE_OF_SPACED: &str = "cc-user add -q 'a b' --role user --no-password
printf 'username,roles,projects\na b,user,\n' > u.csv
python3 -c \"import sqlite3; c = sqlite3.connect('var/job.db')
c.execute('update user set roles=? where username=?', ('x', 'a b')); c.commit()\"";

const GHOST_IN: &str = "gen-keypair -q --algorithm hs512 --write
    sed -i 's/\"validate-user\": true/\"validate-user\": false/' config.json
    cc-jwt issue ghost -q --no-db --roles user --algorithm hs512 > t
    cc-login -q --method token --token-file t";

const RESOURCE: &str = "gen-keypair -q --algorithm es256 --format pem -o k; cp k/private.pem key.pem
    cc-jwt spec new -q -o o.yaml";

const TWO_RESOURCES: &str =
    "gen-keypair -q --algorithm es256 --format pem -o k; cp k/private.pem key.pem; mkdir out
    cc-jwt spec new -q -o o.yaml; (cat o.yaml; echo ---; sed s/my-token/two/ o.yaml) > two.yaml";

const NAME_BEFORE: &[(&str, &str)] =
    &[("cc-login NAME", "cc-user passwd fritz --password-file pw -q; cc-login fritz --password-file pw")];

fn situations() -> Vec<Situation> {
    let mut all = settings();
    all.extend(tokens());
    all.extend(users());
    all.extend(sessions());
    all.extend(resources());
    all
}

fn settings() -> Vec<Situation> {
    vec![
        case(
            "rm -r var",
            "cc-user list",
            "run this in the server's directory, or name its database with --db FILE; 'cc-user init' makes a new one",
        ),
        case(
            "",
            "cc-user list --db 'x y/z.db'",
            "name the server's database, or create one: cc-user init --db 'x y/z.db'",
        ),
        case(
            "mv var/job.db var/job.db-wal",
            "cc-user init",
            "restore the database, or move what is left of it away: mkdir -p leftover && mv ./var/job.db-* leftover",
        ),
        case("sed -i /JWT_/d .env", "cc-jwt issue fritz", "gen-keypair --write"),
        case("sed -i /JWT_PUBLIC/d .env", VERIFY, "cc-user init"),
        case("sed -i 's/JWT_PUBLIC_KEY=.*/JWT_PUBLIC_KEY=/' .env", VERIFY, "cc-user init"),
        case(
            "mv .env 'o e'; sed -i /JWT_PUBLIC/d 'o e'",
            "cc-jwt verify --token-file token.txt --env-file 'o e'",
            "cc-user init --env-file 'o e'",
        ),
        case(
            "sed -i /JWT_PRIVATE/d .env",
            "cc-jwt issue fritz",
            "restore it from a backup ('.env.old' is the file before the last change); a new pair (gen-keypair --write --force) invalidates all tokens",
        ),
        case(
            "sed -i 's/PRIVATE_KEY=\"..../PRIVATE_KEY=\"/' .env",
            "cc-jwt issue fritz",
            "restore it from a backup ('.env.old' is the file before the last change); a new pair (gen-keypair --write --force) invalidates all tokens",
        ),
        case(
            "sed -i /JWT_PRIVATE/d .env",
            "cc-user init",
            "add the private key of this public key; a new pair (gen-keypair --write --force) invalidates all tokens",
        ),
        case("", "cc-jwt issue fritz --algorithm hs512", "gen-keypair --algorithm hs512 --write"),
        case(
            "echo 'CROSS_LOGIN_JWT_HS512_KEY=\"YWJjZGVm\"' >> .env",
            "cc-jwt issue fritz --algorithm hs512",
            "a new secret, which invalidates all its tokens: gen-keypair --algorithm hs512 --write --force",
        ),
        case(
            "sed -i /SESSION/d .env",
            "cc-jwt verify --token-file token.txt --endpoint user-api",
            "gen-keypair --algorithm session --write",
        ),
        case(
            "mv .env o.env; sed -i /SESSION/d o.env",
            "cc-jwt verify --token-file token.txt --endpoint user-api --env-file o.env",
            "gen-keypair --algorithm session --write --env-file o.env",
        ),
        case(
            "gen-keypair -q --format pem -o k; sed -i /JWT_PUBLIC/d .env
             printf 'JWT_PUBLIC_KEY=\"%s\"\\n' \"$(cat k/public.pem)\" >> .env",
            VERIFY,
            "the variable holds base64 alone: 'convert-pem-pubkey FILE' prints it for a public key; --key FILE signs with a private one",
        )
        .with(&[("FILE", "k/public.pem")])
        .prints("JWT_PUBLIC_KEY=\""),
        case("chmod 644 .env", "cc-jwt issue fritz", "chmod 600 ./.env"),
        case("mv token.txt 'a b'; chmod 640 'a b'", "cc-jwt verify --token-file 'a b'", "chmod 600 'a b'"),
        case(
            "gen-keypair -q --format pem -o k; chmod 622 k/public.pem
             cc-jwt issue fritz -q --key k/private.pem > token.txt",
            "cc-jwt verify --token-file token.txt --key k/public.pem",
            "chmod go-w k/public.pem",
        ),
    ]
}

fn tokens() -> Vec<Situation> {
    vec![
        case(
            "cc-user disable -q fritz",
            "cc-jwt issue fritz --ttl 1h",
            "cc-user enable fritz; then issue a new token",
        ),
        case(
            "",
            "cc-jwt verify --token-file token.txt --endpoint api",
            "cc-user add fritz-api --role api --no-password && cc-jwt issue fritz-api",
        )
        .then("tail -n 1 out.txt | cc-jwt verify - --endpoint api"),
        case(
            "cc-user role remove fritz api -q",
            "cc-jwt verify --token-file token.txt --endpoint user-api",
            "cc-user role add fritz api",
        ),
        case(
            "cc-user disable -q fritz",
            "cc-jwt verify --token-file token.txt --endpoint user-api",
            "cc-user enable fritz",
        ),
        case(
            "cc-user role remove -q fritz api; cc-user disable -q fritz",
            "cc-jwt verify --token-file token.txt --endpoint user-api",
            "cc-user enable fritz && cc-user role add fritz api",
        ),
        case(
            "cc-user role add -q fritz support; cc-user role remove -q fritz user",
            "cc-jwt verify --token-file token.txt --endpoint user-api --require-role user",
            "cc-user role add fritz user",
        ),
        case(
            "cc-user add -q mia --role api,anonymous --no-password; cc-jwt issue -q mia > token.txt",
            "cc-jwt verify --token-file token.txt --endpoint api",
            "cc-user role remove mia anonymous",
        ),
        case(
            "gen-keypair --algorithm hs512 --write -q",
            "cc-jwt verify --token-file token.txt --endpoint jwt-login",
            "sign it with the HMAC secret: cc-jwt issue fritz --algorithm hs512",
        )
        .then("cc-jwt verify --token-file out.txt --endpoint jwt-login"),
        case(
            "gen-keypair --algorithm hs512 --write -q; cc-jwt issue fritz -q --algorithm hs512 > token.txt",
            "cc-jwt verify --token-file token.txt --endpoint user-api",
            "issue a token with the server's key: cc-jwt issue fritz",
        )
        .then("cc-jwt verify --token-file out.txt --endpoint user-api"),
        case(
            "cc-jwt issue fritz -q --ttl 1s > token.txt; sleep 1.1",
            VERIFY,
            "issue a new token with 'cc-jwt issue fritz', or ask its issuer for one",
        )
        .then("cc-jwt verify --token-file out.txt"),
        case(
            "cc-jwt issue fritz -q --not-before +1h > token.txt",
            VERIFY,
            "wait, or set the clock of this machine; 'cc-jwt verify --at TIME' checks another time",
        )
        .with(&[("TIME", "+2h --token-file token.txt")])
        .prints("valid"),
        case(
            "sed 's/[.]/.!/2' token.txt > cut.txt",
            "cc-jwt verify --token-file cut.txt",
            "copy the whole token; 'cc-jwt inspect' shows what can be read of it",
        )
        .with(&[("inspect", "inspect --token-file cut.txt")])
        .prints("signature"),
        case("echo W10.W10.YQ > t", "cc-jwt verify --token-file t", "see it with: cc-jwt inspect")
            .with(&[("inspect", "inspect --token-file t")])
            .prints("the header is an array"),
        case(
            "gen-keypair -q --format pem -o k; cp k/private.pem key.pem
             cc-jwt spec new -q --algorithm EdDSA -o o.yaml; sed -i /sub:/d o.yaml
             cc-jwt spec issue -q o.yaml > t",
            "cc-jwt verify --token-file t --key k/public.pem --endpoint user-api",
            "issue it for a user: cc-jwt issue NAME",
        )
        .with(&[("NAME", "fritz")])
        .then("cc-jwt verify --token-file out.txt --endpoint user-api"),
    ]
}

fn users() -> Vec<Situation> {
    vec![
        case(
            "",
            "cc-jwt revoke",
            "with 'validate-user' the server rejects the tokens of a deleted user: 'cc-user del NAME'; 'A token was leaked' in cc-auth(7) describes the steps",
        )
        .with(&[("NAME", "fritz")])
        .prints("deleted 'fritz'"),
        case(
            "",
            "cc-user role set fritz user",
            "'cc-user set NAME --role ROLE[,ROLE]' replaces all roles of a user",
        )
        .with(&[("NAME --role ROLE[,ROLE]", "fritz --role support,user")])
        .prints("'fritz' has the roles support,user"),
        case("", "cc-user role list fritz", "'cc-user show NAME' prints the roles of a user")
            .with(&[("NAME", "fritz")])
            .prints("roles     user,api"),
        case(
            "cc-user role add -q fritz manager",
            "cc-user project set fritz p1",
            "'cc-user set NAME --project PROJECT[,PROJECT]' replaces all projects of a manager",
        )
        .with(&[("NAME --project PROJECT[,PROJECT]", "fritz --project p1,p2")])
        .prints("'fritz' has the projects p1,p2"),
        case("", "cc-user role add fritz manager", "add one with 'cc-user project add fritz PROJECT'")
            .with(&[("PROJECT", "physics")]),
        case("", "cc-user project add fritz physics", "cc-user role add fritz manager"),
        case("", "cc-user doctor --offline", "cc-user role add NAME admin").with(&[("NAME", "fritz")]),
        case("cc-user role remove -q fritz user,api", "cc-user doctor --offline", "cc-user role add fritz user"),
        case("cc-user role add -q fritz manager", "cc-user doctor --offline", "cc-user project add fritz PROJECT")
            .with(&[("PROJECT", "qcd")]),
        case("", "cc-user doctor --offline", "cc-user passwd fritz")
            .with(&[("cc-user passwd fritz", "cc-user passwd fritz --password-file pw")]),
        case("chmod 644 .env", "cc-user doctor --offline", "chmod 600 ./.env"),
        case("cc-user disable -q fritz", "cc-user role add fritz support", "cc-user enable fritz"),
        case("", "cc-user undo 20200101", "cc-user log").prints("cc-user add"),
        case("", "cc-user disable fritz", "'cc-user enable fritz' restores the roles user,api")
            .prints("'fritz' is enabled and has the roles user,api"),
        case("cc-user role remove -q fritz user,api; cc-user disable -q fritz", "cc-user enable fritz", "cc-user set fritz --role ROLE")
            .with(&[("ROLE", "user")]),
        case("", "cc-user set fritz", "'cc-user set --help' lists the options").prints("--clear-email"),
        case(
            "cc-user add -q paul --role manager --project physics --project 'a b' --no-password",
            "cc-user role remove paul manager",
            "cc-user project remove paul physics 'a b'",
        ),
        case(
            "echo '{\"username\":\"paul\",\"roles\":[\"manager\",\"user\"],\"projects\":[\"a,b\"],\"source\":\"local\"}' | cc-user import -q -",
            "cc-user role remove paul manager",
            "cc-user set paul --clear-projects",
        ),
        case(
            "echo '{\"username\":\"lena\",\"roles\":[\"user\"],\"source\":\"ldap\"}' | cc-user import -q -",
            "cc-user del lena",
            "the next sync adds the user again if the LDAP directory still has the entry; to delete the user nevertheless: cc-user del --source ldap lena",
        )
        .then("! cc-user show lena"),
        case("", "cc-user add mia:user", "to type the password at a prompt: cc-user add NAME --role ROLE[,ROLE]")
            .with(NEW)
            .then("cc-user show mia"),
        case(
            "",
            "cc-user add mia:usr:pw",
            "the roles are admin, support, manager, user, api, anonymous; to type the password at a prompt: cc-user add NAME --role ROLE[,ROLE]",
        )
        .with(NEW)
        .then("cc-user show mia"),
        case(
            "printf 'username,roles\\nmia,api\\nmax,api\\n' > u.csv",
            "cc-user add mia max --role api",
            "to add several users: cc-user import FILE",
        )
        .with(&[("FILE", "u.csv")])
        .then("cc-user show mia && cc-user show max"),
        case(
            "cc-user add -q m --role manager --no-password $(seq -f '--project p%.0f' 300)",
            "cc-user project add m x",
            "(list them with 'cc-user show m')",
        )
        .prints("p299"),
        case(
            "printf 'username,password\\nmia,x\\n' > u.csv",
            "cc-user import u.csv",
            "a password is imported as its bcrypt hash, in the column 'password_hash'; without one, set it after the import: cc-user passwd NAME",
        )
        .with(NAME)
        .then("cc-login fritz --password-file pw"),
        case(
            "printf 'username,roles,password_hash\\nmia,user,x\\n' > u.csv",
            "cc-user import u.csv",
            "expected a bcrypt hash ($2a$, $2b$ or $2y$); without one, set a password after the import: cc-user passwd NAME",
        )
        .with(NAME)
        .then("cc-login fritz --password-file pw"),
        case(
            DAMAGE,
            "cc-user role add fritz api",
            "write it anew: echo '{\"username\":\"fritz\",\"roles\":[\"user\"],\"projects\":[]}' | cc-user import --update -",
        ),
        case(
            DAMAGE_OF_SPACED,
            "cc-user role add 'a b' api",
            "write its roles and projects anew with 'cc-user import --update FILE'",
        )
        .with(&[("FILE", "u.csv")]),
    ]
}

fn sessions() -> Vec<Situation> {
    vec![
        case("", "cc-login status", "cc-login NAME").with(NAME_BEFORE),
        case(PASSWORD, "USER= LOGNAME= cc-login --password-file pw", "cc-login NAME")
            .with(NAME)
            .then("cc-login status"),
        case(
            "cc-user passwd fritz --password-file pw -q; cc-login fritz -q --password-file pw",
            "cc-login status --at +1000h",
            "cc-login fritz",
        )
        .with(LOGIN)
        .then("cc-login status"),
        case(
            "cc-user passwd fritz --password-file pw -q; cc-login fritz -q --password-file pw",
            "cc-login refresh",
            "cc-login fritz",
        )
        .with(LOGIN)
        .then("cc-login status"),
        case(
            "cc-user passwd fritz --password-file pw -q; cc-login fritz -q --password-file pw",
            "cc-login satus",
            "did you mean 'cc-login status'? To log in under this name: cc-login username=satus",
        )
        .prints("fritz"),
        case(
            "cc-user add satus -q --role user --password-file pw --db var/job.db; cc-user del satus -q",
            "cc-login satus",
            "did you mean 'cc-login status'? To log in under this name: cc-login username=satus",
        )
        .nth(1)
        .with(&[(
            "cc-login username=satus",
            "cc-user add satus -q --role user --password-file pw; cc-login username=satus --password-file pw",
        )])
        .then("cc-login status"),
        case(
            "cc-user passwd fritz --password-file pw -q; sed -i /JWT_/d .env",
            "cc-login fritz --password-file pw",
            "create a key pair with gen-keypair --write",
        ),
        case(
            "cc-user passwd fritz --password-file pw -q; sed -i /JWT_/d .env; cc-login fritz -q --password-file pw",
            "cc-login token",
            "add the user with 'cc-user add fritz --role user,api --no-password', or create a key pair with 'gen-keypair --write'; then log in again",
        )
        .nth(1)
        .then("cc-login fritz -q --password-file pw && cc-login token"),
        case(
            GHOST,
            GHOST_LOGIN,
            "set auth.jwts.sync-user-on-login to true, or: cc-user add ghost --role user --no-password; then log in again",
        ),
        case(
            GHOST_DISABLED,
            GHOST_LOGIN,
            "cc-user enable ghost",
        ),
        case(
            GHOST_ENABLED,
            GHOST_LOGIN,
            "lock the account at the issuer, then: cc-user disable ghost",
        )
        .then("cc-user list --disabled -q | grep -q ghost"),
        case(
            GHOST_IN,
            "cc-login token",
            "add the user with 'cc-user add ghost --role user --no-password', or create a key pair with 'gen-keypair --write'; then log in again",
        )
        .then("cc-login -q --method token --token-file t && cc-login token"),
        case(
            "cc-user passwd fritz --password-file pw -q; cc-login fritz -q --password-file pw
             for file in $(find .home -name '@*.json'); do echo x > $file; done",
            "cc-login status",
            "run 'cc-login logout', then log in again",
        )
        .then("cc-login fritz -q --password-file pw && cc-login status"),
        case(PASSWORD, "cc-login status --session site", "cc-login NAME --session site").with(NAME),
        case(
            "mkdir a b; for d in a b; do (cd $d; cc-user init -q; cc-user add fritz -q --role user --password-file ../pw;
             cc-login fritz -q --password-file ../pw); done",
            "cc-login status",
            "select one with --session NAME or the variable CC_SESSION; 'cc-login sessions' lists them",
        )
        .prints("fritz"),
        case(
            "",
            "cc-login status --session a/b",
            "'cc-login sessions' lists the sessions that can be selected",
        )
        .prints("no sessions"),
        case("", "cc-login status --session /none", "'cc-login sessions' lists the sessions").prints("no sessions"),
        case(
            "cc-user passwd fritz --password-file pw -q; cc-login fritz -q --password-file pw --session site
             for file in $(find .home -name site.json); do echo x > $file; done",
            "cc-login status",
            "run 'cc-login logout --session site', then log in again",
        )
        .then("cc-login fritz -q --password-file pw && cc-login status"),
        case(
            "cc-user passwd fritz --password-file pw -q; cc-login fritz -q --password-file pw --session site",
            "cc-login refresh",
            "cc-login fritz --session site",
        )
        .with(&[("cc-login fritz", "cc-login fritz --password-file pw")])
        .then("cc-login status --session site"),
    ]
}

fn resources() -> Vec<Situation> {
    vec![
        case("echo > e.yaml", "cc-jwt spec check e.yaml", "write one to start from: cc-jwt spec new")
            .then("cc-jwt spec check --no-key out.txt"),
        case(
            "gen-keypair -q --algorithm es256 --format pem -o k; cp k/private.pem key.pem",
            "cc-jwt spec new -o 'o p.yaml'",
            "check it: cc-jwt spec check 'o p.yaml'",
        )
        .prints("is valid"),
        case(RESOURCE, "cc-jwt renew --spec o.yaml -o /dev/null", "to print a token: cc-jwt spec issue FILE")
            .with(&[("FILE", "o.yaml")])
            .then("cc-jwt inspect --token-file out.txt"),
        case(
            TWO_RESOURCES,
            "cc-jwt spec issue two.yaml -o x.jwt",
            "for a file per resource: cc-jwt renew --spec FILE --out-dir DIR",
        )
        .with(&[("FILE", "two.yaml"), ("DIR", "out")])
        .then("cc-jwt inspect --token-file out/my-token"),
    ]
}

/// The commands in a message, each up to where the quotation mark or parenthesis before it ends, or
/// the clause.
fn commands(message: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut at = 0;
    while at < message.len() {
        let rest = &message[at..];
        let before = message[..at].chars().next_back();
        if !rest.is_char_boundary(0)
            || before.is_some_and(|before| !" '(".contains(before))
            || !STARTS.iter().any(|start| rest.starts_with(start))
        {
            at += rest.chars().next().map_or(1, char::len_utf8);
            continue;
        }
        let length = match before {
            Some('\'') => rest.find('\''),
            Some('(') => rest.find(')'),
            _ => ["; ", ", or "].iter().filter_map(|end| rest.find(end)).min(),
        };
        let command = &rest[..length.unwrap_or(rest.len())];
        found.push(command.trim_end().to_owned());
        at += command.len();
    }
    found
}

/// What the commands in hints begin with.
const STARTS: [&str; 11] = [
    "cc-user ",
    "cc-jwt ",
    "cc-login ",
    "gen-keypair ",
    "convert-pem-pubkey ",
    "chmod ",
    "chown ",
    "openssl ",
    "ssh-keygen ",
    "mkdir ",
    "echo ",
];

/// What went wrong with a hint; none: it led to success.
fn fault(situation: &Situation) -> Option<String> {
    let directory = TestEnv::new();
    directory.sh(&format!("{SETUP}{}", situation.setup)).ended(0);
    let before = directory.sh(situation.command);
    let shown = |run: &Run| format!("{}{}", run.stdout, run.stderr);
    let output = shown(&before);
    let ends = |line: &&str| line.trim_end().ends_with(situation.hint) && line.contains(": ");
    let Some(line) = output.lines().find(ends) else {
        return Some(format!("the hint is not printed:\n{output}"));
    };
    // The command is taken out of what was printed.
    let printed = line.rsplit_once("hint: ").map_or(line, |(_, hint)| hint);
    let Some(mut command) = commands(printed).into_iter().nth(situation.index) else {
        return Some(format!("no command in '{printed}'"));
    };
    for (from, to) in situation.values {
        if !command.contains(from) {
            return Some(format!("no '{from}' in '{command}'"));
        }
        command = command.replace(from, to);
    }
    let hinted = directory.sh(&format!("{command} > out.txt"));
    let hinted_output = format!("{}{}", directory.read("out.txt"), hinted.stderr);
    if hinted.status != 0 {
        return Some(format!("'{command}' ended with {}:\n{hinted_output}", hinted.status));
    }
    match situation.after {
        After::Prints(text) => {
            (!hinted_output.contains(text)).then(|| format!("'{command}' printed:\n{hinted_output}"))
        }
        After::Gone(again) => {
            let after = directory.sh(again.unwrap_or(situation.command));
            let is_better = after.status == 0 && !shown(&after).lines().any(|line| ends(&line));
            (!is_better).then(|| format!("after '{command}', {}:\n{}", after.status, shown(&after)))
        }
    }
}

/// Each command is run as it is printed, and the fault is gone.
#[test]
fn hinted_command_leads_to_success() {
    let situations = situations();
    let failed: Vec<String> = std::thread::scope(|scope| {
        let half = situations.len().div_ceil(2);
        let threads: Vec<_> = situations
            .chunks(half)
            .map(|part| {
                let each = |situation: &Situation| {
                    fault(situation).map(|fault| format!("{}\n  {fault}", situation.command))
                };
                scope.spawn(move || part.iter().filter_map(each).collect::<Vec<_>>())
            })
            .collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    println!("hints: {} situations", situations.len());
    assert!(failed.is_empty(), "{} hints do not help:\n{}", failed.len(), failed.join("\n"));
}

/// What root wrote in the directory of another account; only root can change an owner.
#[test]
fn hinted_chown_gives_the_file_to_the_account() {
    if !has_root() {
        return;
    }
    let directory = TestEnv::new();
    // A directory that another account may have made gives its files no owner.
    directory.sh("mkdir -m 1777 d && mkdir d/e && chown 12345 d/e").ended(0);
    let write = "cc-jwt spec new --force -o d/e/spec.yaml";
    let before = directory.sh(write).ended(0);
    let hint = before.stderr.lines().find_map(|line| line.split_once("hint: ")).unwrap();
    let command = commands(hint.1).remove(0);
    assert_eq!(command, "chown 12345 d/e/spec.yaml");
    directory.sh(&command).ended(0);
    // The account can read the file now.
    assert_eq!(directory.sh("stat -c %u d/e/spec.yaml").ended(0).stdout.trim(), "12345");
}

/// Commands in the sources that no situation runs: a part of the command, and why.
const NOT_RUN: &[(&str, &str)] = &[
    ("cc-jwt never expire", "a sentence"),
    ("cc-login never expire", "a sentence"),
    (
        "cc-jwt spec check FILE validates",
        "a comment in the file of 'cc-jwt spec new'; another situation runs it",
    ),
    ("cc-jwt renew --spec FILE -o TOKEN", "the same; osdf.rs runs it"),
    ("cc-jwt role check", "the name of a command"),
    ("cc-jwt verify", "the name of a command"),
    ("cc-jwt jwks", "the name of a command"),
    ("cc-user add", "the name of a command"),
    ("openssl ", "key_forms.rs runs each on a key that it converts"),
    ("ssh-keygen ", "key_forms.rs runs each on a key that it converts"),
    ("chown {directory}", "hinted_chown_gives_the_file_to_the_account runs it"),
    ("cc-login --method oidc", "needs a provider: oidc.rs and recipes.rs log in at one"),
    ("cc-login --method token", "needs another token of the issuer: cc_login.rs logs in by one"),
    ("cc-login --method remote --server", "needs a server: remote_login.rs logs in at one"),
    ("cc-login --method stronghold", "needs a server: stronghold_login.rs logs in at one"),
    ("cc-login NAME --server {}", "needs a server: remote_login.rs logs in at one"),
    ("cc-login {name} --server {}", "needs a server: remote_login.rs logs in at one"),
    (
        "cc-login logout --everywhere",
        "needs a login at a provider: oidc_parameters.rs and keycloak.rs run it",
    ),
    ("cc-login logout --session NAME", "printed if 1000 sessions are stored: cc_login.rs ends one"),
    ("cc-login {name} --method remote", "needs a server: remote_login.rs logs in at one"),
    ("cc-user sync-ldap --check", "needs an LDAP directory: group_map.rs runs it"),
    ("cc-login token --session {} | cc-user list", "needs a server: remote_users.rs runs it"),
    ("chown --reference={}", "needs another account: doctor.rs and doctor_installations.rs run it"),
    ("chown root {word}", "needs another account: doctor_installations.rs runs it"),
    ("cc-user set {name} --role user", "needs a row with an unknown role: doctor_installations.rs runs it"),
    ("cc-user sync-slurm --dry-run", "printed above a limit: slurm/ runs it"),
    ("cc-user sync-slurm", "the name of a command: slurm/ runs it"),
    ("cc-user sync-ldap --dry-run", "needs an LDAP directory: recipes.rs runs it"),
    ("cc-user sync-ldap", "needs an LDAP directory: doctor.rs runs it"),
    ("cc-user list --names --db", "needs files of another account: database_files.rs runs it"),
    ("convert-pem-pubkey key.pem", "printed where a terminal is standard input: prompts.rs"),
    ("convert-pem-pubkey --write", "no program requires the key of another issuer"),
    ("gen-keypair --algorithm hs512", "the key of the situation that replaces it in the file is the same"),
    ("gen-keypair --algorithm es256", "printed for a published key, whose private half is not in the tests"),
];

/// The string literals of a source file outside of its tests and comments.
pub fn literals(source: &str) -> Vec<String> {
    // The names of the commands with a report are in a table for tests.
    let is_code = |line: &&str| !line.trim_start().starts_with("//") && !line.contains("Report::of::<");
    let lines = source.lines().filter(is_code);
    let code = lines.collect::<Vec<_>>().join("\n").replace("'\"'", "' '");
    let mut found = Vec::new();
    let mut rest = code.as_str();
    while let Some((_, after)) = rest.split_once('"') {
        let mut literal = String::new();
        let mut characters = after.char_indices();
        let mut end = after.len();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    end = at + 1;
                    break;
                }
                '\\' => match characters.next() {
                    Some((_, '\n')) => literal.push('\n'),
                    Some((_, other)) => literal.push(other),
                    None => {}
                },
                '\n' => literal.push(' '),
                other => literal.push(other),
            }
        }
        // A line that continues begins without its indent.
        let mut lines = literal.split('\n');
        let first = lines.next().unwrap_or_default().to_owned();
        found.push(lines.fold(first, |text, line| text + line.trim_start()));
        rest = &after[end..];
    }
    found
}

/// Whether a text is what a format string makes.
fn is_of_format(text: &str, format: &str) -> bool {
    let format = format.replace("{{", "\u{1}").replace("}}", "\u{2}");
    let mut parts = format.split('{').map(|part| part.split_once('}').map_or(part, |(_, after)| after));
    let plain = |part: &str| part.replace('\u{1}', "{").replace('\u{2}', "}");
    let first = plain(parts.next().unwrap_or_default());
    let Some(mut rest) = text.strip_prefix(&first) else { return false };
    let mut ends_with = first.len() == text.len() || format.contains('{');
    for part in parts {
        let part = plain(part);
        let Some(at) = (if part.is_empty() { Some(rest.len()) } else { rest.rfind(&part) }) else {
            return false;
        };
        rest = &rest[at + part.len()..];
        ends_with = rest.is_empty() || !part.is_empty();
    }
    ends_with && rest.is_empty()
}

/// The files of the sources with texts that users see, but the pages of the manual, whose examples
/// are run by `examples.rs`, and the names of reports.
fn sources(directory: &Path, found: &mut Vec<(String, String)>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() && name != "rules" {
            sources(&path, found);
        } else if path.is_file() && name != "rules.rs" && !name.starts_with("page") {
            found.push((path.display().to_string(), crate::support::code_without_tests(&path)));
        }
    }
}

/// Each command that a message can name is run by a situation, or the reason is given.
#[test]
fn command_in_a_message_is_run_by_a_situation() {
    let run: Vec<String> =
        situations().iter().map(|situation| commands(situation.hint).swap_remove(situation.index)).collect();
    let mut files = Vec::new();
    sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut files);
    let mut used = vec![false; NOT_RUN.len()];
    let (mut count, mut missing) = (0, Vec::new());
    for (path, source) in files.iter().filter(|(path, _)| !path.ends_with("cli/schema.rs")) {
        for command in literals(source).iter().flat_map(|literal| commands(literal)) {
            count += 1;
            if run.iter().any(|run| is_of_format(run, &command)) {
                continue;
            }
            match NOT_RUN.iter().position(|(part, _)| command.starts_with(part)) {
                Some(at) => used[at] = true,
                None => missing.push(format!("{path}: {command}")),
            }
        }
    }
    println!("hints: {count} commands in {} files", files.len());
    assert!(count > 60, "only {count} commands found");
    assert!(missing.is_empty(), "no situation runs:\n{}", missing.join("\n"));
    let unused = NOT_RUN.iter().zip(&used).filter(|(_, used)| !**used).map(|((part, _), _)| *part);
    assert_eq!(unused.collect::<Vec<_>>(), [""; 0], "no message names these");
}
