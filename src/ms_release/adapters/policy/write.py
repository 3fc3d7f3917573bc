"""Reading the resources that `policy apply` changes, and changing them: each only if it still is what was shown."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import Any

from ms_release.adapters.answers import Denied, Refused
from ms_release.adapters.http import Client
from ms_release.core.policy.edit import Bodies, Edit
from ms_release.errors import BlockedError, CredentialError, OvertakenError, UnknownOutcomeError


class PolicyWriter:
    """The writing side of `policy`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def read(self, paths: Iterable[str]) -> Bodies:
        """Resources by path; None = absent, or not for this token."""
        wanted = sorted(set(paths))
        return dict(zip(wanted, self._client.gather([partial(self._read, path) for path in wanted]), strict=True))

    def _read(self, path: str) -> Any:
        try:
            return self._client.get(path).json
        except (Denied, Refused):
            return None

    def perform(self, edit: Edit) -> None:
        """Make one change.

        Raises OvertakenError when the resource is not what it was, CredentialError when the token may not, BlockedError
        when the forge refuses, and what the client raises.
        """
        if edit.method == "PUT" and edit.reads and self._read(edit.reads) != edit.before:
            raise OvertakenError(
                f"{edit.layer} of {edit.slug} was changed by somebody else in the meantime",
                remedy="Nothing of it was changed; run the same command again.",
            )
        try:
            self._client.write(edit.method, edit.path, edit.body, idempotent=edit.method != "POST")
        except UnknownOutcomeError:
            if not self._is_made(edit):
                raise
        except Denied as error:
            raise self._not_allowed(edit) if not error.sso_url else error from None
        except Refused as error:
            if error.status == 404:
                raise self._not_allowed(edit) from None
            raise BlockedError(
                f"the forge refuses to change {edit.layer} of {edit.slug}: {error.message}",
                remedy="Correct what it names, then run the same command again.",
            ) from None

    def _is_made(self, edit: Edit) -> bool:
        """Whether a POST whose answer was lost has taken effect: there is one of that name."""
        name = (edit.body or {}).get("name")
        key = "branch_policies" if edit.path.endswith("deployment-branch-policies") else ""
        listed = self._client.pages(edit.reads, key=key) if edit.reads else []
        return edit.method == "POST" and any(one["name"] == name for one in listed)

    @staticmethod
    def _not_allowed(edit: Edit) -> CredentialError:
        return CredentialError(
            f"this token may not change {edit.layer} of {edit.slug}",
            remedy=f"Nothing was changed by it; use a token with {edit.needs}.",
        )
