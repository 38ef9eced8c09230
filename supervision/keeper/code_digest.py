"""Hashes the installed code; if the hash is unchanged, a broken-off `upgrade` goes on and Ray reuses its stored state."""

from __future__ import annotations

import hashlib
from importlib.metadata import distributions

from supervision.keeper.parts import python_module

PACKAGES = ("actors", "gateway", "supervision")


def code_digest() -> str:
    """Returns the digest of the project's files and of the installed distributions. Takes tenths of a second."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        root = python_module.PACKAGES_DIRECTORY / package
        for file in sorted(root.rglob("*")):
            if file.is_file() and "__pycache__" not in file.parts:
                content = hashlib.sha256(file.read_bytes()).hexdigest()
                digest.update(f"{package}/{file.relative_to(root)} {content}\n".encode())
    for installed in sorted(f"{one.name}=={one.version}" for one in distributions()):
        digest.update(f"{installed}\n".encode())
    return digest.hexdigest()
