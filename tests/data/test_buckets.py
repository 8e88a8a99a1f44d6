import pytest

from pv_vae_jax.data import buckets
from pv_vae_jax.data.buckets import Bucket, Schedule

THREE = ((32, 32, 8), (16, 48, 12, 2), (64, 64, 4))


def test_start_is_the_sum_of_the_batches_before():
    schedule, total = Schedule(THREE, seed=3), 0
    for step in range(25):
        assert schedule.start(step) == total
        total += schedule.bucket(step).batch


def test_each_cycle_holds_each_bucket_as_often_as_its_weight():
    schedule = Schedule(THREE, seed=0)
    for cycle in range(5):
        heights = sorted(schedule.bucket(4 * cycle + place).height for place in range(4))
        assert heights == [16, 16, 32, 64]


def test_the_arrangement_depends_on_the_seed_and_the_cycle():
    def heights(seed, steps):
        return tuple(Schedule(THREE, seed).bucket(step).height for step in steps)

    first = heights(0, range(40))
    buckets._arrangement.cache_clear()
    assert heights(0, range(40)) == first
    assert heights(0, range(40)) != heights(1, range(40))
    assert len({heights(0, range(4 * cycle, 4 * cycle + 4)) for cycle in range(10)}) > 1


def test_hosts_take_blocks_that_make_up_the_batch():
    bucket = Bucket(32, 32, 12)
    rows = [row for host in range(3) for row in bucket.rows_of(host, 3)]
    assert rows == list(range(12))


def test_a_batch_that_does_not_divide_is_refused_with_the_nearest():
    with pytest.raises(ValueError, match="10 clips at 32x32 does not divide among 4 hosts; use 8"):
        Bucket(32, 32, 10).rows_of(0, 4)


@pytest.mark.parametrize("bucket", [(0, 32, 8), (32, 32, 0), (32, 32, 8, 0), (32, 2.5, 8)])
def test_a_bucket_of_no_size_is_refused(bucket):
    with pytest.raises(ValueError, match="of a bucket is a whole number from 1"):
        Schedule([bucket], 0)


def test_no_buckets_are_refused():
    with pytest.raises(ValueError, match="at least one bucket"):
        Schedule([], 0)
