import json

import numpy as np
import pytest

from pv_vae_jax.core import arrays
from pv_vae_jax.data import latent_films

SHAPE = (7, 2, 3, 4)
LATENTS = np.random.default_rng(0).standard_normal(SHAPE).astype(np.float32)
ABOUT = {"film": {"frames": 25}}


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "deeper" / "film.npz"
    latent_films.write(path, [LATENTS[:3], LATENTS[3:4], LATENTS[4:]], SHAPE, ABOUT)
    return path


def test_what_was_written_in_some_chunks_is_read_in_others(file):
    with latent_films.opened(file) as film:
        assert film.shape == SHAPE and film.about["film"] == ABOUT["film"]
        chunks = list(film.chunks([1, 4, 2]))
    assert [len(chunk) for chunk in chunks] == [1, 4, 2]
    np.testing.assert_array_equal(np.concatenate(chunks), LATENTS)


def test_numpy_alone_reads_it_and_nothing_is_pickled(file):
    found = np.load(file, allow_pickle=False)
    np.testing.assert_array_equal(found["latents"], LATENTS)
    assert json.loads(found["metadata"].tobytes())["film_latents"] == 1


def test_the_same_latents_are_the_same_bytes(file, tmp_path):
    latent_films.write(tmp_path / "b.npz", [LATENTS], SHAPE, ABOUT)
    assert (tmp_path / "b.npz").read_bytes() == file.read_bytes()


def read(path):
    with latent_films.opened(path) as film:
        return list(film.chunks([SHAPE[0]]))


def test_a_changed_byte_a_missing_end_and_another_file_are_refused(file, tmp_path):
    content = bytearray(file.read_bytes())
    place = content.index(LATENTS[4].tobytes()[:8])
    content[place] ^= 1
    (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(ValueError, match="a.npz is not a whole file of latents .*Bad CRC-32"):
        read(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="b.npz is no file of latents of a film: make one by"):
        read(tmp_path / "b.npz")
    arrays.write(tmp_path / "c.npz", {"latents": LATENTS}, '{"format": 1}')
    with pytest.raises(ValueError, match="c.npz is no file of latents of a film"):
        read(tmp_path / "c.npz")
    with pytest.raises(FileNotFoundError, match="there is no file of latents .*d.npz"):
        read(tmp_path / "d.npz")


@pytest.mark.parametrize(
    "chunks, sentence",
    [
        ([LATENTS[:3]], "3 latent steps of a film that has 7"),
        ([LATENTS[:3], LATENTS[3:, :1]], r"latents \(4, 1, 3, 4\) among those of a film"),
    ],
)
def test_a_file_appears_whole_or_not_at_all(tmp_path, chunks, sentence):
    with pytest.raises(ValueError, match=sentence):
        latent_films.write(tmp_path / "film.npz", chunks, SHAPE, ABOUT)
    assert list(tmp_path.iterdir()) == []


def test_the_name_says_what_it_is(tmp_path):
    with pytest.raises(ValueError, match=r"latents are a .npz file, got film.bin: name it film.b"):
        latent_films.write("film.bin", [LATENTS], SHAPE, ABOUT)


def test_chunks_are_read_when_they_are_wanted(tmp_path):
    """Neither half of a chain of writer and reader holds the film."""
    path, seen = tmp_path / "film.npz", []

    def made():
        for step in LATENTS:
            seen.append(len(seen))
            yield step[None]

    latent_films.write(path, made(), SHAPE, ABOUT)
    assert len(seen) == SHAPE[0]
    with latent_films.opened(path) as film:
        first = next(film.chunks([1] * 7))
        assert film.member.tell() < path.stat().st_size / 2
    np.testing.assert_array_equal(first, LATENTS[:1])
