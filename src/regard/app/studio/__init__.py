"""A page in the browser for all that regard does: `regard studio`. The server is here; the page is built from web/."""
