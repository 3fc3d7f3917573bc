"""How the embedded forge says no: GitHub's status codes and bodies."""

from __future__ import annotations

from typing import Any


class Refusal(Exception):
    """An answer other than success, in GitHub's shape: `{"message", "errors"?, "documentation_url", "status"}`."""

    def __init__(self, status: int, message: str, errors: list[dict[str, Any]] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.errors = errors

    def body(self) -> dict[str, Any]:
        """The JSON body of the answer."""
        body: dict[str, Any] = {"message": self.message}
        if self.errors is not None:
            body["errors"] = self.errors
        body["documentation_url"] = "https://docs.github.com/rest"
        body["status"] = str(self.status)
        return body


def not_found() -> Refusal:
    """404, also the answer to "you may not know that this exists" (github-facts G9)."""
    return Refusal(404, "Not Found")


def invalid(resource: str, field: str, code: str, message: str = "Validation Failed", **more: Any) -> Refusal:
    """422 with one entry in `errors`; codes: missing, missing_field, invalid, already_exists, custom (G47)."""
    return Refusal(422, message, [{"resource": resource, "field": field, "code": code, **more}])
