"""One clip on several devices: halo exchange, and what the partitioner makes of the plain program.

    halo          layers fetch their borders from the neighbours (pv_vae_jax/sharding/split.py)
    partitioner   the plain program under jax.jit, the clip split by its sharding alone
    one           the plain program on one device

In time the partitioner gets the same clip of equal parts as halo (1 + 4n frames divide over
nothing), as a stream that has begun.  Compiled for simulated devices, not run: the temporaries of a
device and what it sends, by XLA's account and costs/collectives.py.

    python -m launch.bench split --model pv_vae_tiny --frames 61 --height 512 --width 128
"""

import argparse
import contextlib
import sys
import time
import unittest.mock

from launch import door, simulated

MIB = 2**20


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(
        prog="python -m launch.bench split",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    it.add_argument("--model", default="pv_vae_tiny", help="a named size")
    it.add_argument("--frames", type=door.count, default=61, help="of the clip")
    it.add_argument("--height", type=door.count, default=512, help="of the clip")
    it.add_argument("--width", type=door.count, default=128, help="of the clip")
    it.add_argument("--devices", type=door.count, default=8, help="simulated")
    it.add_argument("--by", default="rows,time", help="rows, time, or both")
    it.add_argument("--gradient", action="store_true", help="forward and backward")
    it.add_argument(
        "--conv3d", action="store_true", help="the convolution of accelerators, not that of CPUs"
    )
    args = it.parse_args(argv)
    simulated.devices(args.devices)

    from pv_vae_jax.layers import convolution
    from pv_vae_jax.sharding import mesh as meshes
    from pv_vae_jax.zoo import registry

    module = registry.build(args.model)
    mesh = meshes.make_mesh(data=1, model=args.devices)
    clip = (args.frames, args.height, args.width)
    direction = "forward and backward" if args.gradient else "forward"
    print(f"{args.model}, {' x '.join(map(str, clip))}, {args.devices} devices, {direction}")
    with contextlib.ExitStack() as stack:
        if args.conv3d:
            for cpu, other in (("_on_cpu", "conv3d"), ("_gradients_on_cpu", "_gradients")):
                patched = unittest.mock.patch.object(convolution, cpu, getattr(convolution, other))
                stack.enter_context(patched)
        for method in ("posterior", "decode_raw"):
            _row(method, "", "one", *_one(module, clip, method, args.gradient))
            for by in args.by.split(","):
                for way, make in (("halo", _halo), ("partitioner", _partitioner)):
                    _row(method, by, way, *make(module, mesh, by, clip, method, args.gradient))


def _row(method: str, by: str, way: str, function, arguments, where) -> None:
    """Compiles a program and prints a line."""
    import jax

    from pv_vae_jax.costs import collectives, hlo

    begin = time.perf_counter()
    program = jax.jit(function, in_shardings=where).lower(*arguments).compile()
    print(f"{way} {by}: {time.perf_counter() - begin:.0f} s of compilation", file=sys.stderr)
    moved = collectives.by_kind(collectives.of(hlo.parse(program.as_text())))
    kinds = ", ".join(
        f"{kind} {one.count} x {one.sent / MIB:.2f} MiB" for kind, one in moved.items()
    )
    sent = sum(one.sent for one in moved.values()) / MIB
    temporaries = program.memory_analysis().temp_size_in_bytes / MIB
    print(
        f"  {method:10} {by:4} {way:11} {temporaries:9.1f} MiB of temporaries, "
        f"{sent:9.2f} MiB sent ({kinds or 'nothing'})",
        flush=True,
    )


def _arguments(module, shape):
    """Shapes of the parameters and of an input."""
    import jax
    import jax.numpy as jnp

    from pv_vae_jax.zoo import registry

    return registry.shapes(module), jax.ShapeDtypeStruct(shape, jnp.float32)


def _shape(module, clip, method) -> tuple[int, ...]:
    return (1, *clip, 3) if method == "posterior" else (1, *module.spec.latent_shape(*clip))


def _function(apply, gradient: bool):
    """``apply`` itself, or its gradient by parameters and input of a sum of squares."""
    import jax
    import jax.numpy as jnp

    def loss(params, x):
        return sum(jnp.sum(leaf**2) for leaf in jax.tree.leaves(apply(params, x)))

    return jax.grad(loss, (0, 1)) if gradient else apply


def _one(module, clip, method, gradient):
    import jax

    from pv_vae_jax.sharding import mesh as meshes

    whole = meshes.replicated(meshes.make_mesh(devices=jax.devices()[:1]))

    def apply(params, x):
        return module.apply({"params": params}, x, method=method)

    arguments = _arguments(module, _shape(module, clip, method))
    return _function(apply, gradient), arguments, (whole, whole)


def _padded(module, mesh, by, clip, method):
    """(the split, shapes of parameters and padded input, their shardings)."""
    import jax

    from pv_vae_jax.sharding import mesh as meshes
    from pv_vae_jax.sharding.split import Split

    split = Split(module, mesh, by)
    params, x = _arguments(module, _shape(module, clip, method))
    x = jax.eval_shape(lambda x: split.padded(x, method), x)
    return split, (params, x), (meshes.replicated(mesh), split.sharding)


def _halo(module, mesh, by, clip, method, gradient):
    split, arguments, where = _padded(module, mesh, by, clip, method)

    def apply(params, x):
        return split.of_padded({"params": params}, x, method)

    return _function(apply, gradient), arguments, where


def _partitioner(module, mesh, by, clip, method, gradient):
    split, arguments, where = _padded(module, mesh, by, clip, method)
    method = "chunk_posterior" if method == "posterior" else method

    def apply(params, x):
        if by == "rows":
            return module.apply({"params": params}, x, method=method)
        return _begun(module, params, x, method)

    return _function(apply, gradient), arguments, where


def _begun(module, params, x, method):
    """``method`` of a clip whose group 0 is as long as the others, as in split.py."""
    import flax.linen as nn
    import jax.numpy as jnp

    from pv_vae_jax.sharding import halo

    def interceptor(call, arguments, keywords, context):
        layer = context.module
        if context.method_name == "__call__" and layer.has_variable("cache", "frames"):
            kept = layer.get_variable("cache", "frames").shape[1]
            first = jnp.concatenate([arguments[0][:, :1]] * kept, axis=1)
            layer.put_variable("cache", "frames", first)
        return call(*arguments, **keywords)

    variables = {"params": params}
    variables |= {"cache": halo.cache_of(module, variables, x, method)}
    with nn.intercept_methods(interceptor):
        return module.apply(variables, x, method=method, mutable=["cache"])[0]
