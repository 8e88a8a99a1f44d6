"""Floor 1: the only place that knows a mesh."""
