"""Ships a product that is built from many repositories: pinned, planned, approved, promoted, verified."""

__version__ = "0.1.0"
