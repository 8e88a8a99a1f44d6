"""Floor 3: a value per example, no weights."""
