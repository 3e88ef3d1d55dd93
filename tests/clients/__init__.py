"""Clients that nobody here wrote stream speech, and the server must get the words."""
