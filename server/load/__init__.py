"""Many clients at once, to see what a server can do: what ``earshot load`` is made of. It is a client and no more."""
