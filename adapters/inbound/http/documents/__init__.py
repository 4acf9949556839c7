"""The documents of this server's own routes, and a page to read them."""
