//! A proxy between the operator and the API server, which can withhold what watches deliver or refuse connections.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use futures::StreamExt as _;
use http_body::Body as _;
use kube::Client;
use kube::client::Body;
use serde_json::{Value, json};
use tokio::runtime::Handle;

use crate::harness::Space;

/// What the proxy does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Mode {
    /// Passes everything on.
    Forward,
    /// Answers a watch with a head and nothing else; passes other requests on.
    SilentWatches,
    /// Answers a watch that its version is too old, so that the client lists again; passes other requests on.
    ExpiredWatches,
    /// Answers 429.
    TooManyRequests,
    /// Closes each connection.
    Closed,
}

/// The proxy, at a port of the loopback interface. It ends with the process.
pub struct Proxy {
    port: u16,
    mode: Arc<AtomicU8>,
    /// The end of the paths of the watches that the mode concerns.
    watched: Arc<Mutex<String>>,
    /// How many requests got 429.
    rejected: Arc<AtomicU64>,
    /// The connections of running watches.
    watches: Arc<Mutex<Vec<TcpStream>>>,
    gates: Arc<Mutex<Vec<Gate>>>,
}

/// What a gate holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The request, before the server has it.
    Request,
    /// The answer, after the server gave it.
    Answer,
}

/// Holds the first request of a method and path until it is opened: a test changes something at exactly this moment
/// of a reconciliation.
#[derive(Clone)]
pub struct Gate {
    held: Held,
    method: &'static str,
    /// The end of the path, without the query.
    path: String,
    state: Arc<(Mutex<GateState>, Condvar)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum GateState {
    Waiting,
    Holding,
    Open,
}

/// A request that does not come.
const GATE_LIMIT: Duration = Duration::from_secs(60);

impl Gate {
    fn change(&self, from: GateState, to: GateState) {
        let (state, changed) = &*self.state;
        let (mut state, late) =
            changed.wait_timeout_while(state.lock().unwrap(), GATE_LIMIT, |state| *state != from).unwrap();
        assert!(!late.timed_out(), "{} {}: {from:?} not after {GATE_LIMIT:?}", self.method, self.path);
        *state = to;
        changed.notify_all();
    }

    /// Waits until the request is held.
    pub fn wait(&self) {
        self.change(GateState::Holding, GateState::Holding);
    }

    /// Lets the request go on.
    pub fn open(&self) {
        self.change(GateState::Holding, GateState::Open);
    }

    /// Holds a request that fits, if it is the first.
    fn pass(&self, held: Held, method: &str, path: &str) {
        let path = path.split('?').next().unwrap();
        let fits = self.held == held && self.method == method && path.ends_with(&self.path);
        if fits && *self.state.0.lock().unwrap() == GateState::Waiting {
            self.change(GateState::Waiting, GateState::Holding);
            self.change(GateState::Open, GateState::Open);
        }
    }
}

impl Proxy {
    /// A proxy through which the operator of this namespace reaches the server, with its own access.
    pub fn of(space: &Space<'_>) -> Self {
        let proxy = Self::start(&space.server.client(&space.kubeconfig()), &space.server.handle());
        std::fs::write(space.kubeconfig(), proxy.configuration(space)).unwrap();
        proxy
    }

    /// A proxy with the administrator's access, and the file to use it with.
    pub fn of_administrator(space: &Space<'_>) -> (Self, String) {
        let proxy =
            Self::start(&space.server.client(&space.server.admin_kubeconfig()), &space.server.handle());
        let file = space.file("proxy.kubeconfig", &proxy.configuration(space));
        (proxy, file)
    }

    fn configuration(&self, space: &Space<'_>) -> String {
        let mut config: Value = serde_json::from_slice(&std::fs::read(space.kubeconfig()).unwrap()).unwrap();
        config["clusters"][0]["cluster"] = json!({"server": format!("http://127.0.0.1:{}", self.port)});
        config.to_string()
    }

    fn start(client: &Client, runtime: &Handle) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self {
            port,
            mode: Arc::default(),
            watched: Arc::default(),
            rejected: Arc::default(),
            watches: Arc::default(),
            gates: Arc::default(),
        };
        let (mode, watches) = (Arc::clone(&proxy.mode), Arc::clone(&proxy.watches));
        let (rejected, gates) = (Arc::clone(&proxy.rejected), Arc::clone(&proxy.gates));
        let watched = Arc::clone(&proxy.watched);
        let (client, runtime) = (client.clone(), runtime.clone());
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let connection = Connection {
                    client: client.clone(),
                    runtime: runtime.clone(),
                    mode: Arc::clone(&mode),
                    watched: Arc::clone(&watched),
                    rejected: Arc::clone(&rejected),
                    watches: Arc::clone(&watches),
                    gates: Arc::clone(&gates),
                };
                std::thread::spawn(move || connection.serve(stream));
            }
        });
        proxy
    }

    /// Holds the next request of this method whose path ends so.
    pub fn gate(&self, held: Held, method: &'static str, path: &str) -> Gate {
        let state = Arc::new((Mutex::new(GateState::Waiting), Condvar::new()));
        let gate = Gate { held, method, path: path.to_owned(), state };
        self.gates.lock().unwrap().push(gate.clone());
        gate
    }

    pub fn rejected(&self) -> u64 {
        self.rejected.load(Ordering::SeqCst)
    }

    /// Changes what happens to requests from now on, and cuts the running watches.
    pub fn set(&self, mode: Mode) {
        self.set_for("", mode);
    }

    /// The same, with watches of this kind of object only.
    pub fn set_for(&self, kind: &str, mode: Mode) {
        kind.clone_into(&mut self.watched.lock().unwrap());
        self.mode.store(mode as u8, Ordering::SeqCst);
        for watch in self.watches.lock().unwrap().drain(..) {
            let _ = watch.shutdown(std::net::Shutdown::Both);
        }
    }
}

