"""Blocks to segments: the client half (asyncio, in the server) and the worker half (its own process)."""
