"""Training on JAX: the same loop, its step a pure function, on one device or on several."""
