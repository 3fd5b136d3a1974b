#!/usr/bin/env python3
"""Measures the programs against peers in the same run and keeps the tables in RESULTS.md.

    benches/run.py [--output FILE] [PART...]

Without a part all but `long` are measured. Parts that are not measured this time keep their
tables. Programs are taken from PATH; `make bench` builds them and sets it.
"""

import argparse
import datetime
import importlib
import os
import platform
import re
import shutil
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

from measure import QUICK, Machine  # noqa: E402 (the path has to be set first)

# In the order of the table.
PARTS = ["streams", "long", "short", "scan", "ldap", "groups", "osdf", "login", "stronghold", "instructions"]
# Too long for every time.
ON_DEMAND = ["long"]
PROGRAMS = ["gen-keypair", "convert-pem-pubkey", "cc-user", "cc-jwt", "cc-login"]


def processor():
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                return " ".join(line.split(":", 1)[1].replace("(R)", "").split())
    return platform.machine()


def cell(row):
    if row.value is None:
        return "-"
    shown = f"{row.value:,.{row.digits}f}{row.unit and ' ' + row.unit}"
    return f"**{shown}** (missed)" if row.is_missed else shown


def aim(row):
    if row.most is not None:
        return f"≤ {row.most:g}"
    return "-" if row.least is None else f"≥ {row.least:g}"


def table(rows):
    """Ratios first, then what has a unit."""
    ordered = [row for row in rows if not row.unit] + [row for row in rows if row.unit]
    lines = ["| what | figure | aim | measured |", "|---|---:|---:|---|"]
    lines += [f"| {row.what} | {cell(row)} | {aim(row)} | {row.figures} |" for row in ordered]
    return "\n".join(lines)


def section(name, plots):
    """Measures a part and gives its text."""
    part = importlib.import_module(name)
    print(f"measuring: {name}", file=sys.stderr, flush=True)
    with Machine() as machine:
        rows, pictures = part.run()
        told = machine.told()
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d")
    text = f"## {part.TITLE}\n\n{part.ABOUT}\n\n{table(rows)}\n"
    for file, alt, svg in pictures:
        os.makedirs(plots, exist_ok=True)
        with open(os.path.join(plots, file), "w") as out:
            out.write(svg)
        text += f"\n![{alt}](plots/{file})\n"
    # As much of it as tells how it schedules and mitigates.
    kernel = ".".join(platform.release().split(".")[:2])
    where = f"{processor()}, {os.cpu_count()} cores, {platform.system()} {kernel}"
    return text + f"\n<sub>{today}, {where}; {told}.</sub>\n"


MARK = re.compile(r"<!-- part: (\w+) -->\n(.*?)(?=<!-- part: |\Z)", re.S)


def kept(path):
    """The parts of an earlier run."""
    if not os.path.exists(path):
        return {}
    with open(path) as file:
        return {name: text.strip() + "\n" for name, text in MARK.findall(file.read())}


def whole(parts):
    """The document: what was missed first, then each part."""
    lines = [line for name in PARTS for line in parts.get(name, "").splitlines()]
    missed = [line for line in lines if "(missed)" in line]
    gone = [line for line in lines if "| missing: " in line]
    aims = sum(1 for line in lines if re.search(r"\| [≤≥] [^|]+ \|", line))
    text = (
        "# Figures\n\nWritten by `make bench`; `make bench BENCH=\"short ldap\"` measures some parts"
        " anew and keeps the rest. Each ratio is that of whole processes that ran in turn in the same"
        " run, the median of the rounds; absolute times are those of the machine named below each"
        f" table.\n\n{aims - len(missed)} of {aims} aims are met.\n"
    )
    for title, some in [("Missed", missed), ("Not compared, since the peer is not there", gone)]:
        if some:
            text += f"\n{title}:\n\n"
            for line in some:
                what, figure, wanted, measured = [part.strip() for part in line.strip("| ").split(" | ")]
                told = f"{figure.replace(' (missed)', '')} (aim {wanted})" if title == "Missed" else measured
                text += f"- {what}: {told}\n"
    for name in PARTS:
        if name in parts:
            text += f"\n<!-- part: {name} -->\n{parts[name]}"
    return text


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--output", help="the table [default: RESULTS.md beside this script]")
    parser.add_argument("parts", nargs="*", metavar="PART", help=" ".join(PARTS))
    given = parser.parse_args()
    for name in given.parts:
        if name not in PARTS:
            parser.error(f"{name} is none of {' '.join(PARTS)}")
    lacking = [name for name in PROGRAMS if not shutil.which(name)]
    if lacking:
        raise SystemExit(f"not in PATH: {', '.join(lacking)}; 'make bench' builds them")
    # A check of the scripts is not a measurement.
    default = os.path.join(tempfile.mkdtemp(), "RESULTS.md") if QUICK else os.path.join(HERE, "RESULTS.md")
    output = given.output or default
    plots = os.path.join(os.path.dirname(os.path.abspath(output)), "plots")
    parts = kept(output)
    for name in given.parts or [name for name in PARTS if name not in ON_DEMAND]:
        parts[name] = section(name, plots)
        print(parts[name], flush=True)
        # After each part, so that an end in the middle loses nothing.
        with open(output, "w") as file:
            file.write(whole(parts))
    print(f"written: {output}", file=sys.stderr)


if __name__ == "__main__":
    main()
