//! Renewal of tokens: the decision, the file, and the process that stays.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use serde_json::Value;

use cc_auth::key::SigningKey;
use cc_auth::osdf::signing::{find_key, sign};
use cc_auth::osdf::{FieldOverride, Resource, SigningContext, SourceName, reader};
use cc_auth::renew::{Due, TokenInFile, check};
use cc_auth::token::Unverified;
use cc_auth::util::environment::Environment;
use cc_auth::util::note::Notes;
use cc_auth::util::time::Timestamp;

use crate::support::{Run, TestEnv, data, programs, skip};

fn example() -> String {
    fs::read_to_string(data("osdf-example.yaml")).unwrap()
}

fn read(text: &str, changes: &[&str]) -> Resource {
    let changes: Vec<FieldOverride> =
        changes.iter().map(|text| FieldOverride::parse(text).unwrap()).collect();
    let mut found = reader::read(text, &SourceName("r".to_owned()), &changes, &mut Notes::new()).unwrap();
    found.remove(0)
}

fn key_of(resource: &Resource) -> SigningKey {
    let environment = Environment::default();
    let around = SigningContext::new(&environment, Path::new("."));
    find_key(resource, &around, &mut Notes::new()).unwrap()
}

/// The example's lifetime and resignBefore, in seconds.
const LIFE: i64 = 86_400;
const BEFORE: i64 = 5 * 3600;
const SIGNED: i64 = 1_800_000_000;

/// What is decided at a time about a token that the example signed at `SIGNED`, with changes made
/// to the resource since.
fn decided(changes: &[&str], now: i64) -> String {
    let resource = read(&example(), &[]);
    let token = sign(&resource, &key_of(&resource), Timestamp(SIGNED)).unwrap().token;
    let resource = read(&example(), changes);
    let key = key_of(&resource).verifying_key();
    match check(TokenInFile::Text(token.expose()), &resource, &key, Timestamp(now)) {
        Due::Fresh(times) => format!("fresh until {}", times.renew_at.0 - SIGNED),
        Due::Now { reason, .. } => reason.name().to_owned(),
    }
}

#[test]
fn due_is_decided_for_each_relation_of_now_expiry_and_resign_before() {
    let end = SIGNED + LIFE;
    let fresh = format!("fresh until {}", LIFE - BEFORE);
    for (now, expected) in [
        (SIGNED - 61, "not-yet-valid"),
        (SIGNED - 60, fresh.as_str()),
        (SIGNED, &fresh),
        (SIGNED + 1, &fresh),
        (end - BEFORE - 1, &fresh),
        (end - BEFORE, "expires-soon"),
        (end - BEFORE + 1, "expires-soon"),
        (end - 1, "expires-soon"),
        (end, "expired"),
        (end + 1, "expired"),
        (i64::MAX, "expired"),
        (0, "not-yet-valid"),
        (-1, "not-yet-valid"),
    ] {
        assert_eq!(decided(&[], now), expected, "{now}");
    }
    // Without resignBefore: when it has ended.
    let none = ["spec.resignBefore=null"];
    for (now, expected) in [(SIGNED, "fresh until 86400"), (end - 1, "fresh until 86400"), (end, "expired")] {
        assert_eq!(decided(&none, now), expected, "{now}");
    }
    // resignBefore decides by what the resource says now, not by its state at signing.
    assert_eq!(decided(&["spec.resignBefore.hours=23"], SIGNED + 3600), "expires-soon");
    assert_eq!(decided(&["spec.resignBefore.minutes=1"], end - 61), "fresh until 86340");
}

#[test]
fn token_with_other_claims_than_the_resource_is_due() {
    for change in [
        "spec.issuer=https://issuer.example.com",
        "spec.keyId=other",
        "spec.data.sub=jane",
        "spec.data.scope=storage.read:/",
        "spec.data.aud=https://one.example",
        "spec.data.extra=1",
        "spec.expiryTime.hours=23",
        "spec.data.wlcg.ver=1.1",
    ] {
        assert_eq!(decided(&[change], SIGNED + 1), "resource-changed", "{change}");
    }
    assert_eq!(decided(&["spec.expiryTime.hours=24"], SIGNED + 1), format!("fresh until {}", LIFE - BEFORE));
    assert_eq!(decided(&["metadata.name=other"], SIGNED + 1), format!("fresh until {}", LIFE - BEFORE));
}

