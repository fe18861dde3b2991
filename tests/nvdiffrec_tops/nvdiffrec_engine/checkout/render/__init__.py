"""Parts of the stand-in."""
