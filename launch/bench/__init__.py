"""Benchmarks, each run from a clone as `python -m launch.bench.NAME`."""