#[test]
fn numbers_of_claims_are_unchanged_in_the_token() {
    for number in [
        "123456789.123456789",
        "0.1",
        "5e-324",
        "1.7976931348623157e308",
        "-0",
        "-0.0",
        "1e23",
        "9007199254740993",
        "18446744073709551615",
        "2.2250738585072011e-308",
        "[1.5, {\"x\": 8.41e21}]",
    ] {
        let resource = read(&example(), &[&format!("spec.data.x={number}")]);
        let key = key_of(&resource);
        let token = sign(&resource, &key, Timestamp(SIGNED)).unwrap().token;
        let due =
            check(TokenInFile::Text(token.expose()), &resource, &key.verifying_key(), Timestamp(SIGNED));
        assert!(matches!(due, Due::Fresh(_)), "{number}: {due:?}");
    }
}

#[test]
fn file_without_token_of_this_key_is_due() {
    let resource = read(&example(), &[]);
    let key = key_of(&resource);
    let token = sign(&resource, &key, Timestamp(SIGNED)).unwrap().token.expose().to_owned();
    let verifying = key.verifying_key();
    let reason = |found: TokenInFile<'_>| match check(found, &resource, &verifying, Timestamp(SIGNED)) {
        Due::Fresh(_) => "fresh",
        Due::Now { reason, .. } => reason.name(),
    };
    assert_eq!(reason(TokenInFile::Missing), "missing");
    assert_eq!(reason(TokenInFile::Text(" \n")), "missing");
    assert_eq!(reason(TokenInFile::Unreadable), "invalid");
    assert_eq!(reason(TokenInFile::Text(&format!("  {token}\n\n"))), "fresh");
    for length in 1..token.len() {
        assert_ne!(reason(TokenInFile::Text(&token[..length])), "fresh", "cut at {length}");
    }
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let other = format!("{signed}.{}{}", if signature.starts_with('A') { "B" } else { "A" }, &signature[1..]);
    assert_eq!(reason(TokenInFile::Text(&other)), "key-changed");
    assert!(Unverified::parse(&other).is_ok());
}

/// A directory with the example as `r.yaml`.
fn directory() -> TestEnv {
    let directory = TestEnv::new();
    directory.write("r.yaml", example());
    directory
}

const RENEW: [&str; 6] = ["renew", "--spec", "r.yaml", "-o", "token", "-q"];

fn renew(directory: &TestEnv, more: &[&str]) -> Run {
    directory.run("cc-jwt", &[&RENEW, more].concat())
}

fn exp(directory: &TestEnv) -> i64 {
    let run = directory.run("cc-jwt", &["inspect", "--token-file", "token", "--json", "-q"]).ended(0);
    run.json()["claims"]["exp"].as_i64().unwrap()
}

#[test]
fn token_is_renewed_when_due_and_not_before() {
    let directory = directory();
    assert!(
        renew(&directory, &["--check"])
            .ended(1)
            .stdout
            .contains("is due: the token file does not exist or is empty")
    );
    assert!(!directory.file("token").exists(), "--check writes nothing");
    renew(&directory, &[]).ended(0);
    assert_eq!(fs::metadata(directory.file("token")).unwrap().mode() & 0o777, 0o600);
    let first = directory.read("token");
    renew(&directory, &[]).ended(0);
    renew(&directory, &["--check", "--at", "+18h59m"]).ended(0);
    renew(&directory, &["--check", "--at", "+19h1m"]).ended(1);
    assert_eq!(directory.read("token"), first, "a fresh token is not touched");
    let run = renew(&directory, &["--at", "+20h", "--json"]).ended(0);
    assert_eq!(run.json()["event"], "renewed");
    assert_eq!(run.json()["reason"], "expires-soon");
    assert_ne!(directory.read("token"), first);
    let run = renew(&directory, &["--force", "--json", "--mode", "0640"]).ended(0);
    assert_eq!(run.json()["event"], "renewed");
    assert_eq!(fs::metadata(directory.file("token")).unwrap().mode() & 0o777, 0o640);
    // The clock was set back: what is there begins in the future.
    let run = renew(&directory, &["--at", "-2h", "--json"]).ended(0);
    assert_eq!(run.json()["reason"], "not-yet-valid");
}

