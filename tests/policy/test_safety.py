"""What is audited as protected is protected: the embedded forge itself is the judge, and it is asked to give way."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from ms_release.core.policy.rules import BRANCH
from ms_release.forge import auth, git, protect, rules
from ms_release.forge.refs import Wish, refuse
from policy.ways import OWNERS, ROLE
from policy.world import (
    CI,
    CLASSIC,
    OTHERS,
    PERSON,
    ROBOT,
    RULES,
    Json,
    Place,
    World,
    in_classic,
    in_organisation,
    in_rulesets,
    served,
    team,
)

MAIN = "refs/heads/main"
ACTORS = ("carol-token", "mia-token", "dana-token", "olga-token", "robot-token", "job-token")
GREEN = rules.Seen("test", CI, "success")
UNTESTED = {
    "no check": (),
    "failed": (rules.Seen("test", CI, "failure"),),
    "running": (rules.Seen("test", CI, "pending"),),
    "forged by an App": (rules.Seen("test", ROBOT, "success"),),
    "forged by a status": (rules.Seen("test", None, "success", status=True),),
}


class Judge:
    """One repository whose protections are replaced again and again."""

    def __init__(self, world: World) -> None:
        self.world, self.forge, self.place = world, world.forge, world.add(in_classic("r"))
        limits = {"expires_at": None, "run_id": None, "repos": ["octo/r"]}
        granted = {"contents": "write", "pull_requests": "write"}
        for login, kind in (("robot[bot]", "installation"), ("github-actions[bot]", "workflow")):
            name = "robot-token" if kind == "installation" else "job-token"
            body = {"login": login, "kind": kind, **limits, "permissions": granted, "run_id": 1}
            world.store.put("token", name, body)
        git_dir = self.forge.git_dir("octo/r")
        self.tip = git.read_ref(git_dir, MAIN) or ""
        self.child = git.commit_files(git_dir, self.tip, {"x.txt": b"x\n"}, [], "on top", PERSON)
        self.other = git.commit_files(git_dir, None, {"y.txt": b"y\n"}, [], "elsewhere", PERSON)
        run = {
            "id": 1,
            "repo": "octo/r",
            "suite_id": 1,
            "name": "test",
            "head_sha": self.child,
            "app": "github-actions",
        }
        done = {
            "started_at": "2026-01-01T00:00:00Z",
            "completed_at": "2026-01-01T00:00:00Z",
            "run_id": None,
            "job_id": None,
        }
        world.store.put("check_run", 1, {**run, **done, "status": "completed", "conclusion": "success"}, "octo/r")
        self.config = world.config(["r"])

    def set(self, classic: Json | None, rulesets: list[Json]) -> None:
        """Let exactly this protect the branch."""
        store = self.world.store
        with store.writing():
            store.delete("protection", "octo/r:main")
            if classic is not None:
                store.put("protection", "octo/r:main", classic, "octo/r")
            for body in store.find("ruleset"):
                store.delete("ruleset", body["id"])
            for number, body in enumerate(rulesets, 1):
                store.put("ruleset", number, {**body, "id": number}, body.get("repo", "octo"))

    def passes(self, who: str) -> bool:
        """Whether the audit by somebody says that the branch is protected."""
        verdicts = self.world.audit(self.config, who).verdicts["octo/r"]
        about = {v.code: v.outcome for v in verdicts if v.code in BRANCH}
        return about.keys() == set(BRANCH) and set(about.values()) <= {"PASS", "NOT_APPLICABLE"}

    def holes(self) -> list[str]:
        """What the forge would let somebody do that nobody may."""
        return [
            f"{who}: {what}" for who in ACTORS for what in self._holes(auth.identify(self.forge, _bearer(who)), who)
        ]

    def _holes(self, who: auth.Identity, token: str) -> Iterator[str]:
        pushes = {
            "pushes directly, although tested": Wish(MAIN, self.tip, self.child, False),
            "forces": Wish(MAIN, self.tip, self.other, True),
            "deletes": Wish(MAIN, self.tip, None, False),
        }
        yield from (what for what, wish in pushes.items() if not refuse(self.forge, who, "octo/r", wish))
        layers = protect.layers(self.forge, who, "octo/r", MAIN, merging=True)
        for what, seen in UNTESTED.items():
            if not rules.refuse_merge(layers, rules.Merge("merge", seen)):
                yield f"merges untested ({what})"
        if not rules.refuse_merge(layers, rules.Merge("merge", (GREEN,), behind=True)):
            yield "merges what was tested on an older base"
        if token != "mia-token" and not rules.refuse_merge(layers, rules.Merge("merge", (GREEN,))):
            yield "merges, and is no maintainer"


def _bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


@pytest.fixture(scope="module")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with served(tmp_path_factory.mktemp("safety") / "forge") as world:
        yield Judge(world)


def layers_of(place: Place) -> tuple[Json | None, list[Json]]:
    """What protects a repository of a world, for the judge's."""
    own = [{**body, "repo": "octo/r"} for body in place.rulesets.values()]
    return place.classic, own + [{**body, "org": "octo"} for body in place.org_rulesets.values()]


@pytest.mark.parametrize("base", ["classic", "ruleset", "org"])
def test_the_example_protections_are_protections(judge: Judge, base: str) -> None:
    """Otherwise the property below would hold for nothing."""
    place = {"classic": in_classic, "ruleset": in_rulesets, "org": in_organisation}[base]("r")
    judge.set(*layers_of(place))
    assert [judge.passes(f"{who}-token") for who in ("olga", "dana", "carol")] == [True, base != "org", False]
    assert judge.holes() == []


