"""Jobs: what they are handed, the processes they run as, and what becomes of their outputs."""
