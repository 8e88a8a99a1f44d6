"""The order of the clips is one, whoever reads them; and a million clips need no scan."""

import itertools
import time

import numpy as np
import pytest

from pv_vae_jax.core import rng
from pv_vae_jax.data.clips import Augment, Clip
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.withholding import Withholding

MILLION, SEED, STEPS = 1_000_000, 11, 3
BUCKETS = ((8, 8, 8, 2), (8, 16, 4, 1))


class Virtual:
    """A million clips that exist only as a function of their number, which is their label."""

    refused, classes, sha256 = {}, (), ""

    def __init__(self):
        self.made = 0

    def __len__(self):
        return MILLION

    def of_length(self, frames):
        return self

    def clip(self, j, draw, frames, height, width):
        self.made += 1
        t, y, x = np.ogrid[:frames, :height, :width]
        value = (j * 2654435761 + t * 97 + y * 31 + x * 7 + int(256 * draw.start)) % 256
        return Clip(np.repeat(value[..., None], 3, axis=-1).astype(np.uint8), str(j), label=j)


def data(source=None):
    return TrainingData([source or Virtual()], BUCKETS, 5, 4, Withholding(), SEED, Augment())


def taken(made, **how):
    batches = made.batches(1, **how)
    found = list(itertools.islice(batches, STEPS))
    batches.close()
    return found


CASES = [(hosts, workers) for hosts in (1, 2, 4) for workers in (0, 1, 3)]
# a worker is a process that imports JAX: seconds each
QUICK = {(1, 0), (2, 0), (4, 0), (2, 1), (1, 3)}


@pytest.mark.parametrize(
    ("hosts", "workers"),
    [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in CASES],
)
def test_hosts_and_workers_yield_the_same_global_order(hosts, workers):
    made = data()
    parts = [
        taken(made, host=host, hosts=hosts, workers=workers, threads=1) for host in range(hosts)
    ]
    order = rng.host_generator(SEED, "epoch", 0, 0).permutation(MILLION)
    for step, rows in enumerate(zip(*parts, strict=True), start=1):
        whole = made.element(step)
        first = made.schedule.start(step)
        index = np.concatenate([batch.index for batch in rows])
        assert list(index) == list(range(first, first + made.schedule.bucket(step).batch))
        assert list(np.concatenate([batch.label for batch in rows])) == list(order[index])
        for name in ("video", "observed"):
            together = np.concatenate([getattr(batch, name) for batch in rows])
            np.testing.assert_array_equal(together, whole[name])


def test_a_million_clips_start_without_a_scan():
    source, begin = Virtual(), time.process_time()
    batch = next(data(source).batches(0, threads=0))
    assert time.process_time() - begin < 5
    assert source.made == len(batch.index)
