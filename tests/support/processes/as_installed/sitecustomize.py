"""What only the tools of development bring: an installed server has none of it, and starts sooner and smaller for it.

structlog loads rich where it is, dependency-injector whatever web frameworks it could be wired into.
"""

import sys

for name in ("rich", "fastapi", "fast_depends", "starlette", "werkzeug", "yaml"):
    sys.modules[name] = None  # type: ignore[assignment]  # so says Python's documentation: importing it fails
