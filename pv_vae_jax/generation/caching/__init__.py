"""Latents of all clips of a source, encoded once: launch.prepare_data latents runs it."""
