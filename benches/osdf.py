"""Tokens of the Open Science Data Federation: one, a thousand, and a thousand that are watched."""

import glob
import os
import statistics
import subprocess
import time

from measure import Directory, Row, good, null, rounds, size
from process import cpu_so_far, peak_so_far
from short import to_openssl

TITLE = "OSDF tokens"
COUNT = size(1_000, 20)
IDLE_SECONDS = size(30, 1)
ABOUT = (
    "`cc-jwt spec issue` (ES256) to `openssl genpkey -algorithm ed25519`, and `cc-jwt renew` of"
    f" {COUNT:,} resources: all due at once, and watched while none is due."
)


def run():
    with Directory() as directory:
        directory.sh("gen-keypair", "-q", "--algorithm", "es256", "--format", "pem", "-o", "keys")
        os.mkdir(directory.file("specs"))
        for i in range(COUNT):
            directory.sh("cc-jwt", "spec", "new", "-q", "--name", f"token-{i:04}", "--key",
                      directory.file("keys/private.pem"), "-o", f"specs/{i:04}.yaml")
        one = "specs/0000.yaml"
        rows = [to_openssl(directory, "cc-jwt spec issue", ["cc-jwt", "spec", "issue", "-q", one], 0.6)]
        specs = sorted(glob.glob("specs/*.yaml", root_dir=directory.path))
        renew = ["cc-jwt", "renew", "-q", "--out-dir", "tokens", "--spec", *specs]
        os.mkdir(directory.file("tokens"))
        runs = [good([*renew, "--force"], cwd=directory.path) for _ in range(rounds(7))]
        wall, cpu = (statistics.median(getattr(run, what) for run in runs) for what in ["wall", "cpu"])
        rows.append(Row(f"renewing {COUNT:,} at once", wall, f"{cpu:.2f} s CPU, each file replaced whole", most=1,
                        unit="s"))
        rows += watched(directory, [*renew, "--watch"])
        return rows, []


def watched(directory, command):
    with null() as out:
        process = subprocess.Popen(command, cwd=directory.path, stdout=out, stderr=subprocess.DEVNULL)
    try:
        # Until it has looked at all of them.
        time.sleep(size(5, 2))
        before = cpu_so_far(process.pid)
        time.sleep(IDLE_SECONDS)
        spent = cpu_so_far(process.pid) - before
        held = peak_so_far(process.pid)
    finally:
        process.terminate()
        status = process.wait()
    if status != 0:
        raise SystemExit(f"cc-jwt renew --watch ended with status {status}")
    return [
        Row(f"{COUNT:,} watched, none due", 100 * spent / IDLE_SECONDS, f"of a core, over {IDLE_SECONDS} s",
            most=0.1, unit="%", digits=3),
        Row(f"peak memory of {COUNT:,} watched", held / (1 << 20), "since it was started", most=20, unit="MiB",
            digits=1),
    ]
