"""What a refused write means: a missing permission, a rule, or a fact that moved. In the words of the action."""

from __future__ import annotations

from ms_release.adapters.answers import Denied, Graph, Refused, about
from ms_release.core import action
from ms_release.core.action import Action
from ms_release.errors import BlockedError, CredentialError, ForgeError, MsError, OvertakenError

_CORRECT = "Correct what it names, then run the same command again."


def not_allowed(what: Action) -> CredentialError:
    """The token lacks a right; the remedy names it."""
    return CredentialError(
        f"this token may not {doing(what)}",
        remedy=f"Nothing was changed by it; use a token with {_needed(what)} on {what.repo}.",
    )


def classify(error: Denied | Refused, what: Action) -> MsError:
    """The ending for a 4xx that the action itself expected nothing of. A forge also says 404 for "no right" (G9)."""
    if isinstance(error, Denied):
        return error if error.sso_url else not_allowed(what)
    if error.status == 404:
        return not_allowed(what)
    said = "; ".join((error.message, *(e.message for e in error.errors if e.message)))
    return BlockedError(f"the forge refuses to {doing(what)}: {said}", remedy=_CORRECT)


def is_rule(error: Refused) -> bool:
    """A ruleset's refusal carries 422 as an existing ref does, without a code to tell them apart (github-facts G40)."""
    return error.message.startswith("Repository rule violations")


def is_unauthorized(error: Refused) -> bool:
    """A merge that this person may not make: 405 as everything else, without a code to decide by (github-facts G11)."""
    return error.status == 405 and "not authorized" in error.message.lower()


def refuse_errors(answer: Graph, what: action.CommitFiles) -> None:
    """Raise what the errors of a mutation mean, if there are any."""
    for error in answer.errors:
        if error.type == "STALE_DATA":
            raise OvertakenError(
                f"{what.branch} moved while it was written: {about(error)}",
                remedy="Run the same command again: it looks who holds it.",
            )
        if error.type in ("FORBIDDEN", "NOT_FOUND"):
            raise not_allowed(what)
        if error.type in ("BRANCH_PROTECTION_RULE_VIOLATION", "UNPROCESSABLE"):
            raise BlockedError(f"the forge refuses to {doing(what)}: {about(error)}", remedy=_CORRECT)
        raise ForgeError(f"the forge failed to {doing(what)}: {about(error)}", remedy="Run the same command again.")


def doing(what: Action) -> str:
    """The action in the words of an error message."""
    match what:
        case action.DispatchWorkflow():
            return f"start {what.workflow} of {what.repo}"
        case action.CreateBranch() | action.CommitFiles():
            return f"write the branch {what.branch} of {what.repo}"
        case action.OpenPullRequest():
            return f"open a pull request in {what.repo}"
        case action.UpdatePullRequest():
            return f"update #{what.number} of {what.repo}"
        case action.MergePullRequest():
            return f"merge #{what.number} of {what.repo}"
        case action.ClosePullRequest():
            return f"close #{what.number} of {what.repo}"
        case action.CancelRun():
            return f"cancel the run {what.run_id} of {what.repo}"
        case action.ReviewDeployment():
            return f"review the run {what.run_id} of {what.repo}"
        case action.OpenIssue():
            return f"open an issue in {what.repo}"
        case _:
            return f"write {what.tag} of {what.repo}"


def _needed(what: Action) -> str:
    match what:
        case action.DispatchWorkflow() | action.CancelRun():
            return "the permission actions: write"
        case action.OpenPullRequest() | action.ClosePullRequest():
            return "the permission pull_requests: write"
        case action.MergePullRequest():
            return "the right to push to the protected branch"
        case action.ReviewDeployment():
            return "the permission deployments: write"
        case action.OpenIssue():
            return "the permission issues: write"
        case _:
            return "the permission contents: write"
