"""Whole files by one request at /upload: a form, or a plain PUT."""

from dependency_injector import providers

from adapters.inbound.http.forms.form import Form
from infrastructure.capabilities.core import CoreParts
from infrastructure.capabilities.links import LinksParts
from infrastructure.capabilities.uploads import UploadsParts
from infrastructure.capabilities.web import WebParts
from infrastructure.capability import Capability, Parts


class FormsParts(Parts):
    form = providers.Singleton(
        Form,
        uploads=CoreParts.uploads,
        downloads=CoreParts.downloads,
        stored=CoreParts.stored_files,
        links=LinksParts.links,
        resumable=UploadsParts.resumable,
        executor=WebParts.body_threads,
    )


FORMS = Capability(
    parts=[FormsParts],
    resources=lambda parts: parts.form().resources(),
    documents=["adapters.inbound.http.forms.document"],
)
