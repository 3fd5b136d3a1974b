"""The short commands: what a script pays for one key, one token, one verdict."""

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import time

from measure import Directory, Row, Turns, mib, missing, ms, peak, rounds, size

TITLE = "Short commands"
USERS = size(100_000, 500)
# Users of a list.
LISTED = size(200_000, 500)
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


# What `cc-user list` prints into a pipe.
QUERY = (
    "select username, coalesce(name, '-'), (select group_concat(value) from json_each(roles)),"
    " iif(ldap, 'ldap', 'local'), '-', coalesce(email, '-') from user order by username"
)


def lists(directory):
    """Lists of many users: the CPU time, that of `sqlite3` for the same lines, and the memory."""
    few, many = "few.db", "many.db"
    for name, count in [(few, LISTED // 10), (many, LISTED)]:
        shutil.copy(directory.file("var/job.db"), directory.file(name))
        table = sqlite3.connect(directory.file(name))
        table.execute("delete from user")
        table.commit()
        table.close()
        fill(directory.file(name), count)
    peer = ["sqlite3", "-tabs", many, QUERY]
    has_peer = shutil.which("sqlite3")
    for options in [[], ["--json"], ["--wide"], ["--sort", "name"]]:
        command = ["cc-user", "list", "-q", *options, "--db"]
        what = f"`{' '.join(['cc-user list', *options])}` of {LISTED:,} users"
        commands = {"ours": [*command, many], **({"peer": peer} if has_peer else {})}
        seen = Turns(commands, 7, cwd=directory.path)
        first = "" if options else first_line(directory, [*command, many])
        yield Row(f"CPU time of {what}", seen.median("ours"), first, most=None if "--sort" in options else 0.3,
                  unit="s")
        if not has_peer:
            yield missing(f"CPU time of {what} to `sqlite3`", "sqlite3")
        elif not options:
            figures = f"{ms(seen.median('ours'))} to {ms(seen.median('peer'))}, rounds {seen.spread('ours', 'peer')}"
            yield Row(f"CPU time of {what} to `sqlite3` with the same lines", seen.ratio("ours", "peer"), figures)
        small, large = (peak([*command, name], cwd=directory.path) for name in (few, many))
        if small is None:
            yield missing(f"peak memory of {what}", "GNU time")
        else:
            # A sorted list has the row numbers in memory.
            most = None if "--sort" in options else 1.1
            yield Row(f"peak memory of {what} to a tenth of them", large / small, f"{mib(large)} to {mib(small)}",
                      most=most)


def first_line(directory, command):
    """How long the first user takes."""
    seconds = []
    for _ in range(rounds(7)):
        begin = time.monotonic()
        with subprocess.Popen(command, cwd=directory.path, stdout=subprocess.PIPE) as process:
            process.stdout.readline()
            seconds.append(time.monotonic() - begin)
            process.stdout.close()
    return f"the first user after {ms(statistics.median(seconds))}"


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
        rows += lists(directory)
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
