"""Effects of real runs in the words of the model: who did what to which release."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from model.explicit import MANAGER
from model.explore import Seen
from ms_release.cli.effects import Store, performed_keys
from ms_release.core.version import parse_tag

_OUT = {"create-tag": "tag", "create-draft": "draft", "upload": "upload", "publish": "publish"}
_CHANGE = {"create-branch": "branch", "commit": "commit", "open-pull": "open", "merge-pull": "merge",
           "update-pull": "update"}  # fmt: skip


def translate(deeds: Iterable[tuple[str, str]], tags: tuple[str, ...], people: dict[str, int]) -> list[Seen]:
    """(login, key of the effect) in the model's words. Raises ValueError for an effect that the model does not know."""
    found = []
    for login, key in deeds:
        verb, _, rest = key.partition(" ")
        words = rest.split()
        actor = people.get(login, 0)
        if verb == "dispatch" and parse_tag(words[-1]) is None:
            found.append(Seen(actor, "candidate", None))
        elif verb in _CHANGE:
            kind, _, tag = words[1].partition("/")
            prefix = {"release": "", "evidence": "evidence-"}[kind]
            found.append(Seen(actor, prefix + _CHANGE[verb], tags.index(tag)))
        elif verb == "close-pull":
            found.append(Seen(0, "close", tags.index(words[1].partition("/")[2])))
        elif verb in _OUT:
            found.append(Seen(0, _OUT[verb], tags.index(words[1])))
        elif verb in ("dispatch", "review", "reject", "cancel-run"):
            found.append(Seen(actor, verb, tags.index(words[-1] if verb == "dispatch" else words[1])))
        else:
            raise ValueError(f"the model knows no {key}")
    return found


def deeds(store: Store, home: str, start: int) -> Iterator[tuple[str, str]]:
    """Who did what on an embedded forge, from its own effect log."""
    for effect in store.effects()[start:]:
        for key in performed_keys(_One(store, effect), home, 0):
            rejects = effect["verb"] == "review" and effect["detail"]["state"] == "rejected"
            yield str(effect["actor"]), key.replace("review", "reject", 1) if rejects else key


class _One:
    """A store whose log holds one effect, so that an effect's key stands beside who did it."""

    def __init__(self, store: Store, effect: dict[str, Any]) -> None:
        self._store = store
        self._effect = effect

    def effects(self) -> list[dict[str, Any]]:
        return [self._effect]

    def get(self, kind: str, id: int | str) -> dict[str, Any] | None:
        return self._store.get(kind, id)


PEOPLE = {"alice": 1, "erin": 2, "bob": MANAGER}
