"""Floor 2: frozen judges, their weights by name."""
