//! The questions that are put to XRootD and to `cc-jwt verify`, with their answers.

use serde_json::{Value, json};

use super::differences::Difference;

/// The answer to a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// Both permit it.
    Yes,
    /// Neither permits it.
    No,
    /// They differ, for a reason.
    Differs(Difference),
}

use super::scopes::*;
use Answer::{No, Yes};

/// A token, an operation on a path, and the answer.
#[derive(Debug, Clone)]
pub struct Question {
    /// What is special about the token.
    pub name: String,
    pub claims: Value,
    /// Members of the header that are not `alg` and `typ`.
    pub header: Value,
    pub algorithm: &'static str,
    /// The file with the signing key.
    pub key: &'static str,
    /// A change to the signed token.
    pub change: fn(String) -> String,
    pub operation: &'static str,
    /// The path, with percent escapes as in a scope.
    pub path: &'static str,
    pub answer: Answer,
}

/// The audience for any service in the WLCG profile.
pub const ANY: &str = "https://wlcg.cern.ch/jwt/v1/any";

/// The files of the tree.
pub const FILES: [&str; 9] = [
    "/data/file",
    "/data/sub/file",
    "/data/sub/deep/file",
    "/data/subx",
    "/data/Sub/file",
    "/other/file",
    "/sp ace/file",
    "/\u{e9}/file",
    "/a+b/file",
];

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// What the questions are about: the issuer and the audience of the site.
#[derive(Debug, Clone)]
pub struct Names {
    pub issuer: String,
    pub audience: String,
}

impl Names {
    /// A token of a profile with this scope that both accept.
    fn claims(&self, profile: &str, scope: &str) -> Value {
        let mut claims = json!({"iss": self.issuer, "sub": "jane", "aud": ANY, "iat": now() - 5,
            "nbf": now() - 65, "exp": now() + 3600, "jti": "a-b-c", "scope": scope});
        match profile {
            "wlcg" => claims["wlcg.ver"] = json!("1.0"),
            "scitokens2" => {
                claims["ver"] = json!("scitoken:2.0");
                claims["aud"] = json!("ANY");
            }
            "scitokens1" => claims["aud"] = json!(self.audience),
            other => panic!("{other}"),
        }
        claims
    }

    fn question(&self, profile: &str, scope: &str, request: &'static str, answer: Answer) -> Question {
        let (operation, path) = request.split_once(':').unwrap();
        Question {
            name: format!("{profile} {scope:?}"),
            claims: self.claims(profile, scope),
            header: json!({"kid": "k1"}),
            algorithm: "ES256",
            key: "key.pem",
            change: |token| token,
            operation,
            path,
            answer,
        }
    }

    /// A question whose token differs from one that both accept in one way.
    fn changed(
        &self,
        profile: &str,
        name: &str,
        answer: Answer,
        change: impl FnOnce(&mut Question),
    ) -> Question {
        let scope = if profile == "wlcg" { "storage.read:/" } else { "read:/" };
        let request = if profile == "wlcg" { "storage.read:/data/file" } else { "read:/data/file" };
        let mut question = self.question(profile, scope, request, answer);
        question.name = format!("{profile}: {name}");
        change(&mut question);
        question
    }

    pub fn all(&self) -> Vec<Question> {
        let mut all: Vec<Question> = SCOPES
            .iter()
            .map(|(profile, scope, request, answer)| self.question(profile, scope, request, *answer))
            .collect();
        all.extend(self.audiences());
        all.extend(self.versions());
        all.extend(self.times());
        all.extend(self.claims_of_profiles());
        all.extend(self.keys());
        all
    }

    /// A token of the WLCG profile with this scope.
    pub fn with_scope(&self, scope: &str) -> Question {
        self.question("wlcg", scope, "storage.read:/data/file", Yes)
    }

