"""Larq Compute Engine, one thread: MODEL.onnx INPUT.npy ANSWER.f32

MODEL is one of `networks.real_to_binary`: Larq reads no ONNX, so the same network is built from its layers and given the
file's constants, then converted. It must hold everything that a larq network of the same kind would let it fuse.
"""

import os
import sys

os.environ.update(TF_CPP_MIN_LOG_LEVEL="3", CUDA_VISIBLE_DEVICES="-1")

import larq as lq
import larq_compute_engine as lce
import numpy as np
import onnx
import tensorflow as tf
from larq_compute_engine.tflite.python.interpreter import Interpreter
from serve import serve

layers = tf.keras.layers


class File:
    """The constants of an ONNX file, and the geometry of its nodes."""

    def __init__(self, path):
        graph = onnx.load(path).graph
        self.constants = {c.name: onnx.numpy_helper.to_array(c) for c in graph.initializer}
        self.attributes = {
            n.name: {a.name: onnx.helper.get_attribute_value(a) for a in n.attribute} for n in graph.node
        }
        self.input = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim]
        self.pending = []

    def __contains__(self, name):
        return name in self.attributes

    def apply(self, layer, x, *weights):
        """Weights can be set only once the layer has seen its input's shape."""
        y = layer(x)
        if weights:
            layer.set_weights(weights)
        return y

    def conv_weight(self, name):
        return self.constants[f"{name}.weight"].transpose(2, 3, 1, 0)

    def stride(self, name):
        return self.attributes[name]["strides"][0]

    def conv(self, x, name):
        weight = self.conv_weight(name)
        layer = layers.Conv2D(weight.shape[3], weight.shape[0], self.stride(name), "same", use_bias=False)
        return self.apply(layer, x, weight)

    def binary_conv(self, x, name):
        weight = self.conv_weight(name)
        layer = lq.layers.QuantConv2D(
            weight.shape[3],
            weight.shape[0],
            self.stride(name),
            "same",
            pad_values=0.0,
            input_quantizer="ste_sign",
            kernel_quantizer=lq.quantizers.MagnitudeAwareSign(),
            use_bias=False,
        )
        return self.apply(layer, x, weight)

    def batch_norm(self, x, name):
        keys = ("scale", "shift", "mean", "variance")
        return self.apply(
            layers.BatchNormalization(epsilon=1e-5), x, *(self.constants[f"{name}.{key}"] for key in keys)
        )

    def prelu(self, x, name):
        slope = self.constants[f"{name}.slope"].reshape(1, 1, -1)
        return self.apply(layers.PReLU(shared_axes=[1, 2]), x, slope)

    def linear(self, x, name, activation=None):
        weight = self.constants[f"{name}.weight"].T
        return self.apply(layers.Dense(weight.shape[1], activation), x, weight, self.constants[f"{name}.bias"])

    def half_block(self, x, name):
        skip = x
        if f"{name}.pool" in self:
            skip = layers.AvgPool2D(2, strides=2)(skip)
        if f"{name}.shortcut" in self:
            skip = self.batch_norm(self.conv(skip, f"{name}.shortcut"), f"{name}.shortcut.bn")
        normal = self.batch_norm(x, f"{name}.bn")
        y = self.binary_conv(normal, f"{name}.conv")
        g = layers.GlobalAveragePooling2D()(normal)
        g = self.linear(self.linear(g, f"{name}.gate.down", "relu"), f"{name}.gate.up", "sigmoid")
        y = layers.Multiply()([y, layers.Reshape((1, 1, y.shape[-1]))(g)])
        return layers.Add()([self.prelu(y, f"{name}.prelu"), skip])

    def network(self):
        _, channels, *side = self.input
        inputs = layers.Input((*side, channels), batch_size=1)
        x = self.prelu(self.batch_norm(self.conv(inputs, "stem"), "stem.bn"), "stem.act")
        if "stem.pool" in self:
            x = layers.MaxPool2D(3, 2, "same")(x)
        index = 0
        while f"block{index}" in self:
            x = self.half_block(x, f"block{index}")
            index += 1
        return tf.keras.Model(inputs, self.linear(layers.GlobalAveragePooling2D()(x), "head"))


model, picture, answer, *options = sys.argv[1:]
XNNPACK = "xnnpack" in options
converted = lce.convert_keras_model(File(model).network())
# Its own Python interpreter copies input and output on every call; the time of that is nothing beside an inference.
interpreter = Interpreter(converted, num_threads=1, use_xnnpack=XNNPACK)
x = np.ascontiguousarray(np.load(picture).transpose(0, 2, 3, 1))


def infer():
    y = interpreter.predict(x)
    return y[0] if isinstance(y, list) else y


serve("0.16.0", infer, answer)
