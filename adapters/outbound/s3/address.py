"""Where a bucket is and how to get in; needs no client library."""

from dataclasses import dataclass, field
from urllib.parse import urlsplit


@dataclass(frozen=True, slots=True)
class BucketAddress:
    """``endpoint``: a URL, or None for Amazon's own."""

    name: str
    region: str
    endpoint: str | None
    access_key: str
    secret_key: str = field(repr=False)

    @property
    def origin(self) -> str:
        """Where links to what is in it lead, as a source of a Content-Security-Policy; at Amazon any host of theirs."""
        if self.endpoint is None:
            return "https://*.amazonaws.com"
        parts = urlsplit(self.endpoint)
        return f"{parts.scheme}://{parts.netloc}"

    @property
    def place(self) -> str:
        """For the operator: which bucket, and where; no key."""
        return f"{self.name} at {self.endpoint or f'Amazon S3, {self.region}'}"
