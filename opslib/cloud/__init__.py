"""Counts to pictures: ``counts`` and ``report`` gather them, ``layout`` places, ``draw`` makes PNG and SVG.

``kept`` renders what was trending and keeps it in MongoDB.
"""

VERSION = 4  # of what clouds look like and hold; those kept with another one are rendered anew for a while
