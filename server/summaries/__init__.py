"""Summaries without a language model: what was said, in its own sentences, the ones that say most. Pure."""
