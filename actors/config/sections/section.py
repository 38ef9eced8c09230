"""Defines `Section`, the pydantic base class of the settings sections, and their texts for `docs/settings.md`."""

from __future__ import annotations

from typing import ClassVar

from pydantic import BaseModel


class Section(BaseModel):
    """A section of `docs/settings.md`: the description of each field is its text there, `intro` what holds for all."""

    title: ClassVar[str]
    intro: ClassVar[str] = ""

    @classmethod
    def own_fields(cls) -> dict[str, str]:
        """Return the settings that this class itself declares: the names of environment and field."""
        fields = cls.__pydantic_fields__
        return {
            str(fields[name].validation_alias): name
            for name in cls.__annotations__
            if name in fields
        }
