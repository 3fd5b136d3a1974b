//! LDAP servers that mean harm, or answer like no other: what they send is measured and checked
//! before anything is made of it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::ldapd::{
    BIND, BIND_RESPONSE, DONE, ENTRY, EXTENDED, EXTENDED_RESPONSE, Request, SEARCH, answering, element,
    entry, message, result, serve,
};
use crate::slapd::{Authority, BASE, Manner, Slapd, TREE, crowd, person};
use crate::support::{Run, TestEnv, has};
use crate::sync::{configure, directory_for, table};

fn url(port: u16) -> String {
    format!("ldap://127.0.0.1:{port}")
}

/// Accepts every bind, and answers each search by the script.
fn searching(script: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> u16 {
    answering(move |request| match request.operation {
        BIND => result(request.id, BIND_RESPONSE, 0, ""),
        SEARCH => script(request),
        _ => Vec::new(),
    })
}

/// No text of a panic, and one of this program.
fn is_reported(run: &Run) -> bool {
    run.stderr.lines().any(|line| line.starts_with("cc-user: ") || line.starts_with("cc-login: "))
        && !run.stderr.contains("panicked")
}

#[test]
fn starttls_malformed_answer_is_reported_and_nothing_is_sent_in_the_clear() {
    let whole = |fields: &[u8]| message(1, EXTENDED_RESPONSE, fields);
    let text = |tag| [&[10, 1, 0][..], &element(tag, b""), &element(4, b"")].concat();
    let mut deep = vec![4, 0];
    for _ in 0..30_000 {
        deep = element(0x30, &deep);
    }
    let malformed = "the response to StartTLS does not conform to RFC 4511";
    let answers: Vec<(&str, Vec<u8>)> = vec![
        (malformed, whole(&[])),
        // A result code without octets, a constructed text, one of another type.
        (malformed, whole(&[10, 0])),
        (malformed, whole(&text(0x30))),
        (malformed, whole(&text(2))),
        // Another operation, another message ID, too many levels.
        (malformed, result(1, BIND_RESPONSE, 0, "")),
        (malformed, result(7, EXTENDED_RESPONSE, 0, "")),
        (malformed, whole(&deep)),
        ("it does not use the LDAP protocol", b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()),
        // Lengths of nine octets, indefinite, and of 4 GiB.
        ("a message does not conform to RFC 4511", vec![0x30, 0x89, 0, 0, 0, 0, 0, 0, 0, 0, 1]),
        ("a message does not conform to RFC 4511", vec![0x30, 0x80, 2, 1, 1]),
        ("a message has more than 16 MiB", vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff]),
        (
            "it rejects StartTLS (result code 53, 'no TLS here')",
            result(1, EXTENDED_RESPONSE, 53, "no TLS here"),
        ),
        (
            "it sends unencrypted data after StartTLS",
            [result(1, EXTENDED_RESPONSE, 0, ""), result(1, BIND_RESPONSE, 0, "")].concat(),
        ),
        (
            "the LDAP server closed the connection (result code 52, 'closing')",
            result(0, EXTENDED_RESPONSE, 52, "closing"),
        ),
    ];
    for (name, answer) in answers {
        let in_the_clear = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&in_the_clear);
        let port = answering(move |request| {
            if request.operation != EXTENDED {
                seen.store(true, Ordering::SeqCst);
            }
            answer.clone()
        });
        let directory =
            directory_for(&url(port).replace("127.0.0.1", "localhost"), json!({"sync-user-on-login": true}));
        let run =
            directory.sh("cc-user sync-ldap --starttls --connect-timeout 2s --metrics-file m.prom").ended(69);
        assert!(is_reported(&run) && run.stderr.contains(name), "{name}: {}", run.stderr);
        let metrics = directory.read("m.prom");
        assert!(metrics.contains("cc_user_sync_ldap_exit_status 69\n"), "{name}: {metrics}");
        // An attempt that the LDAP server did not decide does not count, however often.
        for _ in 0..6 {
            let run = directory
                .sh("echo pw | cc-login anna --method ldap --starttls --connect-timeout 2s --password-stdin")
                .ended(69);
            assert!(is_reported(&run) && run.stderr.contains(name), "{name}: {}", run.stderr);
        }
        assert!(!in_the_clear.load(Ordering::SeqCst), "{name}: a request came unencrypted");
    }
}

