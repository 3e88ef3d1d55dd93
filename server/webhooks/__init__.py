"""Webhooks: a project's events told to an address of its host, signed, until they are taken or a day is over."""
