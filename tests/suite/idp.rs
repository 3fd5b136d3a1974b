//! An OpenID provider of the tests' own: proper unless a test requires otherwise, in each way in
//! which a provider, or a server that impersonates one, can be wrong.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{SystemTime, UNIX_EPOCH};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use cc_auth::key::jwk::write_public;
use cc_auth::key::{Algorithm, KeyStrength, PrivateKey, SigningKey};
use cc_auth::token::{Claims, HeaderParams, sign};
use cc_auth::util::secret::SecretBytes;
use serde_json::{Map, Value, json};

use crate::httpd::{Reply, Request, Server, parameter};

/// How the ID token is signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signed {
    Properly,
    /// `alg` none, no signature.
    Not,
    /// With a key that is not published, under the published one's name.
    ByAnother,
    /// HS256 with the public key as the secret.
    WithThePublicKey,
    /// With a published key of an algorithm that the provider says it does not use.
    ByUnannounced,
}

type Change = Box<dyn Fn(&mut Map<String, Value>) + Send + Sync>;
type Override = Box<dyn Fn(&Request) -> Option<Reply> + Send + Sync>;

/// The deviations of a test.
pub struct Behavior {
    pub discovery: Change,
    pub claims: Change,
    pub userinfo: Change,
    pub tokens: Change,
    /// The parameters that the browser brings back.
    pub callback: Change,
    pub signed: Signed,
    /// How userinfo is signed; none is plain.
    pub userinfo_signed: Option<Signed>,
    /// Answers instead of the provider.
    pub instead: Override,
    /// How often a device's login is still pending.
    pub pending: usize,
    pub scheme: &'static str,
}

impl Default for Behavior {
    fn default() -> Self {
        let nothing = || -> Change { Box::new(|_| {}) };
        Self {
            discovery: nothing(),
            claims: nothing(),
            userinfo: nothing(),
            tokens: nothing(),
            callback: nothing(),
            signed: Signed::Properly,
            userinfo_signed: None,
            instead: Box::new(|_| None),
            pending: 0,
            scheme: "http",
        }
    }
}

struct Login {
    nonce: Option<String>,
    challenge: Option<String>,
    redirect_uri: String,
}

struct Provider {
    behavior: Behavior,
    key: SigningKey,
    unannounced: SigningKey,
    codes: Mutex<HashMap<String, Login>>,
    asked: Mutex<usize>,
}

/// The running provider.
pub struct Idp {
    server: Server,
    scheme: &'static str,
}

impl Idp {
    pub fn start(behavior: Behavior) -> Self {
        let provider = Self::provider(behavior);
        Self { server: Server::start(move |request| provider.answer(request)), scheme: "http" }
    }

    fn provider(behavior: Behavior) -> Provider {
        let key =
            |algorithm| SigningKey::private(PrivateKey::generate(algorithm).unwrap()).unwrap().with_kid("k1");
        Provider {
            behavior,
            key: key(Algorithm::Es256),
            unannounced: key(Algorithm::EdDsa),
            codes: Mutex::default(),
            asked: Mutex::new(0),
        }
    }

    /// The same over TLS, for the host `localhost`.
    pub fn start_tls(mut behavior: Behavior, tls: Arc<rustls::ServerConfig>) -> Self {
        behavior.scheme = "https";
        let plain = Self::provider(behavior);
        Self { server: Server::start_tls(tls, move |request| plain.answer(request)), scheme: "https" }
    }

    pub fn issuer(&self) -> String {
        match self.scheme {
            "https" => format!("https://localhost:{}", self.server.port()),
            _ => self.server.url(),
        }
    }

    pub fn seen(&self) -> Vec<Request> {
        self.server.seen()
    }

    pub fn count(&self, path: &str) -> usize {
        self.server.count(path)
    }

    /// The last request for this path.
    #[track_caller]
    pub fn last(&self, path: &str) -> Request {
        self.seen().into_iter().rfind(|request| request.path == path).unwrap()
    }
}

fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

fn changed(mut members: Value, change: &Change) -> Value {
    let object = members.as_object_mut().unwrap();
    change(object);
    // A test takes a member away by setting it to null.
    object.retain(|_, value| !value.is_null());
    members
}

impl Provider {
    fn answer(&self, request: &Request) -> Reply {
        if let Some(reply) = (self.behavior.instead)(request) {
            return reply;
        }
        let own = format!("{}://{}", self.behavior.scheme, request.header("host").unwrap());
        match request.path.as_str() {
            "/.well-known/openid-configuration" => self.discovery(&own),
            "/keys" => self.keys(),
            "/auth" => self.authorize(request, &own),
            "/token" => self.token(request, &own),
            "/userinfo" => {
                let claims = changed(
                    json!({
                        "sub": "s-1", "preferred_username": "clara", "name": "Clara Müller",
                    }),
                    &self.behavior.userinfo,
                );
                match self.behavior.userinfo_signed {
                    None => Reply::json(&claims),
                    Some(signed) => {
                        Reply::status(200, "application/jwt;charset=UTF-8", self.sign(&claims, signed))
                    }
                }
            }
            "/device" => Reply::json(&json!({
                "device_code": "the-device-code", "user_code": "WDJB-MJHT",
                "verification_uri": format!("{own}/enter"),
                "verification_uri_complete": format!("{own}/enter?user_code=WDJB-MJHT"),
                "expires_in": 600, "interval": 1,
            })),
            "/revoke" => Reply::status(200, "text/plain", ""),
            "/end" => Reply::status(200, "text/html", "bye"),
            _ => Reply::status(404, "text/plain", "nothing here"),
        }
    }

