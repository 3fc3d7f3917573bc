"""What the verbs need from outside, as narrow protocols. Reader and Writer are apart, so that `plan` cannot write."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

from ms_release.config import Config, Product
from ms_release.core.action import Action, Ask, Watch
from ms_release.core.foretell import Outcome
from ms_release.core.model import Pin
from ms_release.core.observation import CandidateQuestion, Observation
from ms_release.core.train import Train


class Clock(Protocol):
    """Time, handed in."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""

    def sleep(self, seconds: float) -> None:
        """Let that many seconds pass."""


class Reader(Protocol):
    """Looking at the forge. Each method is one look that changes nothing."""

    def survey(self, config: Config, product: Product) -> Observation:
        """Home and components as a new plan needs them."""

    def add_texts(self, facts: Observation, paths: tuple[str, ...]) -> Observation:
        """Files of the home branch, by path; a path that is not there is left out of `home.texts`."""

    def read_plans(self, facts: Observation, tags: tuple[str, ...]) -> dict[str, str]:
        """The text of the plan of each tag that has one, merged or on its release branch."""

    def add_commits(self, facts: Observation, wanted: dict[str, str]) -> Observation:
        """Commits (repository id → full id) that the surveyed histories do not hold."""

    def add_recipes(self, facts: Observation, config: Config, pins: tuple[Pin, ...]) -> Observation:
        """Digests of the files that say how the candidates of these pins are built, where identity depends on them."""

    def add_candidates(self, facts: Observation, wanted: dict[str, CandidateQuestion]) -> Observation:
        """The candidate of each repository, by id, checked against its commit."""

    def add_protection(self, facts: Observation, product: Product) -> Observation:
        """The rules of the home branch and the environment."""

    def look(self, goal: Train) -> Observation:
        """Home, pins, candidates and the two changes of a plan on its way, in one request."""

    def answer(self, facts: Observation, goal: Train, ask: Ask) -> Observation:
        """The same look with the facts that a deciding function asked for."""

    def changed(self, watch: Watch) -> bool:
        """Whether a watched resource is not any more what the watch says was seen."""


class Writer(Protocol):
    """Changing the forge: one effect at a time."""

    def perform(self, action: Action) -> Outcome:
        """Carry out one action. Raises UnknownOutcomeError when nobody knows whether it was."""


class Progress(Protocol):
    """What people see while something takes time."""

    def act(self, action: Action) -> None:
        """An effect that is about to happen."""

    def wait(self, text: str) -> None:
        """What is being waited for, replacing the last such line."""
