"""Defines the annotation of a text that has to match a pattern, refused with a rule in words (pydantic)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import StringConstraints
from pydantic_core import core_schema

if TYPE_CHECKING:
    from pydantic import GetCoreSchemaHandler


@dataclass(frozen=True, slots=True)
class TextPattern:
    """Requires a text of `shortest` to `longest` characters that matches the pattern: `Annotated[str, TextPattern(…)]`.

    A person reads `rule`, with an example, and a program reads the pattern in the JSON schema. The code of the
    refusal is `invalid_field`.
    """

    pattern: str
    rule: str
    shortest: int | None = None
    longest: int | None = None

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        constraints = StringConstraints(
            pattern=self.pattern, min_length=self.shortest, max_length=self.longest
        )
        return core_schema.custom_error_schema(
            handler.generate_schema(Annotated[source, constraints]),
            custom_error_type="invalid_field",
            custom_error_message=self.rule,
        )
