"""Floor 5: from noise to latents, from latents to videos."""
