//! `cc-jwt verify` with keys that know their issuer: discovery documents as issuers really have
//! them, redirects, proxies, and credentials for fetching.

use cc_auth::key::jwk::write_public;
use cc_auth::key::{Algorithm, PrivateKey, SigningKey};
use cc_auth::token::{Claims, HeaderParams, sign};
use serde_json::{Value, json};

use crate::httpd::{Authority, Reply, Request, Server};
use crate::support::{Run, TestEnv};

/// A key with this key ID.
fn key(kid: &str) -> SigningKey {
    SigningKey::private(PrivateKey::generate(Algorithm::Es256).unwrap()).unwrap().with_kid(kid)
}

fn public(key: &SigningKey) -> Value {
    let kid = key.verifying_key().kid().map(str::to_owned);
    serde_json::from_str(&write_public(&key.private_key().unwrap().public(), kid.as_deref(), None)).unwrap()
}

/// A token of this issuer, signed with this key.
fn token(key: &SigningKey, issuer: Option<&str>) -> String {
    let mut claims = Claims::new();
    claims.set("sub", "clara");
    claims.set("iat", 1_700_000_000);
    claims.set("exp", 4_000_000_000_i64);
    claims.set("roles", vec!["user".to_owned()]);
    if let Some(issuer) = issuer {
        claims.set("iss", issuer);
    }
    sign(&HeaderParams::for_key(key), &claims, key).unwrap().expose().to_owned()
}

/// An issuer with these keys; `answer` comes before its own documents.
fn issuer_with(
    keys: &[&SigningKey],
    answer: impl Fn(&Request, &str) -> Option<Reply> + Send + Sync + 'static,
) -> Server {
    let set = json!({"keys": keys.iter().map(|key| public(key)).collect::<Vec<_>>()});
    Server::start(move |request| {
        let own = format!("http://{}", request.header("host").unwrap());
        if let Some(reply) = answer(request, &own) {
            return reply;
        }
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                Reply::json(&json!({"issuer": own, "jwks_uri": format!("{own}/keys")}))
            }
            "/keys" => Reply::json(&set),
            _ => Reply::status(404, "text/plain", "no"),
        }
    })
}

fn issuer(keys: &[&SigningKey]) -> Server {
    issuer_with(keys, |_, _| None)
}

fn verify(directory: &TestEnv, arguments: &str, token: &str) -> Run {
    directory.write("token", token);
    directory.sh(&format!("cc-jwt verify --token-file token {arguments}"))
}

#[test]
fn key_of_one_issuer_never_verifies_a_token_of_another() {
    let (of_a, of_b, shared) = (key("a"), key("b"), key("shared"));
    let (a, b) = (issuer(&[&of_a, &shared]), issuer(&[&of_b, &shared]));
    let (a, b) = (a.url(), b.url());
    let directory = TestEnv::new();
    let both = [format!("--discovery {a} --discovery {b}"), format!("--discovery {b} --discovery {a}")];
    for options in &both {
        // Each signs for itself, also with a key that both publish.
        for (key, issuer) in [(&of_a, &a), (&of_b, &b), (&shared, &a), (&shared, &b)] {
            let run = verify(&directory, &format!("{options} --json"), &token(key, Some(issuer))).ended(0);
            assert_eq!(run.json()["token"]["key_issuer"], json!(issuer), "{options}");
        }
        for (key, issuer) in [(&of_b, &a), (&of_a, &b)] {
            let run = verify(&directory, options, &token(key, Some(issuer))).ended(1);
            assert!(run.stdout.contains("fail     issuer"), "{options}: {}", run.stdout);
            let owner = if *issuer == a { &b } else { &a };
            assert!(
                run.stdout.contains(&format!(
                    "the token's issuer is '{issuer}', but the key belongs to the issuer '{owner}'"
                )),
                "{}",
                run.stdout
            );
        }
    }
    // One issuer alone: a slash too many, a typing error, no issuer at all.
    for wrong in
        [Some(format!("{b}/")), Some(b.replace("127.0.0.1", "localhost")), Some(b.to_uppercase()), None]
    {
        for options in [
            format!("--discovery {b}"),
            format!("--discovery {b} --endpoint user-api"),
            format!("--discovery {b} --profile wlcg"),
            format!("--discovery {b} --stream"),
        ] {
            let run = verify(&directory, &options, &token(&of_b, wrong.as_deref())).ended(1);
            assert!(run.stdout.contains("belongs to the issuer"), "{options}: {run:?}");
        }
    }
    // A role takes them for what they are, too.
    directory.write(
        "role.json",
        json!({"role_type": "jwt", "user_claim": "sub", "bound_subject": "clara"}).to_string(),
    );
    verify(&directory, &format!("--login-role role.json --discovery {b}"), &token(&of_b, Some(&b))).ended(0);
    let run = verify(&directory, &format!("--login-role role.json --discovery {b}"), &token(&of_b, Some(&a)))
        .ended(1);
    assert!(run.stdout.contains("belongs to the issuer"), "{run:?}");
    // A key set by its own URL, and a key in a file, belong to no issuer in particular.
    verify(&directory, &format!("--jwks {b}/keys"), &token(&of_b, Some(&a))).ended(0);
    directory.write("key.json", public(&of_b).to_string());
    verify(&directory, &format!("--key key.json --discovery {a}"), &token(&of_b, Some(&a))).ended(0);
}

