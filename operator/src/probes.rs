//! The HTTP server for the kubelet and Prometheus: `/livez`, `/readyz`, `/metrics`.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

use crate::controller::Health;
use crate::log::{self, Level};

/// The longest request head, in bytes.
const HEAD_LIMIT: usize = 8192;
/// How long a client may take for its request.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);
/// A watch that delivered neither event nor bookmark for so long, in seconds, does not work: the API
/// server sends a bookmark each minute.
const SILENT_WATCH: u64 = 600;

/// Binds the port.
///
/// # Errors
/// [`io::Error`] where the address is in use or not this computer's.
pub async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address).await
}

/// Answers requests until the task is dropped.
pub async fn serve(listener: TcpListener, health: Arc<Health>) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let health = Arc::clone(&health);
                tokio::spawn(async move {
                    let _ = timeout(REQUEST_TIMEOUT, answer(stream, &health)).await;
                });
            }
            Err(error) => {
                log::line(Level::Warning, "probe-failed", &error.to_string());
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, health: &Health) -> io::Result<()> {
    let mut head = Vec::new();
    let mut part = [0; 1024];
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        let count = stream.read(&mut part).await?;
        head.extend_from_slice(part.get(..count).unwrap_or_default());
        if count == 0 || head.len() > HEAD_LIMIT {
            return Ok(());
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split(' ');
    let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
    let path = path.split('?').next().unwrap_or_default();
    let (status, body) = match (method, path) {
        ("GET" | "HEAD", "/livez") => state(live(health)),
        ("GET" | "HEAD", "/readyz") => {
            state(if health.is_ready() { Ok(()) } else { Err("the first lists are not complete".to_owned()) })
        }
        ("GET" | "HEAD", "/metrics") => ("200 OK", health.metrics_page()),
        _ => ("404 Not Found", "not found\n".to_owned()),
    };
    let content = if method == "HEAD" { "" } else { body.as_str() };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{content}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

fn state(state: Result<(), String>) -> (&'static str, String) {
    match state {
        Ok(()) => ("200 OK", "ok\n".to_owned()),
        Err(why) => ("503 Service Unavailable", format!("{why}\n")),
    }
}

/// Whether the process does its work. An API server that does not answer is not a reason to be restarted.
fn live(health: &Health) -> Result<(), String> {
    match health.metrics.most_silent_watch() {
        Some((watch, seconds)) if seconds > SILENT_WATCH => Err(format!(
            "the watch of {} delivered nothing for {seconds} seconds, while requests succeed",
            watch.path
        )),
        _ => health.progress(),
    }
}
