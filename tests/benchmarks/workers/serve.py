"""The loop all workers share: one inference to write the answer, then as many timed ones as each line asks for."""

import json
import sys
import time
from pathlib import Path

import numpy as np


def serve(version, infer, answer_path, measure=None):
    """Speaks to `engines.Worker`: a line of JSON once ready, then for every line N on the standard input the times of N
    inferences, in milliseconds.

    `infer()` runs one inference on the input it holds and gives its first output; `measure()` runs one and gives its
    time in milliseconds, by default the wall clock's.
    """
    measure = measure or (lambda: wall_clock(infer))
    np.asarray(infer(), np.float32).tofile(Path(answer_path))
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        print(json.dumps([measure() for _ in range(int(line))]), flush=True)


def wall_clock(infer):
    start = time.perf_counter()
    infer()
    return 1e3 * (time.perf_counter() - start)
