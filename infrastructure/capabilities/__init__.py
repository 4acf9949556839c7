"""What this server can do, a file each; ``infrastructure/capability.py`` says what one may bring.

A new one is a new file here and a word in ``CAPABILITIES``; if it brings variables, also one in
``infrastructure/settings.py``.
"""

from infrastructure.capabilities.chunks import CHUNKS
from infrastructure.capabilities.core import CORE
from infrastructure.capabilities.database import DATABASE
from infrastructure.capabilities.events import EVENTS
from infrastructure.capabilities.files import FILES
from infrastructure.capabilities.forms import FORMS
from infrastructure.capabilities.identity import IDENTITY
from infrastructure.capabilities.jobs import JOBS
from infrastructure.capabilities.links import LINKS
from infrastructure.capabilities.observing import OBSERVING
from infrastructure.capabilities.operating.admin import ADMIN
from infrastructure.capabilities.operating.operations import OPERATIONS
from infrastructure.capabilities.pictures.image_receiver import IMAGE_RECEIVER
from infrastructure.capabilities.pictures.images import IMAGES
from infrastructure.capabilities.pictures.instructions import INSTRUCTIONS
from infrastructure.capabilities.progress import PROGRESS
from infrastructure.capabilities.room import ROOM
from infrastructure.capabilities.storage import STORAGE
from infrastructure.capabilities.system import SYSTEM
from infrastructure.capabilities.upkeep import UPKEEP
from infrastructure.capabilities.uploads import UPLOADS
from infrastructure.capabilities.web import WEB
from infrastructure.capabilities.webhooks import WEBHOOKS
from infrastructure.capabilities.workers import WORKERS
from infrastructure.capability import Capability

# In the order in which they start; they end the other way round.
CAPABILITIES: tuple[Capability, ...] = (
    SYSTEM,
    OBSERVING,
    DATABASE,
    IDENTITY,
    WEB,
    STORAGE,
    ROOM,
    LINKS,
    JOBS,
    EVENTS,
    CORE,
    UPLOADS,
    FILES,
    FORMS,
    CHUNKS,
    IMAGES,
    INSTRUCTIONS,
    PROGRESS,
    WEBHOOKS,
    WORKERS,
    IMAGE_RECEIVER,
    UPKEEP,
    OPERATIONS,
    ADMIN,
)