    /// Questions to a site without an audience, and with restricted paths.
    pub fn at_part_of_tree(&self) -> Vec<Question> {
        let mut all: Vec<Question> = [
            ("wlcg", "storage.read:/data", "storage.read:/data/file", Yes),
            ("wlcg", "storage.read:/data/file", "storage.read:/data/file", Yes),
            ("wlcg", "storage.read:/scratch", "storage.read:/data/file", No),
            ("wlcg", "storage.read:/vo/data", "storage.read:/data/file", No),
            ("wlcg", "storage.read:/", "storage.read:/data/file", RestrictedPath),
            ("wlcg", "storage.read:/other", "storage.read:/other/file", RestrictedPath),
            ("wlcg", "storage.read:/other storage.read:/data", "storage.read:/data/file", Yes),
            ("scitokens2", "read:/data", "read:/data/file", Yes),
            ("scitokens2", "read:/data", "write:/data/file", No),
            ("scitokens2", "write:/data", "write:/data/file", Yes),
        ]
        .into_iter()
        .map(|(profile, scope, request, answer)| self.question(profile, scope, request, answer))
        .collect();
        for (profile, audience, answer) in [
            ("wlcg", json!([ANY]), Yes),
            ("wlcg", json!("https://site.example"), No),
            ("wlcg", json!(["https://site.example", ANY]), Yes),
            ("scitokens2", json!(["ANY"]), Yes),
            ("scitokens2", json!("https://site.example"), No),
        ] {
            let (scope, request) = match profile {
                "wlcg" => ("storage.read:/data", "storage.read:/data/file"),
                _ => ("read:/data", "read:/data/file"),
            };
            let mut question = self.question(profile, scope, request, answer);
            question.name = format!("{profile}: aud {audience}");
            set(&mut question, "aud", audience);
            all.push(question);
        }
        all
    }

    fn audiences(&self) -> Vec<Question> {
        let own = self.audience.as_str();
        let slash = format!("{own}/");
        let rows: Vec<(&str, Value, Answer)> = vec![
            ("wlcg", json!(own), Yes),
            ("wlcg", json!(ANY), Yes),
            ("wlcg", json!([own]), Yes),
            ("wlcg", json!(["https://other.example", own]), Yes),
            ("wlcg", json!(["https://other.example", ANY]), Yes),
            ("wlcg", json!("https://other.example"), No),
            ("wlcg", json!(["https://other.example", "https://third.example"]), No),
            ("wlcg", json!(slash), No),
            ("wlcg", json!(own.to_uppercase()), No),
            ("wlcg", json!("https://localhost"), No),
            ("wlcg", json!(""), No),
            ("wlcg", json!([]), No),
            ("wlcg", json!(7), No),
            ("wlcg", json!("ANY"), No),
            ("wlcg", json!(format!("{ANY}/")), No),
            ("wlcg", Value::Null, No),
            ("scitokens2", json!(own), Yes),
            ("scitokens2", json!("ANY"), Yes),
            ("scitokens2", json!("any"), No),
            ("scitokens2", json!(["x", "ANY"]), Yes),
            ("scitokens2", json!(ANY), No),
            ("scitokens2", json!("https://other.example"), No),
            ("scitokens2", Value::Null, No),
            ("scitokens1", json!(own), Yes),
            ("scitokens1", json!([own]), Yes),
            ("scitokens1", json!("ANY"), No),
            ("scitokens1", json!("https://other.example"), No),
            ("scitokens1", Value::Null, No),
        ];
        rows.into_iter()
            .map(|(profile, audience, answer)| {
                self.changed(profile, &format!("aud {audience}"), answer, |question| {
                    set(question, "aud", audience)
                })
            })
            .collect()
    }

