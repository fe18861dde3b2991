"""A farm in a box: an HQueue server with machines, on this computer alone, to try the way there."""
