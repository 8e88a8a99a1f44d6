import dataclasses
import itertools
import os

import jax
import numpy as np
import pytest

from pv_vae_jax.data import sources, video_files
from pv_vae_jax.data.batches import ATTEMPTS
from pv_vae_jax.data.clips import Augment, Clip, ClipError, TooShort
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.withholding import Withholding
from tests.data import films

BUCKETS = ((16, 16, 4), (24, 16, 2))


class Named:
    """A source whose clip j is uniform, of value j; those in ``broken`` or ``short`` fail."""

    refused, classes, sha256 = {}, (), ""

    def __init__(self, length, broken=(), short=()):
        self.length, self.broken, self.short = length, broken, short

    def __len__(self):
        return self.length

    def of_length(self, frames):
        return self

    def clip(self, j, draw, frames, height, width):
        if j in self.broken:
            raise ClipError(f"clip {j}", "is broken")
        if j in self.short:
            raise TooShort(f"clip {j}", "is too short")
        return Clip(np.full((frames, height, width, 3), j, np.uint8), f"clip {j}", label=j)


class Told(Named):
    """Its labels say whether this process can use nothing but the CPU."""

    def clip(self, j, draw, frames, height, width):
        clip = super().clip(j, draw, frames, height, width)
        kept_away = jax.config.jax_platforms == "cpu" and os.environ["JAX_PLATFORMS"] == "cpu"
        return dataclasses.replace(clip, label=int(kept_away))


def data(sources_=None, way="mask", seed=5, buckets=BUCKETS, augment=None):
    augment = augment or Augment()
    return TrainingData(
        sources_ or [sources.Rendered(clips=100)],
        buckets,
        9,
        4,
        Withholding(way=way),
        seed,
        augment,
    )


def first(steps, batches):
    taken = list(itertools.islice(batches, steps))
    batches.close()
    return taken


def assert_same(ones, others):
    assert len(ones) == len(others)
    for one, other in zip(ones, others, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, other)


def test_batches_have_the_shapes_of_their_buckets_and_global_indices():
    made, shapes, total = data(), set(), 0
    for step, batch in enumerate(first(6, made.batches())):
        bucket = made.schedule.bucket(step)
        assert batch.video.shape == (bucket.batch, 9, bucket.height, bucket.width, 3)
        assert batch.video.dtype == np.uint8 and batch.index.dtype == np.uint32
        assert batch.observed.shape == (bucket.batch, 3, 1, 1) and batch.observed.dtype == bool
        assert batch.label.dtype == np.int32 and np.all(batch.label == -1)
        assert np.array_equal(batch.index, total + np.arange(bucket.batch))
        total += bucket.batch
        shapes.add(batch.video.shape)
    assert len(shapes) == 2


def test_starting_at_a_step_is_skipping_to_it():
    assert_same(first(3, data().batches(4)), first(7, data().batches())[4:])


def test_threads_change_nothing():
    assert_same(first(4, data().batches(threads=0)), first(4, data().batches(threads=3)))


def test_workers_change_nothing_and_never_touch_an_accelerator(monkeypatch):
    made = data([sources.Rendered(clips=100), Told(9)])
    alone = first(5, made.batches(2))
    monkeypatch.setenv("JAX_PLATFORMS", "cuda")  # what the workers inherit
    assert_same(alone, first(5, made.batches(2, workers=2, threads=1)))
    assert all(1 in batch.label for batch in alone)


def test_hosts_together_make_the_batches_of_one():
    whole = first(4, data().batches())
    parts = [first(4, data().batches(host=host, hosts=2)) for host in range(2)]
    for one, *halves in zip(whole, *parts, strict=True):
        assert_same([one], [jax.tree.map(lambda *a: np.concatenate(a), *halves)])


def test_a_batch_that_does_not_divide_among_the_hosts_is_refused_at_once():
    with pytest.raises(ValueError, match="2 clips at 24x16 does not divide among 4 hosts"):
        next(data().batches(hosts=4))


def test_seeds_make_different_batches():
    one, other = (first(1, data(seed=seed).batches())[0] for seed in (0, 1))
    assert not np.array_equal(one.video, other.video)


def test_mask_draws_k_for_each_example_and_slice_one_for_a_step():
    masks = [batch.observed[:, :, 0, 0] for batch in first(20, data(way="mask").batches())]
    assert any(len(np.unique(mask.sum(axis=1))) > 1 for mask in masks)
    sliced = [batch.observed[:, :, 0, 0] for batch in first(20, data(way="slice").batches())]
    assert all(len(np.unique(mask.sum(axis=1))) == 1 for mask in sliced)
    assert {int(mask[0].sum()) for mask in sliced} == {1, 2, 3}
    for mask in masks + sliced:
        assert np.array_equal(mask, np.sort(mask, axis=1)[:, ::-1]) and mask[:, 0].all()


def test_every_epoch_shows_each_clip_once_in_another_order():
    made = data([Named(12)], buckets=[(8, 8, 4)])
    labels = np.concatenate([batch.label for batch in first(6, made.batches())])
    assert sorted(labels[:12]) == sorted(labels[12:]) == list(range(12))
    assert list(labels[:12]) != list(labels[12:])


