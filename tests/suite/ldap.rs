//! The LDAP module against a real slapd.

use std::time::Duration;

use cc_auth::ldap::connection::{CONNECT_TIMEOUT, RESPONSE_TIMEOUT};
use cc_auth::ldap::{
    BindCredentials, LdapError, LdapServer, LdapSnapshot, LdapTrust, LdapUrl, UserSearch, UserSearchResult,
};
use cc_auth::util::diagnostic::Diagnostic as _;
use cc_auth::util::note::Notes;
use cc_auth::util::secret::SecretText;

use crate::slapd::{Authority, BASE, Manner, SYNC_DN, SYNC_PASSWORD, Slapd, TREE, crowd, has_ipv6, person};
use crate::support::{has, skip};

fn access(url: &str) -> LdapServer {
    LdapServer {
        urls: LdapUrl::parse_list(url).unwrap(),
        starttls: false,
        trust: LdapTrust::System,
        connect_timeout: CONNECT_TIMEOUT,
        response_timeout: RESPONSE_TIMEOUT,
    }
}

fn search() -> UserSearch {
    UserSearch {
        bases: vec![BASE.to_owned()],
        filter: "(objectClass=posixAccount)".to_owned(),
        uid_attribute: "uid".to_owned(),
        name_attribute: "gecos".to_owned(),
        page_size: 1000,
        ignore_references: false,
    }
}

fn sync_user() -> BindCredentials {
    BindCredentials::simple(SYNC_DN.to_owned(), SecretText::new(SYNC_PASSWORD.to_owned())).unwrap()
}

fn read(access: &LdapServer, who: &BindCredentials, search: &UserSearch) -> Result<LdapSnapshot, LdapError> {
    access.connect(who, &mut Notes::new())?.read_all(search, &mut |_| {})
}

/// Whether the machine has authorities that all programs trust.
fn has_system_certificates() -> bool {
    !rustls_native_certs::load_native_certs().certs.is_empty()
}

#[test]
fn search_reads_all_users_in_pages_of_any_size() {
    if !has("slapd") {
        return;
    }
    let server =
        Slapd::start(&crowd(1234), &Manner { global: "sizelimit unlimited".into(), ..Manner::default() });
    for page_size in [1, 500, 617, 1000, 1234, 5000] {
        let snapshot =
            read(&access(&server.url()), &sync_user(), &UserSearch { page_size, ..search() }).unwrap();
        assert_eq!((snapshot.len(), snapshot.entries()), (1234, 1234), "pages of {page_size}");
        assert_eq!(snapshot.get(17).unwrap().username, "u000017");
        assert_eq!(snapshot.get(17).unwrap().name, Some("User 17"));
    }
    let whole =
        read(&access(&server.ldapi()), &sync_user(), &UserSearch { page_size: 0, ..search() }).unwrap();
    assert_eq!(whole.len(), 1234);
}

#[test]
fn partial_response_at_the_size_limit_is_an_error() {
    if !has("slapd") {
        return;
    }
    // slapd's own default: 500.
    let server = Slapd::with(&crowd(1234));
    for (page_size, limit) in [(0, "size"), (1000, "size"), (100, "size")] {
        let cut = read(&access(&server.url()), &sync_user(), &UserSearch { page_size, ..search() });
        match cut {
            Err(LdapError::LimitExceeded { limit: seen, .. }) => assert_eq!(seen, limit),
            other => panic!("pages of {page_size}: {other:?}"),
        }
    }
}

#[test]
fn search_without_entries_is_empty_and_missing_base_is_an_error() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(&format!("{TREE}{}", person("anna", "Anna A")));
    let with = |search: UserSearch| read(&access(&server.url()), &sync_user(), &search);
    let none = with(UserSearch { filter: "(objectClass=device)".into(), ..search() }).unwrap();
    assert!(none.is_empty());
    let bare = with(UserSearch { filter: "objectClass=posixAccount".into(), ..search() }).unwrap();
    assert_eq!(bare.len(), 1);
    for base in ["ou=unknown,dc=rz,dc=example,dc=com", "no name at all", "dc=elsewhere"] {
        let missing = with(UserSearch { bases: vec![base.into()], ..search() });
        assert!(
            matches!(missing, Err(LdapError::SearchBase(ref named)) if named == base),
            "{base}: {missing:?}"
        );
    }
    for filter in ["(objectClass=posixAccount", "(uid=\\zz)", "((", ""] {
        let broken = with(UserSearch { filter: filter.into(), ..search() });
        assert!(matches!(broken, Err(LdapError::InvalidFilter { .. })), "{filter}: {broken:?}");
    }
}

