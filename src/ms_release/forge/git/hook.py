"""The pre-receive hook of the forge's repositories: asks the forge whether this push may come in.

Runs with `python -I -S` and imports next to nothing, because it runs once per push. It says for every reference whether
the change is forced: only here are the new objects visible (git keeps them in quarantine until the hook agrees).
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys

_ZERO = "0" * 40


def _forced(old: str, new: str) -> bool:
    if _ZERO in (old, new):
        return False
    return subprocess.run(["git", "merge-base", "--is-ancestor", old, new], check=False).returncode != 0


def _workflows(new: str) -> str:
    rev = ["git", "rev-parse", "--verify", "--quiet", f"{new}:.github/workflows"]
    return subprocess.run(rev, capture_output=True, text=True, check=False).stdout.strip() or _ZERO


def _ask(text: str) -> tuple[bool, str]:
    host, _, port = os.environ["MS_FORGE_HOOK_ADDRESS"].rpartition(":")
    body = text.encode()
    head = (
        f"POST /_forge/hook HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n"
        f"X-Key: {os.environ['MS_FORGE_HOOK_KEY']}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as link:
        link.sendall(head.encode() + body)
        answer = b"".join(iter(lambda: link.recv(65536), b""))
    top, _, rest = answer.partition(b"\r\n\r\n")
    return top.split(b" ", 2)[1] == b"200", rest.decode()


def main() -> int:
    """Read git's lines from standard input; 0 lets the push in."""
    lines = [line.split() for line in sys.stdin.read().splitlines()]
    text = "\n".join(f"{old} {new} {ref} {int(_forced(old, new))} {_workflows(new)}" for old, new, ref in lines)
    answered, refusal = _ask(text)
    sys.stderr.write(refusal if answered else "the forge could not be asked\n")
    return 0 if answered and not refusal else 1


if __name__ == "__main__":
    sys.exit(main())
