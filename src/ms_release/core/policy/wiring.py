"""The rules of workflow wiring as rules of the audit: the same verdicts, beside those about settings."""

from __future__ import annotations

from collections.abc import Iterator

from ms_release.core import wiring
from ms_release.core.policy.base import EVERYWHERE, Judge, Rule, Subject, Verdict, passed, unknown
from ms_release.core.workflow import FOLDER

CONTENTS = "contents: read"
_QUESTIONS = {
    "WIRE_FILE": "Are the named workflows there, and readable?",
    "WIRE_DISPATCH": "Can the program start them, with its inputs?",
    "WIRE_GROUP": "Do publications wait for each other?",
    "WIRE_ENVIRONMENT": "Does what publishes stand behind the environment?",
    "WIRE_ENVIRONMENT_NAME": "Is its name the configured one?",
    "WIRE_VERIFY_KEY": "Is the public key not made from the signing key?",
    "WIRE_CACHE": "Are builds and publications free of caches?",
    "WIRE_THIRD_PARTY": "Does nothing foreign run where something is signed?",
    "WIRE_SECRETS": "Does no secret meet foreign code?",
    "WIRE_SHELL": "Does no text of others become shell?",
    "WIRE_PINS": "Are actions pinned by commit?",
    "WIRE_PERMISSIONS": "Has every job the least rights?",
    "WIRE_TARGET": "Does no pull request run with the repository's rights?",
}


def _judge(code: str) -> Judge:
    """One rule over every workflow file of the branch."""

    def judge(subject: Subject) -> Iterator[Verdict]:
        files = subject.facts.workflows
        if files is None:
            yield unknown(code, "readable", FOLDER, CONTENTS)
            return
        found = [f for f in wiring.judge(subject.config, subject.repo, files) if f.code == code]
        bad = [f for f in found if f.outcome != "PASS"]
        for finding in bad:
            name = finding.subject.partition(":")[2]
            lacks = CONTENTS if name in files and files[name] is None else ""
            told = f"{name}: {finding.message}"
            yield Verdict(code, finding.outcome, told, finding.remedy, f"{FOLDER}/{name}", lacks)
        if not bad:
            held = passed(code, f"in {len(found)} file{'s'[: len(found) != 1]}", "in every file", FOLDER)
            yield held if found else Verdict(code, "NOT_APPLICABLE", "no file that it is about", "", FOLDER)

    return judge


RULES = tuple(Rule(code, question, EVERYWHERE, _judge(code)) for code, question in _QUESTIONS.items())
"""In the order in which they are told."""
