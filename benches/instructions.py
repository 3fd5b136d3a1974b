#!/usr/bin/env python3
"""Instructions that the short commands execute, counted by callgrind, against ceilings that are kept.

    benches/instructions.py --check     compare with instructions.json; status 1 above a ceiling
    benches/instructions.py --write     set the ceilings: what is counted now and a tenth

The programs are those in PATH and have to be release builds. A count is the same on every run but for
hash seeds and random numbers (far below the tenth) and whatever else the machine does; it differs with
the C library, the compiler, and on processors without AVX2, which valgrind then hides from the
programs. Keys, tokens, times and the environment are fixed here.
"""

import argparse
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile

from measure import Directory, Row, missing
from short import fill

TITLE = "Instructions"
ABOUT = (
    "What callgrind counts for a whole process with a user table of 100, against the ceilings in"
    " `benches/instructions.json`, which CI checks."
)
CEILINGS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "instructions.json")

# The pair of RFC 8032 7.1, TEST 1, in the server's form.
ENVIRONMENT = """JWT_PUBLIC_KEY="11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
JWT_PRIVATE_KEY="nWGxne/9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2DXWpgBgrEKt9VL/tPJZAc6DuFy89qmIyWvAhpo9wdRGg=="
SESSION_KEY="c2Vzc2lvbiBrZXkgb2YgdGhlIGJlbmNoIGFsb25lIC4="
"""
NOW = "2026-01-01T00:00:00Z"
COMMANDS = {
    "gen-keypair": "gen-keypair",
    "gen-keypair --help": "gen-keypair --help",
    "convert-pem-pubkey": "convert-pem-pubkey public.pem",
    "cc-user list": "cc-user list",
    "cc-user show": "cc-user show fritz",
    "cc-jwt issue": f"cc-jwt issue fritz -q --at {NOW}",
    "cc-jwt verify": f"cc-jwt verify --token-file token.txt --endpoint api -q --at {NOW}",
    "cc-jwt inspect": f"cc-jwt inspect --token-file token.txt --at {NOW}",
    "cc-jwt spec issue": f"cc-jwt spec issue -q osdf.yaml --at {NOW}",
    "cc-login --help": "cc-login --help",
    "cc-login status": "cc-login status",
    "cc-login token": "cc-login token",
}


def surroundings(directory):
    return {"PATH": os.environ["PATH"], "HOME": directory.file("home"), "TZ": "UTC", "LC_ALL": "C"}


def count(command, directory):
    """Instructions of one run; the command has to succeed."""
    with tempfile.NamedTemporaryFile("r") as log:
        done = subprocess.run(
            ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", f"--log-file={log.name}",
             *command.split()],
            cwd=directory.path, env=surroundings(directory), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )
        if done.returncode != 0:
            raise SystemExit(f"{command} ended with status {done.returncode}: {done.stderr}{log.read()}")
        return int(re.search(r"Collected\s*:\s*(\d+)", log.read()).group(1))


def counts():
    with Directory() as directory:
        directory.sh("cc-user", "init", "-q")
        directory.write(".env", ENVIRONMENT)
        os.chmod(directory.file(".env"), 0o600)
        directory.sh("cc-user", "add", "fritz", "--role", "admin,api", "--password-stdin", "-q", stdin="correct horse")
        fill(directory.file("var/job.db"), 100)
        directory.write("token.txt", directory.sh("cc-jwt", "issue", "fritz", "-q", "--at", NOW))
        directory.write("public.pem", directory.sh("convert-pem-pubkey", "--from-env", "JWT_PUBLIC_KEY", "--to", "pem"))
        directory.sh("gen-keypair", "-q", "--algorithm", "es256", "--format", "pem", "-o", "osdf")
        directory.sh("cc-jwt", "spec", "new", "-q", "--key", "osdf/private.pem", "-o", "osdf.yaml")
        directory.sh("cc-login", "fritz", "--password-stdin", "-q", stdin="correct horse")
        return {name: count(command, directory) for name, command in COMMANDS.items()}


def ceilings():
    if not os.path.exists(CEILINGS):
        return {}
    with open(CEILINGS) as file:
        return json.load(file)


def run():
    """The part of the table."""
    if not shutil.which("valgrind"):
        return [missing("instructions", "valgrind")], []
    limits = ceilings()
    rows = []
    for name, seen in counts().items():
        limit = limits.get(name)
        told = "no ceiling" if limit is None else f"{100 * seen / limit:.0f} % of the ceiling"
        rows.append(Row(f"`{name}`", seen / 1e6, told, most=limit and limit / 1e6, unit="million"))
    return rows, []


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true")
    what.add_argument("--write", action="store_true")
    given = parser.parse_args()
    if not shutil.which("valgrind"):
        raise SystemExit("valgrind is not installed")
    seen = counts()
    if given.write:
        # Three digits say enough, and a tenth is the room.
        round_up = lambda number: math.ceil(number * 1.1 / 10_000) * 10_000
        with open(CEILINGS, "w") as file:
            json.dump({name: round_up(number) for name, number in seen.items()}, file, indent=2)
            file.write("\n")
        return
    limits = ceilings()
    above = 0
    for name, number in seen.items():
        limit = limits.get(name)
        is_above = limit is None or number > limit
        above += is_above
        told = "no ceiling" if limit is None else f"{limit:>12,}"
        print(f"{name:22} {number:>12,} of {told}{'  ABOVE' if is_above else ''}")
    if above:
        raise SystemExit(
            f"{above} above the ceiling: find out why; if it is meant, benches/instructions.py --write"
        )


if __name__ == "__main__":
    sys.exit(main())
