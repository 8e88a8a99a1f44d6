"""The forms of the causal convolution against each other, forward and with gradients.

    ratio = time of `conv3d` / time of the form, all alternating in one process             (1)

`chosen` is what the models run: the form that layers/convolution.py picks on this platform, with
its own gradients. `winograd` has a line where the frame's side is even. The best of the rounds
counts. GFLOP/s count 2 a multiply-add of the sum over the window, three times that with gradients.
Keep the machine idle; compare ratios, not figures of different runs.
Run as `python -m launch.bench convolution [--shapes B,T,H,C,O ...] [--rounds N]`.
"""

import argparse
import time
from collections.abc import Callable, Sequence

from launch import door

SHAPES = ("8,9,8,32,32", "8,5,4,64,64", "8,3,2,96,96", "8,9,16,32,32", "8,5,8,64,64")


def _programs(shape: tuple[int, ...]) -> dict[str, tuple[Callable, Callable]]:
    """For each form: the compiled forward, and the compiled forward with both gradients."""
    import jax
    import numpy as np

    from pv_vae_jax.layers import convolution

    b, t, h, c, o = shape
    random = np.random.default_rng(0)
    sizes = ((b, t + 2, h, h, c), (3, 3, 3, c, o), (b, t, h, h, o))
    x, w, dy = (jax.numpy.asarray(random.standard_normal(size, np.float32)) for size in sizes)

    def programs(form):
        def forward(x, w):
            return form(x, w, (1, 1))

        def both(x, w, dy):
            y, back = jax.vjp(forward, x, w)
            return y, back(dy)

        compiled = jax.jit(forward).lower(x, w).compile(), jax.jit(both).lower(x, w, dy).compile()
        return lambda: compiled[0](x, w), lambda: compiled[1](x, w, dy)

    forms = convolution.FORMS | {"chosen": convolution.causal_conv3d}
    if h % 2:
        del forms["winograd"]
    return {name: programs(form) for name, form in forms.items()}


def measure(shape: tuple[int, ...], rounds: int) -> dict[str, tuple[float, float]]:
    """Seconds of each form (forward, with gradients), the best of alternating rounds."""
    import jax

    programs = _programs(shape)
    best = {name: [float("inf")] * 2 for name in programs}
    for _ in range(rounds):
        for name, pair in programs.items():
            for which, program in enumerate(pair):
                began = time.perf_counter()
                jax.block_until_ready(program())
                best[name][which] = min(best[name][which], time.perf_counter() - began)
    return {name: (forward, both) for name, (forward, both) in best.items()}


def _shape(text: str) -> tuple[int, ...]:
    numbers = tuple(int(part) for part in text.split(","))
    if len(numbers) != 5 or min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"a shape is five numbers B,T,H,C,O; got {text!r}.")
    return numbers


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m launch.bench convolution", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "--shapes",
        nargs="+",
        type=_shape,
        default=[_shape(text) for text in SHAPES],
        metavar="B,T,H,C,O",
        help="clips, frames, sides, channels in and out (default: layers of the tiny models)",
    )
    parser.add_argument("--rounds", type=door.count, default=20, help="rounds (default: 20)")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """The door; prints a table of forms for each shape."""
    options = _parser().parse_args(argv)
    print(f"{'B,T,H,C,O':<16}{'form':<10}{'forward':>16}{'with gradients':>18}{'ratio (1)':>12}")
    for shape in options.shapes:
        b, t, h, c, o = shape
        work = 2e-9 * b * t * h * h * 27 * c * o  # GFLOP
        best = measure(shape, options.rounds)
        for name, (forward, both) in best.items():
            print(
                f"{','.join(map(str, shape)):<16}{name:<10}{work / forward:>9.1f} GFLOP/s"
                f"{3 * work / both:>10.1f} GFLOP/s{best['conv3d'][1] / both:>12.2f}"
            )
    return 0


if __name__ == "__main__":
    door.run(main)
