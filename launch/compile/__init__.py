"""``python -m launch.compile``: what a run costs on devices that are not here."""