#[test]
fn answer_of_another_form_or_size_ends_the_sync_with_a_reason() {
    let mut deep = vec![4, 0];
    for _ in 0..100_000 {
        deep = element(0x30, &deep);
    }
    let nested_cookie = deep.clone();
    let page = move |cookie: &[u8]| {
        let control = [element(4, b"1.2.840.113556.1.4.319"), element(4, cookie)].concat();
        element(0xa0, &element(0x30, &control))
    };
    let done = |id: u8, controls: &[u8]| {
        let fields = [&[10, 1, 0][..], &element(4, b""), &element(4, b"")].concat();
        element(0x30, &[&[2, 1, id][..], &element(DONE, &fields), controls].concat())
    };
    let many: Vec<u8> = [4, 0].repeat(200_000);
    let many_attribute = element(0x30, &[element(4, b"uid"), element(0x31, &many)].concat());
    let many_entry = [element(4, b"uid=a"), element(0x30, &many_attribute)].concat();
    type Answer = Box<dyn Fn(&Request) -> Vec<u8> + Send + Sync>;
    let answers: Vec<(&str, &str, Answer)> = vec![
        ("a nested entry", "malformed", Box::new(move |request| message(request.id, ENTRY, &deep))),
        ("a nested control", "malformed", Box::new(move |request| done(request.id, &page(&nested_cookie)))),
        ("a huge message", "more than 16 MiB", Box::new(|_| vec![0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])),
        (
            "very many values",
            "more than 100,000 values",
            Box::new(move |request| message(request.id, ENTRY, &many_entry)),
        ),
        ("an unknown operation", "malformed", Box::new(|request| result(request.id, 0x6b, 0, ""))),
        (
            "another message ID",
            "does not belong to a request",
            Box::new(|request| result(request.id + 1, DONE, 0, "")),
        ),
        (
            "a bind's response",
            "does not belong to a request",
            Box::new(|request| result(request.id, BIND_RESPONSE, 0, "")),
        ),
        ("another protocol", "does not use the LDAP protocol", Box::new(|_| b"SSH-2.0-OpenSSH\r\n".to_vec())),
        (
            "a notice of disconnection",
            "was lost after 0 entries (result code 52, 'shutting down')",
            Box::new(|_| result(0, EXTENDED_RESPONSE, 52, "shutting down")),
        ),
    ];
    for (name, reason, answer) in answers {
        let directory = directory_for(&url(searching(answer)), json!({"sync-user-on-login": true}));
        let run = directory.sh("cc-user sync-ldap --timeout 5s").ended(69);
        assert!(is_reported(&run) && run.stderr.contains(reason), "{name}: {}", run.stderr);
        let login = directory.sh("echo pw | cc-login anna --method ldap --timeout 5s --password-stdin");
        if name == "a nested control" {
            // A login has no use for the control, and does not look into it.
            login.ended(1);
        } else {
            let run = login.ended(69);
            assert!(is_reported(&run) && run.stderr.contains(reason), "{name}: {}", run.stderr);
        }
        assert!(table(&directory).is_empty(), "{name}");
    }
}

