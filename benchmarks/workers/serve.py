"""The loop all workers share: one inference to write the answer, then as many timed ones as each line asks for."""

import json
import sys
import time
from pathlib import Path

import numpy as np


def serve(version, infer, answer_path):
    """Speaks to `engines.Worker`: a line of JSON once ready, then for every line N on the standard input the times of N
    inferences, in milliseconds.

    `infer()` runs one inference on the input it holds and gives its first output.
    """
    np.asarray(infer(), np.float32).tofile(Path(answer_path))
    print(json.dumps({"version": version}), flush=True)
    for line in sys.stdin:
        milliseconds = []
        for _ in range(int(line)):
            start = time.perf_counter()
            infer()
            milliseconds.append(1e3 * (time.perf_counter() - start))
        print(json.dumps(milliseconds), flush=True)
