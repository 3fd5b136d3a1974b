//! Token issuers of CI systems, as far as a job sees them: GitHub's token endpoint, GitLab's tokens, and a Kubernetes
//! API server whose keys are not public.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use cc_auth::key::jwk::write_public;
use cc_auth::key::{Algorithm, PrivateKey, SigningKey};
use cc_auth::token::{Claims, HeaderParams, sign};
use serde_json::{Map, Value, json};

use crate::httpd::{Reply, Request, Server};

/// The bearer token of a GitHub job, and the one that may read the keys of the API server.
pub const BEARER: &str = "eyJhbGciOiJSUzI1NiJ9.eyJvcmNoaWQiOiJqb2IifQ.runner-s3cret";

/// The claims of a job without `iss`, `aud` and times, as each system issues them.
pub fn github_claims() -> Value {
    json!({
        "jti": "6f0bd5ab-6b0e-4a0c-9a11-2f1c0e9b6b2a", "sub": "repo:site/benchmarks:ref:refs/heads/main",
        "ref": "refs/heads/main", "ref_type": "branch", "ref_protected": "true", "sha": "f1d2d2f924e986ac86fdf7b36c94bcdf32beec15",
        "repository": "site/benchmarks", "repository_owner": "site", "repository_id": "74", "repository_owner_id": "65",
        "repository_visibility": "private", "actor": "octocat", "actor_id": "12", "workflow": "nightly",
        "workflow_ref": "site/benchmarks/.github/workflows/nightly.yml@refs/heads/main",
        "job_workflow_ref": "site/benchmarks/.github/workflows/nightly.yml@refs/heads/main",
        "run_id": "1234567", "run_number": "10", "run_attempt": "2", "event_name": "schedule", "head_ref": "",
        "base_ref": "", "runner_environment": "self-hosted",
    })
}

pub fn gitlab_claims() -> Value {
    json!({
        "jti": "3fe7d2e1-9b9a-4a4b-8a5e-6e5f2d9c7a11", "sub": "project_path:site/benchmarks:ref_type:branch:ref:main",
        "namespace_id": "72", "namespace_path": "site", "project_id": "20", "project_path": "site/benchmarks",
        "user_id": "1", "user_login": "sample-user", "user_email": "sample-user@example.com", "user_access_level": "developer",
        "pipeline_id": "574", "pipeline_source": "schedule", "job_id": "302", "ref": "main", "ref_type": "branch",
        "ref_path": "refs/heads/main", "ref_protected": "true", "runner_id": 1, "runner_environment": "self-hosted",
        "sha": "714a629c0b401fdce83e847fc9589983fc6f46bc", "project_visibility": "internal",
        "ci_config_ref_uri": "gitlab.example.org/site/benchmarks//.gitlab-ci.yml@refs/heads/main",
    })
}

pub fn kubernetes_claims() -> Value {
    json!({
        "sub": "system:serviceaccount:monitoring:reporter", "jti": "0f7c5b0a-9a5c-4c68-8f2e-1d3f9f1f2b77",
        "kubernetes.io": {
            "namespace": "monitoring",
            "node": {"name": "node-1", "uid": "646e7c5e-32d6-4d42-9dbd-e504e6cbe6b1"},
            "pod": {"name": "report-28xkz", "uid": "5c1c4b1e-5b8e-4a1b-9f66-0d8a4b9d2c33"},
            "serviceaccount": {"name": "reporter", "uid": "49bc3604-43f8-4d3a-9a0b-3f2d7a1c8e55"},
        },
    })
}

/// The issuer of a CI system.
pub struct CiProvider {
    server: Server,
    state: Arc<State>,
}

struct State {
    key: SigningKey,
    claims: Value,
    /// Whether discovery and keys require the bearer token, as at a Kubernetes API server.
    is_private: bool,
    /// How many of the next requests for a token fail, and with which status.
    failures: AtomicUsize,
    status: AtomicUsize,
    /// How long ago the tokens were issued, in seconds.
    age: AtomicI64,
}

pub fn now() -> i64 {
    i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()).unwrap()
}

impl CiProvider {
    pub fn github() -> Self {
        Self::start(github_claims(), false)
    }

    pub fn gitlab() -> Self {
        Self::start(gitlab_claims(), false)
    }

    pub fn kubernetes() -> Self {
        Self::start(kubernetes_claims(), true)
    }

    fn start(claims: Value, is_private: bool) -> Self {
        let key =
            SigningKey::private(PrivateKey::generate(Algorithm::Rs256).unwrap()).unwrap().with_kid("ci-1");
        let state = Arc::new(State {
            key,
            claims,
            is_private,
            failures: AtomicUsize::new(0),
            status: AtomicUsize::new(503),
            age: AtomicI64::new(0),
        });
        let answers = Arc::clone(&state);
        Self { server: Server::start(move |request| answers.answer(request)), state }
    }

