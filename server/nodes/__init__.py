"""Nodes that share a database: who is there, and who holds what."""
