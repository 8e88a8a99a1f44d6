"""Devices of this machine's cores, for programs that want several."""

import os


def devices(count: int) -> None:
    """Makes ``count`` of them; to be called before JAX is imported."""
    flag = f"--xla_force_host_platform_device_count={count}"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flag}".strip()
    os.environ["JAX_PLATFORMS"] = "cpu"
