"""The client's verbs at a terminal and in scripts."""
