"""OpenVINO, one thread: MODEL.onnx INPUT.npy ANSWER.f32 [PRECISION], PRECISION an inference precision hint such as f32."""

import sys

import numpy as np
import openvino
from serve import serve

model, picture, answer, *precision = sys.argv[1:]
options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": "1"}
if precision:
    options["INFERENCE_PRECISION_HINT"] = precision[0]
compiled = openvino.Core().compile_model(openvino.Core().read_model(model), "CPU", options)
request = compiled.create_infer_request()
# The input is set once: what is timed is inference, not copies from numpy.
request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(np.load(picture))))
used = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
version = openvino.__version__.split("-")[0]


def infer():
    request.infer()
    return request.get_output_tensor(0).data


serve(f"{version} ({used})", infer, answer)