#[test]
fn answer_without_end_is_given_up_in_bounded_memory() {
    // Entries that would be kept, entries with values that were not requested, references.
    type Piece = fn(u8, u64) -> Vec<u8>;
    let pieces: [(&str, Piece); 3] = [
        ("names", |id, number| {
            entry(id, &format!("uid={number}"), "uid", format!("{number:0>9000}").as_bytes())
        }),
        ("values", |id, number| entry(id, &format!("uid={number}"), "photo", &[b'x'; 100_000])),
        ("references", |id, _| message(id, 0x73, &element(4, &[b'x'; 100_000]))),
    ];
    for (name, piece) in pieces {
        let port = serve(move |request, stream| {
            if request.operation == BIND {
                return stream.write_all(&result(request.id, BIND_RESPONSE, 0, ""));
            }
            let mut number = 0;
            loop {
                let mut bytes = Vec::new();
                for _ in 0..20 {
                    bytes.extend(piece(request.id, number));
                    number += 1;
                }
                stream.write_all(&bytes)?;
            }
        });
        let directory = directory_for(&url(port), json!({}));
        let began = Instant::now();
        // 600 MB of addresses, of which threads and the programs themselves need some 200.
        let run = directory.sh("ulimit -v 600000; cc-user sync-ldap --page-size 0 --timeout 5s").ended(69);
        assert!(run.stderr.contains("exceeds a safety limit"), "{name}: {}", run.stderr);
        assert!(began.elapsed() < Duration::from_secs(120), "{name}");
    }
}

#[test]
fn bind_rejection_is_a_rejected_login_and_its_reason_is_printed() {
    let ad = "80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 775, v2580";
    for (code, text, meaning) in [
        (49, "", "name or password is wrong"),
        (49, ad, "the account is locked"),
        (53, "Account inactivated. Contact system administrator.", "the account is inactivated"),
        (19, "Exceed password retry limit. Please try later.", "the account is locked"),
    ] {
        let port = answering(move |request| result(request.id, BIND_RESPONSE, code, text));
        let directory = directory_for(&url(port), json!({}));
        rusqlite::Connection::open(directory.file("var/job.db"))
            .unwrap()
            .execute(
                "INSERT INTO user(username, ldap, roles, projects) VALUES ('anna', 1, '[\"user\"]', '[]')",
                [],
            )
            .unwrap();
        let service = directory.sh("cc-user sync-ldap").ended(77);
        for part in [meaning, text, &format!("result code {code}")] {
            assert!(service.stderr.contains(part), "{code}: {}", service.stderr);
        }
        let checks_password = service.stderr.contains("hint: check LDAP_ADMIN_PASSWORD");
        assert_eq!(checks_password, text.is_empty(), "{}", service.stderr);
        let login =
            |options: &str| directory.sh(&format!("echo pw | cc-login anna --password-stdin {options}"));
        let plain = login("").ended(1);
        assert_eq!(
            plain.stderr, "cc-login: login of 'anna' rejected: wrong username or password\n",
            "the user does not see details for the administrator"
        );
        let verbose = login("-v").ended(1);
        assert!(verbose.stderr.contains(meaning) && verbose.stderr.contains(text), "{}", verbose.stderr);
        for _ in 2..5 {
            login("").ended(1);
        }
        let locked = login("").ended(75);
        assert!(locked.stderr.contains("too many failed logins of 'anna'"), "{code}: {}", locked.stderr);
    }
    // What does not depend on name and password does not depend on the login either.
    let port = answering(|request| result(request.id, BIND_RESPONSE, 80, "internal error"));
    let directory = directory_for(&url(port), json!({}));
    directory.sh("cc-user sync-ldap").ended(69);
}

/// Certificate and key by openssl, in this directory.
fn openssl(directory: &TestEnv, commands: &str) {
    directory.sh(&format!("({commands}) 2>&1")).ended(0);
}

/// A TLS server with this certificate that speaks no LDAP; it runs until it is dropped.
struct TlsServer(std::process::Child, u16);

