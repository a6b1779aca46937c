"""What MongoDB holds: collections with their validators and indexes, documents, and how they are written."""
