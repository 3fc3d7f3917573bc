"""The saved worlds of the scenarios: the model is held against what really happens in them."""

from scenarios.conftest import saved

__all__ = ["saved"]
