"""Declares an engine's methods for groups, pictures, blocked people and the own profile, and the values of groups."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

MemberAction = Literal["add", "remove", "promote", "demote"]
AddMode = Literal["admins", "all"]


@dataclass(frozen=True, slots=True)
class GroupMember:
    """One of a group, by a canonical address: a LID where no phone number is known."""

    address: str
    admin: bool


@dataclass(frozen=True, slots=True)
class GroupSettings:
    """Settings of a group: its description ("" for none), and who may do what in it.

    `announce`: admins alone write; `locked`: admins alone change subject, description and picture; `ephemeral`:
    seconds after which messages disappear, 0 where they stay; `member_add_mode`: who adds members; `approval`: an
    admin approves each person who joins by an invitation.
    """

    description: str = field(default="", repr=False)
    announce: bool = False
    locked: bool = False
    ephemeral: int = 0
    member_add_mode: AddMode = "all"
    approval: bool = False


@dataclass(frozen=True, slots=True)
class Group:
    """A group that the account is in; `settings` is None in a list of groups."""

    chat: str
    subject: str
    members: tuple[GroupMember, ...]
    settings: GroupSettings | None = None


@dataclass(frozen=True, slots=True)
class GroupChange:
    """Settings of a group to change; None leaves one as it is. The fields are those of `GroupSettings`."""

    subject: str | None = field(default=None, repr=False)
    description: str | None = field(default=None, repr=False)
    announce: bool | None = None
    locked: bool | None = None
    ephemeral: int | None = None
    member_add_mode: AddMode | None = None
    approval: bool | None = None


@dataclass(frozen=True, slots=True)
class MemberOutcome:
    """The outcome for one person of a request, by the canonical address.

    ``unchanged``: it was so before. ``refused``: `error` is a stable code, of `protocol.administration.refusals`.
    """

    address: str = field(repr=False)
    outcome: Literal["done", "unchanged", "refused"]
    error: str | None = None


@dataclass(frozen=True, slots=True)
class CreatedGroup:
    """A new group, and the outcome for each person who was to be in it."""

    chat: str
    subject: str = field(repr=False)
    participants: tuple[MemberOutcome, ...]


@dataclass(frozen=True, slots=True)
class InvitedGroup:
    """A group as an invitation shows it; `size` is the number of its members, None where WhatsApp does not report it."""

    chat: str
    subject: str = field(repr=False)
    description: str = field(repr=False)
    size: int | None


@dataclass(frozen=True, slots=True)
class JoinedGroup:
    """The group of an invitation that was accepted; `pending`: an admin has to approve it first."""

    chat: str
    pending: bool


INVITE_PREFIX: Final = "https://chat.whatsapp.com/"


class GroupAbilities(Protocol):
    """Lists groups and changes them at WhatsApp; a method returns once WhatsApp confirmed.

    Each raises `NotConnected` where nothing left, and else `SendError`: a code of
    `protocol.administration.refusals` where WhatsApp refused, for good, and ``connection_lost`` or ``whatsapp_timeout``
    where it may have been done. Nothing is repeated here. All but `create_group`, and `invite_code` with `revoke`,
    may be repeated by the caller: a repetition changes nothing more.
    """

    async def all(self) -> Sequence[Group]:
        """The groups that the account is in."""

    async def one(self, chat: str) -> Group:
        """One of them, whose members are `NamedMember`; a day old at most."""

    async def create_group(self, subject: str, people: Sequence[str]) -> CreatedGroup:
        """Create a group with these people (canonical addresses). A repetition creates another one."""

    async def change_group(self, chat: str, change: GroupChange) -> None:
        """Change settings one by one, in the order of the fields; those before a refused one are changed."""

    async def change_members(
        self, chat: str, action: MemberAction, people: Sequence[str]
    ) -> Sequence[MemberOutcome]:
        """Add or remove members, or make them admins or not; the outcome of each, in the order given."""

    async def invite_code(self, chat: str, *, revoke: bool) -> str:
        """The code of the group's invitation; with `revoke` a new one, and the earlier one is void."""

    async def invited_group(self, code: str) -> InvitedGroup:
        """The group of an invitation."""

    async def join_group(self, code: str) -> JoinedGroup:
        """Join the group of an invitation; of one that the account is in already nothing changes."""

    async def leave_group(self, chat: str) -> None:
        """Leave a group; refused with ``unknown_group`` where the account is in none of this address."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in the media store, and WhatsApp's id of it, which another one has not."""

    id: str
    sha256: str
    size: int


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """The account as others see it; `name` is None while it is not known here."""

    name: str | None = field(repr=False)
    about: str = field(repr=False)


class ProfileAbilities(Protocol):
    """Pictures, blocked people and the own profile at WhatsApp; raises as `GroupAbilities`. Each method may be repeated."""

    async def picture(self, chat: str) -> Picture | None:
        """The picture of a person or group, in the media store; None where there is none. An hour old at most.

        It is fetched once a login, unless it changes. Refused with ``not_allowed`` where it is hidden.
        """

    async def set_picture(self, chat: str | None, sha256: str | None) -> None:
        """Give a group, or the account (None), the picture of this file, a JPEG; with None it has none.

        Refused with ``unknown_media`` where the store has no such file.
        """

    async def blocked(self) -> Sequence[str]:
        """The people whom the account blocks, by canonical addresses."""

    async def block(self, person: str, *, blocked: bool) -> None:
        """Block a person, or end that. Refused with ``not_on_whatsapp`` where nobody is there."""

    async def profile(self) -> OwnProfile:
        """The account's name and text."""

    async def set_name(self, name: str) -> None:
        """Change the account's name."""

    async def set_about(self, about: str) -> None:
        """Change the account's text."""


@dataclass(frozen=True, slots=True)
class Administration:
    """All that changes the account at WhatsApp over one login."""

    groups: GroupAbilities
    profiles: ProfileAbilities
