"""GAIA auto-update: workers update themselves; nobody deploys by hand."""

__version__ = "0.5.0"
