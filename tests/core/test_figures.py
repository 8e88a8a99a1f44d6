import pytest

from pv_vae_jax.core import figures

pytest.importorskip("matplotlib", reason="matplotlib is not installed")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_a_figure_drawn_again_has_the_same_bytes(tmp_path, ending):
    for name in ("one", "two"):
        figure, ((axis,),) = figures.panels(1, 1, (6.4, 4.8))
        axis.plot([0.0, 1.0], [0.0, 2.0], label="a line, cut at the frame")
        axis.set_ylim(0.5, 1.5)
        figures.write(figure, tmp_path / f"{name}.{ending}", dpi=50)
    assert (tmp_path / f"one.{ending}").read_bytes() == (tmp_path / f"two.{ending}").read_bytes()
