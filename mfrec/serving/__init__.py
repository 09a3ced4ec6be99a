"""Serving: a finished run answers, in Python or as an export."""
