"""What a process that still runs has taken so far."""

import glob


def cpu_so_far(pid):
    """Seconds of CPU of the threads that are there, in a finer grain than the clock's ticks."""
    spent = 0
    for path in glob.glob(f"/proc/{pid}/task/*/schedstat"):
        try:
            with open(path) as file:
                spent += int(file.read().split()[0])
        except OSError:
            # The thread has ended meanwhile.
            continue
    return spent / 1e9


def peak_so_far(pid):
    """Peak memory in bytes."""
    with open(f"/proc/{pid}/status") as file:
        line = next(line for line in file if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
