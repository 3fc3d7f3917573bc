"""One episode: a world, people who type, things that go wrong; then people finish it, and the judge looks at it."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from ms_release.forge import git
from scenarios import oracle
from scenarios.phases import APPROVE, PHASES, PUBLISH, Undisturbed
from scenarios.picture import take_picture
from scenarios.prefork import Command, Typed
from scenarios.stage import BETA, FIRST, HOME, staging
from scenarios.wire import JOB, Asked, Kill, Wire
from storm.script import Doom, Move, Script, write

ROUNDS = 12
CODES = {0, 3, 4, 5, 6}
TWICE_AFTER_FAILURE = ("dispatch ", "review ", "update-asset ", "delete_asset ", "upload ", "cancel-run ")
PEOPLE = ("alice", "erin", "carol")
GIVEN_UP = "given up"
WORK = tuple(
    Move(((who, arguments),))
    for who, arguments in (("alice", ("publish", *BETA)), ("bob", ("content", "approve", FIRST)))
)
"""What follows every script: people do their work, and what has not gone wrong yet still may."""
BEFORE = {"prepared": PUBLISH, "waiting": APPROVE, "published": PHASES["record"]}


@dataclass
class Ending:
    """How an episode ended."""

    seed: int
    outcome: str = ""
    commands: int = 0
    fired: int = 0
    killed: int = 0
    parallel: bool = False
    violations: list[str] = field(default_factory=list)
    log: list[str] = field(default_factory=list)


class StormWire(Wire):
    """A wire on which somebody can be doomed: their n-th request from now is deadly."""

    def __init__(self, upstream: str) -> None:
        super().__init__(upstream)
        self._counting = threading.Lock()
        self._doom: Doom | None = None
        self._left = 0
        self.deaths = 0

    def strike(self, token: str) -> None:
        """Kill the one who asks with this token."""
        self.deaths += 1
        super().strike(token)

    def doom(self, doom: Doom | None) -> None:
        """From now on; None takes it back."""
        with self._counting:
            self._doom, self._left = doom, doom.nth if doom else 0

    def count(self, token: str, method: str, path: str, write: bool) -> Kill | None:
        """Number one request; where to kill, if it is the deadly one."""
        kill = super().count(token, method, path, write)
        who = JOB if token.startswith("ghs_") else token.removesuffix("-token")
        with self._counting:
            if self._doom is None or who != self._doom.who:
                return kill
            self._left -= 1
            if self._left:
                return kill
            deadly, self._doom = self._doom, None
        return Kill(Asked(who, method, path, 0, write), deadly.when)


def requests(undisturbed: Undisturbed) -> list[Asked]:
    """Every kind of request that a release makes, once."""
    every = {
        (a.who, a.method, a.path): a for name in sorted(PHASES) for a in undisturbed.asked(PHASES[name])
    }  # the order is that of the phases, so that a seed always means the same
    return [every[key] for key in sorted(every)]


def play(seed: int, undisturbed: Undisturbed, root: Path) -> Ending:
    """Play the episode of this seed in a directory of its own, which is removed again."""
    script = write(seed, requests(undisturbed))
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    try:
        return _Episode(script, undisturbed, root).play()
    finally:
        shutil.rmtree(root, ignore_errors=True)


class _Episode:
    def __init__(self, script: Script, undisturbed: Undisturbed, root: Path) -> None:
        self._script = script
        self._undisturbed = undisturbed
        self._root = root
        self._ending = Ending(script.seed, parallel=script.parallel)
        self._cancelled = False
        self._said: list[str] = []

    def play(self) -> Ending:
        ending, script = self._ending, self._script
        with ExitStack() as stack:
            world = self._undisturbed.before(BEFORE[script.start]) if script.start in BEFORE else None
            world = world or self._undisturbed.before(PHASES["build" if script.start == "new" else "prepare"])
            self.stage = stack.enter_context(staging(world, self._root, direct=True))
            self.wire = StormWire(self.stage.server.url)
            self.wire.start()
            stack.callback(self.wire.stop)
            self.stage.runner.url = self.wire.url
            self.stage.runner.begun = self.wire.introduce
            self._note(f"start {script.start}, {'at once' if script.parallel else 'one after the other'}")
            try:
                for move in (*script.moves, *WORK):
                    self._move(move)
                ending.killed = self.wire.deaths
                ending.fired = sum(body["fired"] for body in self.stage.forge.faults.all())
                self.stage.forge.faults.clear()
                self.wire.doom(None)
                ending.outcome = self._finish()
                ending.violations += self._judge()
            except (AssertionError, TimeoutError) as error:
                ending.outcome = "broken off"
                ending.violations.append(f"{type(error).__name__}: {error}")
        return ending

    # --- what happens

    def _move(self, move: Move) -> None:
        self._note(str(move))
        for fault in move.faults:
            self.stage.forge.faults.add(fault)
        if move.doom:
            self.wire.doom(move.doom)
        if len(move.commands) == 1:
            self._type(*move.commands[0])
        else:
            threads = [threading.Thread(target=self._type, args=each, daemon=True) for each in move.commands]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.stage.settle()

    def _type(self, who: str, arguments: tuple[str, ...]) -> Typed | None:
        if arguments == ("reject",):
            return self._reject(who)
        self._cancelled |= "cancel" in arguments
        self._ending.commands += 1
        command: Command = self.stage.begin(who, *arguments, typed=f"{FIRST}\n", url=self.wire.url)
        self.wire.introduce(f"{who}-token", command)
        try:
            typed = command.end()
        except AssertionError as error:
            self._ending.violations.append(f"@{who} {' '.join(arguments)}: {error}")
            return None
        known = CODES | ({2} if "verify" in arguments or "approve" in arguments else set())
        if typed.exit != -9 or not self.wire.deaths:
            problems = [f"@{who} {' '.join(arguments)}: {each}" for each in oracle.told(typed, known)]
            self._ending.violations += problems
        self._note(f"  @{who} {arguments[0]}: exit {typed.exit} {typed.document.get('error', {}).get('cause', '')}")
        return typed

    def _reject(self, who: str) -> None:
        """On the web page."""
        run = self.stage.waiting()
        environment = self.stage.store.get("environment", f"{HOME}:release")
        if run is None or environment is None:
            return
        wish = {"environment_ids": [environment["id"]], "state": "rejected", "comment": "not on a Friday"}
        with suppress(httpx.HTTPError):  # the page does not come through: nothing is rejected, or nobody is told
            answer = self.stage.ask(who, "POST", f"/{HOME}/actions/runs/{run['id']}/pending_deployments", json=wish)
            self._note(f"  @{who} rejects: {answer.status_code}")

    def _finish(self) -> str:
        """What people do once nothing goes wrong any more: they type what they are told to, until nothing is left."""
        for _ in range(ROUNDS):
            self.stage.settle()
            if self._abandoning() and FIRST not in self.stage.published():
                typed = self._type("erin", ("content", "cancel", FIRST, "--yes"))
                if typed is not None and typed.exit == 0:
                    self.stage.settle()
                    return GIVEN_UP
                continue
            if self.stage.waiting() is not None and FIRST not in self.stage.published():
                self._type("bob", ("content", "approve", FIRST))
                self.stage.settle()
            typed = self._type("alice", ("publish", *BETA))
            self.stage.settle()
            if typed is None:
                continue
            if typed.exit == 0 and FIRST in self.stage.published():
                return "published"
            if typed.exit == 3 and "cannot be published any more" in typed.document["error"]["cause"]:
                return GIVEN_UP
        raise AssertionError(f"no end after {ROUNDS} rounds\n{self.stage.failures()}")

    def _abandoning(self) -> bool:
        git_dir = self.stage.forge.git_dir(HOME)
        marked = git.read_file(git_dir, "main", f"release/abandoned/{FIRST}.json") is not None
        return marked or git.read_ref(git_dir, f"refs/heads/abandon/{FIRST}") is not None

    # --- what must hold in the end

    def _judge(self) -> Iterator[str]:
        stage, store = self.stage, self.stage.store
        alive = [(run["name"], run["status"]) for run in store.find("run") if run["status"] != "completed"]
        if alive:
            yield f"runs go on: {alive}"
        yield from self._repeated()
        moved = [
            e for e in store.effects() if "refs/tags/" in e["subject"] and e["verb"] in ("update_ref", "delete_ref")
        ]
        if moved:
            yield f"a tag has moved: {moved}"
        if len(stage.published()) != len(set(stage.published())):
            yield f"published twice: {stage.published()}"
        if self._ending.outcome == "published":
            yield from self._out()
        else:
            yield from self._nothing_out()

    def _repeated(self) -> Iterator[str]:
        effects = self.stage.performed()
        disturbed = self._ending.fired or self._ending.killed or self._script.parallel or self._cancelled
        failed = any(run["conclusion"] != "success" for run in self.stage.store.find("run"))
        # a dispatch that meets another one, or that was made by somebody whose reads lagged, starts a second run
        allowed = TWICE_AFTER_FAILURE if disturbed or failed else ()
        if twice := oracle.repeated(effects, (*allowed, f"update-pull {HOME} ")):
            yield f"done twice: {twice}"

    def _out(self) -> Iterator[str]:
        stage = self.stage
        open_pulls = [p["head_ref"] for p in stage.store.find("pull", HOME) if p["state"] == "open"]
        if stage.published() != [FIRST] or stage.tags() != [FIRST] or open_pulls:
            yield f"published {stage.published()}, tags {stage.tags()}, open pull requests {open_pulls}"
        verified = stage.type("carol", "content", "verify", FIRST)
        if verified.exit:
            yield f"verify: exit {verified.exit} {verified.document} {verified.errors}"
        entry = json.loads(git.read_file(stage.forge.git_dir(HOME), "main", f"release/ledger/{FIRST}.json") or b"{}")
        if not entry:
            yield "no evidence is recorded"
            return
        yield from self._approved(entry)
        yield from self._bytes()
        if not self._cancelled:
            parts = oracle.STANDING if self._script.start != "new" else ("refs",)
            wanted = self._undisturbed.picture(PHASES["record"])
            yield from oracle.different(take_picture(stage), wanted, parts, PEOPLE)

    def _approved(self, entry: dict[str, Any]) -> Iterator[str]:
        run = self.stage.store.get("run", entry["run_id"]) or {}
        pull = next(p for p in self.stage.store.find("pull", HOME) if p["head_ref"] == f"release/{FIRST}")
        requesters = {pull["user"], pull["merged_by"], run.get("actor"), run.get("triggering_actor")}
        if not entry["approved_by"] or requesters & set(entry["approved_by"]):
            yield f"approved by {entry['approved_by']}, requested by {requesters}"

    def _bytes(self) -> Iterator[str]:
        wanted = next(r for r in self._undisturbed.picture(PHASES["record"])["releases"][HOME] if r[0] == FIRST)
        found = next(r for r in take_picture(self.stage)["releases"][HOME] if r[0] == FIRST)
        if found[3:5] != wanted[3:5]:
            yield f"other files or bytes than those of the candidates: {found[3:5]} instead of {wanted[3:5]}"

    def _nothing_out(self) -> Iterator[str]:
        if self.stage.published() or self.stage.tags():
            yield f"given up, and yet {self.stage.published()} {self.stage.tags()}"
        planned = self.stage.type("alice", "plan", *BETA)
        if planned.exit or planned.document.get("tag") == FIRST:
            yield f"the version is not burned: {planned.exit} {planned.document}"

    def _note(self, text: str) -> None:
        self._ending.log.append(text)
