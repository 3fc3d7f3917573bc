"""The GraphQL texts that the reader sends: many repositories, one request. Names are variables, not text."""

from __future__ import annotations

import re

from ms_release.adapters.policy.answers import PROTECTED, TAG_RULES

_VALUE = re.compile(r"\$(v\d+)")

_CHECKS = """
  checkSuites(first: 10) {
    nodes {
      app { slug }
      branch { name }
      workflowRun { databaseId event }
      checkRuns(first: 20, filterBy: {checkType: LATEST}) {
        nodes { databaseId name status conclusion }
        pageInfo { hasNextPage }
      }
    }
    pageInfo { hasNextPage }
  }
"""

_ATTEMPTS = _CHECKS.replace("first: 20, filterBy: {checkType: LATEST}", "first: 50, filterBy: {checkType: ALL}")
"""The same with every attempt: what the forge keeps of the checks that were run again."""

_COMMIT = "oid messageHeadline messageBody author { name }"

_TAGS = """
  nodes { name target { oid ... on Tag { target { oid } } } }
  pageInfo { hasNextPage endCursor }
"""

_RELEASES = """
  nodes {
    databaseId tagName isDraft isPrerelease publishedAt description
    releaseAssets(first: 100) { nodes { id name size } pageInfo { hasNextPage } }
  }
  pageInfo { hasNextPage endCursor }
"""

FRAGMENTS = {
    "Checked": f"fragment Checked on Commit {{ {_COMMIT} {_CHECKS} }}",
    "Component": f"""fragment Component on Repository {{
  nameWithOwner
  releases(first: 30, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ {_RELEASES} }}
}}""",
    "Home": f"""fragment Home on Repository {{
  nameWithOwner
  tags: refs(refPrefix: "refs/tags/", first: 100) {{ {_TAGS} }}
  branches: refs(refPrefix: "refs/heads/release/", first: 100) {{ nodes {{ name }} }}
  abandoning: refs(refPrefix: "refs/heads/abandon/", first: 100) {{ nodes {{ name }} }}
  releases(first: 100, orderBy: {{field: CREATED_AT, direction: DESC}}) {{ {_RELEASES} }}
}}""",
    "Protected": PROTECTED,
    "TagRules": TAG_RULES,
}

_PULLS = """
  nodes {
    number url state author { login } headRefOid
    mergedBy { login } mergeCommit { oid } files(first: 100) { nodes { path } }
  }
"""


class Query:
    """A query under construction: each value becomes a variable, each part an alias."""

    def __init__(self) -> None:
        self.variables: dict[str, str] = {}
        self._parts: list[str] = []

    def value(self, text: str) -> str:
        """The `$name` that stands for a text from outside."""
        name = f"v{len(self.variables)}"
        self.variables[name] = text
        return f"${name}"

    def repository(self, alias: str, slug: str, selection: str) -> None:
        """Ask something of one repository."""
        owner, _, name = slug.partition("/")
        self._parts.append(
            f"{alias}: repository(owner: {self.value(owner)}, name: {self.value(name)}) {{ {selection} }}"
        )

    def halves(self) -> tuple[Query, Query] | None:
        """The same as two smaller questions, for a forge that cannot answer it in time; None for a single part."""
        middle = len(self._parts) // 2
        return (self._only(self._parts[:middle]), self._only(self._parts[middle:])) if middle else None

    def _only(self, parts: list[str]) -> Query:
        query, used = Query(), {name for part in parts for name in _VALUE.findall(part)}
        query.variables = {name: text for name, text in self.variables.items() if name in used}
        query._parts = parts
        return query

    @property
    def text(self) -> str:
        """The whole document, with the fragments that it uses."""
        declared = ", ".join(f"${name}: String!" for name in self.variables)
        body = "\n".join(self._parts)
        used = [text for name, text in FRAGMENTS.items() if f"...{name}" in body]
        head = f"query({declared})" if declared else "query"
        return "\n".join((f"{head} {{ viewer {{ login }} {body} }}", *used))


def file_of(query: Query, alias: str, expression: str, *, text: bool) -> str:
    """A file at a commit or branch: its blob id, and its text where wanted."""
    more = " text isTruncated" if text else ""
    return f"{alias}: object(expression: {query.value(expression)}) {{ ... on Blob {{ oid{more} }} }}"


