"""Floor 1: causal convolution, resampling, blocks, attention; arrays in, arrays out."""
