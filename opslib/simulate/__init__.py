"""The local X API: stands in for the paid one in the demo, in tests and in benchmarks.

``query`` understands searches, ``tweets`` makes tweets of a file, ``generator`` makes them up, ``answers``
shapes them as X API v2 does and ``app`` serves them.
"""

# The versions of X's contract that it speaks, the newest first.
NEW, OLD = "2.167", "2.159"
CONTRACTS = (NEW, OLD)
