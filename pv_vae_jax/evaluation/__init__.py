"""Floor 6: judged by one protocol."""
