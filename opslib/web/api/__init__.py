"""JSON under ``/api``: what the pages show, for programs."""
