"""Clients that have a lock and a virtual environment of their own: their requirements are not ours."""
