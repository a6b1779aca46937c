"""The storage layer: from Kafka into MongoDB, at least once on the way and effectively once in place."""
