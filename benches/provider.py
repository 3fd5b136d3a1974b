"""An OpenID provider on loopback that lets everybody in: just enough of one to be measured with."""

import base64
import hashlib
import http.server
import json
import threading
import time
import urllib.parse

import jwt
from cryptography.hazmat.primitives.asymmetric import ec


class Provider:
    """Answers at `issuer` until it is stopped; a login is made by `callback`."""

    def __init__(self):
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.logins = {}
        provider = self

        class Answers(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.reply({"/.well-known/openid-configuration": provider.discovery, "/keys": provider.keys,
                            "/userinfo": provider.userinfo}[self.path]())

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                self.reply(provider.tokens(dict(urllib.parse.parse_qsl(body))))

            def reply(self, content):
                data = json.dumps(content).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answers)
        self.issuer = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    def discovery(self):
        return {
            "issuer": self.issuer, "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token", "userinfo_endpoint": f"{self.issuer}/userinfo",
            "jwks_uri": f"{self.issuer}/keys", "id_token_signing_alg_values_supported": ["ES256"],
            "authorization_response_iss_parameter_supported": True,
        }

    def keys(self):
        public = json.loads(jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key()))
        return {"keys": [{**public, "kid": "k1", "use": "sig", "alg": "ES256"}]}

    def userinfo(self):
        return {"sub": "s-1", "preferred_username": "clara", "name": "Clara", "realm_access": {"roles": ["user"]}}

    def callback(self, address):
        """Where the browser would be sent from this address of the login page."""
        asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(address).query))
        code = f"code-{len(self.logins)}"
        self.logins[code] = asked
        back = urllib.parse.urlencode({"code": code, "state": asked["state"], "iss": self.issuer})
        return f"{asked['redirect_uri']}?{back}"

    def tokens(self, form):
        asked = self.logins.pop(form["code"])
        url64 = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        assert url64(hashlib.sha256(form["code_verifier"].encode()).digest()) == asked["code_challenge"]
        now = int(time.time())
        access = "the-access-token"
        claims = {
            "iss": self.issuer, "sub": "s-1", "aud": "cc", "iat": now, "exp": now + 300, "nonce": asked["nonce"],
            "at_hash": url64(hashlib.sha256(access.encode()).digest()[:16]),
        }
        return {"access_token": access, "token_type": "Bearer", "expires_in": 300,
                "id_token": jwt.encode(claims, self.key, "ES256", headers={"kid": "k1"})}
