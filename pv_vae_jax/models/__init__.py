"""Floor 2: the PV-VAE models."""
