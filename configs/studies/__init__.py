"""What the configs/study_*.py are made of: rows, cells, and the configs of a small cell."""
