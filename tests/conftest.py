"""Every test sees 8 simulated CPU devices and the strictest JAX."""

import os

os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)

import jax  # noqa: E402  (the flags above are read when JAX starts)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_threefry_partitionable", True)
jax.config.update("jax_compilation_cache_dir", os.path.expanduser("~/.cache/pv_vae_jax/xla"))
jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.5)
