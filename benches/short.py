"""The short commands: what a script pays for one key, one token, one verdict."""

import os
import shutil
import sqlite3
import subprocess
import tempfile

from measure import mib, pair, peak, run_once

PEER = ["openssl", "genpkey", "-algorithm", "ed25519"]
USERS = 100_000


def fill(path, count):
    """A user table of the server's own form with `count` users."""
    table = sqlite3.connect(path)
    columns = table.execute("select count(*) from pragma_table_info('hpc_user')").fetchone()[0]
    assert columns == 7, "not the table this bench knows"
    table.executemany(
        "insert into hpc_user (username, password, ldap, name, roles, email, projects)"
        " values (?, null, 1, ?, '[\"user\"]', null, '[]')",
        ((f"user{i:06}", f"User Number {i}") for i in range(count)),
    )
    table.commit()
    table.close()


def run(table):
    folder = tempfile.mkdtemp()
    try:
        return measure(table, folder)
    finally:
        shutil.rmtree(folder)


def measure(table, folder):
    subprocess.run(["cc-user", "init", "-q"], cwd=folder, check=True)
    subprocess.run(
        ["cc-user", "add", "fritz", "--role", "user,api", "--no-password", "-q"], cwd=folder, check=True
    )
    fill(os.path.join(folder, "var/job.db"), USERS)
    token = subprocess.run(
        ["cc-jwt", "issue", "fritz", "-q"], cwd=folder, check=True, capture_output=True, text=True
    ).stdout
    with open(os.path.join(folder, "token.txt"), "w") as file:
        file.write(token)
    rows = []
    for what, command, limit in [
        ("gen-keypair", ["gen-keypair"], 0.25),
        ("cc-jwt issue, 100,000 users", ["cc-jwt", "issue", "fritz", "-q"], 0.5),
        (
            "cc-jwt verify, 100,000 users",
            ["cc-jwt", "verify", "--token-file", "token.txt", "-q"],
            0.5,
        ),
        ("cc-login --help", ["cc-login", "--help"], 0.4),
    ]:
        seen = pair(command, PEER, cwd=folder)
        rows.append(
            (
                f"CPU time of `{what}` to `openssl genpkey`",
                seen.ratio(),
                limit,
                f"{seen.median('ours', 'cpu') * 1000:.2f} ms to {seen.median('peer', 'cpu') * 1000:.2f} ms,"
                f" peak {mib(peak(command, cwd=folder))}",
            )
        )
    listing = [run_once(["cc-user", "list", "--json"], cwd=folder) for _ in range(5)]
    best = sorted(listing, key=lambda one: one.wall)[2]
    rows.append(
        (
            "seconds for `cc-user list --json` of 100,000 users",
            best.wall,
            0.5,
            f"{best.cpu:.3f} s CPU, peak {mib(peak(['cc-user', 'list', '--json'], cwd=folder))}",
        )
    )
    for name, limit in [
        ("gen-keypair", 1.5),
        ("convert-pem-pubkey", 1.5),
        ("cc-user", None),
        ("cc-jwt", None),
        ("cc-login", None),
    ]:
        size = os.path.getsize(shutil.which(name)) / 1e6
        rows.append((f"size of `{name}` in MB", size, limit, "stripped"))
    return table("Short commands", rows)
