"""The use cases, made of what the other capabilities bring, and what an upload may take."""

from datetime import timedelta

from infrastructure.capability import Capability, Variables
from infrastructure.setting_values import Count, Duration, OrNone, Size


class CoreVariables(Variables):
    max_upload_size: Size = 50 * 1024**3
    upload_ttl: Duration = timedelta(hours=24)
    quota_open_uploads: OrNone[Count] = 100
    quota_bytes: OrNone[Size] = None


CORE = Capability(variables=CoreVariables)
