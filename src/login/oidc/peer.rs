//! The user ID of the client of a loopback connection, from `/proc/net` of Linux.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{IpAddr, SocketAddr};

/// The addresses of a connection: the local address and that of the client.
pub(super) type Ends = (SocketAddr, SocketAddr);

/// Returns the user ID of the client's process. `None` on other systems, and for a client on
/// another computer or in another network namespace.
pub(super) fn peer_uid((local, peer): Ends) -> Option<u32> {
    if !peer.ip().to_canonical().is_loopback() {
        return None;
    }
    // An IPv4 connection from an IPv6 socket is listed with mapped addresses.
    let mapped = |address: SocketAddr| match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    };
    let in_table = |table: &str, local: SocketAddr, peer: SocketAddr| {
        let lines = BufReader::new(File::open(table).ok()?).lines();
        // The entry of the client has the addresses swapped.
        uid_of_socket(lines.map_while(Result::ok), peer, local)
    };
    let as_it_is = peer.is_ipv4().then(|| in_table("/proc/net/tcp", local, peer)).flatten();
    let account = as_it_is.or_else(|| in_table("/proc/net/tcp6", mapped(local), mapped(peer)));
    // In a user namespace, such as a container, this ID represents every account outside.
    account.filter(|account| *account != OVERFLOW || maps_all_uids())
}

/// The user ID that the system reports for IDs without a mapping in this user namespace.
const OVERFLOW: u32 = 65_534;

/// Whether this user namespace maps all user IDs of the system.
fn maps_all_uids() -> bool {
    let map = std::fs::read_to_string("/proc/self/uid_map").unwrap_or_default();
    map.split_ascii_whitespace().eq(["0", "0", "4294967295"])
}

/// Returns the user ID of the socket with these addresses. A socket without a process, which is
/// listed with the user ID of root, has none.
fn uid_of_socket(lines: impl Iterator<Item = String>, local: SocketAddr, remote: SocketAddr) -> Option<u32> {
    let searched = [proc_net_form(local), proc_net_form(remote)];
    lines
        .filter_map(|line| {
            let mut words = line.split_ascii_whitespace().skip(1);
            let ends = [words.next()?, words.next()?];
            // State, queues, timer and retransmissions precede the user ID.
            let mut words = words.skip(4);
            let (account, _timeout, inode) = (words.next()?, words.next()?, words.next()?);
            (ends == [searched[0].as_str(), searched[1].as_str()] && inode != "0")
                .then(|| account.parse().ok())?
        })
        .next()
}

/// Formats an address and port as in `/proc/net/tcp`: 32-bit words in native byte order.
fn proc_net_form(address: SocketAddr) -> String {
    let octets = match address.ip() {
        IpAddr::V4(ip) => ip.octets().to_vec(),
        IpAddr::V6(ip) => ip.octets().to_vec(),
    };
    let mut out = String::new();
    for word in octets.chunks_exact(4) {
        let number = <[u8; 4]>::try_from(word).map_or(0, u32::from_ne_bytes);
        // Writing to a String cannot fail.
        let _ = write!(out, "{number:08X}");
    }
    let _ = write!(out, ":{:04X}", address.port());
    out
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn peer_uid_of_own_connection_is_own_uid() {
        for address in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(listener) = TcpListener::bind(address) else { continue };
            let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let (server, peer) = listener.accept().unwrap();
            let own = rustix::process::geteuid().as_raw();
            assert_eq!(peer_uid((server.local_addr().unwrap(), peer)), Some(own), "{address}");
            drop(client);
        }
        // An IPv4 connection from an IPv6 socket.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        if let Ok(client) = TcpStream::connect(format!("[::ffff:127.0.0.1]:{port}")) {
            let (server, peer) = listener.accept().unwrap();
            assert!(peer_uid((server.local_addr().unwrap(), peer)).is_some());
            drop(client);
        }
    }

    #[cfg(target_endian = "little")]
    #[test]
    fn peer_uid_is_parsed_from_the_line_of_the_connection() {
        let list = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
             0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 1 1 0\n\
             1: 0100007F:C350 0100007F:1F90 01 00000000:00000000 00:00000000 00000000  1234        0 5 1 0\n\
             2: 0100007F:C351 0100007F:1F90 06 00000000:00000000 03:00000f00 00000000     0        0 0 3 0\n";
        let at = |port: u16| SocketAddr::from(([127, 0, 0, 1], port));
        let of = |port| uid_of_socket(list.lines().map(str::to_owned), at(port), at(8080));
        assert_eq!((of(50000), of(50001), of(50002)), (Some(1234), None, None));
    }
}
