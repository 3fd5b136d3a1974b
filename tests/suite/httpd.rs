//! A small HTTP server on loopback for the tests: it answers as a test requires, also in
//! every way that a server should not. And a certificate authority for it.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    pub method: String,
    /// The path without the query.
    pub path: String,
    /// The query, raw.
    pub query: String,
    /// The head as it came, without the body.
    pub head: String,
    pub body: String,
}

impl Request {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    /// A field of the form in the body.
    pub fn field(&self, name: &str) -> Option<String> {
        parameter(&self.body, name)
    }

    /// A parameter of the query.
    pub fn parameter(&self, name: &str) -> Option<String> {
        parameter(&self.query, name)
    }
}

/// A parameter of a query or form.
pub fn parameter(text: &str, name: &str) -> Option<String> {
    url::form_urlencoded::parse(text.as_bytes())
        .find(|(key, _)| key == name)
        .map(|(_, value)| value.into_owned())
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum Reply {
    /// A proper answer.
    Send { status: u16, headers: Vec<(String, String)>, body: Vec<u8> },
    /// These bytes as they are, then the end of the connection.
    Raw(Vec<u8>),
    /// Nothing, until the client gives up.
    Stall,
    /// A proper beginning, then nothing.
    StallInBody,
    /// A body that does not end, as fast as it is taken.
    Endless,
    /// A body that does not end, a byte at a time.
    Drip,
    /// The connection ends without a word.
    Die,
}

impl Reply {
    pub fn json(value: &serde_json::Value) -> Self {
        Self::status(200, "application/json", value.to_string())
    }

    pub fn status(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self::Send { status, headers: vec![("content-type".into(), kind.into())], body: body.into() }
    }

    pub fn redirect(status: u16, to: &str) -> Self {
        Self::Send { status, headers: vec![("location".into(), to.into())], body: Vec::new() }
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        if let Self::Send { headers, .. } = &mut self {
            headers.push((name.into(), value.into()));
        }
        self
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

type Handler = dyn Fn(&Request) -> Reply + Send + Sync;

/// The server; it ends when it is dropped.
pub struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Request>>>,
    over: Arc<AtomicBool>,
}

impl Server {
    /// A server that answers with what the function returns.
    pub fn start(handler: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_with(None, handler)
    }

    /// The same over TLS.
    pub fn start_tls(
        tls: Arc<rustls::ServerConfig>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        Self::start_with(Some(tls), handler)
    }

    fn start_with(
        tls: Option<Arc<rustls::ServerConfig>>,
        handler: impl Fn(&Request) -> Reply + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, over) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let handler: Arc<Handler> = Arc::new(handler);
        let (all, end) = (Arc::clone(&seen), Arc::clone(&over));
        thread::spawn(move || {
            for stream in listener.incoming() {
                if end.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let (handler, all, end) = (Arc::clone(&handler), Arc::clone(&all), Arc::clone(&end));
                let tls = tls.clone();
                thread::spawn(move || {
                    let socket = stream.try_clone().unwrap();
                    let stream: Box<dyn Stream> = match tls {
                        None => Box::new(stream),
                        Some(tls) => Box::new(rustls::StreamOwned::new(
                            rustls::ServerConnection::new(tls).unwrap(),
                            stream,
                        )),
                    };
                    serve(stream, &socket, &*handler, &all, &end);
                });
            }
        });
        Self { address, seen, over }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// `http://127.0.0.1:PORT`, also where it speaks TLS.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The requests so far.
    pub fn seen(&self) -> Vec<Request> {
        self.seen.lock().unwrap().clone()
    }

    /// How many requests there were for this path.
    pub fn count(&self, path: &str) -> usize {
        self.seen.lock().unwrap().iter().filter(|request| request.path == path).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn read_request(stream: &mut dyn Stream) -> Option<Request> {
    let mut bytes = Vec::new();
    let mut buffer = [0; 4096];
    let head_end = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at;
        }
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => bytes.extend_from_slice(&buffer[..count]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..head_end]).into_owned();
    let length: usize = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length:").map(str::to_owned))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or(0);
    let mut body = bytes[head_end + 4..].to_vec();
    while body.len() < length {
        match stream.read(&mut buffer) {
            Ok(0) | Err(_) => return None,
            Ok(count) => body.extend_from_slice(&buffer[..count]),
        }
    }
    let first = head.lines().next()?.to_owned();
    let mut words = first.split(' ');
    let (method, target) = (words.next()?.to_owned(), words.next()?);
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Some(Request {
        method,
        path: path.to_owned(),
        query: query.to_owned(),
        head,
        body: String::from_utf8_lossy(&body).into_owned(),
    })
}

fn serve(
    mut stream: Box<dyn Stream>,
    socket: &TcpStream,
    handler: &Handler,
    all: &Mutex<Vec<Request>>,
    over: &AtomicBool,
) {
    let _ = socket.set_read_timeout(Some(Duration::from_secs(30)));
    while let Some(request) = read_request(&mut *stream) {
        all.lock().unwrap().push(request.clone());
        let reply = handler(&request);
        let wait = |stream: &mut dyn Stream| {
            let _ = socket.set_read_timeout(Some(Duration::from_millis(50)));
            while !over.load(Ordering::SeqCst) {
                match stream.read(&mut [0; 16]) {
                    Ok(0) => return,
                    Err(error) if error.kind() != std::io::ErrorKind::WouldBlock => return,
                    _ => {}
                }
            }
        };
        let sent = match reply {
            Reply::Send { status, headers, body } => {
                let mut text = format!("HTTP/1.1 {status} Reason\r\ncontent-length: {}\r\n", body.len());
                for (name, value) in headers {
                    text.push_str(&format!("{name}: {value}\r\n"));
                }
                text.push_str("\r\n");
                stream.write_all(text.as_bytes()).and_then(|()| stream.write_all(&body))
            }
            Reply::Raw(bytes) => {
                let _ = stream.write_all(&bytes);
                return;
            }
            Reply::Stall => return wait(&mut *stream),
            Reply::StallInBody => {
                let _ = stream.write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{\"keys\":",
                );
                return wait(&mut *stream);
            }
            Reply::Endless => {
                let _ =
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{\"keys\":[");
                let chunk = [b' '; 64 << 10];
                // A gigabyte stands for no end: a client that takes it all fails by its size.
                for _ in 0..16_384 {
                    if stream.write_all(&chunk).is_err() {
                        return;
                    }
                }
                return;
            }
            Reply::Drip => {
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n{");
                while !over.load(Ordering::SeqCst) && stream.write_all(b" ").is_ok() {
                    thread::sleep(Duration::from_millis(20));
                }
                return;
            }
            Reply::Die => return,
        };
        if sent.is_err() {
            return;
        }
    }
}

/// A certificate authority made for a test.
pub struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    pem: String,
}

impl Authority {
    pub fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).unwrap();
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        parameters.distinguished_name.push(rcgen::DnType::CommonName, "authority of the tests");
        let key = rcgen::KeyPair::generate().unwrap();
        let pem = parameters.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(parameters, key), pem }
    }

    /// Its certificate.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// What a server for this host needs.
    pub fn server(&self, host: &str, expired: bool) -> Arc<rustls::ServerConfig> {
        let mut parameters = rcgen::CertificateParams::new(vec![host.to_owned()]).unwrap();
        // rcgen speaks the crate `time`; its own helper makes dates without naming that crate.
        let year = if expired { 2001 } else { 2099 };
        parameters.not_before = rcgen::date_time_ymd(2000, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = parameters.signed_by(&key, &self.issuer).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        Arc::new(config)
    }
}
