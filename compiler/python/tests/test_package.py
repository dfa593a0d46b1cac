"""Reports, errors, the command line, and what a package needs."""

import inspect
import pathlib
import pickle
import shutil
import subprocess
import sys
import sysconfig

import numpy as np
import pytest
from conftest import FASHION, FIXTURES

import xnorc

MODEL = FASHION / "fashion.onnx"


def program(*arguments):
    path = shutil.which("xnorc", path=sysconfig.get_path("scripts"))
    assert path, "the wheel installs the program"
    return subprocess.run([path, *map(str, arguments)], capture_output=True, text=True)


def test_inspect():
    report = xnorc.inspect(MODEL)
    assert report["totals"]["binary_macs"] > 0
    assert "binary" in str(report) and len(report.table) > len(str(report))


def test_verify(pictures):
    random = xnorc.verify(MODEL, samples=1)
    assert random.ok and random["samples"] == 1 and "block" in str(random)
    given = xnorc.verify(MODEL, pictures[:2], engine="interpreter")
    assert given.ok and given["samples"] == 2
    wrong = xnorc.verify(MODEL, pictures[:1], np.full((1, 10), 3, np.float32))
    assert not wrong.ok and wrong["expected"]["wrong"] == 1
    two = {name: np.load(FIXTURES / f"two_in_two_out_ts17.in{i}.npy") for i, name in enumerate(["input.1", "input"])}
    assert xnorc.verify(FIXTURES / "two_in_two_out_ts17.onnx", two).ok


def test_evaluate(net, pictures, labels, tmp_path):
    saved = tmp_path / "logits.npy"
    result = xnorc.evaluate(MODEL, pictures, labels, limit=200, save=saved)
    right = int(np.sum(np.argmax(net(pictures[:200]), 1) == labels[:200]))
    assert (result["pictures"], result["right"]) == (200, right)
    assert np.array_equal(np.load(saved), net(pictures[:200]))
    bytes_of = (pictures * 255).round().astype(np.uint8)
    assert xnorc.evaluate(MODEL, bytes_of, labels, limit=200)["right"] == right
    assert "200" in str(result)


def test_errors_have_all_diagnostics(tmp_path):
    with pytest.raises(xnorc.ModelError) as error:
        xnorc.compile(tmp_path / "none.onnx")
    (problem,) = error.value.diagnostics
    assert problem.severity == "error" and problem.code == "X002" and "none.onnx" in str(error.value)
    assert pickle.loads(pickle.dumps(error.value)).diagnostics == error.value.diagnostics
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"not a model")
    for use in (xnorc.inspect, xnorc.verify, xnorc.compile, lambda path: xnorc.evaluate(path, np.zeros((1, 1, 28, 28)))):
        with pytest.raises(xnorc.ModelError):
            use(broken)


def test_words_that_are_none():
    for words, wrong in (
        ("zero must be one of plus, exact, but is 'often'", lambda: xnorc.inspect(MODEL, zero="often")),
        ("multiply_add must be one of once, loose, but is 'twice'", lambda: xnorc.verify(MODEL, multiply_add="twice")),
        ("real must be one of f32, bf16, int8, fixed, but is 'f8'", lambda: xnorc.inspect(MODEL, real={"stem": "f8"})),
        ("engine must be one of rust, interpreter, but is 'steam'", lambda: xnorc.compile(MODEL, engine="steam")),
        ("layout must be one of None, nchw, nhwc, but is 'x'", lambda: xnorc.evaluate(MODEL, MODEL, layout="x")),
    ):
        with pytest.raises(ValueError, match=words):
            wrong()


def test_no_rustc(monkeypatch, pictures):
    monkeypatch.setenv("RUSTC", "no-such-rustc")
    with pytest.raises(xnorc.ModelError, match="install Rust"):
        xnorc.compile(MODEL)
    assert xnorc.compile(MODEL, engine="interpreter")(pictures[0]).shape == (10,)


def test_options_reach_the_compiler(pictures):
    looser = xnorc.inspect(MODEL, real="bf16")
    assert looser != xnorc.inspect(MODEL)
    assert xnorc.inspect(MODEL, real={None: "bf16"}) == looser
    assert xnorc.inspect(MODEL, real="int8", calibrate=pictures[:8]) != looser
    fixed = xnorc.inspect(MODEL, real="fixed", calibrate=pictures[:8])
    assert {block["arithmetic"] for block in fixed["blocks"]} == {"fixed"}
    # Where the processor has the instruction nothing changes; `verify` looks where it has none.
    loose = xnorc.verify(MODEL, pictures[:2], multiply_add="loose")
    assert loose["ok"] and loose["multiply_add"] == "loose" and "multiply_add" not in xnorc.verify(MODEL, pictures[:2])
    with pytest.raises(xnorc.ModelError, match="layer"):
        xnorc.inspect(MODEL, real={"no such layer": "bf16"})


def test_warnings_are_python_warnings():
    path = FIXTURES / "sign_plain_ts17.onnx"
    with pytest.warns(xnorc.ModelWarning, match="X104") as seen:
        xnorc.inspect(path)
    assert pathlib.Path(seen[0].filename).name == "test_package.py"
    with pytest.raises(xnorc.ModelError, match="X104"):
        xnorc.inspect(path, strict=True)


def test_the_program(tmp_path):
    version = program("--version")
    assert version.returncode == 0 and xnorc.__version__ in version.stdout
    assert program("inspect").returncode == 2
    missing = program("inspect", tmp_path / "none.onnx")
    assert missing.returncode == 1 and missing.stderr.startswith("error: X002")
    module = subprocess.run([sys.executable, "-m", "xnorc", "--version"], capture_output=True, text=True)
    assert module.stdout == version.stdout


def test_python_and_the_program_of_rust_agree_to_the_bit(tmp_path, net, pictures):
    two = xnorc.compile(FIXTURES / "two_in_two_out_ts17.onnx")
    stacks = [np.random.default_rng(seed).standard_normal((10, 8, 6, 6), np.float32) for seed in (1, 2)]
    for network, model, given in ((net, MODEL, [pictures[:10]]), (two, FIXTURES / "two_in_two_out_ts17.onnx", stacks)):
        inputs = [tmp_path / f"x{i}.npy" for i in range(len(given))]
        outputs = [tmp_path / f"y{i}.npy" for i in range(len(network.outputs))]
        for path, array in zip(inputs, given, strict=True):
            np.save(path, array)
        files = [part for path in inputs for part in ("--input", path)] + [part for path in outputs for part in ("--output", path)]
        run = program("run", model, *files)
        assert run.returncode == 0, run.stderr
        taken = network(*given, threads=3)
        for path, own in zip(outputs, taken if len(outputs) > 1 else [taken], strict=True):
            expected = np.load(path)
            assert expected.shape == own.shape and len(own) == 10
            assert expected.astype(own.dtype).tobytes() == own.tobytes()


def test_everything_has_a_docstring_and_a_type():
    package = pathlib.Path(xnorc.__file__).parent
    assert (package / "py.typed").exists()
    stubs = (package / "__init__.pyi").read_text()
    for name in xnorc.__all__:
        value = getattr(xnorc, name)
        assert inspect.getdoc(value), name
        assert f"def {name}(" in stubs or f"class {name}(" in stubs or f"class {name}:" in stubs, name
        if inspect.isfunction(value):
            after = stubs.split(f"def {name}(")[1].split(") ->")[0]
            parameters = [line.split(":")[0].strip() for line in after.splitlines() if ":" in line]
            assert parameters == list(inspect.signature(value).parameters), name
    assert inspect.getdoc(xnorc.Network.__call__)
