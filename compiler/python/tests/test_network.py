"""Compiled networks on arrays."""

import concurrent.futures

import numpy as np
import pytest
from conftest import FASHION, FIXTURES

import xnorc

TWO = FIXTURES / "two_in_two_out_ts17.onnx"


def recorded(name):
    return np.load(FIXTURES / name)


def test_answers_are_those_recorded(net, pictures, labels):
    logits = net(pictures)
    assert logits.shape == (1000, 10) and logits.dtype == np.float32
    # What another engine recorded, as raw floats.
    expected = np.fromfile(FASHION / "logits.bin", "<f4").reshape(-1, 10)
    count = len(expected)
    assert count > 0
    assert np.mean(np.argmax(logits[:count], 1) == np.argmax(expected, 1)) > 0.99
    assert np.mean(np.argmax(logits, 1) == labels) > 0.9


def test_threads_give_the_same_bits(net, pictures):
    alone = net(pictures[:10])
    for threads in (2, 3, 7, 50):
        assert np.array_equal(net(pictures[:10], threads=threads), alone)


def test_the_interpreter_rounds_the_sigmoid_exactly(net, pictures):
    interpreter = xnorc.compile(FASHION / "fashion.onnx", engine="interpreter")
    assert interpreter.kept is None
    # Compiled code computes it to 1.5 units in the last place.
    assert np.allclose(interpreter(pictures[:10]), net(pictures[:10]), rtol=0, atol=1e-5)


def test_calls_from_many_threads_of_python(net, pictures):
    expected = net(pictures[:64])
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        results = list(pool.map(net, pictures[:64]))
    assert np.array_equal(np.stack(results), expected)
    # Scratch memory is a thread's own, and used again.
    assert 1 <= len(net._engine._free) <= 8


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ((1, 1, 28, 28), (1, 10)),
        ((1, 28, 28), (10,)),
        ((6, 1, 28, 28), (6, 10)),
        ((2, 3, 1, 28, 28), (2, 3, 10)),
        ((6, 1, 1, 28, 28), (6, 1, 10)),
        ((0, 1, 28, 28), (0, 10)),
    ],
)
def test_leading_axes(net, pictures, given, wanted):
    count = int(np.prod(given)) // 784
    result = net(pictures[:count].reshape(given))
    assert result.shape == wanted
    assert np.array_equal(result.reshape(-1, 10), net(pictures[:count]))


def test_arrays_of_other_orders_and_types(net, pictures):
    expected = net(pictures[:4])
    memory = bytearray(4 * 4 * 784 + 1)
    crooked = np.frombuffer(memory, np.float32, 4 * 784, offset=0 + 1).reshape(4, 1, 28, 28)
    crooked[...] = pictures[:4]
    frozen = pictures[:4].copy()
    frozen.flags.writeable = False
    for same in (np.asfortranarray(pictures[:4]), pictures[:4].astype(np.float64), pictures[:4].tolist(), crooked, frozen):
        assert np.array_equal(net(same), expected)
    assert np.array_equal(net(pictures[3::-1]), expected[::-1])


def test_nothing_is_copied(net, pictures, monkeypatch):
    seen = []
    infer = net._engine._infer

    def spy(*addresses):
        seen.append(addresses)
        return infer(*addresses)

    monkeypatch.setattr(net._engine, "_infer", spy)
    given = pictures[3:5]
    taken = net(given)
    assert [each[0] for each in seen] == [given[0].ctypes.data, given[1].ctypes.data]
    assert [each[1] for each in seen] == [taken[0].ctypes.data, taken[1].ctypes.data]
    assert all(each[2] % 64 == 0 for each in seen)


