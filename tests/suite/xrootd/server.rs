//! XRootD on loopback, with an issuer that is a static web server.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::httpd::{Reply, Server};
use crate::slapd::{Authority, free_port};
use crate::support::{has, has_root, skip};

/// The account of XRootD, which does not run as root.
const ACCOUNT: &str = "xrootd";

/// The list of trusted authorities that libcurl reads on Debian. libscitokens 0.7 does not have a setting
/// for it, so XRootD runs in a mount namespace of its own where this file has the test's authority too.
const TRUSTED: &str = "/etc/ssl/certs/ca-certificates.crt";

/// The version whose answers are recorded.
const VERSION: &str = "v5.5.";

/// Whether XRootD can be tested with on this machine.
pub fn has_xrootd() -> bool {
    if !(has("xrootd") && has("xrdfs") && has("curl") && has("unshare") && has("openssl") && has_root()) {
        return false;
    }
    let version = Command::new("xrootd").arg("-v").output().unwrap();
    let version =
        format!("{}{}", String::from_utf8_lossy(&version.stdout), String::from_utf8_lossy(&version.stderr));
    version.contains(VERSION)
        || skip(&format!("the responses are recorded for XRootD {VERSION}x, found {}", version.trim()))
}

/// The status of a file that another request has open (RFC 4918 11.3).
const LOCKED: u16 = 423;

/// The issuer: an https server that serves the files of a directory, as any web server does.
pub struct IssuerServer {
    server: Server,
    pub authority: Authority,
    /// What it serves: the directory that `cc-jwt jwks --out-dir` writes.
    pub directory: tempfile::TempDir,
}

impl IssuerServer {
    pub fn start() -> Self {
        let (authority, directory) = (Authority::new(), tempfile::tempdir().unwrap());
        let root = directory.path().to_owned();
        let server = Server::start_tls(server_config(&authority), move |request| {
            match fs::read(root.join(request.path.trim_start_matches('/'))) {
                Ok(content) if request.method == "GET" => Reply::status(200, "application/json", content),
                _ => Reply::status(404, "text/plain", "not found"),
            }
        });
        Self { server, authority, directory }
    }

    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.server.port())
    }
}

fn server_config(authority: &Authority) -> Arc<rustls::ServerConfig> {
    use rustls::pki_types::pem::PemObject as _;
    let (certificate, key) = authority.issue(2100);
    let certificate = rustls::pki_types::CertificateDer::from_pem_file(certificate).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(key).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    Arc::new(config)
}

/// XRootD with the SciTokens plugin; it ends when it is dropped. Its cache of keys is empty at the start.
pub struct XrootdServer {
    directory: tempfile::TempDir,
    child: Option<Child>,
    https_port: u16,
    root_port: u16,
}

/// What the site trusts: lines of `scitokens.cfg`.
pub struct Site<'a> {
    /// The audience; without it only tokens for any service are accepted.
    pub has_audience: bool,
    /// Lines below `[Issuer …]` and `issuer = …`.
    pub issuer: &'a str,
}

/// A site with an audience whose whole tree belongs to the issuer.
pub const WHOLE_TREE: Site<'static> = Site { has_audience: true, issuer: "base_path = /\n" };

