"""The check of everything: each component asked over its real protocol."""
