"""The dead letters: what could not be stored, read again, shown, and sent again once the cause is gone."""