#[test]
fn time_zones_do_not_matter() {
    let directory = directory();
    renew(&directory, &["--at", "2026-11-21T18:00:00Z"]).ended(0);
    let expected = exp(&directory);
    for zone in ["UTC", "Asia/Tokyo", "America/Los_Angeles", "Pacific/Kiritimati", "no/such/zone", ""] {
        for (at, status) in [("2026-11-22T12:59:59Z", 0), ("2026-11-22T13:00:00Z", 1)] {
            let mut command = directory.command(programs().join("cc-jwt"));
            let arguments = [&RENEW[..], &["--check", "--at", at]].concat();
            let run: Run = command.env("TZ", zone).args(arguments).output().unwrap().into();
            run.ended(status);
        }
        let mut command = directory.command(programs().join("cc-jwt"));
        let arguments = [&RENEW[..], &["--force", "--at", "2026-11-21T18:00:00Z"]].concat();
        let run: Run = command.env("TZ", zone).args(arguments).output().unwrap().into();
        run.ended(0);
        assert_eq!(exp(&directory), expected, "{zone}");
    }
}

#[test]
fn failed_renewal_leaves_the_old_token_and_prints_its_expiry() {
    let directory = directory();
    renew(&directory, &[]).ended(0);
    let old = directory.read("token");
    directory.write("r.yaml", example().replace("MHcCAQEEIIphQal", "MHcCAQEEIIphQam"));
    let run = directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-o", "token", "--force"]).ended(65);
    assert!(run.stderr.contains("the file still contains the old token, which expires"), "{}", run.stderr);
    assert_eq!(directory.read("token"), old);
}

#[test]
fn unreadable_resource_leaves_the_old_token_and_prints_its_expiry() {
    let directory = directory();
    renew(&directory, &[]).ended(0);
    let old = directory.read("token");
    directory.write("r.yaml", "kind: JWT\n");
    for (spec, status) in [("r.yaml", 65), ("missing.yaml", 66)] {
        let run = directory.run("cc-jwt", &["renew", "--spec", spec, "-o", "token"]).ended(status);
        assert!(
            run.stderr.contains("'token': the file still contains the old token, which expires"),
            "{}",
            run.stderr
        );
        assert_eq!(directory.read("token"), old);
    }
}

#[test]
fn output_that_cannot_be_written_is_an_error() {
    let directory = directory();
    assert!(Command::new("mkfifo").arg(directory.file("pipe")).status().unwrap().success());
    for path in ["pipe", "/dev/null"] {
        let run = directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-q", "-o", path]).ended(73);
        assert!(run.stderr.contains("is a FIFO or a device: expected a file"), "{}", run.stderr);
        directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-q", "--check", "-o", path]).ended(73);
    }
    fs::create_dir(directory.file("directory")).unwrap();
    let to = |path: &str| directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-q", "-o", path]);
    assert!(to("directory").ended(73).stderr.contains("is a directory"));
    assert!(to("missing/token").ended(73).stderr.contains("cannot be created"));
    assert!(to("r.yaml/token").ended(73).stderr.contains("cannot be created"));
    directory.write("garbage", b"\xff\xfe\x00garbage");
    to("garbage").ended(0);
    directory.write("long", "x".repeat(1 << 20));
    to("long").ended(0);
    assert!(directory.read("long").starts_with("eyJ"));
    fs::set_permissions(directory.file("long"), fs::Permissions::from_mode(0o444)).unwrap();
    directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-q", "--force", "-o", "long"]).ended(0);
    assert_eq!(fs::metadata(directory.file("long")).unwrap().mode() & 0o777, 0o600);
}

