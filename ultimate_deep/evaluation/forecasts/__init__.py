"""Forecasts of several horizons and classes judged: counts, calibration, quantiles."""
