"""What training begins with."""
