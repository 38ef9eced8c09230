"""Defines the message content type of a location: latitude, longitude, name, address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from actors.messages.field_types import Hidden, Latitude, Longitude, PlaceAddress, PlaceName
    from actors.messages.references import Quote


@dataclass(frozen=True, slots=True)
class Location:
    """Degrees; north and east are positive."""

    type: ClassVar = "location"
    latitude: Latitude
    longitude: Longitude
    name: PlaceName = None
    address: PlaceAddress = None
    reply_to: Quote | None = None
    forwarding_score: Hidden[int] | None = None
