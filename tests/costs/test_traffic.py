import functools

import jax
import jax.numpy as jnp
import pytest
from jax import lax

from pv_vae_jax.costs import hlo, traffic


def moved(function, *shapes):
    arguments = [jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes]
    return traffic.of(hlo.parse(jax.jit(function).lower(*arguments).compile().as_text()))


def test_an_elementwise_program_reads_its_arguments_and_writes_its_result():
    # one fusion: what is between the operations never leaves the chip
    assert moved(lambda x, y: jnp.sin(x) * y + 1, (1000,), (1000,)) == 3 * 4000


def test_a_matmul_moves_its_matrices_once():
    assert moved(jnp.matmul, (8, 1000), (1000, 16)) == 4 * (8000 + 16000 + 8 * 16)


def test_a_slice_moves_the_slice():
    function = lambda x: lax.dynamic_slice(x, (3, 0), (2, 100)) + 1.0  # noqa: E731
    assert moved(function, (50, 100)) == 2 * 2 * 400


def layers(x, ws, scanned):
    layer = lambda x, w: (jnp.tanh(x @ w), None)  # noqa: E731
    if scanned:
        return lax.scan(layer, x, ws)[0]
    for w in ws:
        x, _ = layer(x, w)
    return x


def test_a_scan_moves_about_what_its_unrolled_twin_moves():
    scanned, unrolled = (
        moved(functools.partial(layers, scanned=s), (4, 256), (6, 256, 256)) for s in (True, False)
    )
    matrices = 6 * 256 * 256 * 4
    assert unrolled >= matrices
    assert scanned >= matrices  # XLA's own count has one layer here
    assert scanned < 4 * unrolled


def test_what_lies_on_the_chip_is_not_counted():
    text = """\
HloModule step

ENTRY %main (p: f32[100]) -> f32[100] {
  %p = f32[100]{0:T(128)} parameter(0)
  %start = (f32[100]{0:T(128)S(1)}, f32[100]{0:T(128)}, u32[]{:S(2)}) copy-start(%p)
  %near = f32[100]{0:T(128)S(1)} copy-done(%start)
  %sine = f32[100]{0:T(128)S(1)} sine(%near)
  ROOT %cosine = f32[100]{0:T(128)} cosine(%sine)
}
"""
    assert traffic.of(hlo.parse(text)) == 400 + 400  # in once, out once


@pytest.mark.parametrize(("update", "bytes_"), [(1, 400), (10, 4000)])
def test_an_update_in_place_moves_the_update(update, bytes_):
    text = f"""\
HloModule step

%inside (a: f32[50,100], b: f32[{update},100], c: s32[]) -> f32[50,100] {{
  %a = f32[50,100]{{1,0}} parameter(0)
  %b = f32[{update},100]{{1,0}} parameter(1)
  %c = s32[] parameter(2)
  ROOT %d = f32[50,100]{{1,0}} dynamic-update-slice(%a, %b, %c, %c)
}}

ENTRY %main (p: f32[50,100], q: f32[{update},100], r: s32[]) -> f32[50,100] {{
  %p = f32[50,100]{{1,0}} parameter(0)
  %q = f32[{update},100]{{1,0}} parameter(1)
  %r = s32[] parameter(2)
  ROOT %f = f32[50,100]{{1,0}} fusion(%p, %q, %r), kind=kLoop, calls=%inside
}}
"""
    assert traffic.of(hlo.parse(text)) == 2 * bytes_ + 4
