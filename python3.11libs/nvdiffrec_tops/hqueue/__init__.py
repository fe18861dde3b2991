"""Work items as jobs of an HQueue farm: submission, following, and the way back of the results."""
