"""What latents know: the analyses of the paper's section 6, each of them a finding of a model."""
