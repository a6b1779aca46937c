"""The pages, one module for each that the head of the page leads to."""