impl TlsServer {
    fn start(directory: &TestEnv, arguments: &[&str]) -> Self {
        let port = crate::slapd::free_port();
        let child = std::process::Command::new("openssl")
            .args(["s_server", "-quiet", "-accept", &port.to_string()])
            .args(arguments)
            .current_dir(directory.path())
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let began = Instant::now();
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(20), "openssl s_server does not start");
            std::thread::sleep(Duration::from_millis(20));
        }
        Self(child, port)
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn self_signed_certificate_of_the_ca_file_is_trusted_for_its_names_only() {
    if !has("slapd") || !has("openssl") {
        return;
    }
    let directory = directory_for("ldap://127.0.0.1:1", json!({}));
    openssl(
        &directory,
        "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 30 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost && openssl x509 -in cert.pem -noout -text | grep CA:TRUE; \
         openssl req -x509 -newkey rsa:2048 -nodes -keyout other.key -out other.pem -days 30 -subj /CN=localhost \
         -addext subjectAltName=DNS:localhost; cat other.pem cert.pem > bundle.pem",
    );
    let tls = (directory.file("cert.pem"), directory.file("key.pem"));
    let server = Slapd::start(&crowd(3), &Manner { tls: Some(tls), ..Manner::default() });
    let sync = |options: &str| directory.sh(&format!("cc-user sync-ldap {options}"));
    for (url, options) in
        [(server.ldaps(), ""), (server.url().replace("127.0.0.1", "localhost"), "--starttls")]
    {
        configure(&directory, &url, json!({}));
        for ca in ["cert.pem", "bundle.pem"] {
            sync(&format!("--ca-file {ca} {options}")).ended(0);
        }
        let other = sync(&format!("--ca-file other.pem {options}")).ended(69);
        assert!(other.stderr.contains("self-signed and not trusted here"), "{}", other.stderr);
        assert!(other.stderr.contains("hint: name the certificate of its issuer"), "{}", other.stderr);
        configure(&directory, &url.replace("localhost", "127.0.0.1"), json!({}));
        let other_name = sync(&format!("--ca-file cert.pem {options}")).ended(69);
        assert!(
            other_name.stderr.contains("its certificate is for 'localhost', not for '127.0.0.1'"),
            "{}",
            other_name.stderr
        );
        assert!(!other_name.stderr.contains("hint:"), "{}", other_name.stderr);
    }
    assert_eq!(table(&directory).len(), 3);
}

#[test]
fn certificate_rejection_is_described_and_only_an_unknown_issuer_asks_for_a_ca_file() {
    if !has("openssl") {
        return;
    }
    let directory = directory_for("ldap://127.0.0.1:1", json!({}));
    openssl(
        &directory,
        "set -e
         openssl req -x509 -newkey rsa:2048 -nodes -keyout ca.key -out ca.pem -days 30 -subj /CN=authority
         openssl req -x509 -newkey rsa:2048 -nodes -keyout x.key -out x.pem -days 30 -subj /CN=another
         openssl req -newkey rsa:2048 -nodes -keyout key.pem -out csr.pem -subj /CN=localhost
         sign() { openssl x509 -req -in csr.pem -CA $1.pem -CAkey $1.key -CAcreateserial -out $2.pem $3; }
         san() { printf 'subjectAltName=%s\\nextendedKeyUsage=%s\\n' $1 $2 > ext; echo '-extfile ext'; }
         sign ca v1 '-days 30'
         sign ca cn \"-days 30 $(echo basicConstraints=CA:FALSE > ext; echo -extfile ext)\"
         sign ca other \"-days 30 $(san DNS:ldap.example.org,DNS:ldap2.example.org serverAuth)\"
         sign ca client \"-days 30 $(san DNS:localhost clientAuth)\"
         sign ca sha1 \"-days 30 -sha1 $(san DNS:localhost serverAuth)\"
         sign x unknown \"-days 30 $(san DNS:localhost serverAuth)\"
         sign ca good \"-days 30 $(san DNS:localhost serverAuth)\"",
    );
    // openssl 3.0 has no option for a time in the past.
    let authority = Authority::new();
    let (expired, expired_key) = authority.issue(2020);
    std::fs::copy(expired, directory.file("expired.pem")).unwrap();
    std::fs::copy(expired_key, directory.file("expired.key")).unwrap();
    std::fs::copy(authority.file(), directory.file("expired-ca.pem")).unwrap();
    for (certificate, reason, asks) in [
        ("v1", "its certificate is X.509 version 1", false),
        ("cn", "its certificate has no subjectAltName", false),
        (
            "other",
            "its certificate is for 'ldap.example.org', 'ldap2.example.org', not for 'localhost'",
            false,
        ),
        ("client", "its certificate is not for a server", false),
        ("sha1", "its certificate is signed with SHA-1", false),
        ("expired", "its certificate has expired on 2020-01-01", false),
        ("unknown", "its certificate is signed by an authority that is not trusted here", true),
    ] {
        let (key, ca) = match certificate {
            "expired" => ("expired.key", "expired-ca.pem"),
            _ => ("key.pem", "ca.pem"),
        };
        let file = format!("{certificate}.pem");
        let arguments = ["-cert", file.as_str(), "-key", key, "-cipher", "DEFAULT@SECLEVEL=0"];
        let server = TlsServer::start(&directory, &arguments);
        configure(&directory, &format!("ldaps://localhost:{}", server.1), json!({"ca-file": ca}));
        let run = directory.sh("cc-user sync-ldap --connect-timeout 5s").ended(69);
        assert!(run.stderr.contains(reason), "{certificate}: {}", run.stderr);
        assert_eq!(run.stderr.contains("--ca-file"), asks, "{certificate}: {}", run.stderr);
    }
    // The counterpart: with a good certificate TLS is not what fails.
    let server = TlsServer::start(&directory, &["-cert", "good.pem", "-key", "key.pem"]);
    configure(&directory, &format!("ldaps://localhost:{}", server.1), json!({"ca-file": "ca.pem"}));
    let run = directory.sh("cc-user sync-ldap --timeout 1s").ended(69);
    assert!(!run.stderr.contains("certificate"), "{}", run.stderr);
}

