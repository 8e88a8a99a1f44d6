"""``config.profile``: which updates are traced, and what is refused."""

import jax
import jax.numpy as jnp
import pytest

from pv_vae_jax.training import profiling


@pytest.mark.parametrize("text", ["5", "5:", "5:5", "7:5", "a:b", "-1:3", "1:2:3"])
def test_what_names_no_updates_is_refused(text):
    with pytest.raises(ValueError, match='config.profile is "START:STOP"'):
        profiling.steps(text)


def test_nothing_is_traced_unless_asked_for(tmp_path):
    profile = profiling.Profile("", tmp_path)
    for update in range(3):
        profile.before(update)
    profile.close()
    assert not list(tmp_path.iterdir())


def test_the_updates_from_start_to_stop_are_traced(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder: calls.append(folder))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: calls.append("stop"))
    profile = profiling.Profile("2:4", tmp_path)
    for update in range(6):
        profile.before(update)
        calls.append(update)
    profile.close()
    assert calls == [0, 1, str(tmp_path / "profile"), 2, 3, "stop", 4, 5]


def test_a_run_that_ends_within_leaves_a_whole_trace(tmp_path):
    profile = profiling.Profile("0:9", tmp_path)
    profile.before(0)
    with jax.profiler.StepTraceAnnotation("update", step_num=0):
        jnp.ones(3).sum().block_until_ready()
    profile.close()
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
