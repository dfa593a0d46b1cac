"""Times onnxruntime on one thread: the other side of the README's table.

    pip install onnxruntime==1.31.1 numpy
    python onnxruntime_time.py net.onnx x.npy [runs]
"""

import statistics
import sys
import time

import numpy as np
import onnxruntime

model, picture = sys.argv[1:3]
runs = int(sys.argv[3]) if len(sys.argv) > 3 else 40
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
engine = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
feed = {engine.get_inputs()[0].name: np.load(picture)}
for _ in range(3):  # warm
    engine.run(None, feed)
milliseconds = []
for _ in range(runs):
    start = time.perf_counter()
    engine.run(None, feed)
    milliseconds.append(1e3 * (time.perf_counter() - start))
print(f"per inference: minimum {min(milliseconds):.2f} ms, median {statistics.median(milliseconds):.2f} ms ({runs} runs)")
