"""What may be claimed of a model: five questions, each with its figures, and one word."""
