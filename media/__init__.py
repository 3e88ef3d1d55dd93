"""Sound in, from any wire or file, to Blocks; and sound kept."""
