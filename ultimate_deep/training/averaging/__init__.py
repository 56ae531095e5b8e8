"""Weights that are averages of those that training goes through."""
