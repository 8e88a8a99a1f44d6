import concurrent.futures
import os
import time

import pytest

from pv_vae_jax.core import locks
from pv_vae_jax.training import workdir


def test_a_lock_is_free_again_when_it_is_closed(tmp_path):
    lock = locks.taken(tmp_path / "made" / "lock")
    assert locks.taken(tmp_path / "made" / "lock") is None
    os.close(lock)
    assert locks.taken(tmp_path / "made" / "lock") is not None


def test_threads_wait_for_one_another(tmp_path):
    inside, most = [], []

    def work(number):
        with locks.waited_for(tmp_path / "made" / "lock"):
            inside.append(number)
            time.sleep(0.01)
            most.append(len(inside))
            inside.remove(number)

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    assert most == [1] * 8


def test_two_runs_do_not_train_in_one_folder(tmp_path):
    lock = locks.taken(tmp_path / workdir.LOCK)
    with pytest.raises(ValueError, match="another process trains in"):
        workdir.lock(tmp_path)
    os.close(lock)
    workdir.lock(tmp_path)
    assert locks.taken(tmp_path / workdir.LOCK) is None
