"""What a host does with projects, and participants in them."""
