"""Live progress by plain HTTP."""
