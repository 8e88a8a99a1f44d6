"""Latents that were kept: records, the index, batches of them."""

import itertools
import json
import pickle
import re
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pv_vae_jax.data import batches, latent_records, latents, sealed, shard_index
from pv_vae_jax.data.clips import ClipError
from pv_vae_jax.data.latent_records import Header
from pv_vae_jax.data.prepare import assemble

SHAPE = (3, 2, 2, 4)
HEADER = Header("train/3", "film.mp4", 1, "a swimmer", {"start": 0.0, "flip": False})


def posterior(number, dtype="float16"):
    random = np.random.default_rng(number)
    mean = random.normal(size=(2, *SHAPE)).astype(np.float32)
    return [latent_records.stored(each, dtype, "it") for each in mean]


def write(folder, *counts, dtype="float16", classes=(), **changes):
    """A folder of train with so many records in each shard; record n has the label n."""
    folder.mkdir(parents=True, exist_ok=True)
    described, number = [], 0
    for shard, count in enumerate(counts):
        data = [
            latent_records.encode(Header(f"train/{n}", "film.mp4", n, "", {}), *posterior(n, dtype))
            for n in range(number, number + count)
        ]
        name = assemble.name_of("train", shard, len(counts))
        described.append(assemble.write_shard(folder / name, data) | {"records": count})
        number += count
    shard_index.keep_classes(folder, classes)
    index = {
        "version": latents.VERSION,
        "identity": {"name": "tiny"},
        "clips": {"frames": 9},
        "dtype": dtype,
        "shape": list(SHAPE),
        "labels": number,
        "splits": {"train": {"shards": described}},
    }
    sealed.write(folder / latents.NAME, index | changes)
    return folder


def first(steps, data, start=0, **how):
    made = data.batches(start, **how)
    taken = list(itertools.islice(made, steps))
    made.close()
    return taken


def data(folder, batch=4, seed=0):
    return latents.LatentData(latents.Latents(folder), batch, seed)


@pytest.mark.parametrize("dtype", latent_records.DTYPES)
def test_a_record_has_the_layout_of_its_docstring_and_comes_back(dtype):
    mean, logvar = posterior(0, dtype)
    record = latent_records.encode(HEADER, mean, logvar)
    length = struct.unpack("<I", record[4:8])[0]
    assert record[:4] == b"PVL1" and json.loads(record[8 : 8 + length])["caption"] == "a swimmer"
    values = np.frombuffer(record[8 + length :], jnp.dtype(dtype))
    np.testing.assert_array_equal(values.reshape(2, *SHAPE), [mean, logvar])
    header, *found = latent_records.decode(record, SHAPE, dtype, "it")
    assert header == HEADER
    for one, other in zip(found, (mean, logvar), strict=True):
        assert one.dtype == jnp.dtype(dtype) and one.shape == SHAPE
        np.testing.assert_array_equal(one, other)


def test_a_value_that_float16_cannot_hold_is_told_and_bfloat16_holds_it():
    values = np.array([1.0, -65519.0], np.float32)  # rounds to the largest, 65504
    assert latent_records.stored(values, "float16", "the mean")[1] == -65504
    values[1] = -65520.0
    with pytest.raises(ValueError, match=r"the mean of a.mp4 reaches 65520, more than float16 ho"):
        latent_records.stored(values, "float16", "the mean of a.mp4")
    assert latent_records.stored(values, "bfloat16", "the mean")[1] == -65536
    values[0] = np.nan
    with pytest.raises(ValueError, match="the mean is not finite .*weights of the model"):
        latent_records.stored(values, "bfloat16", "the mean")


DAMAGED = {
    "another kind": (lambda r: b"PVR1" + r[4:], "not latents: it begins with b'PVR1'"),
    "a short one": (lambda r: r[:-2], "190 bytes of latents where float16.3, 2, 2, 4. has 192"),
    "a long one": (lambda r: r + b"00", "194 bytes of latents where"),
    "the header": (lambda r: r.replace(b'"key"', b'"kex"'), "the header of the record is damaged"),
    "a type": (lambda r: r.replace(b'"label":1', b'"label":""'), "the header of the record is da"),
}  # fmt: skip


@pytest.mark.parametrize("what", DAMAGED)
def test_a_damaged_record_is_an_error_with_its_name(what):
    damage, sentence = DAMAGED[what]
    record = damage(latent_records.encode(HEADER, *posterior(0)))
    with pytest.raises(ClipError, match=f"shard record 3: {sentence}"):
        latent_records.decode(record, SHAPE, "float16", "shard record 3")


@pytest.mark.parametrize("dtype", latent_records.DTYPES)
def test_every_record_of_every_shard_is_there_with_what_the_index_says(tmp_path, dtype):
    kept = latents.Latents(write(tmp_path, 2, 0, 3, dtype=dtype, classes=tuple("abcde")))
    assert (len(kept), kept.shape, kept.dtype, kept.labels) == (5, SHAPE, dtype, 5)
    assert kept.identity == {"name": "tiny"} and kept.clips == {"frames": 9}
    assert kept.classes == tuple("abcde") and kept.where == str(tmp_path)
    for number in range(5):
        clip, (mean, logvar) = kept.record(number), posterior(number, dtype)
        assert clip.label == number and clip.name.endswith(f"(train/{number})")
        np.testing.assert_array_equal(clip.mean, mean)
        np.testing.assert_array_equal(clip.logvar, logvar)
    assert "train-00002-of-00003.array_record record 0 (train/2)" in kept.record(2).name


