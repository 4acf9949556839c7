"""What only the linters bring: an installed server has none, and starts a tenth sooner for it."""

raise ImportError("the tests run servers as they are installed: without rich")
