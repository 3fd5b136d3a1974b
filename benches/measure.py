"""Whole processes measured in pairs: CPU time (user and system) and peak memory.

Machines are shared and noisy, so a figure is always a ratio to a peer that ran in turn with it,
A B A B, and the median of the pairs is what is told.
"""

import dataclasses
import os
import statistics
import subprocess
import time


@dataclasses.dataclass
class Run:
    cpu: float  # seconds, user and system
    wall: float  # seconds
    peak: int  # bytes
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
    return Run(usage.ru_utime + usage.ru_stime, wall, usage.ru_maxrss * 1024, process.returncode)


def batch(command, count, **options):
    """`count` runs of a short command as one figure: short runs are below the clock's grain."""
    runs = [run_once(command, **options) for _ in range(count)]
    bad = [run.status for run in runs if run.status != 0]
    if bad:
        raise SystemExit(f"{command!r} ended with {bad[0]}")
    return Run(
        sum(run.cpu for run in runs) / count,
        sum(run.wall for run in runs) / count,
        max(run.peak for run in runs),
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
