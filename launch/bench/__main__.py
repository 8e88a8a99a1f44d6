"""Benchmarks: two things in one process, alternating, and their ratio.

    python -m launch.bench convolution    the forms of the 3-D convolution against each other
    python -m launch.bench step           slice over mask and over plain reconstruction
    python -m launch.bench pipeline       clips per second over bare decoding of the same files
    python -m launch.bench sources        clips per second of each source and form of record
    python -m launch.bench buckets        step time of each resolution bucket of a config
    python -m launch.bench terms          the step with LPIPS and GAN over the step without
    python -m launch.bench perceptual     LPIPS of a clip: time and memory
    python -m launch.bench split          a clip on several devices: halo exchange and partitioner
    python -m launch.bench arithmetic     a step's FLOP/s over a matmul's
    python -m launch.bench checkpoint     stall of a checkpoint over a step
    python -m launch.bench models         encode and decode of PV-VAE and the public video VAEs
    python -m launch.bench generator      update and sampling of Latte on each form of latents
    python -m launch.bench reference      a baseline here over diffusers in PyTorch
    python -m launch.bench judges         I3D and C3D over a matmul and over PyTorch
    python -m launch.bench long           memory against length: films of any length
    python -m launch.bench tiling         memory of large frames, whole and in tiles
    python -m launch.bench start          seconds from command to first step, cold and warm

Each takes --help.  Run them on an idle machine and quote the ratio with the command.
"""

import importlib
import sys

from launch import door

NAMES = (
    "convolution", "step", "pipeline", "sources", "buckets", "terms", "perceptual", "split",
    "arithmetic", "checkpoint", "models", "generator", "reference", "judges", "long",
    "tiling", "start",
)  # fmt: skip


def main() -> None:
    """Runs the benchmark that the first argument names."""
    name, *rest = sys.argv[1:] or ["--help"]
    if name in ("-h", "--help"):
        print(__doc__.strip())
        return
    if name not in NAMES:
        raise ValueError(f"no benchmark is named {name!r}; there are: {', '.join(NAMES)}.")
    importlib.import_module(f"launch.bench.{name}").main(rest)


if __name__ == "__main__":
    door.run(main)
