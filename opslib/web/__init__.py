"""The page people look at, and its JSON under ``/api``: reads MongoDB and nothing else."""
