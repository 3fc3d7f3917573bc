"""Performing actions on GitHub: one request each, never sent twice, and classified by code and field, not by words."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from ms_release.adapters.candidates import release_from_rest
from ms_release.adapters.http import Answer, Client, Denied, Refused
from ms_release.adapters.refusals import classify, is_rule, is_unauthorized, not_allowed, refuse_errors
from ms_release.adapters.runs import pending_environments, read_approvals
from ms_release.core import action
from ms_release.core.action import Action
from ms_release.core.foretell import Outcome
from ms_release.core.model import digest
from ms_release.errors import (
    BlockedError,
    CredentialError,
    ForgeError,
    OvertakenError,
    StalePlanError,
    WaitingError,
)

_COMMIT = """mutation($input: CreateCommitOnBranchInput!) {
  createCommitOnBranch(input: $input) { commit { oid url } }
}"""


class GitHubWriter:
    """The writing side of one command. `dist` is the directory that assets are uploaded from."""

    def __init__(self, client: Client, dist: Path | None = None) -> None:
        self._client = client
        self._dist = dist
        self._drafts: dict[str, int] = {}

    def perform(self, what: Action) -> Outcome:
        """Carry out one action.

        Raises OvertakenError when somebody else was faster, StalePlanError when what it expects is not there,
        CredentialError when the token may not, BlockedError when a rule forbids it, and what the client raises.
        """
        try:
            return self._perform(what)
        except (Denied, Refused) as error:
            raise classify(error, what) from error

    def _perform(self, what: Action) -> Outcome:
        match what:
            case action.DispatchWorkflow():
                return self._dispatch(what)
            case action.CreateBranch():
                return self._create_ref(what.repo, f"refs/heads/{what.branch}", what.sha)
            case action.CreateTag():
                return self._create_ref(what.repo, f"refs/tags/{what.tag}", what.sha)
            case action.CommitFiles():
                return self._commit(what)
            case action.OpenPullRequest():
                return self._open_pull(what)
            case action.UpdatePullRequest():
                return self._update_pull(what)
            case action.MergePullRequest():
                return self._merge(what)
            case action.ClosePullRequest():
                self._client.write(
                    "PATCH", f"/repos/{what.repo}/pulls/{what.number}", {"state": "closed"}, idempotent=True
                )
                return Outcome(id=what.number)
            case action.CancelRun():
                return self._cancel(what)
            case action.DeleteRelease() | action.DeleteTag():
                return self._prune(what)
            case action.CreateDraft() | action.UploadAsset() | action.DeleteAsset() | action.PublishRelease():
                return self._release(what)
            case action.EditRelease():
                return self._edit(what)
            case action.ReviewDeployment():
                return self._review(what)
            case action.OpenIssue():
                document = {"title": what.title, "body": what.body}
                opened = self._client.write("POST", f"/repos/{what.repo}/issues", document).json
                return Outcome(id=int(opened["number"]), url=str(opened["html_url"]))

    def _dispatch(self, what: action.DispatchWorkflow) -> Outcome:
        path = f"/repos/{what.repo}/actions/workflows/{what.workflow}/dispatches"
        try:
            answer = self._client.write("POST", path, {"ref": what.ref, "inputs": what.inputs})
        except Refused as error:
            if error.status in (404, 422):
                raise BlockedError(
                    f"{what.workflow} of {what.repo} could not be started: {error.message}",
                    remedy=f"Check that it exists on the default branch and takes the inputs {', '.join(what.inputs)}.",
                ) from None
            raise
        body = answer.json if isinstance(answer.json, dict) else {}
        return Outcome(id=int(body.get("workflow_run_id", 0)), url=str(body.get("html_url", "")))

    def _create_ref(self, repo: str, ref: str, sha: str) -> Outcome:
        try:
            self._client.write("POST", f"/repos/{repo}/git/refs", {"ref": ref, "sha": sha})
        except Refused as error:
            if error.status != 422 or is_rule(error):
                raise
            if "refs/tags/" in ref and self._tag(repo, ref) == sha:
                return Outcome(sha=sha)
            raise OvertakenError(
                f"{ref} of {repo} could not be created: {error.message}",
                remedy="Run the same command again: it looks who holds it.",
            ) from None
        return Outcome(sha=sha)

    def _tag(self, repo: str, ref: str) -> str | None:
        try:
            found = self._client.get(f"/repos/{repo}/git/{ref.replace('refs/', 'ref/', 1)}").json
        except Refused:
            return None
        return str(found["object"]["sha"]) if isinstance(found, dict) else None

    def _commit(self, what: action.CommitFiles) -> Outcome:
        headline, _, body = what.message.partition("\n")
        additions = [{"path": f.path, "contents": base64.b64encode(f.data).decode()} for f in what.files]
        answer = self._client.mutate(
            _COMMIT,
            {
                "input": {
                    "branch": {"repositoryNameWithOwner": what.repo, "branchName": what.branch},
                    "expectedHeadOid": what.expected_head,
                    "message": {"headline": headline, "body": body.strip()},
                    "fileChanges": {"additions": additions},
                }
            },
        )
        refuse_errors(answer, what)
        return Outcome(sha=str(answer.data["createCommitOnBranch"]["commit"]["oid"]))

    def _open_pull(self, what: action.OpenPullRequest) -> Outcome:
        document = {"title": what.title, "head": what.head, "base": what.base, "body": what.body}
        try:
            created = self._client.write("POST", f"/repos/{what.repo}/pulls", document).json
        except Refused as error:
            if error.status == 422 and self._has_open_pull(what):
                raise OvertakenError(
                    f"somebody else has opened the pull request of {what.head}", remedy="Run the same command again."
                ) from None
            raise
        return Outcome(id=int(created["number"]), sha=str(created["head"]["sha"]), url=str(created["html_url"]))

    def _has_open_pull(self, what: action.OpenPullRequest) -> bool:
        head = f"{what.repo.partition('/')[0]}:{what.head}"
        return bool(self._client.get(f"/repos/{what.repo}/pulls", {"head": head, "state": "open"}).json)

    def _update_pull(self, what: action.UpdatePullRequest) -> Outcome:
        path = f"/repos/{what.repo}/pulls/{what.number}/update-branch"
        try:
            self._client.write("PUT", path, {"expected_head_sha": what.expected_head})
        except Refused as error:
            if error.status == 404:
                raise
            raise OvertakenError(
                f"{what.head} could not be brought up to date: {error.message}", remedy="Look at the pull request."
            ) from None
        return Outcome()

    def _merge(self, what: action.MergePullRequest) -> Outcome:
        document = {"sha": what.expected_head, "merge_method": "merge", "commit_title": what.title}
        try:
            merged = self._client.write("PUT", f"/repos/{what.repo}/pulls/{what.number}/merge", document).json
        except Refused as error:
            if error.status == 409:
                raise StalePlanError(
                    f"the head of #{what.number} changed while it was merged: {error.message}",
                    remedy="Nothing was merged. See who pushed to it.",
                ) from None
            if is_unauthorized(error):
                raise not_allowed(what) from None
            if error.status == 405:
                found = self._client.get(f"/repos/{what.repo}/pulls/{what.number}").json
                if found["merged"] or found["mergeable_state"] == "behind":
                    raise OvertakenError(
                        f"somebody else has merged before #{what.number} was merged",
                        remedy="Run the same command again.",
                    ) from None
                raise WaitingError(
                    f"#{what.number} cannot be merged yet: {error.message}", remedy="Run the same command again."
                ) from None
            raise
        return Outcome(id=what.number, sha=str(merged["sha"]))

    def _cancel(self, what: action.CancelRun) -> Outcome:
        try:
            self._client.write("POST", f"/repos/{what.repo}/actions/runs/{what.run_id}/cancel", idempotent=True)
        except Refused as error:
            if error.status != 409:  # it has ended meanwhile: the next look says how
                raise
        return Outcome(id=what.run_id)

    def _prune(self, what: action.DeleteRelease | action.DeleteTag) -> Outcome:
        """What is gone already is as it should be: somebody else, or this command before it was stopped."""
        release = isinstance(what, action.DeleteRelease)
        path = f"releases/{what.release_id}" if isinstance(what, action.DeleteRelease) else f"git/refs/tags/{what.tag}"
        try:
            self._client.write("DELETE", f"/repos/{what.repo}/{path}", idempotent=True)
        except Refused as error:
            if error.status != (404 if release else 422) or is_rule(error):
                raise
        return Outcome()

    def _release(
        self, what: action.CreateDraft | action.UploadAsset | action.DeleteAsset | action.PublishRelease
    ) -> Outcome:
        releases = f"/repos/{what.repo}/releases"
        match what:
            case action.CreateDraft():
                document = {
                    "tag_name": what.tag,
                    "target_commitish": what.target,
                    "name": what.title,
                    "body": what.body,
                    "draft": True,
                    "prerelease": what.prerelease,
                }
                created = self._client.write("POST", releases, document).json
                self._drafts[what.tag] = int(created["id"])
                return Outcome(id=int(created["id"]), url=str(created["upload_url"]))
            case action.UploadAsset():
                return self._upload(what)
            case action.DeleteAsset():
                self._client.write("DELETE", f"{releases}/assets/{what.asset_id}")
                return Outcome()
            case action.PublishRelease():
                latest = "false" if what.prerelease else "true"
                document = {"draft": False, "prerelease": what.prerelease, "make_latest": latest}
                self._client.write("PATCH", f"{releases}/{what.release_id}", document)
                return Outcome(id=what.release_id)

    def _edit(self, what: action.EditRelease) -> Outcome:
        """The forge compares nothing before it replaces a body: looking right before is all that can be done."""
        path = f"/repos/{what.repo}/releases/{what.release_id}"
        if digest(release_from_rest(self._client.get(path).json).body) != what.expected_body:
            raise OvertakenError(
                f"somebody else has edited the release {what.tag} meanwhile", remedy="Run the same command again."
            )
        self._client.write("PATCH", path, {"body": what.body})
        return Outcome(id=what.release_id)

    def _upload(self, what: action.UploadAsset) -> Outcome:
        if self._dist is None:
            raise ForgeError(f"{what.name} cannot be uploaded from here", remedy="This is the publishing job's work.")
        release = what.release_id or self._drafts[what.tag]
        url = upload_url(self._client.api_url, what.repo, release)
        answer: Answer = self._client.upload(
            url, self._dist / what.name, name=what.name, content_type="application/octet-stream", size=what.size
        )
        return Outcome(id=int(answer.json["id"]), sha=str(answer.json.get("digest") or ""))

    def _reviewed(self, what: action.ReviewDeployment) -> BlockedError:
        """Somebody else's review of the same run came first."""
        first = next(iter(read_approvals(self._client, what.repo, what.run_id)), None)
        told = f"was {first.state} by @{first.user}" if first else "does not wait for a review any more"
        return BlockedError(
            f"{what.tag} {told} in the meantime",
            remedy="Your review was not taken, and none is needed.",
            next_command="ms release status",
        )

    def _review(self, what: action.ReviewDeployment) -> Outcome:
        pending = pending_environments(self._client, what.repo, what.run_id)
        if what.environment not in pending:
            raise WaitingError(
                f"run {what.run_id} does not wait for {what.environment}",
                remedy="Look at its state.",
                next_command="ms release status",
            )
        document: dict[str, Any] = {
            "environment_ids": [pending[what.environment]],
            "state": what.state,
            "comment": what.comment,
        }
        path = f"/repos/{what.repo}/actions/runs/{what.run_id}/pending_deployments"
        try:
            self._client.write("POST", path, document)
        except Refused as error:
            if what.environment not in pending_environments(self._client, what.repo, what.run_id):
                raise self._reviewed(what) from None
            raise CredentialError(
                f"the forge does not take your review of {what.tag}: {error.message}",
                remedy="A listed reviewer other than the one who started the run must review it.",
            ) from None
        return Outcome(id=what.run_id)


def upload_url(api_url: str, repo: str, release_id: int) -> str:
    """Where a release takes assets: a host of its own on github.com, a path of the same host elsewhere."""
    base = api_url.replace("https://api.github.com", "https://uploads.github.com").replace("/api/v3", "/api/uploads")
    return f"{base}/repos/{repo}/releases/{release_id}/assets"
