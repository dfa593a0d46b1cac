"""Answers of onnxruntime, its optimiser off, to the networks and inputs in a folder: SEED.onnx, SEED.I.inK.npy -> SEED.I.outK.npy."""

import pathlib
import sys

import numpy as np
import onnxruntime

folder = pathlib.Path(sys.argv[1])
options = onnxruntime.SessionOptions()
options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
options.intra_op_num_threads = 1
for model in sorted(folder.glob("*.onnx")):
    session = onnxruntime.InferenceSession(str(model), options)
    for i in range(2):
        names = [value.name for value in session.get_inputs()]
        feeds = {name: np.load(folder / f"{model.stem}.{i}.in{k}.npy") for k, name in enumerate(names)}
        for k, output in enumerate(session.run(None, feeds)):
            np.save(folder / f"{model.stem}.{i}.out{k}.npy", output)
