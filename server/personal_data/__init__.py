"""What in a transcript tells who somebody is or how to reach or charge them: where it stands. Pure, without models."""
