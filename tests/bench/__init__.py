"""Measures of the whole server, never part of the unit run: ``python -m tests.bench [NAME ...] [--quick]``."""
