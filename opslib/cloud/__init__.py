"""Counts to pictures: ``counts`` gathers them, ``layout`` places them, ``draw`` makes PNG and SVG of that."""
