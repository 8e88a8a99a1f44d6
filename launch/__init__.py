"""Floor 8: thin doors, each run from a clone as `python -m launch.NAME`."""
