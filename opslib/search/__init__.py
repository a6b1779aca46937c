"""The search index: every stored tweet by its words, its author, and what it was collected for."""
