"""How cost grows: the same work over a thousand rows and over a million. What came of it: docs/scale.md."""
