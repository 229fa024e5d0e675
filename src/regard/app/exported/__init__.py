"""What is copied beside exported graphs: it is never imported from here."""
