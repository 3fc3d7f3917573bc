"""Greets."""


def greet(name: str) -> str:
    """The greeting."""
    return f"Hello, {name}"
