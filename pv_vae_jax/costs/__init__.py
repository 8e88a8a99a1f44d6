"""What a program costs: FLOPs, traffic, collectives, and how long that takes on a chip."""
