"""On the PYTHONPATH of the processes under test: it hides what an installation does not have."""
