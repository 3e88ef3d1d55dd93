"""The codecs of the doors: our words on one side, the wire's on the other. No I/O."""
