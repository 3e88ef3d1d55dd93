"""Rooms to meet in: who is there, when a meeting ends, and what becomes of its sound; by several providers."""
