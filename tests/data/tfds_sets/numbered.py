"""Numbered films (tests/data/films.py) in every form that a TFDS data set may have."""

import io
import pathlib
import tempfile

import PIL.Image
import tensorflow_datasets as tfds

from pv_vae_jax.data import video_files
from tests.data import films

CLASSES = ("run", "swim", "walk")


def png(frame) -> io.BytesIO:
    """TFDS encodes arrays by TensorFlow alone; it takes encoded files without."""
    file = io.BytesIO()
    PIL.Image.fromarray(frame).save(file, "PNG")
    file.seek(0)
    return file


class Numbered(tfds.core.GeneratorBasedBuilder):
    """Film n has 20 + n frames and the class n mod 3; ``train`` has 6, ``test`` has 2."""

    VERSION = tfds.core.Version("1.0.0")
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=name) for name in ("frames", "mp4", "stills")]

    def _info(self):
        image = tfds.features.Image(shape=(None, None, 3), encoding_format="png")
        pixels = {
            "frames": {"clip": tfds.features.Sequence(image)},
            "mp4": {"film": tfds.features.Text()},
            "stills": {"image": image},
        }[self.builder_config.name]
        label = tfds.features.ClassLabel(names=CLASSES)
        caption = tfds.features.Text()
        features = tfds.features.FeaturesDict(pixels | {"label": label, "caption": caption})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, _):
        return {"train": self._examples(range(6)), "test": self._examples(range(6, 8))}

    def _generate_examples(self):
        raise NotImplementedError

    def _examples(self, numbers):
        for n in numbers:
            video = films.numbered(20 + n)
            form = self.builder_config.name
            if form == "frames":
                pixels = {"clip": [png(frame) for frame in video]}
            elif form == "stills":
                pixels = {"image": png(video[n])}
            else:
                with tempfile.TemporaryDirectory() as scratch:
                    path = pathlib.Path(scratch, "a.mp4")
                    video_files.write(path, [video])
                    pixels = {"film": path.read_bytes()}
            yield n, pixels | {"label": n % 3, "caption": f"film {n}"}