impl XrootdServer {
    /// Starts it with files in these paths of its tree.
    pub fn start(issuer: &IssuerServer, site: &Site<'_>, files: &[&str]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        for name in ["data", "home", "admin", "ca"] {
            fs::create_dir(path(name)).unwrap();
        }
        for file in files {
            let file = path("data").join(file.trim_start_matches('/'));
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "content\n").unwrap();
        }
        let (certificate, key) = issuer.authority.issue(2099);
        fs::copy(certificate, path("tls.pem")).unwrap();
        fs::copy(key, path("tls.key")).unwrap();
        fs::copy(issuer.authority.file(), path("ca.pem")).unwrap();
        fs::copy(issuer.authority.file(), path("ca/ca.pem")).unwrap();
        let mut trusted = fs::read(TRUSTED).unwrap();
        trusted.extend(fs::read(path("ca.pem")).unwrap());
        fs::write(path("trusted.pem"), trusted).unwrap();
        fs::set_permissions(path("tls.key"), fs::Permissions::from_mode(0o400)).unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let ran = |command: &mut Command| {
            let output = command.output().unwrap();
            assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
        };
        ran(Command::new("openssl").arg("rehash").arg(path("ca")));
        ran(Command::new("chown").args(["-R", ACCOUNT]).arg(directory.path()));
        let mut server = Self { directory, child: None, https_port: 0, root_port: 0 };
        // A port found free may be taken by another test before XRootD has it.
        for _ in 0..5 {
            if server.run(issuer, site) {
                return server;
            }
        }
        panic!("XRootD does not start: {}", server.log());
    }

    fn run(&mut self, issuer: &IssuerServer, site: &Site<'_>) -> bool {
        (self.https_port, self.root_port) = (free_port(), free_port());
        let here = self.directory.path().display();
        let mut trust = String::from("[Global]\n");
        if site.has_audience {
            let _ = writeln!(trust, "audience = {}", self.audience());
        }
        let _ = write!(trust, "\n[Issuer test]\nissuer = {}\n{}", issuer.url(), site.issuer);
        fs::write(self.file("scitokens.cfg"), trust).unwrap();
        let configuration = format!(
            "xrd.port {root}\nxrd.protocol XrdHttp:{https} libXrdHttp.so\nxrd.tls {here}/tls.pem {here}/tls.key\n\
             xrd.tlsca certfile {here}/ca.pem\noss.localroot {here}/data\nall.export /\n\
             all.adminpath {here}/admin\nall.pidpath {here}/admin\nhttp.header2cgi Authorization authz\n\
             http.listingdeny no\nxrootd.seclib libXrdSec.so\nsec.protocol ztn\nxrootd.tls capable all\n\
             ofs.authorize 1\nofs.authlib libXrdAccSciTokens.so config={here}/scitokens.cfg\nscitokens.trace all\n",
            root = self.root_port,
            https = self.https_port,
        );
        fs::write(self.file("xrootd.cfg"), configuration).unwrap();
        let script = format!(
            "mount --bind {here}/trusted.pem {TRUSTED} && \
             exec xrootd -R {ACCOUNT} -l {here}/admin/log -n test -c {here}/xrootd.cfg"
        );
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c", &script])
            .env("HOME", self.file("home"))
            .env("XDG_CACHE_HOME", self.file("home"))
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.file("stderr")).unwrap())
            .spawn()
            .unwrap();
        self.child = Some(child);
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(30) {
            if self.log().contains("initialization completed.\n") && self.answers() {
                return true;
            }
            if !matches!(self.child.as_mut().unwrap().try_wait(), Ok(None)) {
                return false;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    fn answers(&self) -> bool {
        std::net::TcpStream::connect(("127.0.0.1", self.https_port)).is_ok()
            && std::net::TcpStream::connect(("127.0.0.1", self.root_port)).is_ok()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Its log, with the reason of each rejection.
    pub fn log(&self) -> String {
        let log = fs::read(self.file("admin/test/log")).unwrap_or_default();
        let stderr = fs::read(self.file("stderr")).unwrap_or_default();
        format!("{}{}", String::from_utf8_lossy(&stderr), String::from_utf8_lossy(&log))
    }

    /// Its own URL, which is the audience it requires.
    pub fn audience(&self) -> String {
        format!("https://localhost:{}", self.https_port)
    }

    pub fn authority(&self) -> PathBuf {
        self.file("ca.pem")
    }

    /// The answers to requests over https: method, URL path and token each. All in one process and on one
    /// connection, in their order.
    pub fn https(&self, requests: &[(&str, &str, &str)]) -> Vec<u16> {
        let mut codes = self.https_once(requests);
        // The server closes an uploaded file after its answer. Until then it is locked for the next request,
        // before the token is checked.
        for _ in 0..50 {
            let locked: Vec<usize> = (0..codes.len()).filter(|at| codes[*at] == LOCKED).collect();
            if locked.is_empty() {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
            let again: Vec<_> = locked.iter().map(|at| requests[*at]).collect();
            for (at, code) in locked.into_iter().zip(self.https_once(&again)) {
                codes[at] = code;
            }
        }
        codes
    }

    fn https_once(&self, requests: &[(&str, &str, &str)]) -> Vec<u16> {
        fs::write(self.file("upload"), "new content\n").unwrap();
        let mut lines = String::new();
        for (method, path, token) in requests {
            // Each request has its own header; curl sends an upload as PUT with its length.
            let method = match *method {
                "PUT" => format!("upload-file=\"{}\"", self.file("upload").display()),
                other => format!("request={other}"),
            };
            let _ = writeln!(
                lines,
                "url=\"{}{path}\"\n{method}\nheader=\"Authorization: Bearer {token}\"\npath-as-is\nsilent\n\
                 globoff\nmax-time=20\noutput=/dev/null\nwrite-out=\"%{{http_code}}\\n\"\ncacert=\"{}\"\nnext",
                self.audience(),
                self.authority().display(),
            );
        }
        let lines = lines.trim_end().trim_end_matches("next");
        let answer = assert_cmd::Command::new("curl")
            .args(["-q", "-K", "-"])
            .write_stdin(lines)
            .timeout(Duration::from_secs(120))
            .output()
            .unwrap();
        let codes: Vec<u16> =
            String::from_utf8_lossy(&answer.stdout).lines().map(|line| line.parse().unwrap()).collect();
        assert_eq!(codes.len(), requests.len(), "{}", String::from_utf8_lossy(&answer.stderr));
        codes
    }

    /// A command of `xrdfs` over `roots://` with a token; whether it succeeded, and its message.
    pub fn root(&self, arguments: &[&str], token: &str) -> Result<(), String> {
        self.root_command(arguments).env("BEARER_TOKEN", token).output().map(finished).unwrap()
    }

    /// The same with the file in which the client finds its token.
    pub fn root_with_file(&self, arguments: &[&str], token: &Path) -> Result<(), String> {
        self.root_command(arguments).env("BEARER_TOKEN_FILE", token).output().map(finished).unwrap()
    }

    fn root_command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("xrdfs");
        command
            .arg(format!("roots://localhost:{}", self.root_port))
            .args(arguments)
            .env_remove("BEARER_TOKEN")
            .env_remove("BEARER_TOKEN_FILE")
            .env_remove("XDG_RUNTIME_DIR")
            .env("X509_CERT_DIR", self.file("ca"))
            .env("XrdSecPROTOCOL", "ztn");
        command
    }
}

fn finished(output: std::process::Output) -> Result<(), String> {
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }
}

impl Drop for XrootdServer {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}