def test_without_augmentation_clips_come_plainly_in_order():
    made = TrainingData([Named(6)], [(8, 8, 4)], 9, 4, Withholding("none"), 0, None)
    labels = np.concatenate([batch.label for batch in first(3, made.batches())])
    assert list(labels) == [0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5]
    assert all(batch.observed.all() for batch in first(3, made.batches()))


def test_sources_take_turns_by_weight():
    made = data([(Named(50), 1), (Named(70), 3)], buckets=[(8, 8, 4)])
    turns = [made.which(i)[0] for i in range(40)]
    assert turns.count(0) == 10 and all(turns[n : n + 4].count(0) == 1 for n in range(0, 40, 4))
    evenly = data([(Named(50), 2), (Named(70), 4)], buckets=[(8, 8, 4)])
    assert [evenly.which(i)[0] for i in range(6)] in ([1, 0, 1] * 2, [0, 1, 1] * 2, [1, 1, 0] * 2)
    for source, length in ((0, 50), (1, 70)):
        clips = [j for s, j in map(made.which, range(4 * 70)) if s == source]
        assert sorted(clips[:length]) == list(range(length))


def test_a_clip_that_fails_is_replaced_by_a_rule_and_counted(caplog):
    made = data([Named(12, broken=(3, 7))], buckets=[(8, 8, 4)])
    batches = first(12, made.batches(threads=0))
    labels = np.concatenate([batch.label for batch in batches])
    assert len(labels) == 48 and not {3, 7} & set(labels.tolist())
    assert set(made.replaced) == {"clip 3", "clip 7"}
    assert all(count >= 4 and why == "is broken" for count, why in made.replaced.values())
    assert sum("clip 3 fails" in record.getMessage() for record in caplog.records) == 1
    assert_same(batches, first(12, data([Named(12, broken=(3, 7))], buckets=[(8, 8, 4)]).batches()))
    whole = data([Named(12)], buckets=[(8, 8, 4)])
    expected = np.concatenate([batch.label for batch in first(12, whole.batches())])
    kept = ~np.isin(expected, (3, 7))
    assert np.array_equal(labels[kept], expected[kept])
    assert len(set(labels[~kept].tolist())) > 2


def test_when_nothing_can_be_read_the_run_ends_with_a_sentence():
    made = data([Named(3, broken=(0, 1, 2))])
    with pytest.raises(
        ValueError, match=f"{ATTEMPTS} clips in a row could not be read for example"
    ):
        made.element(0)


def test_clips_that_are_too_short_are_passed_over_however_many_they_are():
    made = data([Named(200, short=range(8, 200))], buckets=[(8, 8, 4)])
    labels = np.concatenate([batch.label for batch in first(12, made.batches(threads=0))])
    assert len(labels) == 48 and set(labels.tolist()) <= set(range(8))
    none = data([Named(3, short=range(3))])
    with pytest.raises(ValueError, match="1000 clips in a row were too short .* Give fewer frames"):
        none.element(0)


def test_other_data_has_another_digest(tmp_path):
    assert data([Named(3)]).sha256 == data([Named(3)]).sha256 != data([Named(4)]).sha256
    for name in "ab":
        video_files.write(tmp_path / f"{name}.mp4", [films.numbered(32)])
    whole = data([sources.VideoFiles(tmp_path)]).sha256
    (tmp_path / "b.mp4").unlink()
    assert data([sources.VideoFiles(tmp_path)]).sha256 != whole


def test_a_file_that_vanishes_or_breaks_while_training_is_replaced(tmp_path, monkeypatch):
    monkeypatch.setenv("PV_VAE_JAX_CACHE", str(tmp_path / "cache"))
    for name in "abcd":
        video_files.write(tmp_path / "films" / f"{name}.mp4", [films.numbered(32)])
    made = data([sources.VideoFiles(tmp_path / "films")], buckets=[(16, 16, 8)])
    (tmp_path / "films" / "a.mp4").unlink()
    broken = bytearray((tmp_path / "films" / "b.mp4").read_bytes())
    broken[48 : len(broken) // 2] = bytes(len(broken) // 2 - 48)
    (tmp_path / "films" / "b.mp4").write_bytes(broken)
    assert all(batch.video.shape[0] == 8 for batch in first(3, made.batches()))
    assert {name[-5:] for name in made.replaced} == {"a.mp4", "b.mp4"}
    assert "no such file" in made.replaced[str(tmp_path / "films" / "a.mp4")][1]


def test_training_data_out_of_range_is_refused():
    with pytest.raises(ValueError, match="at least one source"):
        TrainingData([], BUCKETS, 9, 4, Withholding(), 0, None)
    with pytest.raises(ValueError, match="weight is a whole number from 1, got 0.5"):
        data([(Named(3), 0.5)])
    with pytest.raises(ValueError, match="1 \\+ 4n frames, got 8"):
        TrainingData([Named(3)], BUCKETS, 8, 4, Withholding(), 0, None)