#[test]
fn local_socket_is_reached_by_each_form_of_its_address() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&crowd(3));
    let encoded = server.ldapi();
    let path = encoded.strip_prefix("ldapi://").unwrap().replace("%2F", "/");
    for url in [
        encoded.clone(),
        format!("{encoded}/"),
        format!("ldapi://{path}"),
        format!("ldapi://{}", path.replace("socket", "s%6fcket")),
    ] {
        let directory = directory_for(&url, json!({}));
        directory.sh("cc-user sync-ldap").ended(0);
        assert_eq!(table(&directory).len(), 3, "{url}");
    }
    let directory = directory_for("ldapi:///", json!({}));
    let run = directory.sh("cc-user sync-ldap").ended(69);
    assert!(run.stderr.contains("ldapi:///: no such file"), "{}", run.stderr);
}

#[test]
fn sasl_external_searches_as_the_account_of_the_process() {
    if !has("slapd") {
        return;
    }
    let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
    let name = format!("gidNumber={group}+uidNumber={user},cn=peercred,cn=external,cn=auth");
    let database = format!("access to * by dn.exact=\"{name}\" read by * auth");
    let server = Slapd::start(&crowd(3), &Manner { database, ..Manner::default() });
    let directory = directory_for(&server.ldapi(), json!({"search-dn": null}));
    let anonymous = directory.sh("cc-user sync-ldap").ended(77);
    assert!(anonymous.stderr.contains("search-dn is not set"), "{}", anonymous.stderr);
    configure(&directory, &server.ldapi(), json!({"search-dn": null, "sasl-external": true}));
    let done = directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!((done.stderr.as_str(), table(&directory).len()), ("", 3));
    configure(&directory, &server.url(), json!({"search-dn": null, "sasl-external": true}));
    let network = directory.sh("cc-user sync-ldap").ended(78);
    assert!(network.stderr.contains("sasl-external needs an ldapi:// URL"), "{}", network.stderr);
}

