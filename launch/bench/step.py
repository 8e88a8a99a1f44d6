"""Step time of ``slice`` over ``mask`` and over plain reconstruction, at the same batch.

    slice    k = 0, 1, ... G - 1 in turn: the paper's law has each with the same probability
    mask     a k for each example, one program
    plain    nothing withheld

One round is G updates of each, in alternation; the ratio is of the medians over rounds.
"""

import argparse
import statistics
import time

from launch import door


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(prog="python -m launch.bench step", description=__doc__)
    it.add_argument("--model", default="pv_vae_tiny", help="a named size")
    it.add_argument("--frames", type=door.count, default=9, help="T of a clip, 1 + 4n")
    it.add_argument("--size", type=door.count, default=32, help="rows and columns")
    it.add_argument("--batch", type=door.count, default=8, help="clips")
    it.add_argument(
        "--rounds", type=door.count, default=10, help="counted rounds, after one of warm-up"
    )
    args = it.parse_args(argv)

    import dataclasses
    import functools

    import jax
    import numpy as np

    from pv_vae_jax.core import dims
    from pv_vae_jax.data import pipeline, sources
    from pv_vae_jax.sharding import mesh as meshes
    from pv_vae_jax.training import state as states
    from pv_vae_jax.training import vae_step
    from pv_vae_jax.training.optimizers import Optimizer
    from pv_vae_jax.training.stages import Stage, StageData
    from pv_vae_jax.withholding import Withholding, observed_groups
    from pv_vae_jax.zoo import registry

    module = registry.build(args.model)
    groups = dims.groups_of(args.frames, module.spec.temporal)
    bucket = (args.size, args.size, args.batch, 1)
    weights = {"mse": 1.0, "difference": 1.0, "kl": 5e-4}
    stage = Stage(
        "bench", 10**6, StageData(args.frames, (bucket,)), Withholding(), weights, ".*", Optimizer()
    )
    mask = dataclasses.replace(stage.withholding, way="mask")
    data = pipeline.TrainingData(
        [sources.Rendered()], [bucket], args.frames, module.spec.temporal, mask, 0, None
    )
    mesh = meshes.make_mesh()
    batch = next(data.batches(0))

    def seeing(withheld) -> object:
        return meshes.put_batch(
            mesh, batch.replace(observed=observed_groups(np.array(withheld), groups))
        )

    same = {k: seeing([k] * args.batch) for k in range(groups)}
    ways = {
        "slice": [(k, same[k]) for k in range(groups)],
        "mask": [(0, meshes.put_batch(mesh, batch))] * groups,
        "plain": [(0, same[0])] * groups,
    }
    shardings = meshes.replicated(mesh), meshes.over_data(mesh)
    networks = vae_step.Networks(module)
    steps = {
        k: vae_step.compiled(networks, stage, 0, vae_step.Program(k), *shardings)
        for k in range(groups)
    }
    params = jax.jit(functools.partial(registry.initial, module))(jax.random.key(0))
    channels = np.ones(module.spec.channels)
    state = meshes.put_replicated(mesh, states.start(params, 0 * channels, channels, stage))
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for round_ in range(args.rounds + 1):
        for way, updates in ways.items():
            begin = time.perf_counter()
            for k, clips in updates:
                state, report = steps[k](state, clips, None)
            jax.block_until_ready((state, report))
            if round_:
                seconds[way].append((time.perf_counter() - begin) / groups)
    medians = {way: statistics.median(times) for way, times in seconds.items()}
    form = f"{args.batch} clips of {args.frames} x {args.size} x {args.size}"
    print(f"{args.model}, {form}, {jax.devices()[0].device_kind}")
    for way, median in medians.items():
        low, high = min(seconds[way]), max(seconds[way])
        print(f"{way:6} {median * 1e3:9.1f} ms a step (min {low * 1e3:.1f}, max {high * 1e3:.1f})")
    print(f"slice / mask {medians['slice'] / medians['mask']:.3f}")
    print(f"slice / plain {medians['slice'] / medians['plain']:.3f}")
    print(f"mask / plain {medians['mask'] / medians['plain']:.3f}")
