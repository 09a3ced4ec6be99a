"""Experiments: from settings to results."""
