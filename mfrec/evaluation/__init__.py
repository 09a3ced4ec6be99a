"""Evaluation: metrics and the protocols that they are measured by."""
