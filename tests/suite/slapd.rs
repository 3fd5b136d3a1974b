//! A real OpenLDAP server of a test's own: started by hand on a loopback port and a socket, with
//! its own directory, filled by `slapadd`, stopped when it is dropped.

use std::fmt::Write as _;
use std::fs;
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, SanType};

pub const BASE: &str = "dc=rz,dc=example,dc=com";
pub const SYNC_DN: &str = "cn=sync,dc=rz,dc=example,dc=com";
pub const SYNC_PASSWORD: &str = "syncpw";

/// The entries above the people.
pub const TREE: &str = "\
dn: dc=rz,dc=example,dc=com
objectClass: dcObject
objectClass: organization
o: RZ
dc: rz

dn: ou=people,dc=rz,dc=example,dc=com
objectClass: organizationalUnit
ou: people

dn: cn=sync,dc=rz,dc=example,dc=com
objectClass: simpleSecurityObject
objectClass: organizationalRole
cn: sync
userPassword: syncpw

";

/// A user in the LDIF; the password is the name and `pw`.
pub fn person(uid: &str, name: &str) -> String {
    format!(
        "dn: uid={uid},ou=people,{BASE}\nobjectClass: inetOrgPerson\nobjectClass: posixAccount\nuid: {uid}\n\
         cn: {uid}\nsn: x\nuidNumber: 1\ngidNumber: 1\nhomeDirectory: /h\ngecos: {name}\nuserPassword: {uid}pw\n\n"
    )
}

/// The tree and so many people: `u000000` "User 0" and so on.
pub fn crowd(count: usize) -> String {
    let mut ldif = String::from(TREE);
    for number in 0..count {
        let _ = write!(
            ldif,
            "dn: uid=u{number:06},ou=people,{BASE}\nobjectClass: account\nobjectClass: posixAccount\n\
             uid: u{number:06}\ncn: u{number:06}\nuidNumber: 1\ngidNumber: 1\nhomeDirectory: /h\ngecos: User {number}\n\n"
        );
    }
    ldif
}

/// How the server is to be.
#[derive(Default)]
pub struct Manner {
    /// Lines of the global part of `slapd.conf`.
    pub global: String,
    /// Lines of the database part.
    pub database: String,
    /// Certificate and key for TLS, by [`Authority::issue`].
    pub tls: Option<(PathBuf, PathBuf)>,
}

pub struct Slapd {
    directory: tempfile::TempDir,
    child: Option<Child>,
    pub port: u16,
    pub tls_port: u16,
}

impl Slapd {
    pub fn with(ldif: &str) -> Self {
        Self::start(ldif, &Manner::default())
    }

