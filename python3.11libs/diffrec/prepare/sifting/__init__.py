"""Which photographs are of use, and what is said of the others."""
