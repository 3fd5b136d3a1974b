"""Whole processes measured in pairs: CPU time (user and system) and peak memory.

Machines are shared and noisy, so a figure is always a ratio to a peer that ran in turn with it,
A B A B, and the median of the pairs is what is told.
"""

import dataclasses
import os
import shutil
import statistics
import subprocess
import tempfile
import time


@dataclasses.dataclass
class Run:
    cpu: float  # seconds, user and system
    wall: float  # seconds
    status: int


@dataclasses.dataclass
class Pair:
    ours: list
    peer: list

    def ratio(self, what="cpu"):
        """Median over the pairs of ours/peer."""
        return statistics.median(
            getattr(a, what) / max(getattr(b, what), 1e-9) for a, b in zip(self.ours, self.peer)
        )

    def median(self, side, what):
        return statistics.median(getattr(run, what) for run in getattr(self, side))


def run_once(command, **options):
    """One process to its end; `command` is a list, its output is thrown away."""
    begin = time.monotonic()
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, **options
    )
    # Read and drop, so that a program that writes much is neither blocked nor killed.
    while process.stdout.read(1 << 20):
        pass
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    return Run(usage.ru_utime + usage.ru_stime, wall, process.returncode)


def peak(command, **options):
    """Peak memory of a process in bytes, or None without GNU time.

    Not from wait4 here: the kernel counts what a process had before exec, and that is Python.
    """
    if not shutil.which("time"):
        return None
    with tempfile.NamedTemporaryFile("r") as file:
        subprocess.run(
            [shutil.which("time"), "-q", "-f", "%M", "-o", file.name, *command],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            check=False,
            **options,
        )
        return int(file.read().split()[-1]) * 1024


def mib(size):
    """A size in bytes for people."""
    return "not measured" if size is None else f"{size / (1 << 20):.1f} MiB"


def batch(command, count, **options):
    """`count` runs of a short command as one figure: short runs are below the clock's grain."""
    runs = [run_once(command, **options) for _ in range(count)]
    bad = [run.status for run in runs if run.status != 0]
    if bad:
        raise SystemExit(f"{command!r} ended with {bad[0]}")
    return Run(
        sum(run.cpu for run in runs) / count,
        sum(run.wall for run in runs) / count,
        0,
    )


def pair(ours, peer, rounds=7, count=20, **options):
    """Runs two commands in turn and gives both sides' figures."""
    batch(ours, 1, **options)
    batch(peer, 1, **options)
    result = Pair([], [])
    for _ in range(rounds):
        result.ours.append(batch(ours, count, **options))
        result.peer.append(batch(peer, count, **options))
    return result
