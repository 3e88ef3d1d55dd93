"""Summaries of transcripts and answers about them: by a language model where there is one, else in their own words."""
