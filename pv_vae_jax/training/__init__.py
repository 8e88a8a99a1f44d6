"""Floor 5: the only loops."""