#[test]
fn discovery_document_is_read_for_what_is_needed_only() {
    let key = key("k");
    let directory = TestEnv::new();
    let odd = [
        // Amazon EKS, SPIRE, Vault's identity tokens, and what else is seen.
        json!({"authorization_endpoint": "urn:kubernetes:programmatic_authorization", "claims_supported": null}),
        json!({"authorization_endpoint": "", "token_endpoint": "", "userinfo_endpoint": ""}),
        json!({"id_token_signing_alg_values_supported": null, "scopes_supported": null}),
        json!({"id_token_signing_alg_values_supported": "RS256", "response_types_supported": "id_token"}),
        json!({"end_session_endpoint": "http://elsewhere.example/logout", "revocation_endpoint": 7}),
        json!({"authorization_response_iss_parameter_supported": "yes", "token_endpoint": ["a"]}),
        json!({"code_challenge_methods_supported": {}, "userinfo_endpoint": "file:///etc/passwd"}),
    ];
    for members in odd {
        let shown = members.to_string();
        let server = issuer_with(&[&key], move |request, own| {
            let mut document = json!({"issuer": own, "jwks_uri": format!("{own}/keys")});
            document.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            request.path.starts_with("/.well-known").then(|| Reply::json(&document))
        });
        let run =
            verify(&directory, &format!("--discovery {}", server.url()), &token(&key, Some(&server.url())));
        assert_eq!(run.status, 0, "{shown}: {run:?}");
    }
    // What is needed is checked and named.
    for (value, words) in [
        (json!(null), "has no jwks_uri"),
        (json!(""), "has no jwks_uri"),
        (json!(["x"]), "invalid jwks_uri"),
        (json!("urn:x"), "invalid jwks_uri"),
        (json!("http://elsewhere.example/keys"), "invalid jwks_uri"),
    ] {
        let server = issuer_with(&[&key], move |request, own| {
            let document = json!({"issuer": own, "jwks_uri": value});
            request.path.starts_with("/.well-known").then(|| Reply::json(&document))
        });
        let run =
            verify(&directory, &format!("--discovery {}", server.url()), &token(&key, Some(&server.url())));
        assert!(run.ended(69).stderr.contains(words), "{words}");
    }
}

#[test]
fn template_issuer_is_named_so_with_what_to_do() {
    let key = key("k");
    let directory = TestEnv::new();
    let server = issuer_with(&[&key], |request, own| {
        let document =
            json!({"issuer": "https://login.example/{tenantid}/v2.0", "jwks_uri": format!("{own}/keys")});
        request.path.starts_with("/.well-known").then(|| Reply::json(&document))
    });
    let run = verify(&directory, &format!("--discovery {}", server.url()), &token(&key, None)).ended(78);
    assert!(run.stderr.contains("is a template: '{tenantid}' stands for"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: configure the URL of one organization"), "{}", run.stderr);
}

#[test]
fn redirect_of_documents_is_followed_within_the_origin_only() {
    let key = key("k");
    let directory = TestEnv::new();
    let moved = |to: fn(&str) -> String| {
        issuer_with(&[&key], move |request, own| match request.path.as_str() {
            "/.well-known/openid-configuration" => Some(Reply::redirect(302, &to(own))),
            "/moved" => Some(Reply::json(&json!({"issuer": own, "jwks_uri": format!("{own}/old-keys")}))),
            "/old-keys" => Some(Reply::redirect(308, "/keys")),
            _ => None,
        })
    };
    let server = moved(|_| "/moved".to_owned());
    for options in ["", "--follow-redirects"] {
        let run = verify(
            &directory,
            &format!("--discovery {} {options}", server.url()),
            &token(&key, Some(&server.url())),
        );
        run.ended(0);
    }
    let server = moved(|own| format!("{}/moved", own.replace("127.0.0.1", "localhost")));
    let run = verify(&directory, &format!("--discovery {}", server.url()), &token(&key, Some(&server.url())))
        .ended(69);
    assert!(run.stderr.contains("which is not followed"), "{}", run.stderr);
    assert!(run.stderr.contains("hint: ask the administrator of the provider"), "{}", run.stderr);
    assert_eq!(server.count("/moved"), 0);
}

/// A proxy that connects every `CONNECT` to this port; the heads that it got.
fn tunnel(
    to: u16,
    tls: Option<std::sync::Arc<rustls::ServerConfig>>,
) -> (u16, std::sync::mpsc::Receiver<String>) {
    use std::io::{Read as _, Write as _};
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (sender, heads) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for client in listener.incoming() {
            let Ok(mut client) = client else { return };
            let (sender, tls) = (sender.clone(), tls.clone());
            std::thread::spawn(move || {
                let mut head = Vec::new();
                let mut byte = [0];
                let mut through = tls.map(|tls| rustls::ServerConnection::new(tls).unwrap());
                loop {
                    let count = match &mut through {
                        Some(connection) => rustls::Stream::new(connection, &mut client).read(&mut byte),
                        None => client.read(&mut byte),
                    };
                    if !matches!(count, Ok(1)) {
                        return;
                    }
                    head.push(byte[0]);
                    if head.ends_with(b"\r\n\r\n") {
                        break;
                    }
                }
                let _ = sender.send(String::from_utf8_lossy(&head).into_owned());
                let answer = b"HTTP/1.1 200 OK\r\n\r\n";
                if let Some(connection) = &mut through {
                    // What is inside TLS to the proxy itself is not passed on in this test.
                    let _ =
                        rustls::Stream::new(connection, &mut client).write_all(b"HTTP/1.1 502 No\r\n\r\n");
                    return;
                }
                client.write_all(answer).unwrap();
                let mut server = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
                let (mut back, mut forth) = (server.try_clone().unwrap(), client.try_clone().unwrap());
                std::thread::spawn(move || std::io::copy(&mut back, &mut forth));
                let _ = std::io::copy(&mut client, &mut server);
            });
        }
    });
    (port, heads)
}

