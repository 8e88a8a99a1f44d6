"""One file for each row of the paper and each size."""
