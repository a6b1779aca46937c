"""Faults that are caused, several at once, and the alarms that are to come of each, and end with it."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable

from chaos import say
from told import promised

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from told import Told, Webhook

# A machine that does other work besides is slow; what it took is said, and stands in docs/alarms.md.
_PATIENCE = 2.0
# Counters are looked at over a quarter of an hour.
_END_SECONDS = 2400


@dataclass
class Alarm:
    """An alarm that is to come of a fault."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)
    due: float = 0  # seconds from the fault until it counts as one
    shortened: float = 0  # seconds that it has to last for less, as the tests set its rule
    missed: bool = False
    fires: Told | None = None
    ends: Told | None = None
    seconds: float = 0  # from when it was due until it was told

    def __str__(self) -> str:
        return f"{self.name}{dict(self.labels) or ''}"

    @property
    def within(self) -> float:
        """The seconds that docs/alarms.md promises."""
        return promised(self.name) - self.shortened


@dataclass
class Fault:
    """Something that is wrong with a machine for a while."""

    begin: Callable[[], object]
    end: Callable[[], object]
    alarms: Sequence[Alarm]
    after: Sequence[str] = ()  # alarms that are to be told, and their faults over, before
    delay: float = 0  # seconds
    began_at: float | None = None
    ended_at: float | None = None


def cause(faults: Sequence[Fault], webhook: Webhook) -> None:
    """Begin each fault in its time, end it once its alarms came, and wait until they ended as well.

    What does not come, or does not end, is left as it is once its time is long over.
    """
    began = time.monotonic()
    over = {alarm.name: fault for fault in faults for alarm in fault.alarms}
    try:
        while sum(fault.ended_at is not None and _ended(fault, webhook) for fault in faults) < len(faults):
            time.sleep(1)
            for fault in faults:
                if fault.began_at is None:
                    first = [over[name] for name in fault.after if name in over]
                    ready = all(one.ended_at is not None for one in first)
                    if ready and time.monotonic() - began >= fault.delay:
                        _begin(fault)
                elif fault.ended_at is None and _told(fault, webhook):
                    _end(fault)
    finally:
        for fault in faults:
            if fault.began_at is not None and fault.ended_at is None:
                _end(fault)


def _end(fault: Fault) -> None:
    fault.ended_at = time.monotonic()
    try:
        fault.end()
    except (AssertionError, TimeoutError) as error:
        # The others are to end as well; that this one does not is seen by its alarm.
        say(f"{', '.join(map(str, fault.alarms))} cannot be ended: {error}")


def _begin(fault: Fault) -> None:
    fault.began_at = time.monotonic()
    fault.begin()
    say(f"caused: {', '.join(map(str, fault.alarms))}")


def _told(fault: Fault, webhook: Webhook) -> bool:
    """Tell whether all alarms of a fault have come, or will not any more."""
    assert fault.began_at is not None
    for alarm in fault.alarms:
        if alarm.fires or alarm.missed:
            continue
        alarm.seconds = time.monotonic() - fault.began_at - alarm.due
        alarm.fires = webhook.find(alarm.name, alarm.labels, "firing", fault.began_at)
        if alarm.fires:
            alarm.seconds = alarm.fires.at - fault.began_at - alarm.due
            say(f"{alarm} told {alarm.seconds:.0f} s after it was due, of {alarm.within:.0f}")
        elif alarm.seconds > _PATIENCE * alarm.within:
            alarm.missed = True
            say(f"{alarm} did not come")
    return all(alarm.fires or alarm.missed for alarm in fault.alarms)


def _ended(fault: Fault, webhook: Webhook) -> bool:
    """Tell whether the ends of all alarms of a fault that is over have come, or will not any more."""
    assert fault.ended_at is not None
    for alarm in fault.alarms:
        if alarm.fires and not alarm.ends:
            alarm.ends = webhook.find(alarm.name, alarm.fires.labels, "resolved", alarm.fires.at)
            if alarm.ends:
                say(f"{alarm} ended {alarm.ends.at - fault.ended_at:.0f} s after the fault")
    late = time.monotonic() - fault.ended_at > _END_SECONDS
    return late or all(alarm.ends or alarm.missed for alarm in fault.alarms)