#[test]
fn keys_are_fetched_over_tls_through_a_proxy() {
    let (authority, key) = (Authority::new(), key("k"));
    let set = json!({"keys": [public(&key)]});
    let server = Server::start_tls(authority.server("idp.example", false), move |request| {
        match request.path.as_str() {
            "/.well-known/openid-configuration" => {
                Reply::json(&json!({"issuer": "https://idp.example", "jwks_uri": "https://idp.example/keys"}))
            }
            _ => Reply::json(&set),
        }
    });
    let (proxy, heads) = tunnel(server.port(), None);
    let directory = TestEnv::new();
    directory.write("ca.pem", authority.pem());
    directory.write("token", token(&key, Some("https://idp.example")));
    let line = "cc-jwt verify --token-file token --discovery https://idp.example --ca-file ca.pem";
    directory.sh(&format!("https_proxy=http://me:pw@127.0.0.1:{proxy} {line}")).ended(0);
    let head = heads.recv().unwrap();
    assert!(head.starts_with("CONNECT idp.example:443 HTTP/1.1\r\n"), "{head}");
    assert!(head.to_lowercase().contains("proxy-authorization: basic bwu6chc="), "{head}");
    // The proxy itself over TLS: its certificate is checked as any other.
    directory.sh("rm -rf .home/.cache").ended(0);
    let (proxy, heads) = tunnel(server.port(), Some(authority.server("localhost", false)));
    let run = directory.sh(&format!("https_proxy=https://localhost:{proxy} {line}")).ended(69);
    assert!(run.stderr.contains(&format!("through the proxy 'https://localhost:{proxy}'")), "{}", run.stderr);
    assert!(heads.recv().unwrap().starts_with("CONNECT idp.example:443"));
    let run = directory.sh(&format!("https_proxy=https://127.0.0.1:{proxy} {line}")).ended(69);
    assert!(run.stderr.contains("not for '127.0.0.1'"), "{}", run.stderr);
    assert!(heads.try_recv().is_err(), "nothing is sent to a proxy that is not the right one");
}

#[test]
fn invented_key_ids_of_many_processes_fetch_a_key_set_once_a_minute() {
    let (known, invented) = (key("known"), key("invented"));
    for (control, most) in [("max-age=600", 2), ("no-cache, max-age=600", 6), ("no-store", 6)] {
        let set = json!({"keys": [public(&known)]}).to_string();
        let server = Server::start(move |_| {
            Reply::status(200, "application/json", set.clone()).with("cache-control", control)
        });
        let directory = TestEnv::new();
        for _ in 0..5 {
            verify(&directory, &format!("--jwks {}/keys", server.url()), &token(&invented, None)).ended(1);
        }
        // One for the keys where they must not be reused, and one refetch by all together.
        assert_eq!(server.count("/keys"), most, "{control}");
    }
}

