"""What can be seen of trainings in a browser: a live page, and a report in one file.

Everything is read from what the jobs write anyway. Nothing is written, but a report where it is
asked for.
"""
