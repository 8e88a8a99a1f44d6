"""Floor 3: arrays in, numbers out."""
