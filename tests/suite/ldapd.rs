//! An LDAP server of a test's own, which answers each request with the bytes that a script gives.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

pub const BIND: u8 = 0x60;
pub const SEARCH: u8 = 0x63;
pub const EXTENDED: u8 = 0x77;

pub const BIND_RESPONSE: u8 = 0x61;
pub const ENTRY: u8 = 0x64;
pub const DONE: u8 = 0x65;
pub const EXTENDED_RESPONSE: u8 = 0x78;

/// A request: its message ID and its operation.
pub struct Request {
    pub id: u8,
    pub operation: u8,
    bytes: Vec<u8>,
}

impl Request {
    /// Whether this text is somewhere in it, such as a name.
    pub fn contains(&self, text: &str) -> bool {
        self.bytes.windows(text.len()).any(|part| part == text.as_bytes())
    }
}

/// An element in BER, with a length of four octets as Active Directory writes it.
pub fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = u32::try_from(contents.len()).unwrap().to_be_bytes();
    [&[tag, 0x84][..], &length, contents].concat()
}

pub fn message(id: u8, operation: u8, fields: &[u8]) -> Vec<u8> {
    element(0x30, &[&[2, 1, id][..], &element(operation, fields)].concat())
}

/// A result: code and text.
pub fn result(id: u8, operation: u8, code: u8, text: &str) -> Vec<u8> {
    let fields = [&[10, 1, code][..], &element(4, b""), &element(4, text.as_bytes())].concat();
    message(id, operation, &fields)
}

/// An entry with one value of an attribute.
pub fn entry(id: u8, dn: &str, attribute: &str, value: &[u8]) -> Vec<u8> {
    let values = element(0x31, &element(4, value));
    let attribute = element(0x30, &[element(4, attribute.as_bytes()), values].concat());
    message(id, ENTRY, &[element(4, dn.as_bytes()), element(0x30, &attribute)].concat())
}

/// Starts the server; its port. Each request is answered with what `script` writes; the connection
/// ends when it fails to.
pub fn serve(
    script: impl Fn(&Request, &mut TcpStream) -> std::io::Result<()> + Send + Sync + 'static,
) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let script = Arc::new(script);
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let script = Arc::clone(&script);
            thread::spawn(move || {
                while let Some(request) = read_request(&mut stream) {
                    if script(&request, &mut stream).is_err() {
                        return;
                    }
                }
            });
        }
    });
    port
}

/// A server that answers each request with bytes.
pub fn answering(script: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    serve(move |request, stream| stream.write_all(&script(request)))
}

fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = vec![0; 2];
    stream.read_exact(&mut bytes).ok()?;
    let mut length = usize::from(bytes[1]);
    if length > 0x7f {
        let mut octets = vec![0; length - 0x80];
        stream.read_exact(&mut octets).ok()?;
        length = octets.iter().fold(0, |length, octet| (length << 8) | usize::from(*octet));
        bytes.extend(octets);
    }
    let start = bytes.len();
    bytes.resize(start + length, 0);
    stream.read_exact(&mut bytes[start..]).ok()?;
    // The message ID of these clients has one octet.
    let (id, operation) = (bytes[start + 2], bytes[start + 3]);
    Some(Request { id, operation, bytes })
}

/// An entry with attributes, each with its values.
pub fn entry_of(id: u8, dn: &str, attributes: &[(&str, Vec<String>)]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, Vec<String>)| {
        let values: Vec<u8> = values.iter().flat_map(|value| element(4, value.as_bytes())).collect();
        element(0x30, &[element(4, name.as_bytes()), element(0x31, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    message(id, ENTRY, &[element(4, dn.as_bytes()), element(0x30, &attributes)].concat())
}

/// A successful end of a search with the control for paged results (RFC 2696 3).
pub fn done_with_cookie(id: u8, cookie: &str) -> Vec<u8> {
    let fields = [&[10, 1, 0][..], &element(4, b""), &element(4, b"")].concat();
    let value = element(0x30, &[&[2, 1, 0][..], &element(4, cookie.as_bytes())].concat());
    let control = element(0x30, &[element(4, b"1.2.840.113556.1.4.319"), element(4, &value)].concat());
    element(0x30, &[&[2, 1, id][..], &element(DONE, &fields), &element(0xa0, &control)].concat())
}