    pub fn issuer(&self) -> String {
        self.server.url()
    }

    /// The URL of the variable `ACTIONS_ID_TOKEN_REQUEST_URL`.
    pub fn request_url(&self) -> String {
        format!(
            "{}/abc/_apis/distributedtask/hubs/Actions/plans/p/jobs/j/idtoken?api-version=2.0",
            self.issuer()
        )
    }

    /// The environment of a GitHub job, for a line of a shell.
    pub fn github_job(&self) -> String {
        format!(
            "export GITHUB_ACTIONS=true CI=true ACTIONS_ID_TOKEN_REQUEST_URL='{}' ACTIONS_ID_TOKEN_REQUEST_TOKEN='{BEARER}'; ",
            self.request_url()
        )
    }

    pub fn token(&self, audience: &str) -> String {
        self.state.token(&self.issuer(), audience)
    }

    pub fn fail_next_with(&self, status: usize, count: usize) {
        self.state.status.store(status, Ordering::SeqCst);
        self.fail_next(count);
    }

    pub fn fail_next(&self, count: usize) {
        self.state.failures.store(count, Ordering::SeqCst);
    }

    pub fn issue_tokens_of_age(&self, seconds: i64) {
        self.state.age.store(seconds, Ordering::SeqCst);
    }

    pub fn seen(&self) -> Vec<Request> {
        self.server.seen()
    }
}

impl State {
    fn token(&self, issuer: &str, audience: &str) -> String {
        let issued_at = now() - self.age.load(Ordering::SeqCst);
        let mut claims: Map<String, Value> = self.claims.as_object().unwrap().clone();
        // Kubernetes writes a list, the others a string.
        let aud = if self.is_private { json!([audience]) } else { json!(audience) };
        claims.insert("aud".to_owned(), aud);
        for (name, value) in [
            ("iss", json!(issuer)),
            ("iat", json!(issued_at)),
            ("nbf", json!(issued_at)),
            ("exp", json!(issued_at + 600)),
        ] {
            claims.insert(name.to_owned(), value);
        }
        sign(&HeaderParams::for_key(&self.key), &Claims::from(claims), &self.key).unwrap().expose().to_owned()
    }

    fn answer(&self, request: &Request) -> Reply {
        let issuer = format!("http://{}", request.header("host").unwrap());
        let is_bearer = request.header("authorization") == Some(&format!("Bearer {BEARER}"));
        if self.is_private && !is_bearer {
            // An API server without the binding of system:service-account-issuer-discovery.
            let status = json!({
                "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "reason": "Forbidden", "code": 403,
                "message": format!("forbidden: User \"system:anonymous\" cannot get path \"{}\"", request.path),
            });
            return Reply::status(403, "application/json", status.to_string());
        }
        match request.path.as_str() {
            "/.well-known/openid-configuration" => Reply::json(&json!({
                "issuer": issuer, "jwks_uri": format!("{issuer}/openid/v1/jwks"),
                "response_types_supported": ["id_token"], "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
            })),
            "/openid/v1/jwks" => {
                let text = write_public(
                    &self.key.private_key().unwrap().public(),
                    Some("ci-1"),
                    Some(Algorithm::Rs256),
                );
                let key: Value = serde_json::from_str(&text).unwrap();
                Reply::json(&json!({"keys": [key]}))
            }
            path if path.ends_with("/idtoken") => self.github_answer(request, is_bearer, &issuer),
            _ => Reply::status(404, "text/plain", "not found"),
        }
    }

    /// GitHub's token endpoint: a bearer token, one `audience`, and errors as of an Azure DevOps service.
    fn github_answer(&self, request: &Request, is_bearer: bool, issuer: &str) -> Reply {
        let refused = |status, message: &str| {
            let body = json!({
                "$id": "1", "innerException": null, "message": message, "typeKey": "InvalidRequestException",
                "typeName": "GitHub.Services.WebApi.InvalidRequestException, GitHub.Services.WebApi", "errorCode": 0,
                "eventId": 3000,
            });
            Reply::status(status, "application/json", body.to_string())
        };
        if self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok()
        {
            let status = u16::try_from(self.status.load(Ordering::SeqCst)).unwrap();
            return Reply::status(status, "text/html", "<html>Service Unavailable</html>");
        }
        if !is_bearer {
            return refused(401, "The token of the job has expired");
        }
        if request.parameter("api-version").as_deref() != Some("2.0") {
            return refused(400, "No api-version was supplied");
        }
        match request.parameter("audience") {
            Some(audience) if audience.len() > 255 => refused(400, "The audience is too long"),
            audience => {
                let audience = audience.unwrap_or_else(|| "https://github.com/site".to_owned());
                Reply::json(&json!({"count": 1, "value": self.token(issuer, &audience)}))
            }
        }
    }
}
