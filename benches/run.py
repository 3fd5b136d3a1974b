#!/usr/bin/env python3
"""Measures the programs against peers in the same run and prints a table (Markdown).

Usage: benches/run.py [SECTION...]     sections: short ldap streams
Programs are taken from PATH; `make bench` builds them and sets it.
"""

import importlib
import os
import platform
import shutil
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

SECTIONS = ["short", "ldap", "streams"]


def table(title, rows):
    """Rows of (what, ratio, limit, figures) as a Markdown table."""
    print(f"\n## {title}\n")
    print("| what | ratio | aim | figures |")
    print("|---|---|---|---|")
    missed = 0
    for what, ratio, limit, figures in rows:
        mark = ""
        if ratio is not None and limit is not None and ratio > limit:
            mark = " (missed)"
            missed += 1
        shown = "-" if ratio is None else f"{ratio:.2f}{mark}"
        aim = "-" if limit is None else f"{limit:g}"
        print(f"| {what} | {shown} | {aim} | {figures} |", flush=True)
    return missed


def main():
    wanted = sys.argv[1:] or SECTIONS
    print(f"# Figures\n\n{platform.machine()}, {os.cpu_count()} cores, {platform.system()} {platform.release()}")
    if not shutil.which("openssl"):
        raise SystemExit("openssl is the peer of most figures and is not installed")
    missed = 0
    for name in wanted:
        missed += importlib.import_module(name).run(table)
    if missed:
        print(f"\n{missed} aims missed")


if __name__ == "__main__":
    main()