#[test]
fn full_disk_leaves_the_old_token() {
    let directory = directory();
    fs::create_dir(directory.file("disk")).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=32k", "tmpfs"])
        .arg(directory.file("disk"))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    // Needs root and the right to mount; /dev/full stands in for it in the unit tests.
    if !mounted && !skip("no file system can be mounted") {
        return;
    }
    let to = |more: &[&str]| {
        directory.run("cc-jwt", &[&["renew", "--spec", "r.yaml", "-q", "-o", "disk/token"], more].concat())
    };
    to(&[]).ended(0);
    let old = directory.read("disk/token");
    // Fill what is left.
    let filler: Vec<u8> = vec![0; 1 << 20];
    fs::write(directory.file("disk/filler"), filler)
        .expect_err("the file system is larger than it should be");
    let run = to(&["--force"]);
    let now = directory.read("disk/token");
    let left: Vec<String> = fs::read_dir(directory.file("disk"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    Command::new("umount").arg(directory.file("disk")).status().unwrap();
    assert_eq!(run.status, 74, "{}", run.stderr);
    assert_eq!(now, old);
    assert!(!left.iter().any(|name| name.ends_with(".tmp")), "{left:?}");
}

/// A watching process that is ended with the test.
pub struct Watch {
    child: Child,
    events: mpsc::Receiver<Value>,
}

impl Watch {
    pub fn start(directory: &TestEnv, more: &[&str], variables: &[(&str, &str)]) -> Self {
        let mut command = Command::new(programs().join("cc-jwt"));
        command
            .args([&["renew", "--spec", "r.yaml", "--watch", "-q"], more].concat())
            .current_dir(directory.path())
            .env_clear()
            .envs(variables.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        let (sender, events) = mpsc::channel();
        std::thread::spawn(move || forward(lines, &sender));
        Self { child, events }
    }

    /// The next event of this name within ten seconds, passing over others.
    #[track_caller]
    pub fn event(&self, name: &str) -> Value {
        let end = Instant::now() + Duration::from_secs(20);
        let mut passed = Vec::new();
        while let Ok(event) = self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
            if event["event"] == name {
                return event;
            }
            passed.push(event);
        }
        panic!("no event '{name}' but {passed:?}");
    }

    fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-s", name, &pid]).status().unwrap().success());
    }

    /// Ends it with a signal; its exit status.
    pub fn end(mut self, signal: &str) -> Option<i32> {
        self.signal(signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn forward(lines: BufReader<ChildStdout>, to: &mpsc::Sender<Value>) {
    for line in lines.lines() {
        let Ok(line) = line else { return };
        let event = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no JSON line: {line}"));
        if to.send(event).is_err() {
            return;
        }
    }
}

#[test]
fn second_process_for_the_same_file_is_rejected() {
    let directory = directory();
    let watch = Watch::start(&directory, &["-o", "token"], &[]);
    watch.event("renewed");
    assert!(renew(&directory, &[]).ended(75).stderr.contains("another process already renews this file"));
    renew(&directory, &["--check"]).ended(0);
    let run = directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-q", "-o", "other"]);
    run.ended(0);
    assert_eq!(watch.end("INT"), Some(0));
    renew(&directory, &[]).ended(0);
}

#[test]
fn watched_token_follows_time_signals_resource_and_key() {
    let directory = TestEnv::new();
    directory.sh("openssl ecparam -name prime256v1 -genkey -noout -out key.pem 2>/dev/null").ended(0);
    let spec = |subject: &str| {
        format!(
            "apiVersion: tokens.osg-htc.org/v1\nkind: JWT\nmetadata: {{name: short}}\nspec:\n  \
             issuer: https://issuer.example\n  keyId: k1\n  algorithm: ES256\n  data: {{sub: {subject}, \
             aud: x, scope: 'storage.read:/', wlcg.ver: '1.0'}}\n  expiryTime: {{minutes: 2}}\n  \
             resignBefore: {{minutes: 1}}\n  key: {{file: key.pem}}\n"
        )
    };
    directory.write("r.yaml", spec("jane"));
    // A token that has three seconds until it is to be renewed.
    directory.run("cc-jwt", &["spec", "issue", "r.yaml", "-q", "-o", "token", "--at", "-57s"]).ended(0);
    let watch = Watch::start(&directory, &["-o", "token"], &[]);
    let started = Instant::now();
    watch.event("fresh");
    let renewed = watch.event("renewed");
    assert_eq!(renewed["reason"], "expires-soon");
    let waited = started.elapsed();
    assert!(waited > Duration::from_secs(1) && waited < Duration::from_secs(8), "{waited:?}");

    watch.signal("HUP");
    assert_eq!(watch.event("renewed")["reason"], "forced");

    directory.write("r.yaml", spec("joe"));
    assert_eq!(watch.event("renewed")["message"], "spec.data.sub changed");
    assert!(directory.run("cc-jwt", &["inspect", "--token-file", "token", "-q"]).stdout.contains("joe"));

    let good = directory.read("token");
    directory.write("r.yaml", spec("jane").replace("resignBefore", "resignbefore"));
    let failed = watch.event("failed");
    assert!(failed["message"].as_str().unwrap().contains("did you mean 'resignBefore'"), "{failed}");
    directory.write("r.yaml", spec("joe"));
    watch.event("fresh");
    assert_eq!(directory.read("token"), good, "the old token was kept");

    fs::rename(directory.file("key.pem"), directory.file("away.pem")).unwrap();
    let failed = watch.event("failed");
    assert_eq!(failed["kind"], "file-missing");
    assert!(failed["expires_at"].is_string() && failed["next_attempt_at"].is_string(), "{failed}");
    assert_eq!(directory.read("token"), good);
    fs::rename(directory.file("away.pem"), directory.file("key.pem")).unwrap();
    watch.event("fresh");

    directory.sh("openssl ecparam -name prime256v1 -genkey -noout -out key.pem 2>/dev/null").ended(0);
    assert_eq!(watch.event("renewed")["reason"], "key-changed");

    fs::remove_file(directory.file("token")).unwrap();
    assert_eq!(watch.event("renewed")["reason"], "missing");
    fs::write(directory.file("token"), "rubbish").unwrap();
    assert_eq!(watch.event("renewed")["reason"], "invalid");

    watch.signal("TERM");
    watch.event("stopped");
    assert_eq!(watch.end("TERM"), Some(0));
}

#[test]
fn systemd_hears_when_the_token_is_there() {
    let directory = directory();
    let path = directory.file("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let hear = |socket: &UnixDatagram| {
        let mut buffer = [0; 4096];
        let length = socket.recv(&mut buffer).unwrap();
        String::from_utf8(buffer[..length].to_vec()).unwrap()
    };
    let watch = Watch::start(&directory, &["-o", "token"], &[("NOTIFY_SOCKET", path.to_str().unwrap())]);
    assert_eq!(hear(&socket), "READY=1");
    assert!(directory.file("token").exists());
    let status = hear(&socket);
    assert!(status.starts_with("STATUS=1 of 1 token valid, the next is renewed at 2"), "{status}");
    watch.signal("TERM");
    assert_eq!(hear(&socket), "STOPPING=1");
    drop(watch);

    let name = format!("cc-jwt-test-{}", std::process::id());
    let address = SocketAddr::from_abstract_name(&name).unwrap();
    let socket = UnixDatagram::bind_addr(&address).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let socket_name = format!("@{name}");
    let watch = Watch::start(&directory, &["-o", "token2"], &[("NOTIFY_SOCKET", &socket_name)]);
    assert_eq!(hear(&socket), "READY=1");
    assert_eq!(watch.end("TERM"), Some(0));
}

#[test]
fn directory_output_has_a_file_for_each_resource() {
    let directory = TestEnv::new();
    let all: Vec<String> =
        (0..300).map(|number| example().replace("name: my-jwt", &format!("name: jwt-{number}"))).collect();
    directory.write("r.yaml", all.join("---\n"));
    let run =
        directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "--out-dir", "out", "-q", "--json"]).ended(0);
    assert_eq!(run.stdout.lines().count(), 300);
    assert_eq!(fs::metadata(directory.file("out")).unwrap().mode() & 0o777, 0o700);
    assert!(directory.read("out/jwt-299").starts_with("eyJ"));
    directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "-o", "one", "-q"]).ended(2);
    directory.write("r.yaml", format!("{}---\n{}", example(), example()));
    let run = directory.run("cc-jwt", &["renew", "--spec", "r.yaml", "--out-dir", "out", "-q"]).ended(65);
    assert!(run.stderr.contains("duplicate resource 'my-jwt', first in line 4"), "{}", run.stderr);
}

