//! One 389 Directory Server for all tests, and a subtree for each test.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::{Value, json};

use crate::servers::ServerScript;
use crate::support::{Run, TestEnv, has, has_root};
use crate::sync::directory_for;

const SUFFIX: &str = "dc=hpc,dc=test";

struct Ds389 {
    _script: ServerScript,
    port: String,
    tls_port: String,
    ca_file: String,
}

fn server() -> Option<&'static Ds389> {
    static SERVER: OnceLock<Ds389> = OnceLock::new();
    if !has("ns-slapd") || !has_root() {
        return None;
    }
    Some(SERVER.get_or_init(|| {
        let mut script = ServerScript::start("389ds", &[SUFFIX]);
        let [port, tls_port, ca_file] = script.lines();
        Ds389 { _script: script, port, tls_port, ca_file }
    }))
}

/// A subtree with the service account `uid=sync`, which may read all of it, and a user for each name.
pub struct Subtree {
    server: &'static Ds389,
    pub base: String,
}

impl Subtree {
    /// Creates a subtree with a name of its own; `None` if the test is skipped.
    pub fn new(name: &str) -> Option<Self> {
        let subtree = Self { server: server()?, base: format!("o={name},{SUFFIX}") };
        let base = &subtree.base;
        subtree.add(&format!(
            "dn: {base}\nobjectClass: organization\no: {name}\n\
             aci: (targetattr=\"*\")(version 3.0; acl \"sync\"; allow (read, search, compare) \
             userdn=\"ldap:///uid=sync,{base}\";)\n\n\
             dn: uid=sync,{base}\nobjectClass: account\nobjectClass: simpleSecurityObject\nuid: sync\n\
             userPassword: syncpw\n\n\
             dn: ou=people,{base}\nobjectClass: organizationalUnit\nou: people\n\n\
             dn: ou=groups,{base}\nobjectClass: organizationalUnit\nou: groups\n"
        ));
        Some(subtree)
    }

    /// Adds users below `ou=people`; the password is the username and `pw`.
    pub fn add_users(&self, usernames: &[&str]) {
        let user = |uid: &&str| {
            format!(
                "dn: uid={uid},ou=people,{0}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\n\
                 objectClass: inetUser\nuid: {uid}\ncn: {uid}\nsn: x\nuidNumber: 1\ngidNumber: 1\n\
                 homeDirectory: /h\ngecos: Full {uid}\nuserPassword: {uid}pw\n\n",
                self.base
            )
        };
        self.add(&usernames.iter().map(user).collect::<String>());
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
        let mut child = Command::new("ldapmodify")
            .args(["-x", "-H", &self.url(), "-D", "cn=Directory Manager", "-w", "directory"])
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(ldif.as_bytes()).unwrap();
        Run::from(child.wait_with_output().unwrap()).ended(0);
    }

    pub fn url(&self) -> String {
        format!("ldap://localhost:{}", self.server.port)
    }

    pub fn ldaps(&self) -> String {
        format!("ldaps://localhost:{}", self.server.tls_port)
    }

    pub fn ca_file(&self) -> &str {
        &self.server.ca_file
    }

    /// The directory of a site with the users of this subtree; `more` goes into `auth.ldap`.
    pub fn directory(&self, more: Value) -> TestEnv {
        let mut ldap = json!({
            "user-base": format!("ou=people,{}", self.base),
            "search-dn": format!("uid=sync,{}", self.base),
            "user-bind": format!("uid={{username}},ou=people,{}", self.base),
        });
        ldap.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        directory_for(&self.url(), ldap)
    }
}
