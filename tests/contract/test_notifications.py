"""Contract of ports/notifications.py, on every database."""

from tests.contract.suites.notifications import NotificationsSuite


class TestNotifications(NotificationsSuite):
    """All of it."""
