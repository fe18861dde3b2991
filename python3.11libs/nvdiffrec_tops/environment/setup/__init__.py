"""Makes the trainer's Python environment, a venv, with the standard library alone.

Nothing of ours has to be installed for it, no conda and no shell: any Python from 3.9 on runs it.
It finds a newer one for the trainer, goes on where an earlier run was ended, and tells how far it
is in a file, so that a window can show it and be closed.
"""
