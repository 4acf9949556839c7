"""What an operator looks at: logs, and whether we are well."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from infrastructure.capability import Capability, Variables
from infrastructure.setting_values import lower, upper


class OperationsVariables(Variables):
    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"], BeforeValidator(upper)] = "INFO"
    log_format: Annotated[Literal["console", "json"] | None, BeforeValidator(lower)] = None


OPERATIONS = Capability(variables=OperationsVariables)
