"""REST: rulesets of repositories and organisations, and what they demand of a branch."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ms_release.forge import auth, present, protect, web
from ms_release.forge.checks import ACTIONS_APP_ID
from ms_release.forge.errors import Refusal, invalid, not_found
from ms_release.forge.present import Json

_BYPASS = {"always": "always", "exempt": "exempt", "pull_request": "pull_requests_only", "never": "never"}
_ACTORS = ("Integration", "OrganizationAdmin", "RepositoryRole", "Team")
_MODES = ("always", "exempt", "pull_request")
_RULES = (
    "creation", "update", "deletion", "required_linear_history", "required_signatures", "pull_request",
    "required_status_checks", "non_fast_forward",
)  # fmt: skip
# The parameters that a rule must have, with what each is when a world's file leaves it out; then those it may have.
_NEEDED: dict[str, Json] = {
    "pull_request": {
        "dismiss_stale_reviews_on_push": False, "require_code_owner_review": False,
        "require_last_push_approval": False, "required_approving_review_count": 0,
        "required_review_thread_resolution": False,
    },
    "required_status_checks": {"required_status_checks": [], "strict_required_status_checks_policy": False},
}  # fmt: skip
_METHODS = ("merge", "squash", "rebase")
_MOST_REVIEWS = 10


def administer(request: Request, level: str) -> str:
    """The repository, for whoever may administer it: 404 for everybody else (G39)."""
    forge, who, name = web.forge_of(request), web.identity_of(request), web.repo_name(request)
    if not auth.allowed(forge, who, name, "administration", level):
        raise not_found()
    return name


def _present_ruleset(request: Request, name: str, body: Json, whole: bool = True) -> Json:
    """As somebody at a repository sees it, or ("") at the organisation."""
    forge, links, who = web.forge_of(request), web.links_of(request), web.identity_of(request)
    source = body.get("repo") or body.get("org")
    api = f"{links.rest}/repos/{source}" if body.get("repo") else f"{links.rest}/orgs/{source}"
    shown: Json = {
        "id": body["id"],
        "name": body["name"],
        "target": body["target"],
        "source_type": "Repository" if body.get("repo") else "Organization",
        "source": source,
        "enforcement": body["enforcement"],
        "node_id": present.node_id("RRS", body["id"]),
        "_links": {
            "self": {"href": f"{api}/rulesets/{body['id']}"},
            "html": {"href": f"{links.web}/{source}/rules/{body['id']}"},
        },
        "created_at": body.get("created_at", "2020-01-01T00:00:00Z"),
        "updated_at": body.get("updated_at", "2020-01-01T00:00:00Z"),
    }
    if not whole:
        return shown
    rules = [_present_rule(rule) for rule in body["rules"]]
    shown |= {"conditions": body["conditions"], "rules": rules}
    if name:
        shown["current_user_can_bypass"] = _BYPASS[protect.bypass_mode(forge, who, name, body)]
    if protect.may_write(forge, who, body):
        shown["bypass_actors"] = body.get("bypass_actors", [])
    return shown


def _present_rule(rule: Json) -> Json:
    needed = _NEEDED.get(rule["type"])
    return rule if needed is None else {**rule, "parameters": {**needed, **(rule.get("parameters") or {})}}


def list_rulesets(request: Request) -> Response:
    """GET rulesets: any reader (G40), `includes_parents` (default true)"""
    forge, name = web.forge_of(request), web.repo_name(request)
    found = protect.rulesets_of(forge, name, request.query_params.get("includes_parents", "true") != "false")
    return web.listing(request, found, lambda body: _present_ruleset(request, name, body, whole=False))


def _ruleset(request: Request, name: str) -> Json:
    number = web.path_int(request, "id")
    found = [body for body in protect.rulesets_of(web.forge_of(request), name) if body["id"] == number]
    if not found:
        raise not_found()
    return found[0]


def get_ruleset(request: Request) -> Response:
    """GET rulesets/{id}: `bypass_actors` only for those who may write it (G40)"""
    name = web.repo_name(request)
    return JSONResponse(_present_ruleset(request, name, _ruleset(request, name)))


def create_ruleset(request: Request) -> Response:
    """POST rulesets"""
    forge = web.forge_of(request)
    name = administer(request, "write")
    asked = web.json_body(request)
    with forge.store.writing():
        body = {"id": forge.store.next_id("ruleset"), "repo": name, "created_at": forge.now()}
        body = _save(request, body, {"target": "branch", "bypass_actors": [], **asked})
    return JSONResponse(_present_ruleset(request, name, body), 201)


def update_ruleset(request: Request) -> Response:
    """PUT rulesets/{id}: what is not given stays"""
    forge = web.forge_of(request)
    name = administer(request, "write")
    asked = web.json_body(request)
    with forge.store.writing():
        old = _ruleset(request, name)
        if old.get("repo") != name:
            raise not_found()
        body = _save(request, old, {**old, **asked})
    return JSONResponse(_present_ruleset(request, name, body))


def delete_ruleset(request: Request) -> Response:
    """DELETE rulesets/{id}"""
    forge, who = web.forge_of(request), web.identity_of(request)
    name = administer(request, "write")
    with forge.store.writing():
        old = _ruleset(request, name)
        if old.get("repo") != name:
            raise not_found()
        forge.store.delete("ruleset", old["id"])
        forge.store.log_effect(forge.now(), who.login, "delete_ruleset", f"{name} {old['name']}")
    return web.no_content()


def _save(request: Request, old: Json, asked: Json) -> Json:
    name = old.get("repo") or old["org"]
    forge, who = web.forge_of(request), web.identity_of(request)
    rules = [_rule(rule) for rule in web.field(asked, "rules", list, [])]
    body = {
        **old,
        "name": web.field(asked, "name", str),
        "target": _one_of(asked, "target", ("branch", "tag")),
        "enforcement": _one_of(asked, "enforcement", ("disabled", "active", "evaluate")),
        "conditions": _conditions(web.field(asked, "conditions", dict, {}), "org" in old),
        "rules": rules,
        "bypass_actors": [_actor(actor) for actor in web.field(asked, "bypass_actors", list, [])],
        "updated_at": forge.now(),
    }
    forge.store.put("ruleset", body["id"], body, name)
    forge.store.log_effect(forge.now(), who.login, "save_ruleset", f"{name} {body['name']}", {"rules": rules})
    return body


def _one_of(asked: Json, key: str, choices: tuple[str, ...]) -> str:
    value: str = web.field(asked, key, str)
    if value not in choices:
        raise Refusal(422, f"Invalid request.\n\nFor 'properties/{key}', {value} is not one of {', '.join(choices)}.")
    return value


def _conditions(asked: Json, of_org: bool) -> Json:
    names: Json = {"ref_name": web.field(asked, "ref_name", dict, {})}
    if of_org:  # one of an organisation must say which repositories it takes in
        names["repository_name"] = web.field(asked, "repository_name", dict)
    return {
        kind: {key: web.list_of(given, key, str, []) for key in ("include", "exclude")} for kind, given in names.items()
    }


def _rule(asked: Any) -> Json:
    if not isinstance(asked, dict) or asked.get("type") not in _RULES:
        raise invalid("Ruleset", "rules", "invalid")
    given, needed = web.field(asked, "parameters", dict, {}), _NEEDED.get(asked["type"], {})
    parameters = {name: web.field(given, name, type(default)) for name, default in needed.items()}
    if asked["type"] == "required_status_checks":
        parameters["required_status_checks"] = [_required(check) for check in parameters["required_status_checks"]]
        if "do_not_enforce_on_create" in given:
            parameters["do_not_enforce_on_create"] = web.field(given, "do_not_enforce_on_create", bool)
    if asked["type"] == "pull_request":
        methods = web.field(given, "allowed_merge_methods", list, list(_METHODS))
        fewest = parameters["required_approving_review_count"]
        if not 0 <= fewest <= _MOST_REVIEWS or not methods or any(method not in _METHODS for method in methods):
            raise invalid("Ruleset", "rules", "invalid")
        parameters["allowed_merge_methods"] = methods
    return {"type": asked["type"], **({"parameters": parameters} if parameters else {})}


def _required(asked: Any) -> Json:
    """A check that a rule requires; with `integration_id` from this app only (G18)."""
    check = asked if isinstance(asked, dict) else {}
    app = web.field(check, "integration_id", int, None)
    return {"context": web.field(check, "context", str), **({} if app is None else {"integration_id": app})}


def _actor(asked: Any) -> Json:
    given = asked if isinstance(asked, dict) else {}
    kind, mode = given.get("actor_type"), given.get("bypass_mode", "always")
    if kind not in _ACTORS or mode not in _MODES:
        raise invalid("Ruleset", "bypass_actors", "invalid")
    number = web.field(given, "actor_id", int, 1 if kind == "OrganizationAdmin" else ...)
    # The job's own token cannot be let past a ruleset, an App of one's own can (github-facts, "Tag rules").
    if kind == "Integration" and number == ACTIONS_APP_ID:
        text = "Actor GitHub Actions integration must be part of the ruleset source or owner organization"
        raise Refusal(422, f"Validation Failed: {text}")
    return {"actor_id": number, "actor_type": kind, "bypass_mode": mode}


# ---- those of an organisation


def _administer_org(request: Request, level: str) -> str:
    forge, who, org = web.forge_of(request), web.identity_of(request), request.path_params["org"]
    auth.require_org(forge, who, org, level)
    return str(org)


def _org_ruleset(request: Request, org: str) -> Json:
    body = web.forge_of(request).store.get("ruleset", web.path_int(request, "id"))
    if body is None or body.get("org") != org:
        raise not_found()
    return body


def list_org_rulesets(request: Request) -> Response:
    """GET /orgs/{org}/rulesets"""
    org = _administer_org(request, "read")
    found = web.forge_of(request).store.find("ruleset", org=org)
    return web.listing(request, found, lambda body: _present_ruleset(request, "", body, whole=False))


def get_org_ruleset(request: Request) -> Response:
    """GET /orgs/{org}/rulesets/{id}"""
    return JSONResponse(_present_ruleset(request, "", _org_ruleset(request, _administer_org(request, "read"))))


def create_org_ruleset(request: Request) -> Response:
    """POST /orgs/{org}/rulesets"""
    forge, org = web.forge_of(request), _administer_org(request, "write")
    asked = web.json_body(request)
    with forge.store.writing():
        body = {"id": forge.store.next_id("ruleset"), "org": org, "created_at": forge.now()}
        body = _save(request, body, {"target": "branch", "bypass_actors": [], **asked})
    return JSONResponse(_present_ruleset(request, "", body), 201)


def update_org_ruleset(request: Request) -> Response:
    """PUT /orgs/{org}/rulesets/{id}: what is not given stays"""
    forge, org = web.forge_of(request), _administer_org(request, "write")
    asked = web.json_body(request)
    with forge.store.writing():
        old = _org_ruleset(request, org)
        body = _save(request, old, {**old, **asked})
    return JSONResponse(_present_ruleset(request, "", body))


def delete_org_ruleset(request: Request) -> Response:
    """DELETE /orgs/{org}/rulesets/{id}"""
    forge, who, org = web.forge_of(request), web.identity_of(request), _administer_org(request, "write")
    with forge.store.writing():
        old = _org_ruleset(request, org)
        forge.store.delete("ruleset", old["id"])
        forge.store.log_effect(forge.now(), who.login, "delete_ruleset", f"{org} {old['name']}")
    return web.no_content()


def branch_rules(request: Request) -> Response:
    """GET rules/branches/{branch}: all active levels merged, without `evaluate` and `disabled` (G40)"""
    forge, name = web.forge_of(request), web.repo_name(request)
    rules = [
        {
            **_present_rule(rule),
            "ruleset_source_type": "Repository" if body.get("repo") else "Organization",
            "ruleset_source": body.get("repo") or body["org"],
            "ruleset_id": body["id"],
        }
        for body in protect.rulesets_for(forge, name, f"refs/heads/{request.path_params['branch']}")
        for rule in body["rules"]
    ]
    return web.listing(request, rules, lambda rule: rule)


_REPO = "/repos/{owner}/{repo}"
_ORG = "/orgs/{org}/rulesets"

routes = [
    Route(_REPO + "/rulesets", list_rulesets),
    Route(_REPO + "/rulesets", create_ruleset, methods=["POST"]),
    Route(_REPO + "/rulesets/{id}", get_ruleset),
    Route(_REPO + "/rulesets/{id}", update_ruleset, methods=["PUT"]),
    Route(_REPO + "/rulesets/{id}", delete_ruleset, methods=["DELETE"]),
    Route(_REPO + "/rules/branches/{branch:path}", branch_rules),
    Route(_ORG, list_org_rulesets),
    Route(_ORG, create_org_ruleset, methods=["POST"]),
    Route(_ORG + "/{id}", get_org_ruleset),
    Route(_ORG + "/{id}", update_org_ruleset, methods=["PUT"]),
    Route(_ORG + "/{id}", delete_org_ruleset, methods=["DELETE"]),
]
