"""Plain files to checked rows: one reader a format. Nothing is repaired: what cannot be used is refused by number."""
