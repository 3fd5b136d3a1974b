"""The short commands: what a script pays for one key, one token, one verdict."""

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys

from measure import Directory, Row, Turns, good, mib, missing, ms, peak, rounds, size

TITLE = "Short commands"
USERS = size(100_000, 500)
ABOUT = (
    "CPU time of the whole process to that of `openssl genpkey -algorithm ed25519`, 20 runs of each a"
    f" round; the user table has {USERS:,} users. And to scripts that do the same with PyJWT and jose."
)
OPENSSL = ["openssl", "genpkey", "-algorithm", "ed25519"]
NODE_MODULES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "tools", "node_modules")

PYJWT = """
import sys, jwt
jwt.decode(open('token.txt').read().strip(), open('public.pem').read(), algorithms=['EdDSA'])
"""
JOSE = """
import { readFileSync } from 'node:fs';
import { importSPKI, jwtVerify } from '%s/jose/dist/webapi/index.js';
await jwtVerify(readFileSync('token.txt', 'utf8').trim(), await importSPKI(readFileSync('public.pem', 'utf8'), 'EdDSA'));
"""


def fill(path, count):
    """A user table of the server's own form with `count` users."""
    table = sqlite3.connect(path)
    columns = table.execute("select count(*) from pragma_table_info('user')").fetchone()[0]
    assert columns == 7, "not the table this bench knows"
    table.executemany(
        "insert into user (username, password, ldap, name, roles, email, projects)"
        " values (?, null, 1, ?, '[\"user\"]', null, '[]')",
        ((f"user{i:06}", f"User Number {i}") for i in range(count)),
    )
    table.commit()
    table.close()


def to_openssl(directory, what, command, most):
    """A row: CPU time to that of openssl, with the memory."""
    name = f"CPU time of `{what}` to `openssl genpkey`"
    if not shutil.which("openssl"):
        return missing(name, "openssl")
    seen = Turns({"ours": command, "peer": OPENSSL}, 9, 20, cwd=directory.path)
    figures = (
        f"{ms(seen.median('ours'))} to {ms(seen.median('peer'))}, rounds {seen.spread('ours', 'peer')},"
        f" peak {mib(peak(command, cwd=directory.path))}"
    )
    return Row(name, seen.ratio("ours", "peer"), figures, most=most)


def scripts(directory):
    """One verdict by a script: what starting the interpreter and its libraries costs."""
    # The configuration that init creates asks for the user table.
    directory.write("offline.json", "{}")
    verify = ["cc-jwt", "verify", "--token-file", "token.txt", "-c", "offline.json", "--no-db", "-q"]
    modules = os.path.abspath(NODE_MODULES)
    directory.write("verify.mjs", JOSE % modules)
    for peer, command, is_there in [
        ("PyJWT", [sys.executable, "-c", PYJWT],
         subprocess.run([sys.executable, "-c", "import jwt"], stderr=subprocess.DEVNULL).returncode == 0),
        ("jose (Node)", ["node", "verify.mjs"],
         shutil.which("node") and os.path.exists(f"{modules}/jose/dist/webapi/index.js")),
    ]:
        what = f"CPU time of `cc-jwt verify` of one token to a script with {peer}"
        if not is_there:
            yield missing(what, peer)
            continue
        seen = Turns({"ours": verify, "peer": command}, 5, 5, cwd=directory.path)
        yield Row(what, seen.ratio("ours", "peer"), f"{ms(seen.median('ours'))} to {ms(seen.median('peer'))}")


def run():
    with Directory() as directory:
        directory.sh("cc-user", "init", "-q")
        directory.sh("cc-user", "add", "fritz", "--role", "user,api", "--no-password", "-q")
        fill(directory.file("var/job.db"), USERS)
        directory.write("token.txt", directory.sh("cc-jwt", "issue", "fritz", "-q"))
        directory.write("public.pem", directory.sh("convert-pem-pubkey", "--from-env", "JWT_PUBLIC_KEY", "--to", "pem"))
        verify = ["cc-jwt", "verify", "--token-file", "token.txt", "-q"]
        rows = [
            to_openssl(directory, "gen-keypair", ["gen-keypair"], 0.25),
            to_openssl(directory, "convert-pem-pubkey", ["convert-pem-pubkey", "public.pem"], None),
            to_openssl(directory, "cc-jwt issue", ["cc-jwt", "issue", "fritz", "-q"], 0.5),
            to_openssl(directory, "cc-jwt verify", verify, 0.5),
            to_openssl(directory, "cc-jwt inspect", ["cc-jwt", "inspect", "--token-file", "token.txt"], None),
            *scripts(directory),
        ]
        listing = ["cc-user", "list", "--json"]
        runs = [good(listing, cwd=directory.path) for _ in range(rounds(7))]
        memory = peak(listing, cwd=directory.path)
        rows.append(
            Row(f"`cc-user list --json` of {USERS:,} users", statistics.median(run.wall for run in runs),
                f"{statistics.median(run.cpu for run in runs):.3f} s CPU, peak {mib(memory)}", most=0.5, unit="s")
        )
        for what, command in [("cc-jwt issue", ["cc-jwt", "issue", "fritz", "-q"]), ("cc-jwt verify", verify)]:
            held = peak(command, cwd=directory.path)
            if held is not None:
                rows.append(Row(f"peak memory of `{what}`", held / (1 << 20), f"{USERS:,} users", most=7,
                                unit="MiB", digits=1))
        for name, most in [("gen-keypair", 1.5), ("convert-pem-pubkey", 1.5), ("cc-user", None),
                           ("cc-jwt", None), ("cc-login", None)]:
            rows.append(Row(f"size of `{name}`", os.path.getsize(shutil.which(name)) / 1e6, "stripped", most=most,
                            unit="MB"))
        return rows, []
