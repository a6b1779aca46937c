"""All that the local X API is made of."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from opslib.simulate import NEW
from opslib.simulate.compliance import Compliance
from opslib.simulate.connections import Streams
from opslib.simulate.faults import Faults
from opslib.simulate.ledger import MONTHLY_CAP, Ledger
from opslib.simulate.rules import RuleSet

if TYPE_CHECKING:
    from opslib.simulate.limits import RateLimits
    from opslib.simulate.tweets import Store


@dataclass
class LocalX:
    """What it holds and how it is set: without a *token* any is good, without *limits* there are none."""

    store: Store
    token: str | None = None
    limits: RateLimits | None = None
    keep_alive: float = 20.0  # seconds
    includes_charged: bool = True
    monthly_cap: int = MONTHLY_CAP  # posts
    contract: str = NEW
    strict_fields: bool = False  # whether relations are refused among fields, as the contract has it
    rules: RuleSet = field(default_factory=RuleSet)
    faults: Faults = field(default_factory=Faults)
    streams: Streams = field(default_factory=Streams)
    ledger: Ledger = field(init=False)
    compliance: Compliance = field(init=False)

    def __post_init__(self) -> None:
        self.compliance = Compliance(self.store)
        self.ledger = Ledger(self.store.now, self.includes_charged, self.monthly_cap)
