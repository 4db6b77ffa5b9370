"""`script/prove simulation`: many seeds on all processors; one that fails is shrunk and shown."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Sequence

from proofs.simulation.search import failures, replay, show, template


def main(arguments: Sequence[str] | None = None) -> int:
    """0 when every seed holds."""
    options = _options(arguments)
    with template() as ground:
        if options.seed is not None:
            return show(options.seed, ground)
        began = time.monotonic()
        seeds = range(options.first, options.first + options.seeds)
        found = []
        for seed, violation in failures(seeds, ground, options.processes):
            found.append(seed)
            print(f"seed {seed}: {violation}\n    replay: {replay(seed)}", flush=True)
        seconds = time.monotonic() - began
        if found:
            show(min(found), ground)
        print(f"{len(seeds)} seeds in {seconds:.0f} s, violations: {len(found)}")
        return 1 if found else 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser("script/prove simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=10_000, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the first one")
    parser.add_argument("--seed", type=int, help="only this one, with its trace")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="at a time")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
