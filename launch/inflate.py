"""Makes a 3-D model of the weights of a 2-D image VAE: each 2-D kernel becomes one temporal tap."""

import argparse
import pathlib

from launch import door

EPILOG = """\
The rules are a text file, one a line: a regular expression on the whole name in the weights file,
blanks, and the parameter path of the model, in which \\1 is the first group.  The first rule that
matches a name counts; lines that begin with # are comments:

  # name in the file                              path in the model
  encoder\\.conv_in\\.(weight)                      encoder/conv_in/kernel
  encoder\\.conv_in\\.bias                          encoder/conv_in/bias
  decoder\\.up\\.(\\d)\\.block\\.(\\d)\\.conv1\\.weight    decoder/stage_\\1/block_\\2/conv_0/kernel

--names prints both sides, to write the rules by.  What becomes of every parameter is printed; one
whose form does not fit stays fresh and says why.  With the tap `last` every frame gets what the 2-D
layer gives; `centre` is the other choice (pv_vae_jax/checkpoint/inflation.py).

examples:
  python -m launch.inflate --model pv_vae_661m --weights vae.safetensors --names
  python -m launch.inflate --model pv_vae_661m --weights vae.safetensors --rules rules.txt \\
    --out exports/inflated.npz

and then in training:
  python -m launch.train ... --config.stages.image.init_from=exports/inflated.npz

exit code: 0 if the file was written, 2 after an error (one sentence on stderr).
"""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    from pv_vae_jax.checkpoint import inflation

    it = argparse.ArgumentParser(
        prog="python -m launch.inflate",
        description=__doc__,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--model", required=True, metavar="NAME", help="a named size")
    it.add_argument("--weights", required=True, metavar="FILE", help=".npz or .safetensors")
    it.add_argument("--rules", metavar="FILE", help="what goes where, see below")
    it.add_argument("--out", metavar="FILE", help=".npz or .safetensors; replaced")
    it.add_argument("--names", action="store_true", help="print the names of both sides and end")
    it.add_argument("--tap", default="last", choices=inflation.TAPS, help="default: last")
    it.add_argument(
        "--layout", default="OIHW", choices=inflation.LAYOUTS, help="of the file's kernels"
    )
    it.add_argument("--seed", type=door.seed, default=0, help="of the parameters that stay fresh")
    return it


def read_rules(path: str) -> list[tuple[str, str]]:
    """Pairs (regular expression, parameter path) of a rules file."""
    rules = []
    for number, line in enumerate(pathlib.Path(path).read_text().splitlines(), start=1):
        words = line.split()
        if not words or words[0].startswith("#"):
            continue
        if len(words) != 2:
            raise ValueError(
                f"{path}, line {number}: a rule is a regular expression, blanks and a parameter "
                f"path; got {len(words)} words."
            )
        rules.append((words[0], words[1]))
    if not rules:
        raise ValueError(f"{path} holds no rule; write one a line.")
    return rules


def main(argv: list[str] | None = None) -> None:
    """Runs the door."""
    args = parser().parse_args(argv)
    from pv_vae_jax.checkpoint import export, inflation
    from pv_vae_jax.core import arrays
    from pv_vae_jax.models.video_vae import VideoVAE
    from pv_vae_jax.zoo import registry

    if args.names:
        print(registry.describe(args.model).table)
        for name, array in sorted(arrays.read(pathlib.Path(args.weights)).items()):
            print(f"{name}  {'x'.join(map(str, array.shape))}  {array.dtype}")
        return
    if not (args.rules and args.out):
        raise ValueError("--rules and --out are needed; --names shows what there is to map.")
    rules = read_rules(args.rules)
    vae = registry.create(args.model, seed=args.seed)
    done = inflation.inflate_file(vae.params, args.weights, rules, args.tap, args.layout)
    print(done.table())
    if not done.count("inflated") + done.count("copied"):
        raise ValueError(
            f"none of the parameters that --rules {args.rules} maps fits {args.model} (the table "
            f"says why): {args.out} is not written."
        )
    inflated = VideoVAE(vae.module, done.params, vae.mean, vae.std, vae.config)
    origin = {"inflated_from": pathlib.Path(args.weights).name, "tap": args.tap}
    export.save(args.out, inflated, origin | {"inflated": done.count("inflated")})
    print(f"{args.out}: {args.model} {vae.spec}, {done.count('inflated')} kernels inflated")


if __name__ == "__main__":
    door.run(main)
