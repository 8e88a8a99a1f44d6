import pytest
from jax.experimental import topologies as jax_topologies

from pv_vae_jax.sharding import topologies


@pytest.mark.parametrize(
    ("text", "chip", "shape", "platform"),
    [
        ("v5p:4x4x4", "v5p", (4, 4, 4), "tpu"),
        ("v5e:8x8", "v5e", (8, 8), "tpu"),
        ("h100:16", "h100", (16,), "cuda"),
        ("cpu:8", "cpu", (8,), "cpu"),
    ],
)
def test_a_topology_is_a_chip_and_a_shape(text, chip, shape, platform):
    found = topologies.parse(text)
    assert (found.chip, found.shape, found.platform) == (chip, shape, platform)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("v7x:2x2x1", "no such chip; there are v4, v5e, v5p, v6e, tpu7x, h100, cpu"),
        ("v5p:8x8", "v5p takes 3 number\\(s\\) joined by x, such as v5p:2x2x1"),
        ("v5e:8x", "v5e takes 2 number"),
        ("h100:12", "a host has 8 GPUs; take up to 8 or a multiple"),
        ("cpu:0", "cpu takes 1 number"),
    ],
)
def test_a_topology_that_cannot_be_is_told(text, message):
    with pytest.raises(ValueError, match=message):
        topologies.parse(text)


def test_simulated_devices_are_those_of_this_process():
    assert len(topologies.parse("cpu:8").devices()) == 8
    assert len(topologies.parse("cpu:4").devices()) == 4
    with pytest.raises(ValueError, match="8 simulated device.*device_count=16"):
        topologies.parse("cpu:16").devices()


@pytest.mark.parametrize(
    ("text", "said", "message"),
    [
        ("v5e:2x2", "JAX TPU support not installed; see", r"needs libtpu; .* install 'jax\[tpu\]'"),
        ("h100:8", "topology not implemented for cuda", "install jax-cuda12-plugin"),
        ("v5e:1x1", 'layout "v5e:1x1" is not divisible by "2x2x1"', "has no v5e:1x1. It says"),
        ("v5e:2x2", "accessing libtpu multi-process lockfile", "another process holds libtpu"),
    ],
)
def test_why_there_are_no_devices_is_told(monkeypatch, text, said, message):
    def refuse(**_):
        raise RuntimeError(said)

    monkeypatch.setattr(jax_topologies, "get_topology_desc", refuse)
    with pytest.raises(ValueError, match=message):
        topologies.parse(text).devices()


def test_gpus_beyond_a_host_are_on_several(monkeypatch):
    asked = []

    class Description:
        devices = ()

    monkeypatch.setattr(
        jax_topologies, "get_topology_desc",
        lambda **values: asked.append(values["topology"]) or Description,
    )  # fmt: skip
    for count in (4, 8, 64):
        topologies.parse(f"h100:{count}").devices()
    assert asked == ["1x1x4", "1x1x8", "8x1x8"]
