"""What people read: text that nothing from outside can break out of."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from core.world import planned
from ms_release.render.text import approval_text, fenced, release_text


@given(st.text(alphabet="`~ab \n", max_size=60))
def test_nothing_ends_a_fenced_block_but_its_end(text: str) -> None:
    blocks = MarkdownIt().parse(fenced(text))
    assert [block.type for block in blocks] == ["fence"]
    assert blocks[0].content == f"{text}\n"


def test_who_approves_sees_plan_and_seal_in_full() -> None:
    goal = planned()
    text = approval_text(goal.file, "5" * 64, "http://forge/run/1", (".github/workflows/publish.yml",))
    assert release_text(goal.file, "5" * 64) in text
    for part in (goal.plan.tag, goal.file.digest, "5" * 64, "http://forge/run/1", ".github/workflows/publish.yml"):
        assert part in text
    for pin in goal.plan.pins:
        assert re.search(rf"{pin.repo} +{pin.sha[:7]}", text)
