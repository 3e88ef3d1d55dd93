"""Reports of projects: a document about all that was said, in two steps: a digest of each conversation, then all."""