struct Connection {
    client: Client,
    runtime: Handle,
    mode: Arc<AtomicU8>,
    watched: Arc<Mutex<String>>,
    rejected: Arc<AtomicU64>,
    watches: Arc<Mutex<Vec<TcpStream>>>,
    gates: Arc<Mutex<Vec<Gate>>>,
}

impl Connection {
    /// Waits at the gates for this request or answer.
    fn pass_gates(&self, held: Held, method: &str, path: &str) {
        let gates = self.gates.lock().unwrap().clone();
        gates.iter().for_each(|gate| gate.pass(held, method, path));
    }

    fn is(&self, mode: Mode) -> bool {
        self.mode.load(Ordering::SeqCst) == mode as u8
    }

    /// Answers the requests of a connection, one after the other.
    fn serve(&self, mut stream: TcpStream) {
        let mut reader = BufReader::new(stream.try_clone().unwrap());
        while let Some((request, is_watch)) = read_request(&mut reader) {
            if self.is(Mode::Closed) {
                return;
            }
            if self.is(Mode::TooManyRequests) {
                self.rejected.fetch_add(1, Ordering::SeqCst);
                let body = r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too many requests","reason":"TooManyRequests","details":{"retryAfterSeconds":1},"code":429}"#;
                let answer = format!(
                    "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Type: application/json\r\n\
                     Content-Length: {}\r\n\r\n{body}",
                    body.len()
                );
                if stream.write_all(answer.as_bytes()).is_err() {
                    return;
                }
                continue;
            }
            if is_watch {
                self.watches.lock().unwrap().push(stream.try_clone().unwrap());
            }
            let path = request.uri().path();
            let is_concerned = is_watch && path.ends_with(self.watched.lock().unwrap().as_str());
            if is_concerned && self.is(Mode::ExpiredWatches) {
                let event = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","status":"Failure","message":"too old resource version","reason":"Expired","code":410}}"#;
                let answer = format!(
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{event}\n",
                    event.len() + 1
                );
                let _ = stream.write_all(answer.as_bytes());
                // The list of running watches has it as well.
                let _ = stream.shutdown(std::net::Shutdown::Both);
                return;
            }
            if is_concerned && self.is(Mode::SilentWatches) {
                let head =
                    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n";
                if stream.write_all(head.as_bytes()).is_err() {
                    return;
                }
                // Until the client or the test closes the connection.
                let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
                let _ = stream.read(&mut [0]);
                return;
            }
            if self.forward(request, &mut stream).is_none() {
                return;
            }
        }
    }

    fn forward(&self, request: http::Request<Body>, stream: &mut TcpStream) -> Option<()> {
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        self.pass_gates(Held::Request, &method, &path);
        let response = self.runtime.block_on(self.client.send(request)).ok()?;
        self.pass_gates(Held::Answer, &method, &path);
        let (parts, mut body) = response.into_parts();
        let kind = parts.headers.get("content-type").and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let head = format!(
            "HTTP/1.1 {} X\r\nContent-Type: {kind}\r\nTransfer-Encoding: chunked\r\n\r\n",
            parts.status.as_u16()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut frames =
            futures::stream::poll_fn(move |context| std::pin::Pin::new(&mut body).poll_frame(context));
        while let Some(frame) = self.runtime.block_on(frames.next()) {
            let Ok(data) = frame.ok()?.into_data() else { continue };
            if data.is_empty() {
                continue;
            }
            stream.write_all(format!("{:x}\r\n", data.len()).as_bytes()).ok()?;
            stream.write_all(&data).ok()?;
            stream.write_all(b"\r\n").ok()?;
        }
        stream.write_all(b"0\r\n\r\n").ok()
    }
}

/// The next request, without the client's credentials, and whether it is a watch.
fn read_request(reader: &mut BufReader<TcpStream>) -> Option<(http::Request<Body>, bool)> {
    let mut line = String::new();
    if reader.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let mut words = line.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let (mut length, mut builder) = (0, http::Request::builder().method(method.as_str()).uri(&path));
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        let Some((name, value)) = header.trim_end().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "content-type" | "accept" => builder = builder.header(name, value),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((builder.body(Body::from(body)).ok()?, path.contains("watch=true")))
}
