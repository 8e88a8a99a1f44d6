"""One of several processes of 8 devices: writes what tests/sharding/parity.py compares.

python -m tests.sharding.process PORT PROCESSES NUMBER OUT KIND:MODEL:FSDP:LINEAR ...
"""

import sys

import jax
import numpy as np


def main(port: str, processes: str, number: str, out: str, *cases: str) -> None:
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(f"127.0.0.1:{port}", int(processes), int(number))
    from pv_vae_jax.sharding import mesh as meshes
    from tests.sharding import parity

    for case in cases:
        kind, model, fsdp, linear = case.split(":")
        across = int(model) > jax.local_device_count()
        mesh = meshes.make_mesh(model=int(model), slow="model" if across else "data")
        rules = parity.RULES if linear == "1" and int(model) > 1 else ()
        settings = {"rules": rules, "fsdp": fsdp == "1", "least": 1}
        program, state = parity.compiled(kind, mesh, linear == "1", **settings)
        gradient, losses = parity.trajectory(program, state, mesh)
        if number == "0":
            np.savez(f"{out}/{case.replace(':', '_')}.npz", losses=np.array(losses), **gradient)
    jax.distributed.shutdown()


if __name__ == "__main__":
    main(*sys.argv[1:])
