"""Whole processes measured in pairs: CPU time (user and system), wall time, peak memory.

Machines are shared and noisy, so a figure is always a ratio to a peer that ran in turn with it,
A B A B, and the median of the rounds is what is told.
"""

import dataclasses
import os
import shutil
import statistics
import subprocess
import tempfile
import time

# Tiny sizes and one round: shows that the scripts still work, and nothing else.
QUICK = bool(os.environ.get("BENCH_QUICK"))


def size(full, quick):
    """How many of something: the real figure, or one for a look whether the script works."""
    return quick if QUICK else full


def rounds(full):
    return 1 if QUICK else full


@dataclasses.dataclass
class Run:
    cpu: float  # seconds, user and system
    wall: float  # seconds
    status: int


@dataclasses.dataclass
class Row:
    """A line of the table: a figure, what it should be, and where it comes from."""

    what: str
    value: float | None
    figures: str
    most: float | None = None
    least: float | None = None
    unit: str = ""
    digits: int = 2

    @property
    def has_aim(self):
        return self.most is not None or self.least is not None

    @property
    def is_missed(self):
        if self.value is None:
            return False
        too_much = self.most is not None and self.value > self.most
        return too_much or (self.least is not None and self.value < self.least)


def missing(what, peer):
    """A comparison that could not be made, so that nobody takes it for made."""
    return Row(what, None, f"missing: {peer}")


def null():
    """Where output is thrown away: opened for writing alone, as a shell does it."""
    return open(os.devnull, "wb")


def run_once(command, stdin=None, **options):
    """One process to its end; `command` is a list, its output is thrown away, its input empty
    or the output of the command `stdin`."""
    feeder = None
    begin = time.monotonic()
    with null() as out:
        if stdin is not None:
            feeder = subprocess.Popen(stdin, stdout=subprocess.PIPE, **options)
        process = subprocess.Popen(
            command,
            stdin=feeder.stdout if feeder else subprocess.DEVNULL,
            stdout=out,
            stderr=subprocess.DEVNULL,
            **options,
        )
    if feeder:
        feeder.stdout.close()
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    process.returncode = os.waitstatus_to_exitcode(status)
    if feeder:
        feeder.wait()
    return Run(usage.ru_utime + usage.ru_stime, wall, process.returncode)


def good(command, **options):
    """As `run_once`, and it has to succeed."""
    run = run_once(command, **options)
    if run.status != 0:
        raise SystemExit(f"{' '.join(command)} ended with status {run.status}")
    return run


def peak(command, **options):
    """Peak memory of a process in bytes, or None without GNU time.

    Not from wait4 here: the kernel counts what a process had before exec, and that is Python.
    """
    if not shutil.which("time"):
        return None
    with tempfile.NamedTemporaryFile("r") as file:
        good([shutil.which("time"), "-q", "-f", "%M", "-o", file.name, *command], **options)
        return int(file.read().split()[-1]) * 1024


def mib(size):
    """A size in bytes for people."""
    return "not measured" if size is None else f"{size / (1 << 20):.1f} MiB"


def batch(command, count, **options):
    """`count` runs of a short command as one figure: short runs are below the clock's grain."""
    runs = [good(command, **options) for _ in range(count)]
    return Run(sum(run.cpu for run in runs) / count, sum(run.wall for run in runs) / count, 0)


class Turns:
    """Commands that run in turn, so that the machine's mood hits all alike."""

    def __init__(self, commands, turns, count=1, before=None, **options):
        """`commands` by name; `count` runs are one figure; `before[name]()` is not measured."""
        before = before or {}
        self.runs = {name: [] for name in commands}
        for name, command in commands.items():
            if count > 1:
                # Caches are warm for all.
                good(command, **options)
        for _ in range(rounds(turns)):
            for name, command in commands.items():
                before.get(name, lambda: None)()
                self.runs[name].append(batch(command, 1 if QUICK else count, **options))

    def median(self, name, what="cpu"):
        return statistics.median(getattr(run, what) for run in self.runs[name])

    def minimum(self, name, what="cpu"):
        return min(getattr(run, what) for run in self.runs[name])

    def ratio(self, ours, peer, what="cpu"):
        """Median over the rounds of ours/peer."""
        return statistics.median(
            getattr(a, what) / max(getattr(b, what), 1e-9)
            for a, b in zip(self.runs[ours], self.runs[peer])
        )

    def spread(self, ours, peer, what="cpu"):
        """The smallest and the largest ratio of a round."""
        ratios = [
            getattr(a, what) / max(getattr(b, what), 1e-9)
            for a, b in zip(self.runs[ours], self.runs[peer])
        ]
        return f"{min(ratios):.2f} to {max(ratios):.2f}"


def ms(seconds):
    return f"{seconds * 1000:.2f} ms"


class Directory:
    """An empty directory, and a home in it, so that nobody's settings are read."""

    def __enter__(self):
        self.path = tempfile.mkdtemp()
        self.before = dict(os.environ)
        home = self.file("home")
        os.mkdir(home)
        for name in list(os.environ):
            if name.startswith(("CC_", "XDG_", "LC_", "BEARER_")):
                del os.environ[name]
        os.environ.update(HOME=home, LANG="C.UTF-8", NO_COLOR="1")
        return self

    def __exit__(self, *_):
        os.environ.clear()
        os.environ.update(self.before)
        shutil.rmtree(self.path)

    def file(self, name):
        return os.path.join(self.path, name)

    def write(self, name, text):
        with open(self.file(name), "w") as file:
            file.write(text)

    def read(self, name):
        with open(self.file(name)) as file:
            return file.read()

    def sh(self, *command, stdin=None):
        """Runs a command that has to succeed; its output."""
        done = subprocess.run(command, cwd=self.path, capture_output=True, text=True, input=stdin)
        if done.returncode != 0:
            raise SystemExit(f"{' '.join(command)} ended with status {done.returncode}: {done.stderr}")
        return done.stdout


class Machine:
    """How quiet the machine was while something was measured."""

    def __enter__(self):
        self.load = os.getloadavg()[0]
        self.begin = time.monotonic()
        self.before = self.now()
        return self

    def __exit__(self, *_):
        pass

    @staticmethod
    def now():
        """Seconds of CPU: everybody's, taken away by the host, and ours with our children's."""
        with open("/proc/stat") as file:
            ticks = [int(text) / os.sysconf("SC_CLK_TCK") for text in file.readline().split()[1:9]]
        user, nice, system, _, _, irq, softirq, steal = ticks
        own = sum(os.times()[:4])
        return user + nice + system + irq + softirq, steal, own

    def told(self):
        elapsed = max(time.monotonic() - self.begin, 1e-9)
        busy, steal, own = (b - a for a, b in zip(self.before, self.now()))
        others = max(busy - own, 0) / elapsed
        return (
            f"load {self.load:.1f} before; meanwhile others took {others:.2f} of a core"
            f" and the host {steal / elapsed:.2f}; {elapsed:.0f} s"
        )
