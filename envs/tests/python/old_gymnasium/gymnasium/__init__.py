__version__ = "0.29.1"
spaces = None
