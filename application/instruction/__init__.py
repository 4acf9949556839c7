"""Instructions: batches of work on pictures. ``use_case.py`` has what may be asked, ``editing.py`` does the work,
``cleanup.py`` takes away what is needed no more."""

from application.instruction.use_case import InstructionUseCase

__all__ = ["InstructionUseCase"]
