import dataclasses
import hashlib

import pytest

from pv_vae_jax.evaluation import datasets, protocol, published
from pv_vae_jax.zoo import registry


def test_protocols_are_those_of_the_paper():
    for name, side in (("k400-recon-256", 256), ("k400-recon-512", 512)):
        used = protocol.named(name)
        assert (used.videos, used.frames, used.height, used.width) == (2048, 17, side, side)
        assert used.speed == (4, 50, 100) and used.split in datasets.SPLITS["kinetics400"]
    assert protocol.named("k400-ltd").videos == 1000
    for name in ("ucf101-gen", "re10k-gen"):
        used = protocol.named(name)
        assert used.videos == 2048 and used.task == "generation"
        assert used.split in datasets.SPLITS[used.datasets[0]]
    assert protocol.named("ucf101-gen").classifier == "c3d-ucf101"


def test_the_papers_rows_are_of_known_protocols_and_models():
    for name, rows in published.FIGURES.items():
        assert name in protocol.PROTOCOLS
        assert set(rows) == set(registry.BASELINES) | {"pv_vae_661m"}
    assert published.FIGURES["k400-recon-256"]["wan2.1"]["rfvd"] == 2.92
    assert published.FIGURES["re10k-gen"]["pv_vae_661m"] == {"fvd": 72.50, "kvd": 4.06}


def test_a_changed_protocol_tells_what_was_changed():
    used = protocol.named("small").changed(
        ["videos=4", "speed=1,0,2", "datasets=rendered", "seed=0"]
    )
    assert (used.videos, used.speed, used.datasets) == (4, (1, 0, 2), ("rendered",))
    assert used.name == "small+videos=4,speed=1-0-2,datasets=rendered"
    assert protocol.named("small").changed(["height=64"]) is protocol.named("small")


@pytest.mark.parametrize(
    "setting, message",
    [
        ("videos", "--set is FIELD=VALUE with one of task, datasets"),
        ("name=x", "--set is FIELD=VALUE"),
        ("video=3", "got 'video=3'"),
        ("videos=many", "'many' is not a whole number"),
        ("videos=0", "a protocol's videos is at least 1; got 0"),
        ("speed=1,2", "3 values are wanted"),
        ("task=guess", "the task of a protocol is one of reconstruction"),
    ],
)
def test_a_setting_that_no_protocol_has_is_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        protocol.named("small").changed([setting])


def test_an_unknown_protocol_names_those_that_there_are():
    with pytest.raises(ValueError, match="no protocol is named 'big'; there are: k400-recon-256"):
        protocol.named("big")


def test_videos_of_a_smaller_protocol_are_among_those_of_a_larger_one():
    keys = [f"video {i}" for i in range(50)]
    taken = protocol.order(0, keys)
    assert taken == protocol.order(0, reversed(keys)) and sorted(taken) == sorted(keys)
    some = [key for key in keys if int(key.split()[1]) % 3]
    assert protocol.order(0, some) == [key for key in taken if key in some]
    assert protocol.order(1, keys) != taken
    assert taken[0] == min(keys, key=lambda key: hashlib.sha256(f"0:{key}".encode()).hexdigest())


def test_protocols_differ_in_what_they_measure_not_in_their_names():
    one = dataclasses.asdict(protocol.named("small")) | {"judge_file": {"sha256": "a" * 64}}
    assert protocol.differences(one, one | {"name": "other"}) == []
    assert protocol.differences(one, one | {"datasets": ["shipped", "rendered"]}) == []
    other = one | {"frames": 9, "judge_file": {"sha256": "b" * 64}}
    assert protocol.differences(one, other) == [
        "frames: 17, 9",
        "judge_file.sha256: aaaaaaaaaaaa..., bbbbbbbbbbbb...",
    ]
