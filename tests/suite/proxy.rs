//! A proxy between a program and a server that mistreats what the server says.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// What happens to the server's bytes once so many have passed.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    /// Nothing more comes, and the connection stays open.
    Stall,
    /// The connection ends.
    Cut,
    /// The last piece comes a second time.
    Repeat,
    /// One byte is another one.
    Flip,
}

/// Starts a proxy to this port; its own port. It serves for as long as the test program lives.
pub fn start(server: u16, fault: Fault, after: usize) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(client) = client else { return };
            let Ok(server) = TcpStream::connect(("127.0.0.1", server)) else { return };
            let (from_client, to_server) = (client.try_clone().unwrap(), server.try_clone().unwrap());
            thread::spawn(move || copy(from_client, to_server));
            thread::spawn(move || mistreat(server, client, fault, after));
        }
    });
    port
}

/// Starts a proxy to this port that passes everything on; its own port, and how many bytes of the
/// server have passed.
pub fn counting(server: u16) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let passed = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&passed);
    thread::spawn(move || {
        for client in listener.incoming() {
            let (Ok(mut to_client), Ok(mut from_server)) =
                (client, TcpStream::connect(("127.0.0.1", server)))
            else {
                return;
            };
            let (from_client, to_server) = (to_client.try_clone().unwrap(), from_server.try_clone().unwrap());
            thread::spawn(move || copy(from_client, to_server));
            let count = Arc::clone(&count);
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(read @ 1..) = from_server.read(&mut buffer) {
                    if to_client.write_all(&buffer[..read]).is_err() {
                        break;
                    }
                    count.fetch_add(read, Ordering::SeqCst);
                }
                let _ = to_client.shutdown(Shutdown::Both);
            });
        }
    });
    (port, passed)
}

fn copy(mut from: TcpStream, mut to: TcpStream) {
    let _ = std::io::copy(&mut from, &mut to);
    let _ = to.shutdown(Shutdown::Both);
}

fn mistreat(mut from: TcpStream, mut to: TcpStream, fault: Fault, after: usize) {
    let mut buffer = [0; 4096];
    let mut passed = 0;
    let mut done = false;
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 {
            break;
        }
        let piece = &mut buffer[..count];
        let here = (!done && passed + count > after).then(|| after - passed);
        passed += count;
        if let Some(at) = here {
            done = true;
            match fault {
                Fault::Stall => {
                    let _ = to.write_all(&piece[..at]);
                    // Until the other side gives up.
                    let _ = from.set_read_timeout(None);
                    let mut rest = [0; 4096];
                    while matches!(from.read(&mut rest), Ok(1..)) {}
                    return;
                }
                Fault::Cut => {
                    let _ = to.write_all(&piece[..at]);
                    let _ = to.shutdown(Shutdown::Both);
                    return;
                }
                Fault::Repeat => {
                    let _ = to.write_all(piece);
                }
                Fault::Flip => piece[at] ^= 0x5a,
            }
        }
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = to.shutdown(Shutdown::Both);
}
