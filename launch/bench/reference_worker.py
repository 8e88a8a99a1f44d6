"""One side of `launch.bench reference`: reads a way on each line of stdin, answers with figures.

SIDE is ``ours`` (needs this project) or ``diffusers`` (needs torch and diffusers, nothing of ours).
"""

import json
import pathlib
import sys
import time

import numpy as np
from memory import forget_peak, peak_mib  # of the file beside this one


def inputs(shape, latents):
    """The clip and the latents, channels last."""
    random = np.random.default_rng(0)
    video = random.uniform(-1, 1, (1, *shape, 3)).astype(np.float32)
    return video, random.standard_normal((1, *latents)).astype(np.float32)


class Ours:
    """This project; writes the weights for the other side."""

    def __init__(self, name, folder, clip, threads, remat):
        sys.path.insert(0, str(pathlib.Path(__file__).parents[2]))
        import jax
        import jax.numpy as jnp

        from pv_vae_jax.zoo import registry

        vae = registry.create(name, remat=remat)
        registry.to_reference(f"{folder}/weights.safetensors", vae, "diffusers")
        module, self.params = vae.module, jax.block_until_ready(vae.params)
        latents = module.spec.latent_shape(*clip)
        pathlib.Path(folder, "latents.json").write_text(json.dumps(latents))
        self.video, self.latents = map(jnp.asarray, inputs(clip, latents))
        del vae

        def encode(params, video):
            return module.apply({"params": params}, video, method="posterior").mean

        def decode(params, latents):
            return module.apply({"params": params}, latents, method="decode_raw")

        def loss(params, video):
            again = jnp.clip(decode(params, encode(params, video)), -1, 1)
            return jnp.mean((again - video) ** 2)

        self.functions = {"encode": encode, "decode": decode, "train": jax.value_and_grad(loss)}
        self.programs = {}
        self.jax = jax
        self.said = f"jax {jax.__version__}"

    def run(self, way):
        """The result, on the device."""
        x = self.latents if way == "decode" else self.video
        if way not in self.programs:
            program = self.jax.jit(self.functions[way]).lower(self.params, x).compile()
            self.programs[way] = program
            forget_peak()
        return self.jax.block_until_ready(self.programs[way](self.params, x))

    def result(self, way, found):
        """The result as the other side gives it."""
        return np.asarray(found[0] if way == "train" else found)


class Diffusers:
    """The reference in PyTorch."""

    def __init__(self, name, folder, clip, threads, remat):
        import diffusers
        import torch
        from safetensors.torch import load_file

        torch.set_num_threads(threads)
        wan22 = {
            "base_dim": 160, "decoder_base_dim": 256, "z_dim": 48, "in_channels": 12,
            "out_channels": 12, "is_residual": True, "patch_size": 2, "scale_factor_spatial": 16,
        }  # fmt: skip
        kind, fields = {
            "wan2.1": ("AutoencoderKLWan", {}),
            "wan2.2": ("AutoencoderKLWan", wan22),
            "cogvideox_2b": ("AutoencoderKLCogVideoX", {}),
            "cogvideox_5b": ("AutoencoderKLCogVideoX", {}),
            "hunyuan": ("AutoencoderKLHunyuanVideo", {}),
        }[name]
        with torch.device("meta"):
            self.vae = getattr(diffusers, kind)(**fields)
        # Copies: pages of the file that no one has read yet would not count as memory.
        state = {k: v.clone() for k, v in load_file(f"{folder}/weights.safetensors").items()}
        self.vae.load_state_dict(state, assign=True)
        self.vae.eval()
        if name == "hunyuan":  # tiles of 16 frames otherwise: another result
            self.vae.use_framewise_encoding = self.vae.use_framewise_decoding = False
        latents = json.loads(pathlib.Path(folder, "latents.json").read_text())
        self.video, self.latents = (
            torch.tensor(x).permute(0, 4, 1, 2, 3).contiguous() for x in inputs(clip, latents)
        )
        self.torch = torch
        self.said = f"torch {torch.__version__}, diffusers {diffusers.__version__}"

    def run(self, way):
        """The result, channels before time."""
        if way == "train":
            self.vae.zero_grad(set_to_none=True)
            latents = self.vae.encode(self.video).latent_dist.mean
            again = self.vae.decode(latents).sample.clamp(-1, 1)
            loss = ((again - self.video) ** 2).mean()
            loss.backward()
            return loss.detach()
        with self.torch.no_grad():
            if way == "encode":
                return self.vae.encode(self.video).latent_dist.mean
            return self.vae.decode(self.latents).sample

    def result(self, way, found):
        """The result as the other side gives it."""
        return (found if way == "train" else found.permute(0, 2, 3, 4, 1)).numpy()


def main():
    """Answers until stdin ends."""
    side, settings = sys.argv[1], json.loads(sys.argv[2])
    worker = {"ours": Ours, "diffusers": Diffusers}[side](**settings)
    print(json.dumps(worker.said), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        if not asked["counted"]:
            forget_peak()
        begin = time.perf_counter()
        found = worker.run(asked["way"])
        seconds = time.perf_counter() - begin
        print(json.dumps({"seconds": seconds, "peak_mib": peak_mib()}), flush=True)
        if not asked["counted"]:
            result = worker.result(asked["way"], found)
            if asked["way"] == "decode":
                result = result.clip(-1, 1)
            np.save(pathlib.Path(settings["folder"], f"{asked['way']}_{side}.npy"), result)


if __name__ == "__main__":
    main()
