"""Training a net that becomes deeper as it goes."""
