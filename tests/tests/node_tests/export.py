"""ONNX's own node tests as one file that the Rust test reads.

    python export.py CASES.bin

needs `onnx` and, for the older versions of an operator, `onnxruntime`. The package generates its tests anew each time, so that
nothing has to be downloaded. They cover the newest version of each operator only; for every older one, up to four of them are
written again in its terms (a parameter that once was an attribute becomes one), and answered by onnxruntime.

The file: `NODES1\n`, then per case: operator, name, opset, model, inputs, outputs. Texts, models and TensorProtos are bytes behind
their length, numbers are u32, little-endian. A case whose values are no tensors (sequences, strings) has a model alone.
"""

import re
import struct
import sys
import warnings

import numpy as np
import onnx
from onnx import helper, numpy_helper

OLDEST = 7  # the compiler's
PER_VERSION = 4
# Element types whose elements are written as raw bytes, so that the reader needs no other encoding.
RAW = {getattr(onnx.TensorProto, name) for name in "FLOAT FLOAT16 DOUBLE BFLOAT16 INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 BOOL UINT4 INT4 UINT2 INT2".split()}


def tensors(values, names):
    """As TensorProtos; None when one is something else."""
    protos = []
    for value, name in zip(values, names):
        if isinstance(value, onnx.TensorProto):
            proto = onnx.TensorProto()
            proto.CopyFrom(value)
            if not proto.raw_data and proto.data_type in RAW:
                proto = numpy_helper.from_array(numpy_helper.to_array(proto))
        elif isinstance(value, (np.ndarray, np.generic)):
            proto = numpy_helper.from_array(np.asarray(value))
        else:
            return None
        if proto.data_type == onnx.TensorProto.STRING:
            return None
        proto.name = name
        protos.append(proto)
    return protos


def collected():
    """(operator, name, opset, model, inputs, outputs) of every case of the standard domain."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from onnx.backend.test.case.node import collect_testcases

        cases = collect_testcases(None)
    operators = {case.name: case.model.graph.node[0].op_type for case in cases}
    for case in cases:
        opsets = {imported.domain: imported.version for imported in case.model.opset_import}
        if set(opsets) != {""}:
            continue
        # A function written out bears the name of the case it was made of.
        base = re.sub(r"_expanded.*$", "", case.name)
        operator = operators.get(base, operators[case.name])
        for i, (given, wanted) in enumerate(case.data_sets):
            name = case.name if len(case.data_sets) == 1 else f"{case.name}.{i}"
            graph = case.model.graph
            inputs = tensors(given, [value.name for value in graph.input])
            outputs = tensors(wanted, [value.name for value in graph.output])
            if inputs is None or outputs is None:
                inputs, outputs = [], []
            model, opset = case.model, opsets[""]
            if opset < OLDEST and onnx.defs.get_schema(operator, OLDEST).since_version <= opset:
                # The version of the operator is the same.
                model = onnx.ModelProto()
                model.CopyFrom(case.model)
                model.opset_import[0].version = opset = OLDEST
            yield operator, name, opset, model, inputs, outputs


def older(operator, opset):
    """Opsets that stand for the older versions of an operator: each the newest with that version."""
    schema = onnx.defs.get_schema(operator, opset)
    while schema.since_version > OLDEST:
        try:
            schema = onnx.defs.get_schema(operator, schema.since_version - 1)
        except onnx.defs.SchemaError:
            return
        yield schema, max(schema.since_version, OLDEST)


def rewritten(model, schema, opset, inputs):
    """A model of one node in terms of an older schema, and the inputs that are left; None when that cannot be."""
    if len(model.graph.node) != 1:
        return None
    new = onnx.ModelProto()
    new.CopyFrom(model)
    new.ir_version = min(model.ir_version, 8)
    new.opset_import[0].version = opset
    node = new.graph.node[0]
    newest = onnx.defs.get_schema(node.op_type, model.opset_import[0].version)
    given = {proto.name: proto for proto in inputs}
    names = [value.name for value in newest.inputs]
    formal = dict(zip(names, node.input)) if len(names) >= len(node.input) else {}
    known = {value.name for value in schema.inputs}
    for position, (parameter, name) in enumerate(list(formal.items())):
        # An operand that has another name now stays where it is.
        if parameter not in known and (parameter in schema.attributes or position >= len(schema.inputs)):
            if name and (parameter not in schema.attributes or name not in given):
                return None
            if name:
                value = numpy_helper.to_array(given[name])
                kind = schema.attributes[parameter].type
                if kind == onnx.defs.OpSchema.AttrType.INTS:
                    value = [int(v) for v in np.atleast_1d(value)]
                elif kind == onnx.defs.OpSchema.AttrType.FLOAT:
                    value = float(value.reshape(-1)[0])
                elif kind == onnx.defs.OpSchema.AttrType.INT:
                    value = int(value.reshape(-1)[0])
                else:
                    return None
                if value == []:
                    return None
                node.attribute.append(helper.make_attribute(parameter, value))
                left = [v for v in new.graph.input if v.name != name]
                del new.graph.input[:]
                new.graph.input.extend(left)
            del formal[parameter]
    if len(names) >= len(node.input):
        kept = list(formal.values())
        while kept and not kept[-1]:
            kept.pop()
        del node.input[:]
        node.input.extend(kept)
    if any(attribute.name not in schema.attributes for attribute in node.attribute):
        return None
    return new, [given[value.name] for value in new.graph.input]


def answered(model, inputs):
    """onnxruntime's outputs; None when it refuses."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 4
    try:
        onnx.checker.check_model(model)
        session = onnxruntime.InferenceSession(model.SerializeToString(), options)
        return session.run(None, {proto.name: numpy_helper.to_array(proto) for proto in inputs})
    except Exception:  # whatever is wrong: it is no test then
        return None


def cases():
    """Those of the package, then those of older versions."""
    done = {}
    for operator, name, opset, model, inputs, outputs in collected():
        yield operator, name, opset, model, inputs, outputs
        if not inputs or "expanded" in name or model.graph.node[0].op_type != operator:
            continue
        for schema, old in older(operator, opset):
            count = done.get((operator, old), 0)
            if count == PER_VERSION:
                continue
            new = rewritten(model, schema, old, inputs)
            wanted = answered(*new) if new else None
            protos = tensors(wanted, [value.name for value in model.graph.output]) if wanted else None
            if protos:
                done[operator, old] = count + 1
                yield operator, f"{name}@{old}", old, new[0], new[1], protos


def main():
    def text(data):
        data = data.encode() if isinstance(data, str) else data
        return struct.pack("<I", len(data)) + data

    count = 0
    with open(sys.argv[1], "wb") as file:
        file.write(b"NODES1\n")
        for operator, name, opset, model, inputs, outputs in cases():
            file.write(text(operator) + text(name) + struct.pack("<I", opset) + text(model.SerializeToString()))
            for protos in (inputs, outputs):
                file.write(struct.pack("<I", len(protos)))
                for proto in protos:
                    file.write(text(proto.SerializeToString()))
            count += 1
    print(f"{count} cases, onnx {onnx.__version__}")


main()
