"""Talking to X: calls and what to call for; ``simulate`` is the local API that stands in for the paid one."""
