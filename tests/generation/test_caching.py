"""Latents are kept once: which clips, in which shards, by which host."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from launch import prepare_latents
from pv_vae_jax.core import trees
from pv_vae_jax.data import latents
from pv_vae_jax.data.clips import Clip, ClipError, Draw
from pv_vae_jax.generation.caching import clips, moments
from pv_vae_jax.generation.caching.run import Caching
from pv_vae_jax.models.video_vae import VideoVAE
from pv_vae_jax.sharding import agreement
from tests.generation.kept import files, records, small_vae


def test_moments_of_parts_are_those_of_the_whole():
    x = np.random.default_rng(0).normal(3, 2, (10, 2, 3)).astype(np.float32)
    parts = (moments.Moments.of(part, [3, 3, 3], [2, 2, 2]) for part in (x[:4], x[4:]))
    found = sum(parts, moments.Moments.none(3)).described()
    z = (x.astype(np.float64).reshape(-1, 3) - 3) / 2
    np.testing.assert_allclose(found["channel_std"], z.std(0), rtol=1e-12)
    np.testing.assert_allclose([found["mean"], found["std"]], [z.mean(), z.std()], rtol=1e-12)


@pytest.fixture(scope="module")
def vae():
    return small_vae()


class Numbered:
    """Clips that tell by their grey value which they are; those in ``broken`` cannot be read."""

    refused, classes, sha256 = {"gone.mp4": "empty file"}, (), ""

    def __init__(self, length, broken=()):
        self.length, self.broken, self.asked = length, broken, []

    def __len__(self):
        return self.length

    def clip(self, j, draw, frames, height, width):
        self.asked.append((j, draw))
        if j in self.broken:
            raise ClipError(f"film {j}", "is broken")
        video = np.full((frames, height, width, 3), 10 * j, np.uint8)
        return Clip(video, f"film {j}", label=j, caption=f"number {j}")


def caching(vae, out, source, per_shard=8, dtype="float16", **options):
    of = clips.Clips(5, 16, 16, **options)
    return Caching(vae, {"train": source}, of, {"from": "it"}, out, dtype, per_shard)


def test_a_clip_that_cannot_be_read_is_skipped_counted_and_named(vae, tmp_path):
    source = Numbered(20, broken=(0, 3, *range(8, 16)))  # the whole of the second shard
    index, fresh = caching(vae, tmp_path, source).run(1, 3, False)
    assert fresh and index["labels"] == 20
    train = index["splits"]["train"]
    assert [shard["records"] for shard in train["shards"]] == [6, 0, 4]
    assert len(train["skipped"]) == 10 and train["skipped"]["train/3"] == "film 3: is broken"
    assert train["refused"] == {"gone.mp4": "empty file"}
    found = records(tmp_path)
    assert [header.label for header, *_ in found] == [1, 2, 4, 5, 6, 7, 16, 17, 18, 19]
    assert found[0][0].caption == "number 1"
    told = prepare_latents.report(index, "it", True)
    assert "train: 10 records, 20 classes" in told
    assert "10 clips cannot be read: film 0: is broken; film 3: is broken; film 8: is br" in told
    assert "; and 7 more.\n" in told and "train: 1 files or records are not used." in told
    with pytest.raises(ValueError, match="none of 2 clips of the split train can be read:\n  film"):
        caching(vae, tmp_path / "none", Numbered(2, broken=(0, 1))).run(1, 1, False)


def test_draws_are_a_function_of_seed_and_clip_and_keep_size_and_direction(vae, tmp_path):
    of = clips.Clips(5, 16, 16, stride=2, draws=3, seed=1)
    drawn = [of.draw(n) for n in range(60)]
    assert drawn == [of.draw(n) for n in range(60)] and of.draw(0) != clips.Clips(
        5, 16, 16, stride=2, draws=3
    ).draw(0)
    assert len({draw.start for draw in drawn}) == 60 and of.span == 9
    assert {(d.stride, d.scale, d.flip, d.reversal) for d in drawn} == {(2, 1.0, False, False)}
    assert of.of("train") == of and of.of("held_out").draw(7) == Draw(stride=2)
    source = Numbered(4)
    caching(vae, tmp_path, source, stride=2, draws=3, seed=1).run(1, 1, False)
    assert source.asked == [(n // 3, of.draw(n)) for n in range(12)]
    assert [header.draw for header, *_ in records(tmp_path)] == [
        dataclasses.asdict(draw) for draw in drawn[:12]
    ]


def test_bytes_depend_neither_on_batch_nor_on_threads(vae, tmp_path):
    for name, batch, threads in (("a", 1, 1), ("b", 3, 4)):
        caching(vae, tmp_path / name, Numbered(20), 20).run(batch, threads, False)
    assert files(tmp_path / "a") == files(tmp_path / "b")


def test_hosts_share_the_shards_and_make_the_bytes_of_one(vae, tmp_path, monkeypatch):
    """The barrier: host 0 waits, while the others write theirs, each in its turn."""
    caching(vae, tmp_path / "one", Numbered(20), 4).run(1, 1, False)
    real, written, out = Caching._write, {}, tmp_path / "three"
    as_host = {"now": 0}

    def write(self, shard, *rest):
        written.setdefault(as_host["now"], []).append(int(shard.name[6:11]))
        real(self, shard, *rest)

    def together(moment):
        if moment == "latents written" and as_host["now"] == 0:
            for host in (1, 2):
                as_host["now"] = host
                with pytest.raises(FileNotFoundError, match="no latents.json"):
                    caching(vae, out, Numbered(20), 4).run(1, 1, False)  # before host 0 ends
            as_host["now"] = 0

    monkeypatch.setattr(Caching, "_write", write)
    monkeypatch.setattr(jax, "process_index", lambda *_: as_host["now"])
    monkeypatch.setattr(jax, "process_count", lambda *_: 3)
    monkeypatch.setattr(agreement, "wait", together)
    caching(vae, out, Numbered(20), 4).run(1, 1, False)
    assert written == {0: [0, 3], 1: [1, 4], 2: [2]}
    assert files(out) == files(tmp_path / "one")


def test_a_latent_that_float16_cannot_hold_ends_the_run_with_what_to_do(vae, tmp_path):
    flat = trees.flatten(vae.params)
    flat["encoder/quant/bias"] = jnp.full_like(flat["encoder/quant/bias"], 1e5)
    loud = VideoVAE(vae.module, trees.unflatten(flat), vae.mean, vae.std, vae.config)
    with pytest.raises(ValueError, match=r"the mean of film 0 .train/0. reaches .*--dtype bfloat"):
        caching(loud, tmp_path / "a", Numbered(3)).run(1, 1, False)
    caching(loud, tmp_path / "b", Numbered(3), dtype="bfloat16").run(1, 1, False)
    kept = latents.Latents(tmp_path / "b").record(2)
    assert kept.mean.dtype == jnp.bfloat16 and abs(float(kept.mean.max()) - 1e5) < 1e3
