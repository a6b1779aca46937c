"""What a check found, and how checks are run: each by itself, none for longer than its time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from opslib.run.failures import said
from opslib.settings import Settings, SettingsError

Status = Literal["ok", "failed", "skipped"]


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's report.

    *figures* are what the text tells, for programs; *causes* are the findings that a failure follows from,
    nearest first (:mod:`opslib.doctor.causes`).
    """

    check: str
    status: Status
    text: str
    advice: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)
    causes: tuple[str, ...] = ()


class Findings:
    """Collects the findings of one check."""

    def __init__(self, check: str) -> None:
        self._check = check
        self.findings: list[Finding] = []

    def ok(self, text: str, **figures: Any) -> None:
        """Note what is as it should be."""
        self.findings.append(Finding(self._check, "ok", text, figures=figures))

    def failed(self, text: str, advice: str, **figures: Any) -> None:
        """Note what is not, and what to do about it."""
        self.findings.append(Finding(self._check, "failed", text, advice, figures))

    def skipped(self, text: str) -> None:
        """Note what was not looked at."""
        self.findings.append(Finding(self._check, "skipped", text))


Check = Callable[[Settings, Findings], None]


def run(
    checks: Mapping[str, Check], names: Iterable[str], settings: Settings, timeout: float
) -> Iterator[Finding]:
    """Run the named checks side by side, and yield what they find in the order of *names*.

    All have the same *timeout* in seconds, so that several that hang take no longer than one.
    """
    started = [(name, *_start(name, checks[name], settings)) for name in names]
    deadline = time.monotonic() + timeout
    for name, thread, report in started:
        thread.join(max(0.0, deadline - time.monotonic()))
        if thread.is_alive():
            yield Finding(name, "failed", f"no answer within {timeout:g} s", "look into its log")
        yield from list(report.findings)


def _start(name: str, check: Check, settings: Settings) -> tuple[threading.Thread, Findings]:
    report = Findings(name)

    def guarded() -> None:
        try:
            check(settings, report)
        except SettingsError as error:
            report.failed(
                error.message,
                "run this as root, or correct /etc/opslib/opslib.toml and the credentials folder",
            )
        except Exception as error:
            report.failed(f"{type(error).__name__}: {said(error)}", "look into its log")

    # A daemon: a check that hangs must not keep the command from ending.
    thread = threading.Thread(target=guarded, name=name, daemon=True)
    thread.start()
    return thread, report
