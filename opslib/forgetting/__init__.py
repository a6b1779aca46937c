"""Taking out what is unwanted wherever it lies, and asking X which of the stored tweets still exist."""
