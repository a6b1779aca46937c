"""Trendlake's ops package: the readers of Kafka, the word clouds, and what installs and checks them."""

__version__ = "0.2.0"
