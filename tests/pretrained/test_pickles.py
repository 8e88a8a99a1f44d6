import io
import os
import pickle

import numpy as np
import pytest

from pv_vae_jax.pretrained import pickles


class Trap:
    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (str(self.trace),)


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_tree_of_arrays_is_read(protocol):
    tree = {"a": {"kernel": np.arange(6, dtype=np.float32).reshape(2, 3)}, "b": np.ones(1)}
    read = pickles.arrays(pickle.dumps(tree, protocol))
    np.testing.assert_array_equal(read["a"]["kernel"], tree["a"]["kernel"])
    assert read["a"]["kernel"].dtype == np.float32 and read["b"].dtype == np.float64


def test_a_pickle_that_calls_something_else_is_refused_before_the_call(tmp_path):
    content = pickle.dumps({"kernel": np.ones(3), "trap": Trap(tmp_path / "sprung")})
    with pytest.raises(pickles.Refused, match="names posix.mkdir, which a file of weights"):
        pickles.arrays(content)
    assert not (tmp_path / "sprung").exists()


def test_a_reference_to_data_outside_is_refused():
    class Writer(pickle.Pickler):
        def persistent_id(self, value):
            return "elsewhere" if isinstance(value, bytes) else None

    file = io.BytesIO()
    Writer(file).dump([b"x"])
    with pytest.raises(pickles.Refused, match="outside of itself"):
        pickles.arrays(file.getvalue())
