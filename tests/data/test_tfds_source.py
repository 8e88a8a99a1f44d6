import pickle
import shutil
import sys

import numpy as np
import pytest

from pv_vae_jax.data import images, tfds_source, video_files
from pv_vae_jax.data.clips import Augment, ClipError, Draw
from pv_vae_jax.data.pipeline import TrainingData
from pv_vae_jax.withholding import Withholding
from tests.data import films

FILM = {"pixels": "film"}


@pytest.fixture(scope="module", autouse=True)
def prepared(tmp_path_factory):
    """The three forms of tests/data/tfds_sets, in one folder."""
    import tensorflow_datasets as tfds

    from tests.data.tfds_sets.numbered import Numbered

    folder = tmp_path_factory.mktemp("tfds")
    tfds.disable_progress_bar()
    for config in ("frames", "mp4", "stills"):
        builder = Numbered(config=config, data_dir=folder, file_format="array_record")
        builder.download_and_prepare()
    return folder


def at(folder, config):
    return str(folder / "numbered" / config / "1.0.0")


@pytest.mark.parametrize(("config", "features"), [("frames", None), ("mp4", FILM)])
def test_clips_are_the_frames_of_their_example_with_label_and_caption(prepared, config, features):
    source = tfds_source.TFDS(at(prepared, config), features=features)
    assert len(source) == 6 and source.classes == ("run", "swim", "walk")
    seen = set()
    for j in range(6):
        clip = source.of_length(5).clip(j, Draw(start=0.5, stride=2), 5, 48, 64)
        n = int(clip.caption.removeprefix("film "))
        assert clip.label == n % 3 and clip.video.dtype == np.uint8
        start = (20 + n) // 2
        assert list(films.numbers(clip.video)) == list(range(start, start + 9, 2))
        seen.add(n)
    assert seen == set(range(6))
    assert "tensorflow" not in sys.modules


def test_only_the_frames_of_a_clip_are_decoded(prepared, monkeypatch):
    decoded, read = [], images.read
    monkeypatch.setattr(images, "read", lambda *args: decoded.append(1) or read(*args))
    tfds_source.TFDS(at(prepared, "frames")).clip(0, Draw(), 5, 16, 16)
    assert len(decoded) == 5
    frames, upright = [], video_files.upright
    monkeypatch.setattr(video_files, "upright", lambda f: frames.append(1) or upright(f))
    tfds_source.TFDS(at(prepared, "mp4"), features=FILM).clip(0, Draw(start=0.9), 5, 16, 16)
    assert len(frames) == 5


def test_stills_are_clips_of_one_frame(prepared):
    source = tfds_source.TFDS(at(prepared, "stills"), "test")
    clips = [source.of_length(1).clip(j, Draw(), 1, 48, 64) for j in range(2)]
    assert {int(films.numbers(clip.video)[0]) for clip in clips} == {6, 7}
    with pytest.raises(ValueError, match="holds stills, and a still is a clip of 1 frame, not of"):
        source.of_length(9)


def test_splits_and_spans_share_no_example(prepared):
    def captions(split="train", span=(0.0, 1.0)):
        source = tfds_source.TFDS(at(prepared, "stills"), split, span)
        return {source.clip(j, Draw(), 1, 8, 8).caption for j in range(len(source))}

    kept, held = captions(span=(0.0, 0.8)), captions(span=(0.8, 1.0))
    assert (len(kept), len(held)) == (5, 1) and not kept & held
    assert (
        kept | held == captions()
        and captions("train[:50%]") | captions("train[50%:]") == kept | held
    )
    assert captions("test") == {"film 6", "film 7"}
    with pytest.raises(ValueError, match="of the 2 examples of test none is in the span"):
        tfds_source.TFDS(at(prepared, "stills"), "test", (0.9, 0.95))


def test_a_source_goes_to_workers_and_batches_are_the_same_from_any_process(prepared):
    source = tfds_source.TFDS(at(prepared, "frames"))
    again = pickle.loads(pickle.dumps(source))
    data = [
        TrainingData([s], [(16, 16, 4)], 9, 4, Withholding(), 3, Augment()) for s in (source, again)
    ]
    for step in (0, 5):
        one, other = (each.element(step) for each in data)
        np.testing.assert_array_equal(one["video"], other["video"])
        assert set(one["label"]) <= {0, 1, 2}


def test_a_short_example_and_a_damaged_shard_fail_as_clips(prepared, tmp_path):
    source = tfds_source.TFDS(at(prepared, "frames"), "test")
    with pytest.raises(ClipError, match="test 0: too short: 2[67] frames where 29 are needed"):
        source.clip(0, Draw(), 29, 16, 16)
    copy = tmp_path / "copy"
    shutil.copytree(at(prepared, "mp4"), copy)
    (shard,) = copy.glob("*train*")
    content = bytearray(shard.read_bytes())
    content[2000:60000] = bytes(len(content[2000:60000]))
    shard.write_bytes(content)
    damaged = tfds_source.TFDS(str(copy), features=FILM)
    failed = 0
    for j in range(6):
        try:
            damaged.clip(j, Draw(), 9, 16, 16)
        except ClipError as error:
            failed += 1
            assert f"train {j}" in error.name
    assert failed > 0


def test_what_cannot_be_opened_is_a_sentence(prepared, tmp_path, monkeypatch):
    import tensorflow_datasets as tfds

    from tests.data.tfds_sets.numbered import Numbered

    with pytest.raises(ValueError, match="data.tfds nosuch/x: Dataset nosuch not found"):
        tfds_source.TFDS("nosuch/x")
    empty = Numbered(config="mp4", data_dir=tmp_path, file_format="array_record")
    monkeypatch.setattr(tfds, "builder", lambda name: empty)
    with pytest.raises(
        FileNotFoundError, match=f"is not prepared in {tmp_path}.*download_and_prep"
    ):
        tfds_source.TFDS("numbered/mp4")
    with pytest.raises(ValueError, match="no split 'dev'; its splits are: .*train"):
        tfds_source.TFDS(at(prepared, "stills"), "dev")
    with pytest.raises(
        ValueError, match="which feature is the pixels.* name one by data.tfds_feat"
    ):
        tfds_source.TFDS(at(prepared, "mp4"))
    with pytest.raises(ValueError, match="tfds_features.label is 'x'; the features of .* are: "):
        tfds_source.TFDS(at(prepared, "stills"), features={"label": "x"})