    fn versions(&self) -> Vec<Question> {
        let rows: Vec<(&str, &str, Value, Answer)> = vec![
            ("wlcg", "wlcg.ver", json!("1.0"), Yes),
            ("wlcg", "wlcg.ver", json!("1.1"), MinorVersion),
            ("wlcg", "wlcg.ver", json!("1.3"), MinorVersion),
            ("wlcg", "wlcg.ver", json!("2.0"), No),
            ("wlcg", "wlcg.ver", json!("1"), No),
            ("wlcg", "wlcg.ver", json!("1.0.0"), No),
            ("wlcg", "wlcg.ver", json!(1.0), No),
            ("wlcg", "wlcg.ver", json!(1), No),
            ("wlcg", "wlcg.ver", json!(""), No),
            ("wlcg", "ver", json!("scitoken:2.0"), No),
            ("wlcg", "ver", json!("1.0"), No),
            ("scitokens2", "ver", json!("scitoken:2.0"), Yes),
            ("scitokens2", "ver", json!("scitokens:2.0"), Yes),
            ("scitokens2", "ver", json!("scitoken:2.1"), No),
            ("scitokens2", "ver", json!("SciToken:2.0"), No),
            ("scitokens2", "ver", json!("scitoken:3.0"), No),
            ("scitokens2", "ver", json!("2.0"), No),
            ("scitokens2", "ver", json!(2), No),
            ("scitokens2", "ver", json!(""), No),
            ("scitokens1", "ver", json!("scitoken:1.0"), No),
            ("scitokens1", "ver", json!("scitokens:1.0"), Yes),
            ("scitokens1", "ver", json!("scitokens:1.1"), No),
            ("scitokens1", "ver", json!("scitoken:1"), No),
        ];
        rows.into_iter()
            .map(|(profile, claim, version, answer)| {
                self.changed(profile, &format!("{claim} {version}"), answer, |question| {
                    set(question, claim, version)
                })
            })
            .collect()
    }

    fn times(&self) -> Vec<Question> {
        let rows: Vec<(&str, &str, Value, Answer)> = vec![
            ("wlcg", "exp", json!(now() - 10), No),
            ("wlcg", "exp", json!(now() - 100_000), No),
            ("wlcg", "exp", json!(now() + 86_400), Yes),
            ("wlcg", "exp", json!(0), No),
            ("wlcg", "exp", json!("soon"), No),
            ("wlcg", "exp", json!((now() + 3600).to_string()), No),
            ("wlcg", "exp", json!(1.5e9), No),
            ("wlcg", "exp", json!(4.5e9), FractionalTime),
            ("wlcg", "exp", Value::Null, No),
            ("wlcg", "nbf", json!(now() + 600), No),
            ("wlcg", "nbf", json!(now() - 100_000), Yes),
            ("wlcg", "nbf", json!("now"), No),
            ("wlcg", "nbf", Value::Null, RequiredThere),
            ("wlcg", "iat", json!(now() + 600), No),
            ("wlcg", "iat", json!("now"), No),
            ("wlcg", "iat", Value::Null, No),
            ("scitokens2", "exp", json!(now() - 10), No),
            ("scitokens2", "exp", Value::Null, No),
            ("scitokens2", "nbf", Value::Null, No),
            ("scitokens2", "nbf", json!(now() + 600), No),
            ("scitokens2", "iat", Value::Null, RequiredThere),
            ("scitokens1", "exp", json!(now() - 10), No),
            ("scitokens1", "nbf", Value::Null, No),
            ("scitokens1", "iat", Value::Null, RequiredThere),
        ];
        rows.into_iter()
            .map(|(profile, claim, time, answer)| {
                let shown =
                    time.as_i64().map_or_else(|| time.to_string(), |time| format!("now{:+}", time - now()));
                self.changed(profile, &format!("{claim} {shown}"), answer, |question| {
                    set(question, claim, time)
                })
            })
            .collect()
    }