    pub fn start(ldif: &str, manner: &Manner) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let data = directory.path().join("db");
        fs::create_dir(&data).unwrap();
        let schema = "/etc/ldap/schema";
        let mut conf = String::new();
        for name in ["core", "cosine", "nis", "inetorgperson"] {
            let _ = writeln!(conf, "include {schema}/{name}.schema");
        }
        let _ = writeln!(conf, "modulepath /usr/lib/ldap\nmoduleload back_mdb");
        let _ = writeln!(conf, "pidfile {0}/pid\nargsfile {0}/args", directory.path().display());
        if let Some((certificate, key)) = &manner.tls {
            let _ = writeln!(conf, "TLSCertificateFile {}", certificate.display());
            let _ = writeln!(conf, "TLSCertificateKeyFile {}", key.display());
        }
        let _ = writeln!(conf, "{}", manner.global);
        let _ = writeln!(conf, "database mdb\nsuffix \"{BASE}\"\nrootdn \"cn=root,{BASE}\"\nrootpw rootpw");
        let _ = writeln!(
            conf,
            "directory {}\nmaxsize 4294967296\ndbnosync\nindex objectClass,uid eq",
            data.display()
        );
        let _ = writeln!(conf, "{}", manner.database);
        let conf_path = directory.path().join("slapd.conf");
        fs::write(&conf_path, conf).unwrap();
        let ldif_path = directory.path().join("all.ldif");
        fs::write(&ldif_path, ldif).unwrap();
        let added = Command::new("/usr/sbin/slapadd")
            .args(["-q", "-f"])
            .arg(&conf_path)
            .arg("-l")
            .arg(&ldif_path)
            .output()
            .unwrap();
        assert!(added.status.success(), "slapadd: {}", String::from_utf8_lossy(&added.stderr));
        let mut server = Self { directory, child: None, port: 0, tls_port: 0 };
        // A port found free may be taken by another test before slapd has it.
        for _ in 0..5 {
            if server.run(manner.tls.is_some()) {
                return server;
            }
        }
        panic!("slapd does not start");
    }

    fn run(&mut self, tls: bool) -> bool {
        self.port = free_port();
        self.tls_port = free_port();
        let mut urls = format!("ldap://127.0.0.1:{} {}", self.port, self.ldapi());
        if tls {
            let _ = write!(urls, " ldaps://127.0.0.1:{}", self.tls_port);
            if has_ipv6() {
                let _ = write!(urls, " ldap://[::1]:{} ldaps://[::1]:{}", self.port, self.tls_port);
            }
        }
        let child = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-h", &urls, "-f"])
            .arg(self.directory.path().join("slapd.conf"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(20) {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            if !matches!(self.child.as_mut().unwrap().try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    pub fn url(&self) -> String {
        format!("ldap://127.0.0.1:{}", self.port)
    }

    pub fn ldaps(&self) -> String {
        format!("ldaps://localhost:{}", self.tls_port)
    }

    pub fn ldapi(&self) -> String {
        format!("ldapi://{}", self.directory.path().join("socket").display().to_string().replace('/', "%2F"))
    }

    /// Changes entries with `ldapmodify`'s LDIF.
    #[track_caller]
    pub fn modify(&self, ldif: &str) {
        let path = self.directory.path().join("change.ldif");
        fs::write(&path, ldif).unwrap();
        let done = Command::new("ldapmodify")
            .args(["-x", "-H", &self.url(), "-D", &format!("cn=root,{BASE}"), "-w", "rootpw", "-f"])
            .arg(&path)
            .output()
            .unwrap();
        assert!(done.status.success(), "ldapmodify: {}", String::from_utf8_lossy(&done.stderr));
    }

    /// Ends the server at once, as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Whether this machine has the address `::1`.
pub fn has_ipv6() -> bool {
    TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// A port without a listener at this moment.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A certificate authority made for a test.
pub struct Authority {
    directory: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "test authority");
        let certificate = params.self_signed(&key).unwrap();
        fs::write(directory.path().join("ca.pem"), certificate.pem()).unwrap();
        Self { directory, issuer: Issuer::new(params, key) }
    }

    pub fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    /// Certificate and key for `localhost`, good until the given year.
    pub fn issue(&self, last_year: i32) -> (PathBuf, PathBuf) {
        self.issue_for(SanType::DnsName("localhost".try_into().unwrap()), last_year)
    }

    /// The same for the address `::1` and no name.
    pub fn issue_for_ipv6(&self) -> (PathBuf, PathBuf) {
        self.issue_for(SanType::IpAddress(Ipv6Addr::LOCALHOST.into()), 2100)
    }

    fn issue_for(&self, subject: SanType, last_year: i32) -> (PathBuf, PathBuf) {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.not_before = rcgen::date_time_ymd(2000, 1, 1);
        params.not_after = rcgen::date_time_ymd(last_year, 1, 1);
        params.subject_alt_names = vec![subject];
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let path = |name: &str| -> PathBuf {
            Path::new(self.directory.path()).join(format!("{last_year}-{name}.pem"))
        };
        fs::write(path("cert"), certificate.pem()).unwrap();
        fs::write(path("key"), key.serialize_pem()).unwrap();
        (path("cert"), path("key"))
    }
}
