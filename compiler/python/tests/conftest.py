"""What all tests share: models of the repository, and a cache of their own."""

import pathlib

import numpy as np
import pytest

import xnorc

ROOT = pathlib.Path(__file__).parents[3]
FIXTURES = ROOT / "tests" / "fixtures"
FASHION = ROOT / "generated-examples" / "fashion"


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory):
    """Nothing is taken from the user's cache, nor left in it."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XNORC_CACHE", str(folder))
        yield folder


@pytest.fixture(scope="session")
def net(cache):
    """The Fashion-MNIST network."""
    return xnorc.compile(FASHION / "fashion.onnx")


@pytest.fixture(scope="session")
def pictures():
    """A thousand pictures, `[1000, 1, 28, 28]`."""
    data = np.fromfile(FASHION / "pictures.bin", np.uint8)
    return data.reshape(-1, 1, 28, 28).astype(np.float32) / np.float32(255)


@pytest.fixture(scope="session")
def labels():
    """Their classes."""
    return np.fromfile(FASHION / "labels.bin", np.uint8).astype(np.int64)
