"""A chain of half-blocks with OpenVINO's own binary convolution: MODEL.onnx INPUT.npy ANSWER.f32 [profile]

MODEL is one of `networks.chain`. With `profile` the times are those of the BinaryConvolution nodes alone,
the median over the nodes of an inference, as OpenVINO's profiler gives them.
"""

import sys

import numpy as np
import onnx
import openvino
from openvino import opset1
from serve import serve

model_path, picture, answer, *profile = sys.argv[1:]
graph = onnx.load(model_path).graph
constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}


def per_channel(values):
    return opset1.constant(np.asarray(values, np.float32).reshape(1, -1, 1, 1))


def scalar(value):
    return opset1.constant(np.full((1, 1, 1, 1), value, np.float32))


def sign(x, name):
    """BN and sign as a FakeQuantize of two levels with a threshold per channel: the form the plugin packs bits from.

    Falling channels (negative gamma) have their output levels exchanged.
    """
    scale, shift, mean, variance = (constants[f"{name}.{k}"].astype(np.float64) for k in ("scale", "shift", "mean", "variance"))
    threshold = per_channel(mean - shift * np.sqrt(variance + 1e-5) / scale)
    rising = scale > 0
    low, high = per_channel(np.where(rising, 0, 1)), per_channel(np.where(rising, 1, 0))
    return opset1.fake_quantize(x, threshold, threshold, low, high, 2)


def bits(weight):
    """Weights as 1-bit constants: 1 for positive. The plugin reads the bits of each byte from the lowest, a constant made
    from Python values is written from the highest; so each eight are turned round."""
    ones = (weight > 0).astype(np.uint8).reshape(-1, 8)[:, ::-1].ravel()
    return openvino.op.Constant(openvino.Type.u1, openvino.Shape(weight.shape), ones.tolist())


def gate(x, name):
    """The gate of the BN's output. The mean of a BN's output is the BN of the mean: the cheaper order, as ours."""
    scale, shift, mean, variance = (constants[f"{name}.bn.{k}"] for k in ("scale", "shift", "mean", "variance"))
    slope = scale / np.sqrt(variance + 1e-5)
    y = opset1.reduce_mean(x, opset1.constant(np.array([2, 3])), True)
    y = opset1.add(opset1.multiply(y, per_channel(slope)), per_channel(shift - mean * slope))
    for layer, activation in (("down", opset1.relu), ("up", opset1.sigmoid)):
        weight = constants[f"{name}.gate.{layer}.weight"][:, :, None, None]
        y = opset1.convolution(y, opset1.constant(weight), [1, 1], [0, 0], [0, 0], [1, 1])
        y = activation(opset1.add(y, per_channel(constants[f"{name}.gate.{layer}.bias"])))
    return y


x = parameter = opset1.parameter([d.dim_value for d in graph.input[0].type.tensor_type.shape.dim], np.float32)
index = 0
while f"block{index}.conv.weight" in constants:
    name = f"block{index}"
    weight = constants[f"{name}.conv.weight"]
    y = opset1.binary_convolution(
        sign(x, f"{name}.bn"), bits(weight), [1, 1], [1, 1], [1, 1], [1, 1], "xnor-popcount", 0.0
    )
    y = opset1.multiply(y, per_channel(np.abs(weight[:, 0, 0, 0])))
    if f"{name}.gate.up.weight" in constants:
        y = opset1.multiply(y, gate(x, name))
    y = opset1.prelu(y, opset1.constant(constants[f"{name}.prelu.slope"].ravel()))
    x = opset1.add(y, x)
    index += 1
options = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": "1", "INFERENCE_PRECISION_HINT": "f32", "PERF_COUNT": bool(profile)}
compiled = openvino.Core().compile_model(openvino.Model([x], [parameter]), "CPU", options)
request = compiled.create_infer_request()
request.set_input_tensor(openvino.Tensor(np.ascontiguousarray(np.load(picture))))
kernels = [n for n in compiled.get_runtime_model().get_ops() if n.get_rt_info()["layerType"].astype(str) == "BinaryConvolution"]
kinds = {n.get_rt_info()["primitiveType"].astype(str) for n in kernels}
if len(kernels) != index or not all(kind.startswith("jit") for kind in kinds):
    raise SystemExit(f"the plugin runs {len(kernels)} of {index} binary convolutions, by {kinds}")


def infer():
    request.infer()
    return request.get_output_tensor(0).data


def profiled():
    """Milliseconds of one binary convolution, the median of those of one inference."""
    request.infer()
    times = [n.real_time.total_seconds() for n in request.profiling_info if n.node_type == "BinaryConvolution"]
    return 1e3 * sorted(times)[len(times) // 2]


serve(openvino.__version__.split("-")[0], infer, answer, profiled if profile else None)
