"""What the machine gives: an address to listen on, a folder to keep things in, the time, names at random."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, ValidationInfo

from infrastructure.capability import Capability, Variables
from infrastructure.setting_values import within


def _host(text: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z_.:%-]{1,255}", text, re.ASCII):
        raise ValueError("allowed: a host name or an IP address to listen on, without scheme or port")
    return text


def _data_dir(path: Path) -> Path:
    # The path becomes part of SQLite's URL, where a question mark ends the path.
    if "?" in str(path):
        raise ValueError("allowed: a folder without a question mark in its name")
    return path.expanduser().absolute()


def _at_home(text: str, info: ValidationInfo) -> str:
    return text.replace("{DATA_DIR}", str(info.data.get("data_dir", "")))


AtHome = AfterValidator(_at_home)
"""For what may name ``{DATA_DIR}``; its variables come after those here, so they inherit them."""


class SystemVariables(Variables):
    api_host: Annotated[str, AfterValidator(_host)] = "127.0.0.1"
    api_port: Annotated[int, within(1, 65535)] = 8888
    data_dir: Annotated[Path, AfterValidator(_data_dir)] = Field(Path("var"), validate_default=True)


SYSTEM = Capability(variables=SystemVariables)
