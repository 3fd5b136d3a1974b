//! One Active Directory domain by Samba for all tests, and an organizational unit for each test. Its
//! ports are fixed: it is in a network namespace of its own, and so are the programs under test.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::servers::ServerScript;
use crate::support::{Run, TestEnv, has, has_root};
use crate::sync::directory_for;

/// The root of the domain.
pub const DOMAIN: &str = "dc=hpc,dc=test";

const PASSWORD: &str = "Adm1n-password";

struct Samba {
    _script: ServerScript,
    namespace: String,
    ca_file: String,
}

fn server() -> Option<&'static Samba> {
    static SERVER: OnceLock<Samba> = OnceLock::new();
    if !has("samba-tool") || !has("samba") || !has("ip") || !has_root() {
        return None;
    }
    Some(SERVER.get_or_init(|| {
        let namespace = format!("cctest{}", std::process::id());
        let mut script = ServerScript::start("samba", &[&namespace]);
        let [ca_file, _smb_conf] = script.lines();
        Samba { _script: script, namespace, ca_file }
    }))
}

/// An organizational unit with users.
pub struct Unit {
    server: &'static Samba,
    pub name: &'static str,
    pub base: String,
}

impl Unit {
    /// Creates a unit; `None` if the test is skipped. Usernames are unique in the whole domain: they
    /// begin with the name of the unit.
    pub fn new(name: &'static str) -> Option<Self> {
        let unit = Self { server: server()?, name, base: format!("ou={name},{DOMAIN}") };
        unit.add(&format!("dn: {}\nobjectClass: organizationalUnit\nou: {name}\n", unit.base));
        unit.add_users(&["sync"]);
        Some(unit)
    }

    /// The distinguished name of a user.
    pub fn dn(&self, user: &str) -> String {
        format!("cn={user},{}", self.base)
    }

    /// Adds users; the username is `UNIT-NAME` and the password the name and `pw`.
    pub fn add_users(&self, names: &[&str]) {
        let mut ldif = String::new();
        for name in names {
            // Active Directory's form of a password: in quotes, as UTF-16.
            let password: Vec<u8> =
                format!("\"{name}pw\"").encode_utf16().flat_map(u16::to_le_bytes).collect();
            let _ = write!(
                ldif,
                "dn: {0}\nchangetype: add\nobjectClass: user\nsAMAccountName: {1}-{name}\n\
                 userPrincipalName: {1}-{name}@hpc.test\ndisplayName: Full {name}\nuserAccountControl: 544\n\n\
                 dn: {0}\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: {2}\n-\n\
                 replace: userAccountControl\nuserAccountControl: 512\n\n",
                self.dn(name),
                self.name,
                STANDARD.encode(password)
            );
        }
        self.change(&ldif);
    }

    /// Adds entries in LDIF.
    #[track_caller]
    pub fn add(&self, ldif: &str) {
        self.modify(&["-a"], ldif);
    }

    /// Changes entries in LDIF.
    #[track_caller]
    pub fn change(&self, ldif: &str) {
        self.modify(&[], ldif);
    }

    #[track_caller]
    fn modify(&self, arguments: &[&str], ldif: &str) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.server.namespace, "ldapmodify", "-x", "-H", "ldaps://127.0.0.1"])
            .args(["-D", "Administrator@hpc.test", "-w", PASSWORD])
            .args(arguments)
            // Passwords are accepted over TLS only. libldap compares another name than the one of the URL.
            .env("LDAPTLS_REQCERT", "never")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        Run::from(child.wait_with_output().unwrap()).ended(0);
    }

    /// Reads the only value of an attribute of the entry in this unit that a filter finds; empty without one.
    pub fn read(&self, filter: &str, attribute: &str) -> String {
        let output = Command::new("ip")
            .args(["netns", "exec", &self.server.namespace, "ldapsearch", "-x", "-LLL", "-o", "ldif-wrap=no"])
            .args(["-H", "ldap://127.0.0.1", "-D", "Administrator@hpc.test", "-w", PASSWORD])
            .args(["-b", &self.base, filter, attribute])
            .output()
            .unwrap();
        let run = Run::from(output).ended(0);
        let prefix = format!("{attribute}: ");
        run.stdout.lines().find_map(|line| line.strip_prefix(&prefix)).unwrap_or_default().to_owned()
    }

    pub fn ca_file(&self) -> &str {
        &self.server.ca_file
    }

    /// Runs a shell command in the network namespace of the server.
    pub fn sh(&self, directory: &TestEnv, line: &str) -> Run {
        let arguments = ["netns", "exec", &self.server.namespace, "sh", "-c", line];
        directory.command("ip").args(arguments).output().unwrap().into()
    }

    /// The directory of a site with the users of this unit; `more` goes into `auth.ldap`.
    pub fn directory(&self, more: Value) -> TestEnv {
        let mut ldap = json!({
            "user-base": self.base,
            "search-dn": self.dn("sync"),
            "user-bind": "{username}@hpc.test",
            "user-filter": format!("(&(objectClass=user)(!(sAMAccountName={}-sync)))", self.name),
            "uid-attr": "sAMAccountName",
            "username-attr": "displayName",
        });
        ldap.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        directory_for("ldap://localhost", ldap)
    }
}
