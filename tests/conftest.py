"""Every test sees 8 simulated CPU devices and the strictest JAX."""

import os

CACHE = os.path.expanduser("~/.cache/pv_vae_jax/xla")
os.environ["JAX_COMPILATION_CACHE_DIR"] = CACHE  # of the processes that tests start, too
os.environ["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
os.environ["JAX_PLATFORMS"] = "cpu"
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)

import jax  # noqa: E402  (the flags above are read when JAX starts)

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_threefry_partitionable", True)
