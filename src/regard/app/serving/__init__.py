"""`regard serve`: one trained run behind HTTP, on this machine."""
