"""One check per module, each under the name ``CHECK``."""