#[test]
fn refused_credentials_are_distinguished_from_a_server_that_is_down() {
    if !has("slapd") {
        return;
    }
    let mut server = Slapd::with(TREE);
    let wrong = BindCredentials::simple(SYNC_DN.to_owned(), SecretText::new("wrong".to_owned())).unwrap();
    let refused = access(&server.url()).connect(&wrong, &mut Notes::new()).unwrap_err();
    assert!(matches!(refused, LdapError::BindRejected(_)), "{refused:?}");
    assert_eq!(refused.status().code(), 77);
    let url = server.url();
    server.kill();
    let down = access(&url).connect(&sync_user(), &mut Notes::new()).unwrap_err();
    assert!(matches!(down, LdapError::Unreachable(_)), "{down:?}");
    assert_eq!(down.status().code(), 69);
}

#[test]
fn next_server_is_used_if_the_first_is_down() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(TREE);
    let mut notes = Notes::new();
    let both = format!("ldap://127.0.0.1:1 {}", server.url());
    let connection = access(&both).connect(&sync_user(), &mut notes).unwrap();
    assert_eq!(connection.url().port(), server.port);
    assert!(notes.iter().any(|note| note.text.contains("was skipped")), "{notes:?}");
}

#[test]
fn tls_requires_a_certificate_of_the_named_authority() {
    if !has("slapd") {
        return;
    }
    let authority = Authority::new();
    let manner = Manner { tls: Some(authority.issue(2100)), ..Manner::default() };
    let server = Slapd::start(&crowd(3), &manner);
    let trusting = LdapTrust::from_file(&authority.file()).unwrap();
    let plain = server.url().replace("127.0.0.1", "localhost");
    for (url, starttls) in [(server.ldaps(), false), (plain.clone(), true)] {
        let good = LdapServer { trust: trusting.clone(), starttls, ..access(&url) };
        assert_eq!(read(&good, &sync_user(), &search()).unwrap().len(), 3, "{url}");
        let unknown_user = LdapTrust::from_file(&Authority::new().file()).unwrap();
        let bad = LdapServer { trust: unknown_user, starttls, ..access(&url) };
        let refused = read(&bad, &sync_user(), &search());
        assert!(
            matches!(refused, Err(LdapError::Untrusted { unknown_issuer: true, .. })),
            "{url}: {refused:?}"
        );
        let bad = LdapServer { trust: LdapTrust::System, starttls, ..access(&url) };
        match (read(&bad, &sync_user(), &search()), has_system_certificates()) {
            (Err(LdapError::Untrusted { unknown_issuer: true, .. }), true)
            | (Err(LdapError::NoSystemCertificates), false) => {}
            other => panic!("{url}: {other:?}"),
        }
        let other_name = LdapServer {
            trust: trusting.clone(),
            starttls,
            ..access(&url.replace("localhost", "127.0.0.1"))
        };
        match read(&other_name, &sync_user(), &search()) {
            Err(LdapError::Untrusted { why, unknown_issuer: false, .. }) => {
                assert_eq!(why, "its certificate is for 'localhost', not for '127.0.0.1'");
            }
            other => panic!("{url}: {other:?}"),
        }
    }
    let expired = Slapd::start(TREE, &Manner { tls: Some(authority.issue(2020)), ..Manner::default() });
    let refused = read(&LdapServer { trust: trusting, ..access(&expired.ldaps()) }, &sync_user(), &search());
    match refused {
        Err(LdapError::Untrusted { why, .. }) => assert!(why.contains("expired"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn ipv6_address_is_reached_over_tls_with_its_certificate() {
    if !has("slapd") || !(has_ipv6() || skip("this machine has no IPv6")) {
        return;
    }
    let authority = Authority::new();
    let trusting = LdapTrust::from_file(&authority.file()).unwrap();
    let start = |tls| Slapd::start(&crowd(3), &Manner { tls: Some(tls), ..Manner::default() });
    let addresses = |server: &Slapd| {
        [
            (format!("ldaps://[::1]:{}", server.tls_port), false),
            (format!("ldap://[::1]:{}", server.port), true),
        ]
    };
    let server = start(authority.issue_for_ipv6());
    for (url, starttls) in addresses(&server) {
        let good = LdapServer { trust: trusting.clone(), starttls, ..access(&url) };
        assert_eq!(read(&good, &sync_user(), &search()).unwrap().len(), 3, "{url}");
        let unknown_user = LdapTrust::from_file(&Authority::new().file()).unwrap();
        let refused =
            read(&LdapServer { trust: unknown_user, starttls, ..access(&url) }, &sync_user(), &search());
        assert!(matches!(refused, Err(LdapError::Untrusted { .. })), "{url}: {refused:?}");
    }
    let for_another_name = start(authority.issue(2100));
    for (url, starttls) in addresses(&for_another_name) {
        let bad = LdapServer { trust: trusting.clone(), starttls, ..access(&url) };
        let refused = read(&bad, &sync_user(), &search());
        assert!(matches!(refused, Err(LdapError::Untrusted { .. })), "{url}: {refused:?}");
    }
}

#[test]
fn server_without_starttls_receives_nothing_unencrypted() {
    if !has("slapd") {
        return;
    }
    let server = Slapd::with(TREE);
    let refused = read(&LdapServer { starttls: true, ..access(&server.url()) }, &sync_user(), &search());
    match refused {
        Err(LdapError::Unreachable(why)) => assert!(why[0].contains("it rejects StartTLS"), "{why:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn usernames_are_escaped_in_filters_and_dns() {
    if !has("slapd") {
        return;
    }
    let ldif = std::fs::read_to_string(crate::support::data("login-ldap.ldif")).unwrap();
    let server = Slapd::with(&ldif);
    let mut connection = access(&server.url()).connect(&sync_user(), &mut Notes::new()).unwrap();
    for name in
        ["st*ar", "pa)(uid=*", "co,mma", "pl+us", "back\\slash", "#hash", "qu\"ote", "jürgen", "Upper"]
    {
        match connection.find(&search(), name).unwrap() {
            UserSearchResult::One(person) => assert_eq!(person.username, name),
            other => panic!("{name}: {other:?}"),
        }
    }
    for name in ["*", ")(uid=*", "a,ou=x", "#x", "unknown", "nul\0", "an*", "(|(uid=*))", "\\2a"] {
        assert_eq!(connection.find(&search(), name).unwrap(), UserSearchResult::None, "{name:?}");
    }
    assert_eq!(connection.find(&search(), "dupl").unwrap(), UserSearchResult::Ambiguous);
    match connection.find(&search(), "CLARA ").unwrap() {
        UserSearchResult::One(person) => assert_eq!(person.username, "clara", "the directory's own spelling"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn empty_password_is_rejected_without_network() {
    let refused = BindCredentials::simple("cn=x".to_owned(), SecretText::default());
    assert!(matches!(refused, Err(LdapError::EmptyPassword)), "{refused:?}");
    if !has("slapd") {
        return;
    }
    // This server would take it for an anonymous login.
    let server = Slapd::start(
        TREE,
        &Manner { global: "allow bind_anon_cred bind_anon_dn".into(), ..Manner::default() },
    );
    let mut connection =
        access(&server.url()).connect(&BindCredentials::Anonymous, &mut Notes::new()).unwrap();
    let refused = connection.bind(SYNC_DN, &SecretText::default());
    assert!(matches!(refused, Err(LdapError::EmptyPassword)), "{refused:?}");
}

#[test]
fn silent_server_is_given_up_after_the_timeout() {
    let deaf = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("ldap://127.0.0.1:{}", deaf.local_addr().unwrap().port());
    let timeout = Duration::from_millis(300);
    let silent = LdapServer { response_timeout: timeout, ..access(&url) };
    let left = silent.connect(&sync_user(), &mut Notes::new());
    assert!(matches!(left, Err(LdapError::Unreachable(_))), "{left:?}");
    let tls = LdapServer {
        connect_timeout: timeout,
        ..access(&url.replace("ldap:", "ldaps:").replace("127.0.0.1", "localhost"))
    };
    match (tls.connect(&sync_user(), &mut Notes::new()), has_system_certificates()) {
        (Err(LdapError::Unreachable(why)), true) => {
            assert!(why[0].ends_with(": no response in time"), "{why:?}");
        }
        (Err(LdapError::NoSystemCertificates), false) => {}
        other => panic!("{other:?}"),
    }
}
