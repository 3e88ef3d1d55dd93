"""One file per engine; each imports its library only when it is loaded."""
