"""What computes a saved model's outputs: each a `Predictor` of one kind."""
