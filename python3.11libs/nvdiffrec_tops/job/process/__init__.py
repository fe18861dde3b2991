"""The trainer's process and what surrounds it: its end, the lock of an output, graphics cards."""
