"""The README's Python begins with a model that is shipped: it has to be there, and to be good."""

import pathlib
import re

import numpy as np

import pv_vae_jax as pv
from pv_vae_jax.data.rendered import Scene

ROOT = pathlib.Path(__file__).parent.parent


def test_the_model_that_the_readme_loads_predicts_what_it_does_not_see():
    (shipped,) = re.findall(r'pv\.load\("(docs/[^"]+)"\)', (ROOT / "README.md").read_text())
    assert (ROOT / shipped).stat().st_size < 10e6
    vae = pv.load(ROOT / shipped)
    scenes = [Scene.drawn(1_000_000 + n, 9, 32, 32, world="smooth") for n in range(16)]
    video = np.stack([scene.video() for scene in scenes])
    truth = video / 127.5 - 1

    def error(frames):
        return np.mean(np.square(np.asarray(frames) - truth)[:, 5:])

    again, future = vae.decode(vae.encode(video)), vae.predict(video[:, :5], frames=9)
    assert 10 * np.log10(4 / np.mean(np.square(np.asarray(again) - truth))) > 28
    assert error(future) < 0.5 * error(truth[:, 4:5])