def test_several_inputs_and_outputs():
    net = xnorc.compile(TWO)
    assert [t.name for t in net.inputs] == ["input.1", "input"]
    assert [(t.shape, t.dtype) for t in net.outputs] == [((1, 8, 6, 6), "float32"), ((1,), "int64")]
    for given, wanted in zip(net(recorded("two_in_two_out_ts17.in0.npy"), recorded("two_in_two_out_ts17.in1.npy")),
                             (recorded(f"two_in_two_out_ts17.out{i}.npy") for i in (0, 1)), strict=True):
        np.testing.assert_allclose(given, wanted, rtol=1e-4, atol=1e-4)
    left, right = (np.random.default_rng(seed).standard_normal((5, 8, 6, 6), np.float32) for seed in (1, 2))
    values, classes = net(left, right)
    assert values.shape == (5, 8, 6, 6) and classes.shape == (5,) and classes.dtype == np.int64
    interpreter = xnorc.compile(TWO, engine="interpreter")
    for name, given in (("by name", {"input": right, "input.1": left}), ("swapped", {"input": left, "input.1": right})):
        for a, b in zip(net(given, threads=2), interpreter(given), strict=True):
            assert np.array_equal(a, b), name
    assert np.array_equal(net(left, input=right)[0], values)
    for wrong, words in (
        (lambda: net(left), "input was not given"),
        (lambda: net(left, right, left), "takes 2 inputs"),
        (lambda: net(left, left, input=right), "given twice"),
        (lambda: net(left, other=right), "no input 'other': its inputs are input.1, input"),
    ):
        with pytest.raises(TypeError, match=words):
            wrong()
    with pytest.raises(ValueError, match=r"expected leading axes \[5\], got \[4\] of shape \[4, 8, 6, 6\]"):
        net(left, right[:4])


def test_a_fixed_batch_takes_any_stack():
    path = FIXTURES / "dynamic_batch_ts17.onnx"
    one = xnorc.compile(path, dims={"batch": 1})
    four = xnorc.compile(path, dims={"batch": 4})
    assert four.inputs[0].shape == (4, 3, 16, 16)
    pictures = np.random.default_rng(3).standard_normal((10, 3, 16, 16), np.float32)
    for count in (1, 4, 10, 0):
        assert np.array_equal(four(pictures[:count], threads=2), one(pictures[:count]))
    assert four(pictures[:8].reshape(2, 4, 3, 16, 16)).shape == (2, 4, 10)


@pytest.mark.parametrize("shape", [(28, 28), (1, 28, 27), (784,), (), (1, 3, 28, 28)])
def test_wrong_shapes_say_what_is_expected(net, shape):
    with pytest.raises(ValueError) as error:
        net(np.zeros(shape, np.float32))
    text = str(error.value)
    assert "'picture' of 'fashion.onnx': expected shape [1, 1, 28, 28] or a stack [N, 1, 28, 28]" in text
    assert text.endswith(f"got {list(shape)}")


def test_wrong_threads(net, pictures):
    with pytest.raises(ValueError, match="threads must be at least 1, but is 0"):
        net(pictures[:1], threads=0)


def test_what_is_called_believes_nothing(net, pictures, monkeypatch):
    two, out = pictures[:2].copy(), np.zeros((2, 10), np.float32)
    native = xnorc.compile(FASHION / "fashion.onnx", engine="interpreter")._engine
    for inputs, outputs, count in (([two], [out], 3), ([two], [], 2), ([two, two], [out], 2), ([two], [two], 2)):
        for engine in (net._engine, native):
            with pytest.raises(ValueError):
                engine.infer(inputs, outputs, count, 1)
    # The function's own words are errors in every thread, and the memory is there for the next call.
    (at, memory), *_ = net._engine._free
    monkeypatch.setattr(net._engine, "_free", [(at + 1, memory)])
    with pytest.raises(RuntimeError, match="inference 0 was refused: a pointer is not aligned"):
        net(two)
    assert len(net._engine._free) == 1
    infer = net._engine._infer
    monkeypatch.setattr(net._engine, "_infer", lambda *addresses: infer(0, *addresses[1:]))
    with pytest.raises(RuntimeError, match="a pointer is null"):
        net(two, threads=2)


def test_what_was_built_is_kept(net, pictures):
    again = xnorc.compile(FASHION / "fashion.onnx")
    assert again.kept is True
    assert xnorc.compile(TWO, keep=False).kept is False
    expected = again(pictures[:1])
    # Another value with the same library.
    del again
    assert np.array_equal(net(pictures[:1]), expected)
    assert "picture: float32[1, 1, 28, 28]" in repr(net)
