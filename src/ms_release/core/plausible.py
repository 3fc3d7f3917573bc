"""Whether a plan can be one of this configuration at all: a digest proves that it is whole, not that `plan` made it."""

from __future__ import annotations

from collections.abc import Iterator

from ms_release.config import Config, Product
from ms_release.core.candidate_identity import is_tag_of
from ms_release.core.plan import Plan, Verdict
from ms_release.core.version import parse_tag


def implausible(plan: Plan, config: Config, product: Product) -> Iterator[str]:
    """Every field that contradicts the configuration that the plan names, or the plan itself."""
    version, home = parse_tag(plan.tag), config.home(product)
    if version is None or version.channel != plan.channel:
        yield f"its tag {plan.tag} is none of the channel {plan.channel}"
    if (plan.source is None) != (plan.mode == "release"):
        yield f"its source {plan.source} does not fit a {plan.mode}"
    if (plan.home, plan.branch) != (home.slug, home.branch):
        yield f"its home is {plan.home} {plan.branch} and not {home.slug} {home.branch}"
    if [pin.repo for pin in plan.pins] != list(product.repos):
        yield f"its pins are not those of {', '.join(product.repos)}"
    elif wrong := [p.repo for p in plan.pins if (p.slug, p.url) != (config.repo(p.repo).slug, config.repo(p.repo).url)]:
        yield f"its pin of {wrong[0]} names another repository"
    expected = {(r.id, r.slug, r.candidate.workflow) for r in config.components(product) if r.candidate}
    if {(c.repo, c.slug, c.workflow) for c in plan.candidates} != expected:
        yield "its candidates are not those of the configured repositories and workflows"
    commits = {pin.repo: pin.sha for pin in plan.pins}
    for c in plan.candidates:
        if c.repo in product.repos and c.repo in commits and not is_tag_of(config.repo(c.repo), commits[c.repo], c.tag):
            yield f"its candidate {c.tag} is none of {c.repo} at {commits[c.repo][:12]}"
    if not plan.gates:
        yield "no gate judged it"


def blocking(plan: Plan) -> Verdict | None:
    """The first gate that forbade the plan: it may be shown, but not carried out. A waiver covers FAIL alone."""
    for gate in plan.gates:
        if gate.outcome not in ("PASS", "NOT_APPLICABLE") and not (gate.outcome == "FAIL" and gate.waived_by):
            return gate
    return None
