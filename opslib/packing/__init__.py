"""Archives whose bytes depend on their contents alone: tarballs for targets, and NiFi's NAR."""

from __future__ import annotations

from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
