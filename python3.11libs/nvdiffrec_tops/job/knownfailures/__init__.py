"""What a foreign trainer's log tells of its failure: how a log is read, and what is known."""
