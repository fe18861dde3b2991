"""Parameters of nodes: what a type has, what a scene sets, and what that gives for an item."""
