"""What the core needs from outside, one Protocol a file; each docstring is the contract that tests/contract checks."""
