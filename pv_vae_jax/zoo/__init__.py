"""Floor 3: every video VAE by name."""
