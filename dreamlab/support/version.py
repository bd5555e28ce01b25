"""The version number, at the bottom: whatever is stored names it, and nothing imports upwards."""

__version__ = "0.1.0"
