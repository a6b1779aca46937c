"""The speed layer: what is being talked about more than usual, in windows that advance every ten seconds."""
