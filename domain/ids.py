"""Names of things: 32 hex digits that nobody can guess (``ports/id_generator.py``), safe in URLs and file names."""

import re
from typing import NewType

from domain.errors import (
    DetailNotFound,
    FileNotFound,
    ImageNotFound,
    InstructionNotFound,
    JobNotFound,
    UploadNotFound,
)

UploadId = NewType("UploadId", str)
FileId = NewType("FileId", str)
BlobKey = NewType("BlobKey", str)
OwnerId = NewType("OwnerId", str)
JobId = NewType("JobId", str)
InstructionId = NewType("InstructionId", str)
DetailId = NewType("DetailId", str)

_ID = re.compile(r"[0-9a-f]{32}", re.ASCII | re.IGNORECASE)


def parse_upload_id(text: str) -> UploadId:
    """An id as a client writes it; the case of its digits says nothing.

    Raise UploadNotFound for anything that is not an id: such a thing can't exist, so storage is never asked.
    """
    if not _ID.fullmatch(text):
        raise UploadNotFound("no such upload")
    return UploadId(text.lower())


def parse_file_id(text: str) -> FileId:
    """As ``parse_upload_id``, with FileNotFound."""
    if not _ID.fullmatch(text):
        raise FileNotFound("no such file")
    return FileId(text.lower())


def parse_image_id(text: str) -> FileId:
    """As ``parse_upload_id``, with ImageNotFound: an image bears its file's id."""
    if not _ID.fullmatch(text):
        raise ImageNotFound("no such image")
    return FileId(text.lower())


def parse_job_id(text: str) -> JobId:
    """As ``parse_upload_id``, with JobNotFound."""
    if not _ID.fullmatch(text):
        raise JobNotFound("no such job")
    return JobId(text.lower())


def parse_instruction_id(text: str) -> InstructionId:
    """As ``parse_upload_id``, with InstructionNotFound."""
    if not _ID.fullmatch(text):
        raise InstructionNotFound("no such instruction")
    return InstructionId(text.lower())


def parse_detail_id(text: str) -> DetailId:
    """As ``parse_upload_id``, with DetailNotFound."""
    if not _ID.fullmatch(text):
        raise DetailNotFound("no such detail")
    return DetailId(text.lower())


def blob_key_of(upload_id: UploadId) -> BlobKey:
    """What an upload's bytes are called once they are sealed."""
    return BlobKey(upload_id)


def file_id_of(upload_id: UploadId) -> FileId:
    """The file that an upload becomes bears the upload's id, so completing twice can't make two files."""
    return FileId(upload_id)