#[test]
fn key_file_is_read_and_warned_about_once_even_after_a_refetch() {
    let (known, invented) = (key("known"), key("invented"));
    let server = issuer(&[&known]);
    let directory = TestEnv::new();
    directory.sh("cc-jwt jwks --help > /dev/null; openssl genrsa -out weak.pem 1024 2> /dev/null").ended(0);
    directory.sh("openssl rsa -in weak.pem -pubout -out weak.pub 2> /dev/null").ended(0);
    let options = format!("--key weak.pub --allow-weak --jwks {}/keys -v", server.url());
    let run = verify(&directory, &options, &token(&invented, None)).ended(1);
    assert_eq!(run.stderr.matches("is too short: an attacker").count(), 1, "{}", run.stderr);
    assert_eq!(run.stderr.matches("reading the key file").count(), 1, "{}", run.stderr);
    assert_eq!(server.count("/keys"), 2);
}

#[test]
fn bearer_token_goes_to_the_named_origin_and_to_no_other() {
    let key = key("k");
    let other = issuer(&[&key]);
    let elsewhere = format!("{}/keys", other.url());
    let directory = TestEnv::new();
    directory.write("sa-token", "s3cret-token\n");
    directory.sh("chmod 600 sa-token").ended(0);
    let guarded = |keys: Option<String>| {
        issuer_with(&[&key], move |request, own| {
            if request.header("authorization") != Some("Bearer s3cret-token") {
                return Some(Reply::status(401, "application/json", "{}"));
            }
            let keys = keys.clone().unwrap_or_else(|| format!("{own}/keys"));
            let document = json!({"issuer": own, "jwks_uri": keys});
            request.path.starts_with("/.well-known").then(|| Reply::json(&document))
        })
    };
    let server = guarded(None);
    let of = |server: &Server| (format!("--discovery {}", server.url()), token(&key, Some(&server.url())));
    let (options, text) = of(&server);
    let run = verify(&directory, &options, &text).ended(69);
    assert!(run.stderr.contains("status 401"), "{}", run.stderr);
    let run = verify(&directory, &format!("{options} --bearer-token-file sa-token -vv"), &text).ended(0);
    assert!(!run.stderr.contains("s3cret-token"), "{}", run.stderr);
    verify(&directory, &format!("--jwks {}/keys --bearer-token-file sa-token", server.url()), &text).ended(0);
    let server = guarded(Some(elsewhere));
    let (options, text) = of(&server);
    verify(&directory, &format!("{options} --bearer-token-file sa-token"), &text).ended(0);
    assert!(other.seen().iter().all(|request| request.header("authorization").is_none()));
}

#[test]
fn proxy_of_the_environment_is_used_by_every_program_and_named_in_errors() {
    let proxy = Server::start(|_| Reply::status(502, "text/plain", "no"));
    let directory = TestEnv::new();
    directory.write(
        "config.json",
        json!({"auth": {"oidc": {"provider": "https://idp.no-such.invalid"}}}).to_string(),
    );
    directory.write("token", token(&key("k"), None));
    directory.sh("cc-user init -q; printf 'OID_CLIENT_ID=cc\\n' >> .env");
    directory.write(
        "config.json",
        json!({"auth": {"oidc": {"provider": "https://idp.no-such.invalid"}}}).to_string(),
    );
    let url = format!("http://user:hunter2@127.0.0.1:{}", proxy.port());
    let lines = [
        "cc-jwt verify --token-file token --discovery https://idp.no-such.invalid",
        "cc-jwt verify --token-file token --jwks https://idp.no-such.invalid/keys",
        "cc-login --method oidc --skip-browser --port 0",
        "echo pw | cc-login anna --method remote --server https://idp.no-such.invalid --password-stdin",
    ];
    for (count, line) in lines.iter().enumerate() {
        let run = directory.sh(&format!("export https_proxy={url}; {line}")).ended(69);
        let expected = format!("the connection goes through the proxy 'http://127.0.0.1:{}'", proxy.port());
        assert!(run.stderr.contains(&expected), "{line}: {}", run.stderr);
        assert!(!run.stderr.contains("hunter2"), "{}", run.stderr);
        let seen = proxy.seen();
        assert_eq!(seen.len(), count + 1, "{line}");
        assert_eq!(seen[count].method, "CONNECT", "{line}");
        for except in ["no-such.invalid", ".no-such.invalid", "a.example,idp.no-such.invalid", "*"] {
            let run =
                directory.sh(&format!("export https_proxy={url} no_proxy='{except}'; {line}")).ended(69);
            assert!(!run.stderr.contains("through the proxy"), "{except}: {}", run.stderr);
        }
        assert_eq!(proxy.seen().len(), count + 1, "{line}");
    }
    // A proxy that does not exist.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let run = directory.sh(&format!("export HTTPS_PROXY=127.0.0.1:{port}; {}", lines[0])).ended(69);
    assert!(run.stderr.contains(&format!("through the proxy '127.0.0.1:{port}'")), "{}", run.stderr);
    assert!(run.stderr.contains("hint: check https_proxy and no_proxy"), "{}", run.stderr);
}