#[test]
fn references_are_named_and_ignored_by_option_or_setting() {
    if !has("slapd") {
        return;
    }
    let mut ldif = format!("{TREE}{}", person("anna", "Anna"));
    for number in 0..12 {
        let _ = write!(
            ldif,
            "dn: ou=r{number:02},{BASE}\nobjectClass: referral\nobjectClass: extensibleObject\nou: r{number:02}\n\
             ref: ldap://host{number:02}.example/ou=x\n\n"
        );
    }
    let server = Slapd::with(&ldif);
    let directory = directory_for(&server.url(), json!({}));
    let run = directory.sh("cc-user sync-ldap").ended(69);
    assert!(
        run.stderr.contains("(12 references: 'ldap://host00.example/ou=x??sub', ")
            && run.stderr.contains("'ldap://host09.example/ou=x??sub', 2 more)"),
        "{}",
        run.stderr
    );
    directory.sh("cc-user sync-ldap --ignore-references").ended(0);
    configure(&directory, &server.url(), json!({"ignore-references": true}));
    directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory).len(), 1);
}

#[test]
fn several_search_bases_are_read_and_overlap_harmlessly() {
    if !has("slapd") {
        return;
    }
    let group = format!("dn: ou=guests,{BASE}\nobjectClass: organizationalUnit\nou: guests\n\n");
    let guest = person("gast", "Gast G").replacen("ou=people", "ou=guests", 1);
    let server = Slapd::with(&format!("{TREE}{group}{}{guest}", person("anna", "Anna")));
    let (people, guests) = (format!("ou=people,{BASE}"), format!("ou=guests,{BASE}"));
    let directory = directory_for(&server.url(), json!({"user-base": people}));
    directory.sh("cc-user sync-ldap").ended(0);
    assert_eq!(table(&directory), ["anna|1|Anna|[\"user\"]|[]"]);
    for further in [json!(guests), json!([guests, people, BASE, guests])] {
        configure(
            &directory,
            &server.url(),
            json!({"user-base": people, "further-user-bases": further, "user-bind": null, "sync-user-on-login": true}),
        );
        let report = directory.sh("cc-user sync-ldap --json").ended(0).json();
        assert_eq!(report["counts"]["entries"], 2, "{further}");
        assert_eq!(table(&directory).len(), 2);
        // The login searches in all of them as well, and binds as the entry that it found.
        rusqlite::Connection::open(directory.file("var/job.db"))
            .unwrap()
            .execute_batch("DELETE FROM user")
            .unwrap();
        directory.sh("echo gastpw | cc-login gast --password-stdin").ended(0);
        directory.sh("echo wrong | cc-login gast --password-stdin").ended(1);
        assert_eq!(table(&directory), ["gast|1|Gast G|[\"user\"]|[]"]);
        directory.sh("echo gastpw | cc-login gast --password-stdin").ended(0);
        directory.sh("cc-user sync-ldap").ended(0);
    }
    configure(
        &directory,
        &server.url(),
        json!({"user-base": people, "further-user-bases": [format!("ou=none,{BASE}")]}),
    );
    let missing = directory.sh("cc-user sync-ldap").ended(78);
    assert!(missing.stderr.contains("ou=none"), "{}", missing.stderr);
}

