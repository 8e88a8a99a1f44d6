"""Floor 4: checkpoints and NumPy export."""
