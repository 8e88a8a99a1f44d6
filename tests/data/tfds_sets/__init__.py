"""TFDS builders for the tests: they have to live in a module of a package."""