    fn claims_of_profiles(&self) -> Vec<Question> {
        let rows: Vec<(&str, &str, Value, Answer)> = vec![
            ("wlcg", "iss", json!("https://other.example"), No),
            ("wlcg", "iss", json!(format!("{}/", self.issuer)), No),
            ("wlcg", "iss", json!(self.issuer.to_uppercase()), No),
            ("wlcg", "iss", Value::Null, No),
            ("wlcg", "sub", Value::Null, No),
            ("wlcg", "jti", Value::Null, RequiredByProfile),
            ("wlcg", "scope", Value::Null, No),
            ("wlcg", "scope", json!(["storage.read:/"]), No),
            ("wlcg", "scope", json!(7), No),
            ("wlcg", "wlcg.groups", json!(["/vo"]), Yes),
            ("wlcg", "unknown", json!("x"), Yes),
            ("wlcg", "flavour", json!({"a": [1]}), Yes),
            ("scitokens2", "sub", Value::Null, RequiredThere),
            ("scitokens2", "jti", Value::Null, Yes),
            ("scitokens2", "unknown", json!("x"), Yes),
            ("scitokens1", "sub", Value::Null, RequiredThere),
            ("scitokens1", "jti", Value::Null, Yes),
            ("scitokens1", "opt", json!("x"), Yes),
            ("scitokens1", "flavour", json!("x"), No),
            ("scitokens1", "groups", json!([]), No),
            ("scitokens1", "email", json!("jane@example.org"), No),
        ];
        rows.into_iter()
            .map(|(profile, claim, value, answer)| {
                self.changed(profile, &format!("{claim} {value}"), answer, |question| {
                    set(question, claim, value)
                })
            })
            .collect()
    }

    fn keys(&self) -> Vec<Question> {
        fn without_signature(token: String) -> String {
            format!("{}.", token.rsplit_once('.').unwrap().0)
        }
        fn other_signature(token: String) -> String {
            let (content, signature) = token.rsplit_once('.').unwrap();
            let reversed: String = signature.chars().rev().collect();
            format!("{content}.{reversed}")
        }
        fn other_claims(token: String) -> String {
            use base64::Engine as _;
            let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
            let parts: Vec<&str> = token.split('.').collect();
            let claims = String::from_utf8(engine.decode(parts[1]).unwrap()).unwrap();
            let claims = engine.encode(claims.replace("jane", "jean"));
            format!("{}.{claims}.{}", parts[0], parts[2])
        }
        type Change = fn(&mut Question);
        let rows: [(&str, Answer, Change); 20] = [
            ("RS256", Yes, |question| sign(question, "RS256", "rsa.pem", "rsa")),
            ("RS256 with the kid of another key", No, |question| sign(question, "RS256", "rsa.pem", "k1")),
            ("PS256", No, |question| sign(question, "PS256", "rsa.pem", "rsa")),
            ("RS512", No, |question| sign(question, "RS512", "rsa.pem", "rsa")),
            ("ES384", Algorithm, |question| sign(question, "ES384", "p384.pem", "p384")),
            ("EdDSA", Algorithm, |question| sign(question, "EdDSA", "ed.pem", "ed")),
            ("HS256", No, |question| sign(question, "HS256", "secret", "k1")),
            ("alg none", No, |question| sign(question, "none", "", "k1")),
            ("a key that is not published", No, |question| question.key = "other.pem"),
            ("an unknown kid", No, |question| question.header["kid"] = json!("k9")),
            ("the kid of another key", No, |question| question.header["kid"] = json!("k2")),
            ("the second key", Yes, |question| sign(question, "ES256", "second.pem", "k2")),
            ("no kid", No, |question| question.header = json!({})),
            ("an empty kid", No, |question| question.header["kid"] = json!("")),
            ("crit", CriticalHeader, |question| {
                question.header["crit"] = json!(["exp"]);
                question.header["exp"] = json!(1);
            }),
            ("typ at+jwt", Yes, |question| question.header["typ"] = json!("at+jwt")),
            ("no typ", Yes, |question| question.header["typ"] = Value::Null),
            ("no signature", No, |question| question.change = without_signature),
            ("another signature", No, |question| question.change = other_signature),
            ("other claims", No, |question| question.change = other_claims),
        ];
        rows.into_iter().map(|(name, answer, change)| self.changed("wlcg", name, answer, change)).collect()
    }
}

/// Sets a claim, or removes it with null.
fn set(question: &mut Question, claim: &str, value: Value) {
    let claims = question.claims.as_object_mut().unwrap();
    if value.is_null() {
        claims.remove(claim);
    } else {
        claims.insert(claim.to_owned(), value);
    }
}

fn sign(question: &mut Question, algorithm: &'static str, key: &'static str, kid: &str) {
    question.algorithm = algorithm;
    question.key = key;
    question.header["kid"] = json!(kid);
}
