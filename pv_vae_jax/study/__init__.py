"""Many runs as one value: variants by seeds, what each needs, their results and their table."""
