"""Settings of what takes part in a fit; importable without it."""
