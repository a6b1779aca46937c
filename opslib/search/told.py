"""Errors that are told to who searches, in their language: a text and what is put into it."""

from __future__ import annotations


class Told(Exception):  # noqa: N818 - what it names is for those that are one
    """An error whose *message* has *values* put in where it names them in braces.

    Its text is in English. Messages are found, for translators, where such an error is made (``bin/texts``).
    """

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message.format(**values))
        self.message = message
        self.values = values
