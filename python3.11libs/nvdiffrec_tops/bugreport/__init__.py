"""What whoever mends a fault needs to know: versions, and a bundle of a result without anything
private."""
