"""What is done now and then, beside the requests: ending what is left, telling what was not told."""

from datetime import timedelta

from infrastructure.capability import Capability, Variables
from infrastructure.setting_values import Duration


class UpkeepVariables(Variables):
    cleanup_interval: Duration = timedelta(minutes=30)
    cleanup_after: Duration = timedelta(hours=1)


UPKEEP = Capability(variables=UpkeepVariables)
