"""Changes of training batches that leave labels right, inside the compiled step."""
