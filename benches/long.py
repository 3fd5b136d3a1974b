"""Ten million tokens: is memory as flat as it is said to be?"""

from measure import Directory, Row, missing, mib, size
from streams import COUNT, memory, tokens

TITLE = "Ten million tokens"
ABOUT = "`cc-jwt verify --stream` of 100,000 different tokens a hundred times over, out of a pipe."


def run():
    with Directory() as directory:
        key, file = tokens(directory, "EdDSA", COUNT)
        short, _ = memory(directory, key, file, 1)
        times = size(100, 3)
        long, seconds = memory(directory, key, file, times)
        count = times * COUNT
        what = f"peak memory of {count:,} tokens to {COUNT:,}"
        if short is None:
            return [missing(what, "GNU time")], []
        return [
            Row(what, long / short, f"{mib(long)} to {mib(short)}", most=1.1),
            Row(f"peak memory of {count:,} tokens", long / (1 << 20), f"two threads, {seconds:.0f} s,"
                f" {count / seconds:,.0f}/s", most=16, unit="MiB", digits=1),
        ], []
