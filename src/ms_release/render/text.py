"""Plans, gates and actions as plain text that reads well at 80 columns. Text from outside is made harmless here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from ms_release.core import action
from ms_release.core.action import Action
from ms_release.core.model import Finding, Pin
from ms_release.core.plan import PlanFile
from ms_release.core.sanitize import commit_subject, terminal_line

_MARKS = {"PASS": "ok", "FAIL": "NO", "UNKNOWN": "??", "NOT_APPLICABLE": "--"}


def plan_text(file: PlanFile, findings: Sequence[Finding], actions: Sequence[Action]) -> str:
    """A plan as its operator reads it: what, why, whether the gates let it through, and what will happen."""
    plan = file.plan
    lines = [
        f"{plan.product} {plan.tag} ({plan.channel})",
        f"  version   {terminal_line(plan.reason)}",
        f"  previous  {plan.previous or 'none'}",
        f"  plan      {file.digest}",
        "",
        "Pins",
        *_table([(p.repo, p.sha[:7], p.select, p.reason) for p in plan.pins]),
    ]
    for pin in plan.pins:
        lines += _passed_over(pin)
    lines += ["", "Candidates", *_table([(c.repo, c.state, c.tag) for c in plan.candidates])]
    lines += ["", "Gates", *gate_lines(findings)]
    lines += ["", "What will happen", *action_lines(actions)]
    return "\n".join(lines)


def approval_text(file: PlanFile, seal: str, run_url: str, workflow_files: Sequence[str]) -> str:
    """What a release manager looks at before approving: this plan and seal, and what else changed since the merge."""
    changed = ", ".join(map(terminal_line, workflow_files)) or "none"
    return f"{release_text(file, seal)}\n\nRun: {run_url}\nWorkflow files changed since the merge: {changed}"


def release_text(file: PlanFile, seal: str) -> str:
    """What is to be published: exactly this plan under this seal, and what changes for users."""
    plan = file.plan
    lines = [
        f"{plan.product} {plan.tag} ({plan.channel}), after {plan.previous or 'no release'}, "
        f"planned by @{terminal_line(file.created_by)}",
        f"  plan  {file.digest}",
        f"  seal  {seal}",
        "",
        "Pins",
        *_table([(p.repo, p.sha[:7], p.select, p.reason) for p in plan.pins]),
        "",
        f"Changes since {plan.previous or 'the beginning'}",
    ]
    for change in plan.changes:
        if not change.commits and not change.more:
            lines.append(f"  {change.repo_id}: unchanged")
            continue
        lines.append(f"  {change.repo_id}:")
        lines += [f"    {c.sha[:7]} {commit_subject(c.subject)} ({terminal_line(c.author)})" for c in change.commits]
        lines += ["    … and older commits"] if change.more else []
    return "\n".join(lines)


def fenced(text: str) -> str:
    """Text as a Markdown code block that nothing in it can end."""
    longest = max((len(run) for run in re.findall(r"`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{text}\n{fence}\n"


def gate_lines(findings: Iterable[Finding]) -> list[str]:
    """The verdicts; several subjects that pass the same gate share a line."""
    lines: list[str] = []
    passed: dict[str, list[str]] = {}
    for finding in findings:
        if finding.outcome == "PASS":
            passed.setdefault(finding.code, []).append(finding.subject)
            continue
        waived = f" (waived by @{finding.waived_by})" if finding.waived_by else ""
        lines.append(
            f"  {_MARKS[finding.outcome]}  {finding.code} {terminal_line(finding.subject)}: "
            f"{terminal_line(finding.message)}{waived}"
        )
        if finding.blocks and finding.remedy:
            lines.append(f"      {terminal_line(finding.remedy)}")
    for code, subjects in passed.items():
        lines.append(f"  ok  {code}: {_fit(subjects, 70 - len(code))}")
    return lines


def notice_lines(findings: Iterable[Finding]) -> list[str]:
    """What forbids nothing, and somebody should hear of."""
    return [f"  !!  {f.code} {terminal_line(f.subject)}: {terminal_line(f.message)}" for f in findings]


def action_lines(actions: Sequence[Action]) -> list[str]:
    """The predicted effects, in order, one sentence each."""
    return [f"  {number:2}. {sentence(each)}" for number, each in enumerate(actions, 1)]


def sentence(each: Action) -> str:
    """An effect in words."""
    match each:
        case action.DispatchWorkflow():
            return f"start {each.workflow} of {each.repo}" + (
                f" for {each.inputs['tag'][:24]}" if "tag" in each.inputs else ""
            )
        case action.CreateBranch():
            return f"create branch {each.branch} of {each.repo}"
        case action.CommitFiles():
            return f"commit {len(each.files)} file{'s' if len(each.files) != 1 else ''} on {each.branch}"
        case action.OpenPullRequest():
            return f"open the pull request of {each.head}"
        case action.UpdatePullRequest():
            return f"bring {each.head} up to date"
        case action.MergePullRequest():
            return f"merge {each.head} once its checks are green"
        case action.ClosePullRequest():
            return f"close the pull request of {each.head}"
        case action.CancelRun():
            return f"cancel the publishing run of {each.tag}"
        case action.CreateTag():
            return f"create tag {each.tag}"
        case action.CreateDraft():
            return f"create the draft release {each.tag}"
        case action.UploadAsset():
            return f"upload {each.name}"
        case action.DeleteAsset():
            return f"delete the incomplete {each.name} of the draft"
        case action.PublishRelease():
            return f"publish {each.tag}"
        case action.EditRelease():
            return f"edit the text of the release {each.tag}"
        case action.DeleteRelease():
            return f"delete the candidate {each.tag} of {each.repo}"
        case action.DeleteTag():
            return f"delete the tag {each.tag} of {each.repo}"
        case action.ReviewDeployment():
            return f"a release manager approves environment {each.environment}"
        case action.OpenIssue():
            return f"open an issue in {each.repo}: {each.title}"


def _passed_over(pin: Pin) -> list[str]:
    return [
        f"    passed over {c.sha[:7]} of {pin.repo} ({terminal_line(c.subject)[:48]}): {terminal_line(c.reason)}"
        for c in pin.passed_over[:5]
    ] + ([f"    … and {len(pin.passed_over) - 5} more"] if len(pin.passed_over) > 5 else [])


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]) - 1)] if rows else []
    return [
        "  " + "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), terminal_line(row[-1])])
        for row in rows
    ]


def _fit(words: Sequence[str], width: int) -> str:
    text = ", ".join(words)
    return text if len(text) <= width else f"{len(words)} subjects"
