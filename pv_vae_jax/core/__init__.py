"""Floor 0: dimension letters, random streams, parameter trees, precision."""
