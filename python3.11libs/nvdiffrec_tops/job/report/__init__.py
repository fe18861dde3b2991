"""What a job says while it runs: to people, to PDG, and as a table."""
