"""Stacks as plain Keras layers: `models.surgery.unrolled.unrolled` puts these parts together."""
