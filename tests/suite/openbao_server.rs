//! A `bao server -dev` of a test's own, in memory and on the loopback interface.

use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The token of the administrator.
pub const ROOT_TOKEN: &str = "root";

/// A running server; it ends with this value.
pub struct OpenBao {
    child: Child,
    /// The URL, without a path.
    pub url: String,
    agent: ureq::Agent,
}

impl Drop for OpenBao {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl OpenBao {
    /// Starts a server and waits until it answers.
    pub fn start() -> Self {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let address = format!("127.0.0.1:{port}");
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new("bao")
            .args(["server", "-dev", "-dev-no-store-token"])
            .arg(format!("-dev-root-token-id={ROOT_TOKEN}"))
            .arg(format!("-dev-listen-address={address}"))
            .env("HOME", home.path())
            .env_remove("BAO_ADDR")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        // Its output is read to the end, so that it never waits for a reader.
        let output = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || output.lines().for_each(drop));
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(20)))
            .build()
            .into();
        let bao = Self { child, url: format!("http://{address}"), agent };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !bao.try_call("GET", "sys/health", &Value::Null, None).is_ok_and(|(status, _)| status == 200) {
            assert!(Instant::now() < deadline, "bao did not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        bao
    }

    fn try_call(
        &self,
        method: &str,
        path: &str,
        body: &Value,
        token: Option<&str>,
    ) -> Result<(u16, Value), ureq::Error> {
        let uri = format!("{}/v1/{path}", self.url);
        let mut request = ureq::http::Request::builder().method(method).uri(uri);
        if let Some(token) = token {
            request = request.header("x-vault-token", token);
        }
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let mut answer = self.agent.run(request.body(body).unwrap())?;
        let text = answer.body_mut().read_to_string()?;
        Ok((answer.status().as_u16(), serde_json::from_str(&text).unwrap_or(Value::Null)))
    }

    /// Sends a request of the administrator; returns the status and the document.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        self.call_as(ROOT_TOKEN, method, path, body)
    }

    /// Sends a request with this token.
    pub fn call_as(&self, token: &str, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.try_call(method, path, body, Some(token));
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a request without a token.
    pub fn call_without_token(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let answer = self.try_call(method, path, body, None);
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    /// Sends a request of the administrator that must succeed, and returns its document.
    pub fn set(&self, path: &str, body: &Value) -> Value {
        let (status, answer) = self.call("POST", path, body);
        assert!(status < 300, "{path}: status {status}: {answer}");
        answer
    }
}