# ---- any state of protection

BYPASS = [ROLE, OWNERS, team("always"), team(), team("exempt"), team(number=OTHERS),
          {"actor_type": "Integration", "actor_id": ROBOT, "bypass_mode": "always"},
          {"actor_type": "RepositoryRole", "actor_id": 4, "bypass_mode": "pull_request"}]  # fmt: skip
CHECKS = [
    [{"context": "test", "app_id": CI}], [{"context": "test", "app_id": None}], [{"context": "test", "app_id": ROBOT}],
    [{"context": "lint", "app_id": CI}], [],
]  # fmt: skip
ALLOWED = [{"users": [], "teams": [], "apps": []}, {"users": ["carol"], "teams": [], "apps": []},
           {"users": [], "teams": ["crew"], "apps": ["robot"]}]  # fmt: skip


def mostly(right: Any, *others: Any) -> st.SearchStrategy[Any]:
    """The right value more often than not: a state in which everything is wrong proves nothing."""
    return st.sampled_from([right] * (3 * len(others)) + list(others))


CLASSICS = st.none() | st.fixed_dictionaries({
    "required_status_checks": st.none() | st.fixed_dictionaries(
        {"strict": mostly(True, False), "checks": mostly(*CHECKS)}),
    "enforce_admins": mostly(True, False),
    "required_pull_request_reviews": st.none() | st.fixed_dictionaries(
        {"required_approving_review_count": st.just(0)}, optional={"bypass_pull_request_allowances": mostly(*ALLOWED)}),
    "restrictions": mostly(CLASSIC["restrictions"], None, *ALLOWED),
    "required_conversation_resolution": mostly(True, False),
    "allow_force_pushes": mostly(False, True),
    "allow_deletions": mostly(False, True),
    "bypass_force_push_allowances": mostly(*ALLOWED),
})  # fmt: skip
RULE = st.sampled_from([*RULES, {"type": "update"}, {"type": "creation"}, {"type": "required_linear_history"}])


@st.composite
def ruleset(draw: st.DrawFn) -> Json:
    found = deepcopy(draw(st.lists(RULE, max_size=5, unique_by=lambda rule: str(rule["type"])) | st.just(RULES)))
    for rule in found:
        if rule["type"] == "required_status_checks":
            check = draw(mostly({"context": "test", "integration_id": CI}, {"context": "test"}, {"context": "lint"}))
            strict = draw(mostly(True, False))
            rule["parameters"] = {"required_status_checks": [check], "strict_required_status_checks_policy": strict}
        if rule["type"] == "pull_request":
            rule["parameters"]["required_review_thread_resolution"] = draw(mostly(True, False))
    only_update = [rule["type"] for rule in found] == ["update"]
    names = {"include": [draw(mostly("~DEFAULT_BRANCH", "~ALL", MAIN, "refs/heads/m*", "refs/heads/x"))],
             "exclude": draw(mostly([], [MAIN], ["~DEFAULT_BRANCH"], ["refs/heads/x"]))}  # fmt: skip
    conditions: Json = {"ref_name": names}
    source = draw(st.sampled_from(["repo", "org"]))
    if source == "org":
        conditions["repository_name"] = {
            "include": [draw(mostly("~ALL", "r", "q*"))],
            "exclude": draw(mostly([], ["r"])),
        }
    right = [team()] if only_update else []
    bypass = draw(st.just(right) | st.just(right) | st.lists(st.sampled_from(BYPASS), max_size=2))
    return {
        "name": "drawn", "target": draw(mostly("branch", "tag")), "conditions": conditions, "rules": found,
        "enforcement": draw(mostly("active", "evaluate", "disabled")), "bypass_actors": bypass,
        source: "octo/r" if source == "repo" else "octo",
    }  # fmt: skip


PUSHES = {
    "name": "pushes", "target": "branch", "enforcement": "active", "rules": [{"type": "update"}], "repo": "octo/r",
    "conditions": {"ref_name": {"include": [MAIN], "exclude": []}}, "bypass_actors": [team()],
}  # fmt: skip
STATES = st.tuples(
    CLASSICS | st.just(CLASSIC),
    st.lists(ruleset(), max_size=3) | st.lists(ruleset(), max_size=2).map(lambda r: [*r, PUSHES]),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(state=STATES)
def test_nothing_open_is_audited_as_protected(
    judge: Judge, tally: Callable[[str, int], None], state: tuple[Json | None, list[Json]]
) -> None:
    judge.set(*state)
    holes = judge.holes()
    for who in ("olga-token", "dana-token", "carol-token"):
        passes = judge.passes(who)
        event(f"{who}: {'protected' if passes else 'not protected'}")
        if who == "olga-token":
            tally("policy: drawn states of protection", 1)
            tally("policy: of these audited as protected", int(passes))
        assert not (passes and holes), holes


@settings(
    max_examples=30 if os.environ.get("MS_TEST_ALL") == "1" else 8,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(state=STATES)
def test_anything_is_repaired_by_an_owner_at_once(judge: Judge, state: tuple[Json | None, list[Json]]) -> None:
    """One `apply` is enough, nothing is open afterwards, and a second one finds nothing to do."""
    judge.set(*state)
    repair = judge.world.apply(judge.config, "olga-token")
    assert judge.passes("olga-token"), (repair, judge.world.audit(judge.config, "olga-token").verdicts["octo/r"])
    assert judge.holes() == []
    assert judge.world.apply(judge.config, "olga-token").edits == ()
