"""Meetings that a bot attends: its sound and what it sees, into a transcript."""