def folder_of(query: Query, alias: str, expression: str) -> str:
    """The names in a directory."""
    return f"{alias}: object(expression: {query.value(expression)}) {{ ... on Tree {{ entries {{ name }} }} }}"


def newest_change(query: Query, alias: str, expression: str, path: str) -> str:
    """The newest commit before and at a commit that changed a path."""
    commit = f"history(first: 1, path: {query.value(path)}) {{ nodes {{ oid committedDate author {{ name }} }} }}"
    return f"{alias}: object(expression: {query.value(expression)}) {{ ... on Commit {{ {commit} }} }}"


def component(query: Query, branch: str) -> str:
    """A component: the newest commits of its branch, 20 with their checks, 100 in all, and its newest releases.

    Of the tip every attempt of the checks, which says whether one of them is flaky.
    """
    return f"""
      ...Component
      ref(qualifiedName: {query.value(f"refs/heads/{branch}")}) {{ target {{ oid ... on Commit {{
        checked: history(first: 20) {{ nodes {{ ...Checked }} }}
        tip: history(first: 1) {{ nodes {{ oid {_ATTEMPTS} }} }}
        history(first: 100) {{ nodes {{ {_COMMIT} }} pageInfo {{ hasNextPage }} }}
      }} }} }}"""


def pinned(query: Query, branch: str, sha: str) -> str:
    """A component as far as one pinned commit needs it: its checks, whether the branch holds it, releases."""
    return f"""
      ...Component
      ref(qualifiedName: {query.value(f"refs/heads/{branch}")}) {{
        target {{ oid }}
        compare(headRef: {query.value(sha)}) {{ status }}
      }}
      commit: object(expression: {query.value(sha)}) {{ ... on Commit {{ ...Checked }} }}"""


def one_commit(query: Query, alias: str, branch: str, sha: str) -> str:
    """One more commit of a component, outside the history that was read."""
    return f"""
      {alias}: object(expression: {query.value(sha)}) {{ ... on Commit {{ ...Checked }} }}
      {alias}_on: ref(qualifiedName: {query.value(f"refs/heads/{branch}")}) {{
        compare(headRef: {query.value(sha)}) {{ status }}
      }}"""


def change(query: Query, alias: str, base: str, branch: str, paths: tuple[str, ...]) -> str:
    """How far a set of files has come on a branch: the branch, its pull requests, the files there and on the base."""
    name = query.value(branch)
    files = [
        *(file_of(query, f"{alias}_base{i}", f"{base}:{path}", text=False) for i, path in enumerate(paths)),
        *(file_of(query, f"{alias}_head{i}", f"{branch}:{path}", text=False) for i, path in enumerate(paths)),
    ]
    return f"""
      {alias}: ref(qualifiedName: {query.value(f"refs/heads/{branch}")}) {{
        target {{ oid ... on Commit {{ {_CHECKS} }} }}
      }}
      {alias}_base: ref(qualifiedName: {query.value(f"refs/heads/{base}")}) {{
        compare(headRef: {name}) {{ behindBy }}
      }}
      {alias}_pulls: pullRequests(headRefName: {name}, first: 5, orderBy: {{field: CREATED_AT, direction: DESC}}) {{
        {_PULLS}
      }}
      {" ".join(files)}"""


def page_of_tags(query: Query, cursor: str) -> str:
    """The next hundred tags."""
    return f'tags: refs(refPrefix: "refs/tags/", first: 100, after: {query.value(cursor)}) {{ {_TAGS} }}'


def head_of(query: Query, branch: str) -> str:
    """The commit that a branch is at."""
    return f"head: ref(qualifiedName: {query.value(f'refs/heads/{branch}')}) {{ name target {{ oid }} }}"


def release_branches(query: Query, cursor: str) -> str:
    """A hundred release branches with their commits, from the beginning or after a cursor."""
    after = f", after: {query.value(cursor)}" if cursor else ""
    nodes = "nodes { name target { oid } } pageInfo { hasNextPage endCursor }"
    return f'branches: refs(refPrefix: "refs/heads/release/", first: 100{after}) {{ {nodes} }}'


def page_of_releases(query: Query, cursor: str) -> str:
    """The next hundred releases."""
    order = "orderBy: {field: CREATED_AT, direction: DESC}"
    return f"releases(first: 100, after: {query.value(cursor)}, {order}) {{ {_RELEASES} }}"
