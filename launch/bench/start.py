"""Seconds from the command to the first training step: cold (no compiled programs kept) and warm.

Each round starts ``launch.train`` twice with one fresh cache folder, until the first line of its
log.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time

from launch import door


def _first_step(config: str, workdir: pathlib.Path, cache: pathlib.Path) -> float:
    command = [
        sys.executable, "-m", "launch.train", f"--config={config}", f"--workdir={workdir}",
        "--config.runtime.log_every=1", "--config.runtime.evaluate_every=0",
    ]  # fmt: skip
    environment = os.environ | {"PV_VAE_JAX_CACHE": str(cache)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    begin = time.perf_counter()
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    metrics = workdir / "metrics.jsonl"
    try:
        while not (metrics.exists() and metrics.read_text().count("\n")):
            if process.poll() is not None:
                raise ValueError(f"the run ended before its first step: {process.stderr.read()}")
            time.sleep(0.02)
        seconds = time.perf_counter() - begin
        json.loads(metrics.read_text().splitlines()[0])
        return seconds
    finally:
        process.kill()
        process.communicate()


def main(argv: list[str]) -> None:
    """Runs the benchmark."""
    it = argparse.ArgumentParser(prog="python -m launch.bench start", description=__doc__)
    it.add_argument("--config", default="configs/quickstart.py:rendered", help="config file")
    it.add_argument("--rounds", type=door.count, default=3, help="pairs of a cold and a warm start")
    args = it.parse_args(argv)
    cold, warm = [], []
    for _ in range(args.rounds):
        with tempfile.TemporaryDirectory() as folder:
            here = pathlib.Path(folder)
            cold.append(_first_step(args.config, here / "a", here / "cache"))
            warm.append(_first_step(args.config, here / "b", here / "cache"))
    print(f"{args.config}: command to first step")
    print(f"cold {statistics.median(cold):6.1f} s (min {min(cold):.1f}, max {max(cold):.1f})")
    print(f"warm {statistics.median(warm):6.1f} s (min {min(warm):.1f}, max {max(warm):.1f})")
    print(f"warm / cold {statistics.median(w / c for w, c in zip(warm, cold, strict=True)):.3f}")
