"""Streams of tokens: verdicts a second on one core and two, against PyJWT; memory whatever the length."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from measure import mib, peak, run_once

TOKENS = 20_000

PYJWT = """
import base64, sys, jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
text = [line for line in open('.env') if line.startswith('JWT_PUBLIC_KEY')][0].split('"')[1]
key = Ed25519PublicKey.from_public_bytes(base64.b64decode(text))
for line in open('tokens.txt'):
    jwt.decode(line.strip(), key, algorithms=['EdDSA'])
"""


def run(table):
    folder = tempfile.mkdtemp()
    try:
        return measure(table, folder)
    finally:
        shutil.rmtree(folder)


def verify(folder, jobs, name="tokens.txt"):
    command = ["cc-jwt", "verify", "--stream", "--no-db", "-q", "-j", str(jobs), "--token-file", name]
    return command, run_once(command, cwd=folder)


def measure(table, folder):
    subprocess.run(["cc-user", "init", "-q"], cwd=folder, check=True)
    users = sqlite3.connect(os.path.join(folder, "var/job.db"))
    users.executemany(
        "insert into hpc_user (username, ldap, roles) values (?, 1, '[\"api\"]')",
        ((f"user{i:06}",) for i in range(TOKENS)),
    )
    users.commit()
    users.close()
    subprocess.run(["cc-jwt", "issue", "--all", "-q", "-o", "tokens.jsonl"], cwd=folder, check=True)
    with open(os.path.join(folder, "tokens.jsonl")) as lines:
        tokens = [json.loads(line)["token"] + "\n" for line in lines]
    for name, times in [("tokens.txt", 1), ("ten.txt", 10)]:
        with open(os.path.join(folder, name), "w") as file:
            file.writelines(tokens * times)
    one, two, peer = [], [], []
    for _ in range(3):
        command, seen = verify(folder, 1)
        if seen.status != 0:
            raise SystemExit(f"{command!r} ended with {seen.status}")
        one.append(seen)
        two.append(verify(folder, 2)[1])
        peer.append(run_once([sys.executable, "-c", PYJWT], cwd=folder))
    middle = lambda runs, what: sorted(getattr(run, what) for run in runs)[1]
    ours, theirs = middle(one, "cpu") / TOKENS * 1e6, middle(peer, "cpu") / TOKENS * 1e6
    short = peak(verify(folder, 2)[0], cwd=folder)
    long = peak(verify(folder, 2, "ten.txt")[0], cwd=folder)
    rows = [
        ("CPU time a token to PyJWT (EdDSA)", ours / theirs, None, f"{ours:.1f} us to {theirs:.1f} us"),
        (
            "wall time of two threads to one",
            middle(two, "wall") / middle(one, "wall"),
            1 / 1.9,
            f"{middle(two, 'wall'):.2f} s to {middle(one, 'wall'):.2f} s for {TOKENS:,} tokens",
        ),
        (
            "peak memory of ten times the tokens to once",
            None if short is None else long / short,
            1.1,
            f"{mib(long)} to {mib(short)}",
        ),
    ]
    return table("Streams of tokens", rows)
