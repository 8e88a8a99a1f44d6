import dataclasses

import pytest

from pv_vae_jax.costs import chips
from pv_vae_jax.costs.collectives import Traffic
from pv_vae_jax.costs.flops import Flops

V5E, H100 = chips.CHIPS["v5e"], chips.CHIPS["h100"]


def flops(model=0, again=0, **by_arithmetic):
    by_arithmetic = {name.replace("_", " "): n for name, n in by_arithmetic.items()}
    by_arithmetic = by_arithmetic or {"bfloat16": model + again}
    return Flops(model, sum(by_arithmetic.values()), by_arithmetic)


def test_a_step_that_only_multiplies_has_full_utilization():
    line = chips.roofline(V5E, flops(4 * 197 * 10**12), 0, {}, 4)
    assert line.compute == line.step == pytest.approx(1.0)
    assert line.utilization == pytest.approx(1.0) and line.bound == "compute"


def test_what_is_computed_again_takes_time_and_is_not_utilization():
    line = chips.roofline(V5E, flops(197 * 10**12, again=197 * 10**12), 0, {}, 1)
    assert line.step == pytest.approx(2.0) and line.utilization == pytest.approx(0.5)


def test_the_longest_term_is_the_step():
    said = {("all-gather", 4): Traffic(1, 0, 2 * 200e9)}
    line = chips.roofline(V5E, flops(197 * 10**12), 4 * 819e9, said, 1)
    assert (line.compute, line.memory, line.network) == pytest.approx((1.0, 4.0, 2.0))
    assert line.bound == "memory" and line.utilization == pytest.approx(0.25)
    line = chips.roofline(V5E, flops(197 * 10**12), 819e9, said, 1)
    assert line.bound == "network" and line.step == pytest.approx(2.0)


def test_float32_is_as_fast_as_its_precision_allows():
    highest = flops(float32_highest=197 * 10**12)
    assert chips.roofline(V5E, highest, 0, {}, 1).compute == pytest.approx(6.0)
    default = flops(float32=197 * 10**12)
    assert chips.roofline(V5E, default, 0, {}, 1).compute == pytest.approx(1.0)
    assert chips.roofline(H100, flops(float32=4947 * 10**11), 0, {}, 1).compute == pytest.approx(1)


@pytest.mark.parametrize(
    ("crossing", "seconds"),
    [
        (0.0, 1.0),  # within a host: NVLink, 450 GB/s
        (450e9 / 8, 450 / 400),  # 8 network links of 50 GB/s
        (450e9, 450 / 50),
    ],
)
def test_what_leaves_the_host_goes_by_the_slow_links(crossing, seconds):
    said = {("all-reduce", 16): Traffic(1, 0, 450e9, crossing)}
    line = chips.roofline(H100, flops(1), 0, said, 16)
    assert line.network == pytest.approx(seconds)


def test_an_arithmetic_without_a_rate_is_told():
    with pytest.raises(ValueError, match="the rate of float64 on v5e is not known"):
        chips.roofline(V5E, flops(float64=1), 0, {}, 1)


@pytest.mark.parametrize("chip", chips.CHIPS.values(), ids=lambda chip: chip.name)
def test_each_chip_is_described_in_full(chip):
    assert all(value for value in dataclasses.astuple(chip)[:5])
    assert 10e9 < chip.memory < 200e9 and chip.peak > 1e14
    ridge = chip.peak / chip.bandwidth  # FLOP per byte
    assert 100 < ridge < 700
