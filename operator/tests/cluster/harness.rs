//! A server, a namespace for each test, and the operator as a process of its own.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

/// The longest wait for something that should take a moment.
pub const SOON: Duration = Duration::from_secs(20);
/// A private key for tests only.
pub const KEY: &str = include_str!("../data/es256.pem");
/// Another one.
pub const OTHER_KEY: &str = include_str!("../data/es256-other.pem");

/// A test on the common server, with its name.
pub type Test = (&'static str, fn(&Server));

/// Whether the long form was asked for.
pub fn is_long() -> bool {
    std::env::var("OPERATOR_TEST").is_ok_and(|form| form == "long")
}

pub fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The directory with `kubetest` and `kubectl`.
pub fn kubetest() -> Option<PathBuf> {
    let directory = match std::env::var_os("KUBETEST") {
        Some(directory) => PathBuf::from(directory),
        None => {
            let output = Command::new(package().join("kubetest/build")).arg("--print").output().ok()?;
            PathBuf::from(String::from_utf8(output.stdout).ok()?.trim())
        }
    };
    directory.join("kubectl").exists().then_some(directory)
}

/// A running API server.
pub struct Server {
    kubetest: PathBuf,
    state: tempfile::TempDir,
    arguments: Vec<String>,
    child: Mutex<Option<Child>>,
    runtime: Runtime,
    admin: Client,
}

impl Server {
    pub fn start(kubetest: &Path, arguments: &[&str]) -> Self {
        let server = Self::without_definition(kubetest, arguments);
        server.apply_definition();
        server
    }

    fn without_definition(kubetest: &Path, arguments: &[&str]) -> Self {
        let state = tempfile::tempdir().unwrap();
        let arguments: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        let child = spawn_server(kubetest, state.path(), &arguments);
        let runtime = Runtime::new().unwrap();
        let kubeconfig = state.path().join("admin.kubeconfig");
        let admin = client(&runtime, &kubeconfig);
        Self {
            kubetest: kubetest.to_owned(),
            state,
            arguments,
            child: Mutex::new(Some(child)),
            runtime,
            admin,
        }
    }

    /// A client with the access of a file.
    pub fn client(&self, kubeconfig: &Path) -> Client {
        client(&self.runtime, kubeconfig)
    }

    pub fn handle(&self) -> tokio::runtime::Handle {
        self.runtime.handle().clone()
    }

    /// A server of one test.
    pub fn own() -> Self {
        Self::start(&kubetest().expect("kubetest"), &[])
    }

    /// A server of one test whose resources are cluster-scoped. They always were: for some time after a change the
    /// garbage collector looks for owners by the former scope, does not find them, and deletes what they own.
    pub fn cluster_scoped() -> Self {
        let server = Self::without_definition(&kubetest().expect("kubetest"), &[]);
        let definition = fs::read_to_string(path("manifests/crd.yaml")).unwrap();
        let file = server.state.path().join("crd.yaml");
        fs::write(&file, definition.replace("scope: Namespaced", "scope: Cluster")).unwrap();
        server.apply_definition_of(file.to_str().unwrap());
        server
    }

    pub fn admin_kubeconfig(&self) -> PathBuf {
        self.state.path().join("admin.kubeconfig")
    }

    pub fn apply_definition(&self) {
        self.apply_definition_of(&path("manifests/crd.yaml"));
    }

    fn apply_definition_of(&self, file: &str) {
        self.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", file]);
        self.kubectl(&[
            "wait",
            "--for=condition=Established",
            "crd/jwts.tokens.osg-htc.org",
            "--timeout=20s",
        ]);
    }

    pub fn stop(&self) {
        if let Some(mut child) = self.child.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Starts the stopped server on the same data and port.
    pub fn resume(&self) {
        let child = spawn_server(&self.kubetest, self.state.path(), &self.arguments);
        *self.child.lock().unwrap() = Some(child);
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.lock().unwrap().as_ref().map(Child::id).unwrap();
        assert!(Command::new("kill").args([signal, &id.to_string()]).status().unwrap().success());
    }

    /// The processor time that the server has used.
    pub fn processor_time(&self) -> Duration {
        let id = self.child.lock().unwrap().as_ref().map(Child::id).unwrap();
        let stat = fs::read_to_string(format!("/proc/{id}/stat")).unwrap();
        // proc(5): after the name in parentheses utime and stime are the 12th and 13th, in hundredths.
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap()).sum();
        Duration::from_millis(ticks * 10)
    }

    pub fn compact(&self) {
        let output = Command::new(self.kubetest.join("kubetest"))
            .args(["compact", "--dir"])
            .arg(self.state.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    pub fn try_kubectl(&self, arguments: &[&str]) -> Output {
        Command::new(self.kubetest.join("kubectl"))
            .args(arguments)
            .env("KUBECONFIG", self.admin_kubeconfig())
            .env("HOME", self.state.path())
            .output()
            .unwrap()
    }

    pub fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.try_kubectl(arguments);
        assert!(
            output.status.success(),
            "kubectl {arguments:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap()
    }

    /// A request as the administrator: the object, or the status and the message.
    pub fn request(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, (u16, String)> {
        let media = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = http::Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", media)
            .body(body)
            .unwrap();
        match self.runtime.block_on(self.admin.request::<Value>(request)) {
            Ok(value) => Ok(value),
            Err(kube::Error::Api(status)) => Err((status.code, status.message.clone())),
            Err(error) => Err((0, error.to_string())),
        }
    }
}

fn client(runtime: &Runtime, kubeconfig: &Path) -> Client {
    runtime.block_on(async {
        let kubeconfig = Kubeconfig::read_from(kubeconfig).unwrap();
        let config = Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await.unwrap();
        Client::try_from(config).unwrap()
    })
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

fn spawn_server(kubetest: &Path, state: &Path, arguments: &[String]) -> Child {
    let _ = fs::remove_file(state.join("ready"));
    let log = fs::File::options().create(true).append(true).open(state.join("server.log")).unwrap();
    let child = Command::new(kubetest.join("kubetest"))
        .args(["serve", "--dir"])
        .arg(state)
        .arg("--")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(log.try_clone().unwrap())
        .stderr(log)
        .spawn()
        .unwrap();
    let begin = Instant::now();
    while !state.join("ready").exists() {
        assert!(begin.elapsed() < Duration::from_secs(120), "the server is not ready after two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
    child
}

pub fn path(relative: &str) -> String {
    package().join(relative).to_string_lossy().into_owned()
}

/// A namespace with the operator's account, Role and key.
pub struct Space<'a> {
    pub server: &'a Server,
    pub name: String,
    directory: tempfile::TempDir,
    operator: Mutex<Option<Child>>,
}

impl<'a> Space<'a> {
    pub fn new(server: &'a Server, test: &str) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let name = format!("{test}-{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        server.request("POST", "/api/v1/namespaces", Some(&namespace)).unwrap();
        let space =
            Self { server, name, directory: tempfile::tempdir().unwrap(), operator: Mutex::new(None) };
        for file in ["serviceaccount", "role", "rolebinding"] {
            let file = path(&format!("manifests/{file}.yaml"));
            server.kubectl(&["-n", &space.name, "apply", "-f", &file]);
        }
        space.create_secret("signing-key", &[("tls.key", KEY)]);
        space
    }

    /// A namespace in which the operator runs.
    pub fn with_operator(server: &'a Server, test: &str) -> Self {
        let space = Self::new(server, test);
        space.start(&[]);
        space
    }

    // The operator

    /// The access of the operator's account.
    pub fn kubeconfig(&self) -> PathBuf {
        let file = self.directory.path().join("kubeconfig");
        if file.exists() {
            return file;
        }
        let body = json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 86400}});
        let path = format!("/api/v1/namespaces/{}/serviceaccounts/cc-jwt-operator/token", self.name);
        let answer = self.server.request("POST", &path, Some(&body)).unwrap();
        let server = fs::read_to_string(self.server.state.path().join("ready")).unwrap();
        let config = json!({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {
                "server": server.trim(), "certificate-authority": self.server.state.path().join("ca.crt"),
            }}],
            "users": [{"name": "operator", "user": {"token": answer["status"]["token"]}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "operator", "namespace": self.name}}],
        });
        fs::write(&file, config.to_string()).unwrap();
        file
    }

    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_cc-jwt-operator"));
        command
            .args(arguments)
            .env("KUBECONFIG", self.kubeconfig())
            .env_remove("WATCH_NAMESPACES")
            .stdin(Stdio::null());
        command
    }

    /// Starts the operator with its log in a file.
    pub fn start(&self, arguments: &[&str]) {
        self.start_command(self.command(arguments));
    }

    /// Starts the operator under another clock: an offset such as `+3h`, or a speed such as `+0 x60`. An offset
    /// does not move the monotonic clock, as no correction of a clock does.
    pub fn start_with_clock(&self, clock: &str, arguments: &[&str]) {
        let mut command = self.command(arguments);
        command.envs(clock_variables(clock));
        self.start_command(command);
    }

    /// The objects that the program prints for this namespace, in a file. It needs no access for that.
    pub fn manifests(&self, arguments: &[&str]) -> String {
        let output = Command::new(env!("CARGO_BIN_EXE_cc-jwt-operator"))
            .args(["manifests", "--namespace", &self.name])
            .args(arguments)
            .env_clear()
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.file("manifests.yaml", &String::from_utf8(output.stdout).unwrap())
    }

    pub fn apply_manifests(&self, arguments: &[&str]) {
        self.server.kubectl(&["apply", "-f", &self.manifests(arguments)]);
    }

    /// Whether the started operator still runs.
    pub fn runs(&self) -> bool {
        self.operator.lock().unwrap().as_mut().is_some_and(|child| child.try_wait().unwrap().is_none())
    }

    /// Waits until the started operator ends, and returns its status.
    pub fn wait_end(&self, limit: Duration) -> Option<i32> {
        self.wait_for(limit, "the operator ends", || (!self.runs()).then_some(()));
        self.operator.lock().unwrap().take().unwrap().wait().unwrap().code()
    }

    pub fn start_command(&self, mut command: Command) {
        let log = fs::File::options().create(true).append(true).open(self.log_file()).unwrap();
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        assert!(self.operator.lock().unwrap().replace(child).is_none(), "the operator runs already");
    }

    pub fn process(&self) -> u32 {
        self.operator.lock().unwrap().as_ref().map(Child::id).unwrap()
    }

    pub fn kill(&self) {
        if let Some(mut child) = self.operator.lock().unwrap().take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Sends SIGTERM and returns the exit status.
    pub fn terminate(&self) -> Option<i32> {
        let mut child = self.operator.lock().unwrap().take().unwrap();
        assert!(Command::new("kill").arg(child.id().to_string()).status().unwrap().success());
        child.wait().unwrap().code()
    }

    fn log_file(&self) -> PathBuf {
        self.directory.path().join("operator.log")
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Where the files of the test are.
    pub fn file_directory(&self) -> PathBuf {
        self.directory.path().to_owned()
    }

    /// A file of the test.
    pub fn file(&self, name: &str, content: &str) -> String {
        let path = self.directory.path().join(name);
        fs::File::create(&path).unwrap().write_all(content.as_bytes()).unwrap();
        path.to_string_lossy().into_owned()
    }

    // Objects

    fn url(&self, kind: &str, name: &str) -> String {
        let base = match kind {
            "jwts" => "/apis/tokens.osg-htc.org/v1",
            "events" => "/apis/events.k8s.io/v1",
            "leases" => "/apis/coordination.k8s.io/v1",
            "roles" | "rolebindings" => "/apis/rbac.authorization.k8s.io/v1",
            _ => "/api/v1",
        };
        let path = format!("{base}/namespaces/{}/{kind}", self.name);
        if name.is_empty() { path } else { format!("{path}/{name}") }
    }

    pub fn get(&self, kind: &str, name: &str) -> Option<Value> {
        match self.server.request("GET", &self.url(kind, name), None) {
            Ok(value) => Some(value),
            Err((404, _)) => None,
            Err(error) => panic!("{kind} {name}: {error:?}"),
        }
    }

    pub fn list(&self, kind: &str) -> Vec<Value> {
        let list = self.server.request("GET", &self.url(kind, ""), None).unwrap();
        list["items"].as_array().cloned().unwrap_or_default()
    }

    pub fn try_create(&self, kind: &str, body: &Value) -> Result<Value, (u16, String)> {
        let url = format!("{}?fieldValidation=Strict", self.url(kind, ""));
        self.server.request("POST", &url, Some(body))
    }

    pub fn create(&self, kind: &str, body: &Value) -> Value {
        self.try_create(kind, body).unwrap()
    }

    pub fn patch(&self, kind: &str, name: &str, body: &Value) -> Value {
        self.server.request("PATCH", &self.url(kind, name), Some(body)).unwrap()
    }

    pub fn delete(&self, kind: &str, name: &str) {
        self.server.request("DELETE", &self.url(kind, name), None).unwrap();
    }

    pub fn create_secret(&self, name: &str, members: &[(&str, &str)]) {
        let data: BTreeMap<&str, String> =
            members.iter().map(|(member, text)| (*member, STANDARD.encode(text))).collect();
        self.create(
            "secrets",
            &json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": "Opaque", "data": data}),
        );
    }

    /// Creates a resource; members of `changes` replace those of `spec`.
    pub fn create_jwt(&self, name: &str, changes: &Value) -> Value {
        self.create("jwts", &jwt(name, changes))
    }

    // What is expected

    /// Waits until a question has an answer.
    pub fn wait<T>(&self, what: &str, question: impl Fn() -> Option<T>) -> T {
        self.wait_for(SOON, what, question)
    }

    /// Waits for at most so long until a question has an answer.
    pub fn wait_for<T>(&self, limit: Duration, what: &str, question: impl Fn() -> Option<T>) -> T {
        let begin = Instant::now();
        loop {
            if let Some(answer) = question() {
                return answer;
            }
            assert!(
                begin.elapsed() < limit,
                "{what}: not after {limit:?}\n{}\n{:?}\n{:#}",
                self.log(),
                self.list("events").iter().map(|event| event["note"].clone()).collect::<Vec<_>>(),
                Value::from(
                    self.list("jwts").into_iter().map(|jwt| jwt["status"].clone()).collect::<Vec<_>>()
                )
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The token in a Secret.
    pub fn token(&self, name: &str) -> Option<String> {
        let secret = self.get("secrets", name)?;
        let bytes = STANDARD.decode(secret["data"]["token"].as_str()?).unwrap();
        Some(String::from_utf8(bytes).unwrap())
    }

    pub fn wait_token(&self, name: &str) -> String {
        self.wait("the Secret holds a token", || self.token(name))
    }

    /// The status of a condition and its reason.
    pub fn condition(&self, name: &str, type_: &str) -> Option<(String, String)> {
        let jwt = self.get("jwts", name)?;
        let all = jwt["status"]["conditions"].as_array()?.clone();
        let one = all.into_iter().find(|condition| condition["type"] == type_)?;
        Some((one["status"].as_str()?.to_owned(), one["reason"].as_str()?.to_owned()))
    }

    pub fn wait_condition(&self, name: &str, type_: &str, status: &str, reason: &str) {
        let expected = Some((status.to_owned(), reason.to_owned()));
        self.wait(&format!("{name}: {type_} is {status}, {reason}"), || {
            (self.condition(name, type_) == expected).then_some(())
        });
    }

    pub fn wait_ready(&self, name: &str) {
        self.wait_condition(name, "Ready", "True", "Signed");
    }

    pub fn message(&self, name: &str, type_: &str) -> String {
        let jwt = self.get("jwts", name).unwrap();
        let all = jwt["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let one = all.into_iter().find(|condition| condition["type"] == type_).unwrap();
        one["message"].as_str().unwrap().to_owned()
    }

    /// The Events of a resource: type, reason, note.
    pub fn events(&self, name: &str) -> Vec<(String, String, String)> {
        let text = |event: &Value, member: &str| event[member].as_str().unwrap_or_default().to_owned();
        let mut events = self.list("events");
        events.retain(|event| event["regarding"]["name"] == name);
        events.sort_by_key(|event| text(event, "eventTime"));
        events.iter().map(|event| (text(event, "type"), text(event, "reason"), text(event, "note"))).collect()
    }

    pub fn event_reasons(&self, name: &str) -> Vec<String> {
        self.events(name).into_iter().map(|(_, reason, _)| reason).collect()
    }

    /// Waits until nothing changes for a moment: the version of each object.
    pub fn settle(&self) -> Vec<String> {
        let versions = || {
            let all = ["jwts", "secrets", "events"].into_iter().flat_map(|kind| self.list(kind));
            all.map(|object| object["metadata"]["resourceVersion"].to_string()).collect::<Vec<_>>()
        };
        let begin = Instant::now();
        let mut before = versions();
        loop {
            std::thread::sleep(Duration::from_millis(700));
            let now = versions();
            if now == before {
                return now;
            }
            assert!(begin.elapsed() < SOON, "objects change without end\n{}", self.log());
            before = now;
        }
    }
}

impl Drop for Space<'_> {
    fn drop(&mut self) {
        self.kill();
        let _ = self.server.request("DELETE", &format!("/api/v1/namespaces/{}", self.name), None);
    }
}

/// The variables that `faketime` sets. The operator is started itself with them: a wrapper would be stopped in its
/// place.
pub fn clock_variables(clock: &str) -> Vec<(String, String)> {
    let output = Command::new("faketime").args(["-f", clock, "env"]).output().unwrap();
    let variables = String::from_utf8(output.stdout).unwrap();
    let is_faketime = |name: &str| name == "LD_PRELOAD" || name.starts_with("FAKETIME");
    let mut set: Vec<(String, String)> = variables
        .lines()
        .filter_map(|line| line.split_once('='))
        .filter(|(name, _)| is_faketime(name))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    assert!(!set.is_empty(), "faketime sets no variable");
    if !clock.contains(" x") {
        for name in ["FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC"] {
            set.push((name.to_owned(), "1".to_owned()));
        }
    }
    set
}

/// A resource with the key of the namespace; members of `changes` replace those of `spec`.
pub fn jwt(name: &str, changes: &Value) -> Value {
    let mut jwt = json!({
        "apiVersion": "tokens.osg-htc.org/v1", "kind": "JWT", "metadata": {"name": name},
        "spec": {
            "issuer": "https://issuer.example.com", "keyId": "key-1", "algorithm": "ES256",
            "data": {"scope": "storage.read:/", "sub": "jane", "aud": ["https://wlcg.cern.ch/jwt/v1/any"], "wlcg.ver": "1.0"},
            "expiryTime": {"hours": 6}, "resignBefore": {"hours": 1},
            "key": {"secret": {"name": "signing-key", "key": "tls.key"}},
        },
    });
    for (member, value) in changes.as_object().unwrap() {
        if value.is_null() {
            jwt["spec"].as_object_mut().unwrap().remove(member);
        } else {
            jwt["spec"][member] = value.clone();
        }
    }
    jwt
}

/// The claims of a token, without a check.
pub fn claims(token: &str) -> Value {
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// The header of a token.
pub fn header(token: &str) -> Value {
    let part = token.split('.').next().unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
