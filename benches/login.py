"""Logins: what a session costs to ask for, to make by password, and to make by browser."""

import http.client
import json
import os
import statistics
import subprocess
import sys
import urllib.parse

from measure import Directory, Row, Turns, missing, ms, rounds
from process import cpu_so_far
from short import to_openssl

TITLE = "Logins"
ABOUT = (
    "CPU time of the whole process to `openssl genpkey -algorithm ed25519` and, for a password, to Python's"
    " bcrypt on the same hash. By browser: what `cc-login` itself takes from the provider's answer on"
    " (code for tokens, keys, ID token, user information, session on disk, last page)."
)
PASSWORD = "correct horse battery"

BCRYPT = """
import bcrypt, sqlite3
hash = sqlite3.connect('var/job.db').execute("select password from user where username = 'anna'").fetchone()[0]
assert bcrypt.checkpw(b'correct horse battery', hash.encode())
"""


def has(module):
    return subprocess.run([sys.executable, "-c", f"import {module}"], stderr=subprocess.DEVNULL).returncode == 0


def run():
    with Directory() as directory:
        directory.sh("cc-user", "init", "-q")
        directory.sh("cc-user", "add", "anna", "--role", "user,api", "--password-stdin", "-q", stdin=PASSWORD)
        directory.write("password", PASSWORD)
        log_in = ["cc-login", "anna", "--password-file", "password", "-q"]
        os.chmod(directory.file("password"), 0o600)
        directory.sh(*log_in)
        rows = [
            to_openssl(directory, "cc-login --help", ["cc-login", "--help"], 0.4),
            to_openssl(directory, "cc-login token", ["cc-login", "token"], 0.4),
        ]
        what = "CPU time of a login by password to Python's bcrypt"
        if has("bcrypt"):
            seen = Turns({"ours": log_in, "peer": [sys.executable, "-c", BCRYPT]}, 5, 2, cwd=directory.path)
            figures = f"{ms(seen.median('ours'))} to {ms(seen.median('peer'))}: nearly all of it is the hash"
            rows.append(Row(what, seen.ratio("ours", "peer"), figures))
        else:
            rows.append(missing(what, "PyPI's bcrypt"))
    what = "callback of the browser to the end of `cc-login`"
    if not has("jwt, cryptography"):
        return [*rows, missing(what, "PyPI's pyjwt[crypto], which the provider needs")], []
    spent = [by_browser() * 1000 for _ in range(rounds(9))]
    figures = f"own CPU time; {min(spent):.1f} to {max(spent):.1f} ms"
    return [*rows, Row(what, statistics.median(spent), figures, most=50, unit="ms", digits=1)], []


class Browser:
    """A browser that keeps the cookie of the login and follows no redirect by itself."""

    def __init__(self):
        self.cookie = None

    def get(self, url):
        """The URL that the answer redirects to, if any."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=20)
        try:
            path = urllib.parse.urlunsplit(("", "", parts.path, parts.query, ""))
            connection.request("GET", path, headers={"Cookie": self.cookie} if self.cookie else {})
            answer = connection.getresponse()
            answer.read()
            if answer.status >= 400:
                raise SystemExit(f"{parts.path} answered with status {answer.status}")
            cookie = answer.getheader("Set-Cookie")
            if cookie:
                self.cookie = cookie.split(";")[0]
            return answer.getheader("Location")
        finally:
            connection.close()


def by_browser():
    """Seconds of CPU from the callback on."""
    from provider import Provider

    provider = Provider()
    try:
        with Directory() as directory:
            directory.sh("cc-user", "init", "-q")
            config = json.loads(directory.read("config.json"))
            config.setdefault("auth", {})["oidc"] = {"provider": provider.issuer}
            directory.write("config.json", json.dumps(config))
            directory.write(".env", directory.read(".env") + "\nOID_CLIENT_ID=cc\nOID_CLIENT_SECRET=s3cret\n")
            process = subprocess.Popen(
                ["cc-login", "--method", "oidc", "--skip-browser", "--port", "0", "--timeout", "20s"],
                cwd=directory.path, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            told = ""
            for line in process.stderr:
                told += line
                if line.strip().startswith("http"):
                    break
            else:
                raise SystemExit(f"cc-login gives no address: {told}")
            browser = Browser()
            authorization = browser.get(line.strip())
            before = cpu_so_far(process.pid)
            last_page = browser.get(provider.callback(authorization))
            if last_page is not None:
                browser.get(urllib.parse.urljoin(dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(authorization).query))["redirect_uri"], last_page))
            _, status, usage = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
            told += process.stderr.read()
            process.stdout.close()
            process.stderr.close()
            if process.returncode != 0:
                raise SystemExit(f"cc-login ended with status {process.returncode}: {told}")
            return usage.ru_utime + usage.ru_stime - before
    finally:
        provider.stop()