def test_what_is_wrong_with_a_folder_is_a_sentence_at_the_start(tmp_path):
    with pytest.raises(FileNotFoundError, match="no latents.json at .*prepare_data latents has fi"):
        latents.Latents(tmp_path)
    folder = write(tmp_path / "set", 2, 2)
    with pytest.raises(ValueError, match="no split 'held_out'; it has: train. For a part"):
        latents.Latents(folder, "held_out")
    second = folder / "train-00001-of-00002.array_record"
    whole = second.read_bytes()
    second.write_bytes(whole[:70_000])
    with pytest.raises(ValueError, match="has 70000 bytes where the index says .* truncated"):
        latents.Latents(folder)
    second.unlink()
    with pytest.raises(FileNotFoundError, match="1 of 2 shards of .* are missing, the first is tr"):
        latents.Latents(folder)
    second.write_bytes(whole)
    index = folder / latents.NAME
    text = index.read_text()
    index.write_text(text.replace('"name": "tiny"', '"name": "huge"'))
    with pytest.raises(ValueError, match="latents.json is damaged: its sha256 is"):
        latents.Latents(folder)
    index.write_text(text[: len(text) // 2])
    with pytest.raises(ValueError, match="is not an index of latents, or damaged"):
        latents.Latents(folder)
    write(folder, 2, 2, version=2)
    with pytest.raises(ValueError, match="is of version 2, this program reads 1"):
        latents.Latents(folder)


def test_batches_are_the_records_with_their_labels(tmp_path):
    made = data(write(tmp_path, 3, 3, classes=tuple("abcdef")))
    assert made.schedule.bucket(7).batch == 4 and made.refused == {}
    assert (made.schedule.bucket(0).height, made.schedule.bucket(0).width) == (2, 2)
    assert made.classes == {"Latents": tuple("abcdef")}
    for step, batch in enumerate(first(3, made)):
        assert batch.mean.shape == batch.logvar.shape == (4, *SHAPE)
        assert (batch.mean.dtype, batch.index.dtype) == (np.float16, np.uint32)
        assert list(batch.index) == [4 * step + n for n in range(4)] and batch.label.dtype == "i4"
        for row, label in enumerate(batch.label):
            np.testing.assert_array_equal(batch.mean[row], posterior(label)[0])
            np.testing.assert_array_equal(batch.logvar[row], posterior(label)[1])


def test_an_epoch_has_every_record_once_in_an_order_of_its_own(tmp_path):
    folder = write(tmp_path, 5, 7)
    labels = np.concatenate([batch.label for batch in first(9, data(folder))])
    epochs = [tuple(epoch) for epoch in labels.reshape(3, 12)]
    assert all(sorted(epoch) == list(range(12)) for epoch in epochs) and len(set(epochs)) == 3
    other = np.concatenate([batch.label for batch in first(9, data(folder, seed=1))])
    assert list(other) != list(labels)


def same(ones, others):
    for one, other in zip(ones, others, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_an_example_is_a_function_of_seed_and_index(tmp_path):
    """Whatever the batch, the step at which a run goes on, threads and hosts."""
    folder = write(tmp_path, 5, 7)
    whole = first(6, data(folder))
    same(whole[4:], first(2, data(folder), start=4, threads=0))
    halves = [first(6, data(folder), host=host, hosts=2) for host in range(2)]
    joined = [
        jax.tree.map(lambda *a: np.concatenate(a), *pair) for pair in zip(*halves, strict=True)
    ]
    same(whole, joined)
    assert list(first(1, data(folder, batch=24))[0].label) == list(
        np.concatenate([batch.label for batch in whole])
    )
    with pytest.raises(ValueError, match="a batch of 4 clips at 2x2 does not divide among 3 hosts"):
        next(data(folder).batches(hosts=3))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", latent_records.DTYPES)
def test_workers_change_nothing(tmp_path, dtype):
    folder = write(tmp_path, 5, 7, dtype=dtype)
    same(first(4, data(folder)), first(4, data(folder), workers=2, threads=1))


def test_a_pickled_source_opens_its_own_readers(tmp_path):
    kept = latents.Latents(write(tmp_path, 2))
    kept.record(0)
    again = pickle.loads(pickle.dumps(kept))
    np.testing.assert_array_equal(again.record(1).mean, kept.record(1).mean)


def test_a_damaged_record_is_replaced_by_rule_named_once_and_counted(tmp_path, caplog):
    folder = write(tmp_path, 6)
    path = folder / "train-00000-of-00001.array_record"
    content = bytearray(path.read_bytes())
    place = content.index(b'"key":"train/4"')
    content[place : place + 10] = bytes(10)
    path.write_bytes(content)
    made = data(folder, batch=6)
    damaged = re.escape("array_record record 4: damaged data (its checksum does not hold)")
    with pytest.raises(ClipError, match=damaged):
        made.latents.record(4)
    taken = first(3, made, threads=0)
    same(taken, first(3, data(folder, batch=6)))
    labels = np.concatenate([batch.label for batch in taken])
    assert 4 not in labels and {0, 1, 2, 3, 5} <= set(labels)
    ((name, (count, reason)),) = made.replaced.items()
    assert count >= 3 and name.endswith("record 4") and "damaged data" in reason
    warned = [r for r in caplog.records if "record 4 fails and is replaced" in r.getMessage()]
    assert len(warned) == 2  # once by each of the two
    path.write_bytes(bytes(len(content)))
    with pytest.raises(ValueError, match=f"{batches.ATTEMPTS} clips in a row could not be read"):
        data(folder).element(0)
