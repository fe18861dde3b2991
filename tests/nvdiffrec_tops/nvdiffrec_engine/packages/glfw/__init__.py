import os


def init():
    if not os.environ.get("DISPLAY"):
        raise RuntimeError("GLFWError: (65550) b'X11: The DISPLAY environment variable is missing'")
    return True


def create_window(*_):
    return object()
