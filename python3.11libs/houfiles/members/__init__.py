"""What the members of a scene or an asset say: one text or binary format a file."""
