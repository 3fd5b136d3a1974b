"""Search for tokens in files: against ripgrep with the combined pattern of what is searched for."""

import os
import random
import shutil
import subprocess

from measure import Directory, Row, Turns, mib, missing, peak, size

TITLE = "Scan of files"
# BENCH_SCAN_MIB=1024 is the full size.
MEBIBYTES = size(int(os.environ.get("BENCH_SCAN_MIB", "256")), 2)
ABOUT = (
    f"`cc-jwt scan` of {MEBIBYTES} MiB of files (logs, configurations, base64, binaries; 50 tokens in them) to ripgrep"
    " that searches the same files for `eyJ`, the first line of PEM, seeds of nkeys and 88 characters of base64."
    " Both use all cores, and the files are in the cache."
)
PATTERN = r"eyJ|-----BEGIN |\bS[UAONC][A-Z2-7]{56}\b|[A-Za-z0-9+/]{86}=="
WORDS = "node job start end error slurmd /var/spool/slurm user uid gid 0 1 info kernel eth0 link up down".split()


def content(kind, numbers, length):
    """The bytes of a file."""
    if kind == "binary":
        return b"\x7fELF\0" + numbers.randbytes(length)
    if kind == "json":
        line = '  "%s": {"url": "http://h%d/api", "list": [1, 2, "%s"]},\n'
        text = "".join(line % (numbers.choice(WORDS), n, numbers.choice(WORDS)) for n in range(length // 60))
    elif kind == "sums":
        text = "".join(f"{numbers.randbytes(32).hex()}  ./usr/lib/f{n}\n" for n in range(length // 84))
    else:
        text = "".join(
            f"Nov 27 10:{n % 60:02}:{n % 59:02} n{n % 400} {' '.join(numbers.choices(WORDS, k=9))}\n"
            for n in range(length // 75)
        )
    return text.encode()


def fill(directory, token):
    """Files of several kinds and sizes up to the total; every 20th of the small ones has a token."""
    numbers = random.Random(1)
    rest, count = MEBIBYTES << 20, 0
    kinds = {kind: content(kind, numbers, 1 << 20) for kind in ["binary", "json", "sums", "log"]}
    while rest > 0:
        kind = numbers.choice(list(kinds))
        length = min(rest, numbers.choice([2_000, 20_000, 200_000, 1 << 20, 8 << 20 if kind == "log" else 1 << 20]))
        body = (kinds[kind] * (1 + length // len(kinds[kind])))[:length]
        if count % 20 == 0 and count < 1000:
            body = f"TOKEN={token}\n".encode() + body if kind != "binary" else body
        os.makedirs(directory.file(f"files/d{count % 50}"), exist_ok=True)
        with open(directory.file(f"files/d{count % 50}/{kind}{count}"), "wb") as file:
            file.write(body)
        rest, count = rest - length, count + 1


def run():
    what = "wall time of `cc-jwt scan` to ripgrep"
    with Directory() as directory:
        directory.sh("cc-user", "init")
        directory.sh("cc-user", "add", "fritz", "--role", "api", "--no-password")
        fill(directory, directory.sh("cc-jwt", "issue", "fritz", "-q").strip())
        ours = ["cc-jwt", "scan", "-q", "files"]
        memory = f"peak {mib(peak(ours, cwd=directory.path))}"
        if not shutil.which("rg"):
            return [missing(what, "Debian's ripgrep")], []
        peer = ["rg", "--no-config", "-uu", "--no-messages", "-o", PATTERN, "files"]
        subprocess.run(peer, cwd=directory.path, stdout=subprocess.DEVNULL, check=False)
        seen = Turns({"ours": ours, "peer": peer}, 5, cwd=directory.path)
        rows = []
        for name, kind, most in [(what, "wall", 2), ("CPU time of `cc-jwt scan` to ripgrep", "cpu", None)]:
            figures = (
                f"{seen.median('ours', kind):.2f} s to {seen.median('peer', kind):.2f} s,"
                f" rounds {seen.spread('ours', 'peer', kind)}, {memory}"
            )
            rows.append(Row(name, seen.ratio("ours", "peer", kind), figures, most=most))
        return rows, []
