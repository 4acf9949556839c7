"""The chunk API: an upload in pieces that come in any order."""

from infrastructure.capability import Capability, Variables
from infrastructure.setting_values import Size


class ChunksVariables(Variables):
    max_chunk_size: Size = 10 * 1024**2


CHUNKS = Capability(variables=ChunksVariables)
