"""onnxruntime, one thread, otherwise as it is out of the box: MODEL.onnx INPUT.npy ANSWER.f32"""

import sys

import numpy as np
import onnxruntime
from serve import serve

model, picture, answer = sys.argv[1:]
options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
feed = {session.get_inputs()[0].name: np.load(picture)}
serve(onnxruntime.__version__, lambda: session.run(None, feed)[0], answer)