#[test]
fn discoverable_token_is_written_to_the_discovery_location() {
    let directory = directory();
    fs::create_dir(directory.file("run")).unwrap();
    let with = |variable: &str, value: &str, arguments: &[&str]| -> Run {
        let mut command = directory.command(programs().join("cc-jwt"));
        command.env(variable, value).args(arguments).output().unwrap().into()
    };
    let renew = ["renew", "--spec", "r.yaml", "--discoverable", "-q"];
    with("XDG_RUNTIME_DIR", "run", &renew).ended(0);
    let user = fs::metadata(directory.path()).unwrap().uid();
    let token = directory.read(&format!("run/bt_u{user}"));
    let run = with("XDG_RUNTIME_DIR", "run", &["inspect"]).ended(0);
    assert!(run.stdout.contains("my-jwt-key") && run.stderr.contains("bt_u"), "{}", run.stderr);
    with("BEARER_TOKEN_FILE", "named", &renew).ended(0);
    assert!(directory.read("named").starts_with("eyJ"));
    let run = with("BEARER_TOKEN", token.trim(), &["inspect", "--json"]).ended(0);
    assert_eq!(run.json()["profile"], "wlcg");
    let run = with("BEARER_TOKEN", "no token", &["inspect"]).ended(65);
    assert!(run.stderr.contains("the variable BEARER_TOKEN"), "{}", run.stderr);
}
