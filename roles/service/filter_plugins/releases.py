"""Filters of the role `service`: from which release to which one a component goes, and by what."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any

# Steps of this state are asked for with `untried`.
NOBODY = "nobody has run it"
DAY = dt.timedelta(days=1)

NO_WAY_BACK = "there is no way back but a backup (docs/backup.md)"


def _numbers(version: str) -> tuple[int, ...]:
    """Return what a version counts by; what follows a plus is another build of the same one."""
    return tuple(int(number) for number in re.findall(r"\d+", version.partition("+")[0]))


def _is_of(version: str, pattern: str) -> bool:
    wanted = _numbers(pattern)
    return _numbers(version)[: len(wanted)] == wanted


def service_line(version: str) -> str:
    """Return the line of releases that *version* belongs to: ``6.0`` of ``6.0.27``."""
    return ".".join(map(str, _numbers(version)[:2]))


def _from(steps: list[dict[str, str]], component: str, here: str) -> list[dict[str, str]]:
    """Return the steps of the matrix that begin at *here*."""
    return [step for step in steps if step["component"] == component and _is_of(here, str(step["from"]))]


def _allowed(steps: list[dict[str, str]], component: str, here: str) -> str:
    """Return where a component may go from *here*, in words."""
    there = {f"{step['to']} ({step['state']})" for step in _from(steps, component, here)}
    return f"from {here} it goes to {', '.join(sorted(there))}" if there else f"no step from {here} is known"


def _plan(do: str, here: str, there: str, told: str) -> dict[str, Any]:
    return {"do": do, "from": here, "to": there, "told": told, "refused": ""}


def _refused(why: str) -> dict[str, Any]:
    return {"do": "nothing", "from": "", "to": "", "told": "", "refused": f"{why}. Nothing was changed."}


def service_upgrade(
    found: dict[str, dict[str, str]],
    component: str,
    wanted: str,
    steps: list[dict[str, str]],
    asked: dict[str, bool],
) -> dict[str, Any]:
    """Return what is to be done: ``{do, from, to, told, refused}``.

    *found* has for each host the release that is ``current`` there, the one ``before`` while an upgrade is
    open, and the ``protocol`` that it is held at, as the host says. *asked* may have ``back``, ``commit`` and
    ``untried``. ``do`` is ``upgrade``, ``back``, ``commit`` or ``nothing``; ``refused`` says in a line why.
    """
    # Builds of one version, such as opslib's, differ by Debian and by commit.
    found = {host: {**has, "current": has["current"].partition("+")[0]} for host, has in found.items()}
    bare = sorted(host for host, has in found.items() if not has["current"])
    opened = {has["before"] for has in found.values()} - {""}
    if bare:
        return _refused(f"{component} is not installed on {', '.join(bare)}: that is for site.yml to do")
    if len(opened) > 1:
        return _refused(f"/opt/{component}/before is not the same on all hosts: {', '.join(sorted(opened))}")
    if asked.get("back") and asked.get("commit"):
        return _refused("back and commit exclude each other")
    before = "".join(opened)
    if asked.get("back"):
        return _back(found, component, before)
    if asked.get("commit"):
        return _commit(found, component, before)
    return _forth(found, component, before, wanted, steps, bool(asked.get("untried")))


def _running(found: dict[str, dict[str, str]]) -> list[str]:
    """Return the releases that are in use, the oldest first."""
    return sorted({has["current"] for has in found.values()}, key=_numbers)


def _held(found: dict[str, dict[str, str]], line: str) -> str:
    """Return the protocols other than *line* that hosts are held at."""
    return " and ".join(sorted({has["protocol"] for has in found.values()} - {"", line}))


def _back(found: dict[str, dict[str, str]], component: str, before: str) -> dict[str, Any]:
    runs = _running(found)
    if not before:
        running = f"{component} runs {' and '.join(runs)}, and no upgrade of it is open"
        return _refused(f"{running}: from what was committed {NO_WAY_BACK}")
    raised = _held(found, service_line(before)).split(" and ")
    newer = [held for held in raised if _numbers(held) > _numbers(service_line(before))]
    if newer:
        return _refused(f"{component} is at {newer[0]} already, which {before} does not speak: {NO_WAY_BACK}")
    new = " and ".join(version for version in runs if version != before)
    told = f"goes back from {new} to {before}" if new else f"runs {before} on all of its hosts: it is back"
    return _plan("back", new, before, f"{component} {told}")


def _commit(found: dict[str, dict[str, str]], component: str, before: str) -> dict[str, Any]:
    runs = _running(found)
    if len(runs) > 1:
        both = f"{component} runs {' and '.join(runs)}"
        return _refused(f"{both}: complete the upgrade first, by the same call without commit")
    if before in ("", runs[0]):
        told = f"{component} runs {runs[0]} on all of its hosts, and no upgrade of it is open"
        # One that was interrupted when hosts had forgotten that is completed.
        return _plan("nothing" if before else "commit", runs[0], runs[0], told)
    told = f"{component} stays at {runs[0]}, and {before} goes: from here {NO_WAY_BACK}"
    return _plan("commit", before, runs[0], told)


def _forth(
    found: dict[str, dict[str, str]],
    component: str,
    before: str,
    wanted: str,
    steps: list[dict[str, str]],
    untried: bool,
) -> dict[str, Any]:
    runs = _running(found)
    here = before or runs[0]
    others = [version for version in runs if version not in (here, wanted)]
    if others:
        both = f"the upgrade of {component} from {here} to {others[0]} is open"
        return _refused(f"{both}: call it with -e commit=true or -e back=true first")
    if runs == [wanted] and here == wanted:
        return _plan("nothing", here, wanted, f"{component} runs {wanted} on all of its hosts already")
    why = _wrong_step(found, component, here, wanted, steps, untried)
    if why:
        return _refused(why)
    left = sorted(host for host, has in found.items() if has["current"] != wanted)
    told = f" on {', '.join(left)}" if left else ": it runs on all, and is to be committed or taken back"
    return _plan("upgrade", here, wanted, f"{component} goes from {here} to {wanted}{told}")


def _wrong_step(
    found: dict[str, dict[str, str]],
    component: str,
    here: str,
    wanted: str,
    steps: list[dict[str, str]],
    untried: bool,
) -> str:
    """Return why *component* may not go from *here* to *wanted*, nothing if it may."""
    if _numbers(wanted) < _numbers(here):
        named = f"{wanted}, which {component}_version names, is older"
        return f"{component} runs {here}, and {named}: from what was committed {NO_WAY_BACK}"
    fits = [step for step in _from(steps, component, here) if _is_of(wanted, str(step["to"]))]
    if not fits:
        return f"{component} does not go from {here} to {wanted}: {_allowed(steps, component, here)}"
    held = _held(found, service_line(here))
    if held and service_line(here) != service_line(wanted):
        return f"{component} is held at {held} still: bring it to {service_line(here)} before {wanted}"
    if fits[0]["state"] == NOBODY and not untried:
        step = f"{component} from {here} to {wanted}: {NOBODY}"
        return f"{step}. Try it on a lake that may be lost, or say -e untried=true"
    return ""


def service_newest_backup(listed: list[dict[str, Any]], parts: list[str], now: str) -> dict[str, Any]:
    """Return the newest whole backup with all of *parts*, and whether it is ``fresh``: younger than a day.

    *listed* is what ``opslib backup list --format json`` says, *now* a moment as runs are named:
    ``20260301T023000Z``.
    """
    runs = [one["run"] for one in listed if one["whole"] and set(parts) <= set(one["parts"])]
    if not runs:
        return {"run": "", "fresh": False}
    return {"run": max(runs), "fresh": _moment(now) - _moment(max(runs)) < DAY}


def _moment(name: str) -> dt.datetime:
    return dt.datetime.strptime(name[:16], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.timezone.utc)


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """Return the filters by name."""
        return {
            "service_line": service_line,
            "service_upgrade": service_upgrade,
            "service_newest_backup": service_newest_backup,
        }
