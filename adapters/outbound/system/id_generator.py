"""Ids from the system's source of secrets. Contract: tests/contract/test_id_generator.py."""

import secrets

from ports.id_generator import IdGenerator


class SystemIdGenerator(IdGenerator):
    def new(self) -> str:
        return secrets.token_hex(16)
