"""Figures of the running lake."""
