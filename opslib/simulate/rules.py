"""The rules of the filtered stream: which posts it sends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from opslib.message import stamp
from opslib.simulate import parameters as p
from opslib.simulate.problems import InvalidRequest
from opslib.simulate.query import Matcher, QueryError, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from opslib.simulate.query import Indexed

Json = dict[str, Any]

MAX_RULES = 1000
MAX_LENGTH = 1024
# Rule ids look like X's: some digits that mean nothing.
_FIRST_ID = 1_600_000_000_000_000_001
_PROBLEMS = "https://api.twitter.com/2/problems"


@dataclass(frozen=True)
class Rule:
    """A query and the tag that its owner gave it."""

    id: str
    value: str
    tag: str | None
    matches: Matcher

    def json(self) -> Json:
        """Return the rule as X shows it."""
        return {"id": self.id, "value": self.value, **self.reference(with_id=False)}

    def reference(self, with_id: bool = True) -> Json:
        """Return what a streamed post says of a rule that it matched."""
        return {**({"id": self.id} if with_id else {}), **({"tag": self.tag} if self.tag is not None else {})}


class TooManyRules(Exception):  # noqa: N818 - X's own name for it
    """More rules than X takes."""

    def problem(self) -> Json:
        """Return what X says then."""
        return {
            "title": "RulesCapExceeded",
            "detail": f"The number of rules would exceed the cap of {MAX_RULES}.",
            "type": f"{_PROBLEMS}/rule-cap",
        }


class RuleSet:
    """The rules in force, in the order in which they were added."""

    def __init__(self) -> None:
        self._rules: dict[str, Rule] = {}
        self._next_id = _FIRST_ID

    def __len__(self) -> int:
        return len(self._rules)

    def all(self) -> list[Json]:
        """Return the rules as X shows them."""
        return [rule.json() for rule in self._rules.values()]

    def matching(self, tweet: Indexed) -> list[Rule]:
        """Return the rules that *tweet* matches."""
        return [rule for rule in self._rules.values() if rule.matches(tweet)]

    def add(self, wanted: Iterable[Json], dry_run: bool = False) -> tuple[list[Json], list[Json]]:
        """Add rules with ``value`` and perhaps ``tag``; return those created and the problems of the others.

        :class:`TooManyRules` if there is no room for all; then none is added.
        """
        known = {rule.value: rule for rule in self._rules.values()}
        created: list[Rule] = []
        problems: list[Json] = []
        for given in wanted:
            value = given["value"].strip()
            if value in known:
                problems.append(_duplicate(known[value]))
                continue
            try:
                matches = parse(value, MAX_LENGTH)
            except QueryError as error:
                problems.append(_invalid(value, str(error)))
                continue
            rule = Rule(str(self._next_id + len(created)), value, given.get("tag"), matches)
            known[value] = rule
            created.append(rule)
        if len(self._rules) + len(created) > MAX_RULES:
            raise TooManyRules
        if not dry_run:
            self._rules.update((rule.id, rule) for rule in created)
            self._next_id += len(created)
        return [rule.json() for rule in created], problems

    def delete(
        self, ids: Iterable[str], values: Iterable[str], dry_run: bool = False
    ) -> tuple[int, list[Json]]:
        """Delete the rules with these ids or values; return how many, and a problem for each unknown one."""
        by_value = {rule.value: rule.id for rule in self._rules.values()}
        found: set[str] = set()
        problems: list[Json] = []
        for rule_id in ids:
            if rule_id in self._rules:
                found.add(rule_id)
            else:
                problems.append(_unknown("ids", rule_id))
        for value in values:
            if value.strip() in by_value:
                found.add(by_value[value.strip()])
            else:
                problems.append(_unknown("values", value))
        if not dry_run:
            for rule_id in found:
                del self._rules[rule_id]
        return len(found), problems

    def delete_all(self, dry_run: bool = False) -> int:
        """Delete every rule; return how many there were."""
        number = len(self._rules)
        if not dry_run:
            self._rules.clear()
        return number

    def state(self) -> Json:
        """Return all that is needed to go on."""
        return {"next_id": self._next_id, "rules": self.all()}

    def restore(self, state: Json) -> None:
        """Go on where *state* was taken."""
        self._rules = {
            given["id"]: Rule(
                given["id"], given["value"], given.get("tag"), parse(given["value"], MAX_LENGTH)
            )
            for given in state["rules"]
        }
        self._next_id = state["next_id"]


def _duplicate(rule: Rule) -> Json:
    return {
        "title": "DuplicateRule",
        "type": f"{_PROBLEMS}/duplicate-rules",
        "id": rule.id,
        "value": rule.value,
    }


def _invalid(value: str, reason: str) -> Json:
    return {
        "title": "UnprocessableEntity",
        "type": f"{_PROBLEMS}/invalid-rules",
        "detail": f"{reason} (rule: {value})",
    }


def _unknown(parameter: str, value: str) -> Json:
    return {
        "title": "Invalid Request",
        "type": f"{_PROBLEMS}/invalid-request",
        "detail": "One or more parameters to your request was invalid.",
        "errors": [{"message": "Rule does not exist", "parameters": {parameter: [value]}}],
    }


def listed(rules: RuleSet, parameters: Mapping[str, str], now: datetime) -> Json:
    """Return the answer for the rules in force."""
    p.check(parameters, p.names("ids max_results pagination_token"))
    most = p.number(parameters, "max_results", 1, MAX_RULES, MAX_RULES)
    found = rules.all()
    if "ids" in parameters:
        ids = p.identities(parameters, "ids", MAX_RULES)
        found = [rule for rule in found if rule["id"] in ids]
    first = _first(parameters.get("pagination_token"))
    page = found[first : first + most]
    meta: Json = {"sent": stamp(now), "result_count": len(page)}
    if len(found) > first + most:
        # 16 characters, as X's are.
        meta["next_token"] = f"{first + most:016d}"
    return {**({"data": page} if page else {}), "meta": meta}


def _first(token: str | None) -> int:
    if token is None:
        return 0
    if len(token) == 16 and token.isascii() and token.isdigit():
        return int(token)
    raise InvalidRequest(
        f"The `pagination_token` query parameter value [{token}] is not valid", "pagination_token", token
    )


def changed(rules: RuleSet, parameters: Mapping[str, str], body: Any, now: datetime) -> Json:
    """Change the rules as *body* asks, or only tell what would be; return the answer."""
    p.check(parameters, p.names("dry_run delete_all"))
    dry_run, delete_all = p.flag(parameters, "dry_run"), p.flag(parameters, "delete_all")
    if not isinstance(body, dict) or ("add" in body) == ("delete" in body):
        raise InvalidRequest("The body holds either `add` or `delete`", "body", str(body)[:100])
    if "add" in body:
        wanted = _checked(body["add"], "add", dict)
        for rule in wanted:
            if not isinstance(rule.get("value"), str) or not isinstance(rule.get("tag", ""), str):
                raise InvalidRequest("A rule has a text as `value`, and perhaps as `tag`", "add", str(rule))
        created, problems = rules.add(wanted, dry_run)
        summary = {
            "created": len(created),
            "not_created": len(problems),
            "valid": len(created),
            "invalid": len(problems),
        }
    else:
        created = []
        summary, problems = _deleted(rules, body["delete"], delete_all, dry_run)
    answer: Json = {"data": created} if created else {}
    answer["meta"] = {"sent": stamp(now), "summary": summary}
    return {**answer, **({"errors": problems} if problems else {})}


def _deleted(
    rules: RuleSet, wanted: Any, delete_all: bool, dry_run: bool
) -> tuple[dict[str, int], list[Json]]:
    if not isinstance(wanted, dict):
        raise InvalidRequest("`delete` is no object", "delete", str(wanted)[:100])
    ids = [p.identity("ids", rule_id) for rule_id in _checked(wanted.get("ids", []), "ids", str)]
    values = _checked(wanted.get("values", []), "values", str)
    if delete_all:
        return {"deleted": rules.delete_all(dry_run), "not_deleted": 0}, []
    deleted, problems = rules.delete(ids, values, dry_run)
    return {"deleted": deleted, "not_deleted": len(problems)}, problems


def _checked(given: Any, name: str, kind: type) -> list[Any]:
    if not isinstance(given, list) or not all(isinstance(item, kind) for item in given):
        raise InvalidRequest(f"`{name}` is no list as it should be", name, str(given)[:100])
    return given
