"""Floor 2: from bytes to a Batch."""