#[test]
fn settings_that_the_server_reads_otherwise_are_warned_of() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&format!("{TREE}{}", person("anna", "Anna")));
    let directory = directory_for(&server.url(), json!({}));
    assert_eq!(directory.sh("cc-user sync-ldap").ended(0).stderr, "");
    for (more, warning) in [
        (
            json!({"user-filter": "objectClass=posixAccount"}),
            "the ClusterCockpit server rejects it: it has no outer parentheses",
        ),
        (
            json!({"user-filter": "(& (objectClass=posixAccount) (uid=*))"}),
            "the ClusterCockpit server rejects it: it has blanks between its parts",
        ),
        (
            json!({"uid-attr": "UID"}),
            "returns the attribute 'UID' as 'uid': accepted here, but the ClusterCockpit server does not find it",
        ),
        (json!({"username-attr": "Gecos"}), "returns the attribute 'Gecos' as 'gecos'"),
        (
            json!({"search-dn": ""}),
            "search-dn is not set: the LDAP search is anonymous here, and fails at the ClusterCockpit server",
        ),
    ] {
        configure(&directory, &server.url(), more.clone());
        let run = directory.sh("cc-user sync-ldap").ended(0);
        assert!(
            run.stderr.contains("cc-user: warning: ") && run.stderr.contains(warning),
            "{more}: {}",
            run.stderr
        );
        assert_eq!(table(&directory), ["anna|1|Anna|[\"user\"]|[]"], "{more}");
        let quiet = directory.sh("cc-user sync-ldap -q").ended(0);
        assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""), "{more}");
    }
    configure(&directory, &server.url(), json!({"user-filter": "(&(objectClass=posixAccount)(!uid=x))"}));
    assert_eq!(directory.sh("cc-user sync-ldap").ended(0).stderr, "", "the server reads this form as well");
}

#[test]
fn attempts_count_under_the_entry_that_another_spelling_finds() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&format!("{TREE}{}", person("anna", "Anna")));
    let directory = directory_for(&server.url(), json!({"sync-user-on-login": true}));
    let login = |name: &str, password: &str| {
        directory.run_with("cc-login", &[name, "--password-stdin"], format!("{password}\n"))
    };
    // Full-width letters are the same letters to the LDAP server (RFC 4518 2.3).
    for name in ["\u{ff41}nna", "a\u{ff4e}na", "an\u{ff4e}a", "ann\u{ff41}", "\u{ff41}\u{ff4e}na"] {
        login(name, "wrong").ended(1);
    }
    for name in ["anna", "ANNA", "\u{ff41}\u{ff4e}\u{ff4e}a"] {
        let locked = login(name, "annapw").ended(75);
        assert!(locked.stderr.contains("too many failed logins"), "{name}: {}", locked.stderr);
    }
    assert!(table(&directory).is_empty());
    login("ben", "wrong").ended(1);
}

#[test]
fn username_too_long_is_reported_with_its_bytes_and_not_counted() {
    if !has("slapd") {
        return;
    }
    let long = "x".repeat(101);
    let server = Slapd::with(&format!("{TREE}{}", person(&long, "Long")));
    let directory = directory_for(&server.url(), json!({"sync-user-on-login": true}));
    let login = |name: &str, password: &str| {
        directory.run_with("cc-login", &[name, "--password-stdin"], format!("{password}\n"))
    };
    login(&long, "wrong").ended(1);
    let right = login(&long, &format!("{long}pw")).ended(2);
    assert!(
        right.stderr.contains("the LDAP server accepts the login, but the user cannot be added")
            && right.stderr.contains("101"),
        "{}",
        right.stderr
    );
    assert!(table(&directory).is_empty());
    let huge = "x".repeat(128_000);
    for _ in 0..60 {
        let run = login(&huge, "wrong").ended(2);
        assert!(run.stderr.contains("the username has 128000 bytes: expected at most 255"), "{}", run.stderr);
    }
    for number in 0..60 {
        login(&format!("{:x<250}{number}", ""), "wrong").ended(1);
    }
    let counted = directory.read(".home/.local/state/cc-auth/attempts.json");
    assert!(counted.len() < 63 * 64 && !counted.contains("xxx"), "{counted}");
    login("anna", "wrong").ended(1);
}

/// Changes the user table of a directory while a program waits for the LDAP server.
fn execute(path: &std::path::Path, sql: &str) {
    rusqlite::Connection::open(path).unwrap().execute_batch(sql).unwrap();
}