    fn discovery(&self, own: &str) -> Reply {
        let document = json!({
            "issuer": own,
            "authorization_endpoint": format!("{own}/auth"),
            "token_endpoint": format!("{own}/token"),
            "userinfo_endpoint": format!("{own}/userinfo"),
            "jwks_uri": format!("{own}/keys"),
            "device_authorization_endpoint": format!("{own}/device"),
            "revocation_endpoint": format!("{own}/revoke"),
            "end_session_endpoint": format!("{own}/end"),
            "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": true,
        });
        Reply::json(&changed(document, &self.behavior.discovery))
    }

    fn keys(&self) -> Reply {
        let public = |key: &SigningKey, kid| -> Value {
            let text = write_public(&key.private_key().unwrap().public(), Some(kid), None);
            serde_json::from_str(&text).unwrap()
        };
        Reply::json(&json!({"keys": [public(&self.key, "k1"), public(&self.unannounced, "k2")]}))
    }

    /// Logs in every client, and sends the browser back.
    fn authorize(&self, request: &Request, own: &str) -> Reply {
        let value = |name: &str| parameter(&request.query, name);
        let redirect_uri = value("redirect_uri").unwrap();
        let code = format!("code-{}", self.codes.lock().unwrap().len());
        let login = Login {
            nonce: value("nonce"),
            challenge: value("code_challenge"),
            redirect_uri: redirect_uri.clone(),
        };
        self.codes.lock().unwrap().insert(code.clone(), login);
        let answer =
            changed(json!({"code": code, "state": value("state"), "iss": own}), &self.behavior.callback);
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        for (name, value) in answer.as_object().unwrap() {
            query.append_pair(name, value.as_str().unwrap());
        }
        Reply::redirect(302, &format!("{redirect_uri}?{}", query.finish()))
    }

    fn token(&self, request: &Request, own: &str) -> Reply {
        let refuse = |code: &str, text: &str| {
            Reply::status(
                400,
                "application/json",
                json!({"error": code, "error_description": text}).to_string(),
            )
        };
        let nonce = match request.field("grant_type").as_deref() {
            Some("authorization_code") => {
                let code = request.field("code").unwrap_or_default();
                // A code is good once.
                let Some(login) = self.codes.lock().unwrap().remove(&code) else {
                    return refuse("invalid_grant", "that code is not known here");
                };
                let verifier = request.field("code_verifier").unwrap_or_default();
                let challenge = URL_SAFE_NO_PAD.encode(digest(&SHA256, verifier.as_bytes()));
                if login.challenge.as_deref() != Some(&challenge) {
                    return refuse("invalid_grant", "PKCE does not fit");
                }
                if request.field("redirect_uri") != Some(login.redirect_uri) {
                    return refuse("invalid_grant", "another redirect_uri");
                }
                login.nonce
            }
            Some("urn:ietf:params:oauth:grant-type:device_code") => {
                let mut asked = self.asked.lock().unwrap();
                *asked += 1;
                if *asked <= self.behavior.pending {
                    return refuse("authorization_pending", "not yet");
                }
                None
            }
            Some("refresh_token") => None,
            _ => return refuse("unsupported_grant_type", "no"),
        };
        let access_token = "the-access-token";
        let half = &digest(&SHA256, access_token.as_bytes()).as_ref()[..16].to_vec();
        let claims = changed(
            json!({
                "iss": own, "sub": "s-1", "aud": "cc", "iat": now(), "exp": now() + 300,
                "auth_time": now(), "nonce": nonce, "at_hash": URL_SAFE_NO_PAD.encode(half),
                "realm_access": {"roles": ["manager"]}, "projects": ["fusion"],
            }),
            &self.behavior.claims,
        );
        let tokens = json!({
            "access_token": access_token, "token_type": "Bearer", "expires_in": 300,
            "refresh_token": "the-refresh-token", "id_token": self.sign(&claims, self.behavior.signed),
        });
        Reply::json(&changed(tokens, &self.behavior.tokens))
    }

    fn sign(&self, claims: &Value, signed: Signed) -> String {
        let by = |key: &SigningKey| {
            let mut own = Claims::new();
            for (name, value) in claims.as_object().unwrap() {
                own.set(name.clone(), value.clone());
            }
            sign(&HeaderParams::for_key(key), &own, key).unwrap().expose().to_owned()
        };
        match signed {
            Signed::Properly => by(&self.key),
            Signed::Not => {
                let header = json!({"alg": "none", "kid": "k1"});
                let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
                format!("{}.{}.", part(&header), part(claims))
            }
            Signed::ByAnother => {
                let other = PrivateKey::generate(Algorithm::Es256).unwrap();
                by(&SigningKey::private(other).unwrap().with_kid("k1"))
            }
            Signed::WithThePublicKey => {
                let text = write_public(&self.key.private_key().unwrap().public(), None, None);
                let secret = SecretBytes::new(text.into_bytes());
                let key =
                    SigningKey::hmac_secret(secret, &[Algorithm::Hs256], KeyStrength::AllowWeak).unwrap();
                by(&key.with_kid("k1"))
            }
            Signed::ByUnannounced => by(&self.unannounced.clone().with_kid("k2")),
        }
    }
}
