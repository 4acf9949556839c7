"""A tracer where nobody asks for spans: what is done belongs to what caused it."""

from domain.trace import Span, Trace
from ports.tracer import Tracer


class Untraced(Tracer):
    def begun(self, cause: Trace | None) -> Trace | None:
        return cause

    def ended(self, span: Span) -> None:
        pass


UNTRACED = Untraced()
