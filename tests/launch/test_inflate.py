import numpy as np
import pytest
import safetensors.numpy

import pv_vae_jax as pv
from launch import inflate
from pv_vae_jax.core import trees

KERNEL = np.random.default_rng(0).standard_normal((32, 48, 3, 3)).astype(np.float32)
FRESH = "encoder/stage_0/block_0/conv_0/kernel"


@pytest.fixture
def files(tmp_path):
    weights, rules = tmp_path / "vae.safetensors", tmp_path / "rules.txt"
    bias = np.arange(32, dtype=np.float32)
    safetensors.numpy.save_file({"conv_in.weight": KERNEL, "conv_in.bias": bias}, weights)
    rules.write_text(
        "# name  path\n\nconv_(in)\\.weight  encoder/conv_\\1/kernel\n"
        "conv_in\\.bias  encoder/conv_in/bias\n"
    )
    return str(weights), str(rules), str(tmp_path / "out" / "inflated.npz")


def test_an_inflated_export_has_the_kernel_as_its_last_tap_and_fresh_weights_elsewhere(
    files, capsys
):
    weights, rules, out = files
    arguments = ["--model", "pv_vae_tiny", "--weights", weights, "--rules", rules, "--out", out]
    inflate.main(arguments)
    found = trees.flatten(pv.load(out).params)
    kernel = np.asarray(found["encoder/conv_in/kernel"])
    np.testing.assert_array_equal(kernel[2], KERNEL.transpose(2, 3, 1, 0))
    assert not kernel[:2].any()
    fresh = trees.flatten(pv.create("pv_vae_tiny", seed=0).params)
    np.testing.assert_array_equal(found[FRESH], fresh[FRESH])
    said = capsys.readouterr().out
    assert f"{FRESH}" in said and "1 inflated, 1 copied" in said
    inflate.main(["--model", "pv_vae_tiny", "--weights", weights, "--names"])
    said = capsys.readouterr().out
    assert "conv_in.weight  32x48x3x3  float32" in said and FRESH in said


def test_an_export_of_fresh_weights_alone_is_not_written(files, tmp_path):
    weights, _, out = files
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("conv_in\\.weight encoder/conv_in/bias\n")
    with pytest.raises(ValueError, match="none of the parameters that --rules .* maps fits"):
        inflate.main(
            ["--model", "pv_vae_tiny", "--weights", weights, "--out", out, "--rules", str(wrong)]
        )
    assert not (tmp_path / "out").exists()


def test_rules_that_cannot_be_read_are_told_with_their_line(files, tmp_path):
    weights, _, out = files
    wrong = tmp_path / "wrong.txt"
    wrong.write_text("conv_in\\.weight encoder/conv_in/kernel\nconv_in\\.bias\n")
    arguments = ["--model", "pv_vae_tiny", "--weights", weights, "--out", out, "--rules"]
    with pytest.raises(ValueError, match=r"wrong.txt, line 2: a rule is .* got 1 words"):
        inflate.main([*arguments, str(wrong)])
    wrong.write_text("# nothing\n")
    with pytest.raises(ValueError, match="holds no rule"):
        inflate.main([*arguments, str(wrong)])
    with pytest.raises(ValueError, match="--rules and --out are needed"):
        inflate.main(arguments[:-1])
