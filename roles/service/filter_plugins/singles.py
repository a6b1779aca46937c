"""Filters of the role `service`: on which host what there is once only is, and where the inventory has it."""

from __future__ import annotations

import json
from typing import Any

BACKUP, NOTHING = "backup", "nothing"


def service_single_looks(
    hostvars: Any, hosts: list[str], others: list[dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    """Return what ``singles.py`` said on each of *hosts* that could be asked, *others* in a loop."""
    said = {host: hostvars[host].get("_service_single_look") or {} for host in hosts}
    said.update({result["item"]: result for result in others if "item" in result})
    return {host: json.loads(result["stdout"]) for host, result in said.items() if result.get("stdout")}


def service_singles(
    looks: dict[str, dict[str, Any]],
    kinds: dict[str, dict[str, Any]],
    groups: dict[str, list[str]],
    addresses: dict[str, str],
) -> dict[str, dict[str, Any]]:
    """Return for each of *kinds* where the inventory has it (``to``) and where it is (``at``).

    The first of ``at``, the hosts with its data, is the one that counts: of several it is who may start,
    then who runs or is to at the next boot; ``both`` are there if that leaves two. ``here`` says that it is
    where the inventory has it. Where nobody has NiFi's data, ``lost`` is the address that it had by what the
    other hosts were set up with.
    """
    found = {}
    for name, kind in kinds.items():
        hosts = groups.get(kind["group"], [])
        to = next(iter(hosts), None)
        has = [host for host, look in looks.items() if look[name]["has"]]
        # Each host of the page may have one of its own; what moves is that of the first.
        at = sorted(
            (host for host in has if name != "page" or host == to or host not in hosts),
            key=lambda host: _rank(looks[host][name]),
        )
        both = [host for host in at if _rank(looks[host][name]) == _rank(looks[at[0]][name])]
        named = {look["nifi_of"] for look in looks.values()} - {"", addresses.get(to or "")}
        found[name] = {
            "called": kind["called"],
            "group": kind["group"],
            "playbook": kind["playbook"],
            "to": to,
            "at": at,
            "both": both if len(both) > 1 else [],
            "here": to in (both if name == "nifi" else at) or (name != "nifi" and bool({*hosts} & {*has})),
            "lost": min(named) if named and name == "nifi" and not has else "",
        }
    return found


def _rank(look: dict[str, Any]) -> tuple[bool, bool]:
    return bool(look["blocked"]), not look["runs"]


def service_singles_differ(
    singles: dict[str, dict[str, Any]], restored: str = "", moved: str = ""
) -> list[str]:
    """Return a sentence for each that ``site.yml`` would make anew while its data are elsewhere.

    *restored* are the parts of a backup that the run brings back, with commas; *moved* has just moved.
    """
    said = []
    for name, single in singles.items():
        # A list in another order has the jobs on another host, which costs them a day's budget at most.
        if name in ("jobs", moved) or single["to"] is None or single["here"]:
            continue
        called, book, to = f"{single['called']} of this lake", single["playbook"], single["to"]
        if single["at"]:
            said.append(
                f"{called} is on {single['at'][0]}, and the inventory has it on {to}: {book} moves it"
            )
        elif single["lost"] and not {"all", name} & set(restored.split(",")):
            said.append(
                f"{called} was on {single['lost']}, which cannot be asked, and the inventory has it on {to}: "
                f"{book} -e move_from=backup brings back what it knew, -e move_from=nothing begins without"
            )
    return said


def service_move(single: dict[str, Any], told: str, hosts: list[str]) -> dict[str, Any]:
    """Return ``from``, ``to`` and ``stale`` of a move, or what is ``wrong``; *told* is ``move_from``.

    ``from`` is a host, ``backup``, ``nothing``, or empty if it is there already. ``stale`` are hosts whose
    data are of before, that of ``to`` among them. *hosts* are those that can be reached.
    """
    at, to = single["at"], single["to"]
    called, choose = single["called"], "-e move_from=HOST says whose counts"
    wrong = ""
    if to is None:
        wrong = f"the group {single['group']} of the inventory has no host that it could go to"
    elif to not in hosts:
        wrong = f"{to}, where it is to go, cannot be reached"
    elif told in (BACKUP, NOTHING):
        others = [host for host in at if host != to]
        if others:
            wrong = f"{others[0]} can be reached and has it: leave -e move_from={told} away"
    elif told and told not in at:
        wrong = (
            f"{told} has no data of it; {f'they are on {at[0]}' if at else 'no host that can be reached has'}"
        )
    elif not told and single["both"]:
        wrong = f"{' and '.join(single['both'])} have it: {choose}"
    elif not told and not at:
        wrong = "no host that can be reached has it: bring its host back, or say -e move_from=backup"
    if wrong:
        return {"wrong": f"{called} is not moved: {wrong}. Nothing was changed."}
    source = told or at[0]
    if source == to or (told in (BACKUP, NOTHING) and to in at):
        source = ""
    does = f"moves from {source} to {to}" if source else f"is on {to}: nothing is to be moved"
    return {
        "wrong": "",
        "from": source,
        "to": to,
        "stale": [host for host in at if host != (source or to)],
        "said": f"{called} {does}",
    }


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "service_single_looks": service_single_looks,
            "service_singles": service_singles,
            "service_singles_differ": service_singles_differ,
            "service_move": service_move,
        }
