"""One client for what the tests themselves ask of a forge on this machine, for all of them: to make one is slow."""

from __future__ import annotations

import httpx

WEB = httpx.Client(timeout=60, trust_env=False, verify=False)
