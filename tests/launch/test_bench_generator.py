"""The benchmark of generators measures what its table says."""

import pytest

from launch.bench import generator
from pv_vae_jax.evaluation import published
from pv_vae_jax.models import latte_sizes

SMALL = ["--size", "latte_tiny", "--frames", "5", "--pixels", "16", "--batch", "8", "--steps", "3"]


def arguments(*more):
    args = generator.parser().parse_args([*SMALL, "--rounds", "2", *more])
    generator._complete(args)
    return args


@pytest.fixture
def smaller(monkeypatch):
    size = latte_sizes.SIZES["latte_tiny"] | {"width": 16, "depth": 2, "heads": 2}
    monkeypatch.setitem(latte_sizes.SIZES, "latte_tiny", size)


@pytest.mark.slow
def test_an_update_is_measured_in_full(smaller):
    (row,) = generator.measure(arguments("--latents", "t4s16c64", "--updates", "2"))
    assert (row.latents, row.patch, row.tokens) == ("t4s16c64", 1, 2)
    assert len(row.seconds) == 4 and min(row.seconds) > 0
    # parameters, averages and two slots in float32, 8 clips of two moments on 8 devices
    state = 4 * 4 * row.parameters
    assert state + 2 * 2 * 64 * 2 <= row.arguments <= state + 4096
    assert row.temporaries > 0 and row.flops > 3 * 24 * 2 * 16**2


def test_samples_take_their_turns(smaller):
    args = arguments("--what", "sample", "--latents", "t4s8c16", "--patch", "1", "2")
    one, two = generator.measure(args)
    assert (one.tokens, two.tokens) == (8, 2) and one.flops > two.flops
    assert len(one.seconds) == len(two.seconds) == 2
    assert 4 * one.parameters <= one.arguments < 5 * one.parameters  # no state but these


def row(latents, patch, **changes):
    values = {
        "tokens": 1280, "parameters": 10**6, "seconds": (0.5, 0.1, 0.2),
        "temporaries": 2**30, "arguments": 2**30, "flops": 1e9,
    }  # fmt: skip
    return generator.Row(latents, patch, **(values | changes))


def test_the_table_has_the_ratios_and_the_papers_beside_them():
    rows = [row("t4s8c16", 1, seconds=(0.8,), temporaries=3 * 2**30, flops=4e9), row("t4s16c64", 1)]
    heads, _, first, last = generator.table(rows, "train", 4).splitlines()
    assert heads.count("|") == first.count("|") == last.count("|")
    cells = [cell.strip() for cell in first.strip("|").split("|")]
    assert cells[3:7] == ["1.250 (0.25)", "3.00, 1.00", "4.00 (2.00)", "4.0 (4.00)"]
    assert cells[7:] == ["0.76 to 2.52 (0.17 to 0.57)", "85.93 to 88.34 (2.58 to 2.65)"]
    assert "5.000 (1.00)" in last and "4.40 (1.00)" in last and "33.34 (1.00)" in last
    heads, _, first, _ = generator.table(rows, "sample", 4).splitlines()
    assert "s a clip" in heads and "paper" not in heads and "| 0.200 (4.00) |" in first


def test_the_forms_are_those_of_table_1_or_what_is_asked_for():
    assert generator.forms(None, None) == list(generator.TABLE_1)
    assert generator.forms(["t4s16c48"], None) == [("t4s16c48", 1)]
    assert generator.forms(["t4s8c16", "t4s16c64"], [2]) == [("t4s8c16", 2), ("t4s16c64", 2)]
    assert len(generator.forms(None, [1, 2])) == 6
    assert generator.models_of("t4s16c48") == ["wan2.2", "ssvae"]
    assert set(published.TRAINING) == set(published.INFERENCE)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (["--latents", "t4s32c9"], "--latents t4s32c9: Table 1 has t4s8c16, t4s16c48, t4s16c64"),
        (["--size", "latte_huge"], "latte_huge"),
        (["--batch", "3"], "batch of 3 clips does not divide over 8 devices"),
        (["--latents", "t4s16c64", "--patch", "3"], "config.generator: .* patches of 3"),
    ],
)
def test_what_cannot_be_measured_is_told(asked, message):
    with pytest.raises(ValueError, match=message):
        generator.main([*SMALL, *asked])
