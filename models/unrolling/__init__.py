"""Stacks as plain Keras layers: `models.unrolled.unrolled` puts these parts together."""