#[test]
fn login_uses_the_user_as_the_table_has_it_after_the_bind() {
    for (change, status, roles) in [
        ("SELECT 1", 0, Some(json!(["user", "support"]))),
        ("UPDATE user SET roles = '[\"user\"]' WHERE username = 'anna'", 0, Some(json!(["user"]))),
        ("DELETE FROM user", 1, None),
        ("UPDATE user SET ldap = 0 WHERE username = 'anna'", 1, None),
    ] {
        let directory = directory_for("ldap://127.0.0.1:1", json!({}));
        let database = directory.file("var/job.db");
        execute(
            &database,
            "INSERT INTO user(username, ldap, roles, projects) VALUES ('anna', 1, '[\"user\",\"support\"]', '[]')",
        );
        let table = database.clone();
        let port = answering(move |request| {
            execute(&table, if change.starts_with("SELECT") { "" } else { change });
            result(request.id, BIND_RESPONSE, 0, "")
        });
        configure(&directory, &url(port), json!({}));
        let run = directory.sh("echo pw | cc-login anna --password-stdin --json").ended(status);
        if let Some(roles) = roles {
            assert_eq!(run.json()["roles"], roles, "{change}");
        }
    }
}

#[test]
fn login_that_updates_a_name_leaves_a_user_alone_who_was_changed_meanwhile() {
    for (change, expected) in [
        ("", "anna|1|Anna Neu|[\"user\"]|[]"),
        ("UPDATE user SET name = 'Anna von Hand'", "anna|1|Anna von Hand|[\"user\"]|[]"),
        ("UPDATE user SET ldap = 0", "anna|0|Anna Alt|[\"user\"]|[]"),
    ] {
        let directory = directory_for("ldap://127.0.0.1:1", json!({}));
        let database = directory.file("var/job.db");
        execute(
            &database,
            "INSERT INTO user(username, ldap, name, roles, projects) VALUES ('anna', 1, 'Anna Alt', '[\"user\"]', '[]')",
        );
        let port = answering(move |request| match request.operation {
            BIND => result(request.id, BIND_RESPONSE, 0, ""),
            _ => {
                execute(&database, change);
                let values = |attribute: &str, value: &str| {
                    let values = element(0x31, &element(4, value.as_bytes()));
                    element(0x30, &[element(4, attribute.as_bytes()), values].concat())
                };
                let attributes = [values("uid", "anna"), values("gecos", "Anna Neu")].concat();
                let fields = [element(4, b"uid=anna"), element(0x30, &attributes)].concat();
                [message(request.id, ENTRY, &fields), result(request.id, DONE, 0, "")].concat()
            }
        });
        configure(&directory, &url(port), json!({"update-user-on-login": true}));
        directory.sh("echo pw | cc-login anna --password-stdin").ended(0);
        assert_eq!(table(&directory), [expected], "{change}");
    }
}

#[test]
fn sync_plans_for_the_table_as_it_is_when_the_answer_is_whole() {
    let directory = directory_for("ldap://127.0.0.1:1", json!({}));
    let database = directory.file("var/job.db");
    execute(&database, "INSERT INTO user(username, ldap, roles, projects) VALUES ('gone', 1, '[]', '[]')");
    let port = answering(move |request| match request.operation {
        BIND => result(request.id, BIND_RESPONSE, 0, ""),
        _ => {
            // The server adds one of the users itself, and an administrator takes one over.
            execute(
                &database,
                "INSERT INTO user(username, ldap, roles, projects) VALUES ('anna', 0, '[\"admin\"]', '[]');
                 UPDATE user SET ldap = 0 WHERE username = 'gone';",
            );
            let both =
                ["anna", "ben"].map(|name| entry(request.id, &format!("uid={name}"), "uid", name.as_bytes()));
            [both.concat(), result(request.id, DONE, 0, "")].concat()
        }
    });
    configure(&directory, &url(port), json!({"sync-del-old-users": true}));
    let run = directory.sh("cc-user sync-ldap").ended(0);
    assert!(
        run.stdout.starts_with("1 added, 0 renamed, 0 deleted, 0 unchanged, 1 conflict"),
        "{}",
        run.stdout
    );
    assert_eq!(table(&directory), ["anna|0|-|[\"admin\"]|[]", "ben|1|-|[\"user\"]|[]", "gone|0|-|[]|[]"]);
}
