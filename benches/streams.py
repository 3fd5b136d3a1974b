"""Streams of tokens: verdicts a second against bare loops over other libraries."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import time

from measure import Directory, Row, Turns, good, mib, missing, peak, rounds, run_once, size
from plot import chart

TITLE = "Streams of tokens"
ABOUT = (
    "`cc-jwt verify --stream` of tokens that are all different, every verdict written, against loops"
    " that decode them and do nothing else: jsonwebtoken (the crate `cc-jwt` uses, built alike),"
    " golang-jwt (what the server uses) and PyJWT. Throughput is tokens a second of CPU time, all"
    " threads together, start of the process included."
)

HERE = os.path.dirname(os.path.abspath(__file__))
COUNT = size(100_000, 300)
FEWER = size(20_000, 100)
# What is plotted.
SIZES = size([1, 25_000, 50_000, 75_000], [1, 200])
KEYS = {"EdDSA": "ed25519", "ES256": "es256", "RS256": "rs256"}


def peers():
    """The commands that take an algorithm, a key and tokens, by name; why one is missing."""
    found, lacking = {}, {}
    bare = os.environ.get("BENCH_BARE", "")
    for name, how in [("bare loop, typed", "typed"), ("bare loop, JSON value", "value")]:
        if os.path.exists(bare):
            found[name] = [bare, how]
        else:
            lacking[name] = "built by `make bench`, named by BENCH_BARE"
    # Beside the other peer, below target/.
    built = os.path.join(os.path.dirname(bare) if bare else tempfile.mkdtemp(), "golang_jwt")
    gopath = "/usr/share/gocode"
    if not shutil.which("go") or not os.path.isdir(f"{gopath}/src/github.com/golang-jwt"):
        lacking["golang-jwt"] = "needs Debian's golang-go and golang-github-golang-jwt-jwt-dev"
    else:
        surroundings = {**os.environ, "GO111MODULE": "off", "GOPATH": gopath, "GOFLAGS": "",
                        "GOCACHE": f"{built}.cache"}
        subprocess.run(["go", "build", "-o", built, os.path.join(HERE, "golang_jwt.go")],
                       env=surroundings, check=True)
        found["golang-jwt"] = [built]
    if subprocess.run([sys.executable, "-c", "import jwt, cryptography"], stderr=subprocess.DEVNULL).returncode:
        lacking["PyJWT"] = "needs PyPI's pyjwt[crypto]"
    else:
        found["PyJWT"] = [sys.executable, os.path.join(HERE, "py_jwt.py")]
    return found, lacking


def tokens(directory, algorithm, count, name=None):
    """A file of so many tokens, all different, and the public key."""
    short = KEYS[algorithm]
    if not os.path.exists(directory.file(short)):
        directory.sh("gen-keypair", "-q", "--algorithm", short, "--format", "pem", "-o", short)
    directory.write("names", "".join(f"user{i:06}\n" for i in range(count)))
    # The configuration that init creates asks for the user table.
    directory.write("offline.json", "{}")
    directory.sh("cc-jwt", "issue", "-q", "--users-from", "names", "--no-db", "--roles", "api", "--ttl", "168h",
              "--key", f"{short}/private.pem", "--force", "-o", "tokens.jsonl")
    name = name or f"{short}.txt"
    with open(directory.file("tokens.jsonl")) as lines, open(directory.file(name), "w") as file:
        for line in lines:
            file.write(json.loads(line)["token"] + "\n")
    os.remove(directory.file("tokens.jsonl"))
    return f"{short}/public.pem", name


def ours(key, file=None, jobs=1):
    command = ["cc-jwt", "verify", "--stream", "-c", "offline.json", "--no-db", "-q", "-j", str(jobs), "--key", key]
    return command if file is None else [*command, "--token-file", file]


def against(directory, found, lacking, algorithm, count, turns):
    """Rows of one algorithm, and the seconds of each."""
    key, file = tokens(directory, algorithm, count)
    commands = {"cc-jwt": ours(key, file)}
    commands |= {name: [*command, algorithm, key, file] for name, command in found.items()}
    seen = Turns(commands, turns, cwd=directory.path)
    mine = seen.median("cc-jwt") / count
    rows = []
    for name in ["bare loop, typed", "bare loop, JSON value", "golang-jwt", "PyJWT"]:
        what = f"throughput on one core to {name} ({algorithm})"
        if name in lacking:
            rows.append(missing(what, f"{name} {lacking[name]}"))
            continue
        least = 0.95 if algorithm == "EdDSA" and name.startswith("bare") else None
        theirs = seen.median(name) / count
        figures = (
            f"{1 / mine:,.0f}/s to {1 / theirs:,.0f}/s, {mine * 1e6:.1f} µs to {theirs * 1e6:.1f} µs;"
            f" rounds {seen.spread(name, 'cc-jwt')}"
        )
        rows.append(Row(what, seen.ratio(name, "cc-jwt"), figures, least=least))
    return rows, {name: seen.median(name) for name in commands}


def both_cores(directory, key, file, bare):
    """Two threads to one; and what two single processes at once get out of this machine."""
    one, two, single, pair = [], [], [], []
    for _ in range(rounds(5)):
        one.append(good(ours(key, file, 1), cwd=directory.path).wall)
        two.append(good(ours(key, file, 2), cwd=directory.path).wall)
        if bare:
            command = [*bare, "EdDSA", key, file]
            single.append(good(command, cwd=directory.path).wall)
            begin = time.monotonic()
            both = [subprocess.Popen(command, cwd=directory.path, stdout=subprocess.DEVNULL) for _ in range(2)]
            for process in both:
                process.wait()
            pair.append(time.monotonic() - begin)
    middle = lambda some: sorted(some)[len(some) // 2]
    gain = middle([a / b for a, b in zip(one, two)])
    figures = f"{middle(one):.2f} s to {middle(two):.2f} s for {COUNT:,} tokens"
    if bare:
        most = middle([2 * a / b for a, b in zip(single, pair)])
        figures += f"; two bare loops side by side do {most:.2f} times the work of one here"
    return Row("throughput of two threads to one", gain, figures, least=1.9)


def memory(directory, key, file, times):
    """Peak memory of the tokens so many times over, and how it ended."""
    command = ours(key, jobs=2)
    feed = ["sh", "-c", f"i=0; while [ $i -lt {times} ]; do cat {file}; i=$((i+1)); done"]
    begin = time.monotonic()
    seen = peak(command, stdin=feed, cwd=directory.path)
    return seen, time.monotonic() - begin


def run():
    found, lacking = peers()
    with Directory() as directory:
        rows, seconds = against(directory, found, lacking, "EdDSA", COUNT, 5)
        key, file = f"{KEYS['EdDSA']}/public.pem", "ed25519.txt"
        rows.append(both_cores(directory, key, file, found.get("bare loop, JSON value")))
        for algorithm in ["ES256", "RS256"]:
            rows += against(directory, found, lacking, algorithm, FEWER, 5)[0]
        small, _ = memory(directory, key, file, 1)
        large, _ = memory(directory, key, file, size(10, 2))
        if small is None:
            rows.append(missing("peak memory", "GNU time"))
        else:
            rows.append(Row(f"peak memory of {size(10, 2) * COUNT:,} tokens to {COUNT:,}", large / small,
                            f"{mib(large)} to {mib(small)}", most=1.1))
            rows.append(Row(f"peak memory of {COUNT:,} tokens", small / (1 << 20), "two threads", most=16,
                            unit="MiB", digits=1))
        rows += issuing(directory, found)
        points = {name: [(COUNT, spent)] for name, spent in seconds.items()}
        with open(directory.file(file)) as lines:
            all_tokens = lines.readlines()
        for count in SIZES:
            directory.write("some.txt", "".join(all_tokens[:count]))
            commands = {"cc-jwt": ours(key, "some.txt")}
            commands |= {name: [*command, "EdDSA", key, "some.txt"] for name, command in found.items()}
            seen = Turns(commands, 3, cwd=directory.path)
            for name in commands:
                points[name].append((count, seen.median(name)))
        # Both bare loops would lie on each other.
        points.pop("bare loop, typed", None)
        about = "How long one core takes to judge tokens signed with EdDSA, all different."
        picture = chart("Verifying EdDSA tokens on one core", about, "tokens", "CPU time in seconds", "s",
                        list(points.items()))
        return rows, [("tokens-time.svg", "CPU time against the number of tokens: cc-jwt, a bare loop over"
                       " the crate, golang-jwt, PyJWT", picture)]


def issuing(directory, found):
    """Many tokens out of a list of names and a table of users."""
    directory.sh("cc-user", "init", "-q")
    users = sqlite3.connect(directory.file("var/job.db"))
    users.executemany(
        "insert into user (username, ldap, roles) values (?, 1, '[\"api\"]')",
        ((f"user{i:06}",) for i in range(COUNT)),
    )
    users.commit()
    users.close()
    directory.write("names", "".join(f"user{i:06}\n" for i in range(COUNT)))
    forms = {"--all": ["--all"], "--users-from": ["--users-from", "names"]}
    commands = {form: ["cc-jwt", "issue", "-q", *options] for form, options in forms.items()}
    bare = found.get("bare loop, JSON value")
    if bare:
        commands["bare"] = [bare[0], "sign", "EdDSA", "ed25519/private.pem", str(COUNT)]
    seen = Turns(commands, 5, cwd=directory.path)
    rows = []
    for form in forms:
        what = f"throughput of `cc-jwt issue {form}` of {COUNT:,} users to signing alone"
        if not bare:
            rows.append(missing(what, "the bare loop, built by `make bench`"))
            continue
        mine, theirs = seen.median(form) / COUNT, seen.median("bare") / COUNT
        figures = (
            f"{1 / mine:,.0f}/s with a user table, to {1 / theirs:,.0f}/s of a loop over jsonwebtoken's encode,"
            f" which parses the key for each token; rounds {seen.spread('bare', form)}"
        )
        rows.append(Row(what, seen.ratio("bare", form), figures, least=0.7 if form == "--all" else None))
    held = peak(commands["--users-from"], cwd=directory.path)
    if held is not None:
        rows.append(Row(f"peak memory of issuing {COUNT:,} tokens", held / (1 << 20),
                        "all names are checked before the first token is written", unit="MiB", digits=1))
    return rows
