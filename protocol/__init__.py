"""What is said, with no I/O: events, segments, words, ids, error codes, state tables, wire codecs."""
