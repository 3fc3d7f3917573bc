"""Lets `python -m ms_release` be the same program as the `ms` script."""

from ms_release.cli.main import ms

if __name__ == "__main__":
    ms()
