"""Generates the tables of `docs/collections.md` from the declarations of the documents; the text between them stays."""

from __future__ import annotations

import ast
import re
import sys
from inspect import getsource
from textwrap import dedent
from typing import TYPE_CHECKING, Final, NamedTuple

from actors.connection.abilities.account_settings import ACCOUNT_SETTINGS
from actors.health.alerts import AlertDocument, AlertEntry
from actors.health.status_document import HealthDocument
from actors.queue.mirror.comparison import ComparisonDocument
from actors.queue.mirror.mirror_writes import JobDocument
from actors.queue.records import Crash
from actors.runtime.connection_options import ConnectionOptions
from actors.state.account.account_documents import ChatDocument, ContactDocument, LabelDocument
from actors.state.connection_document import ConnectionDocument
from actors.state.events.deliveries import DeliveredDocument, DeliveryDocument
from actors.state.events.outbox import EventsDocument, Head
from actors.state.messages.file_owners import FileOwnerDocument
from actors.state.messages.message_document import MessageDocument
from actors.state.own_mistakes import MistakeDocument
from actors.state.recovery_actions import RecoveryDocument
from actors.state.tenants.key_issuer import IssuerDocument
from actors.state.tenants.quota_inserts import QuotaDocument
from actors.state.webhooks import Webhook
from gateway.http.api_keys import KeyDocument, RevokedKeyDocument
from supervision.backup.schedule import BackupsDocument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

DOCUMENTS: Final[Mapping[str, tuple[type, ...]]] = {
    "whatsapp_connection_states/{name}": (ConnectionDocument, ConnectionOptions),
    "whatsapp_messages/{id}": (MessageDocument,),
    "whatsapp_contacts/{id}": (ContactDocument,),
    "whatsapp_chats/{id}": (ChatDocument,),
    "whatsapp_labels/{id}": (LabelDocument,),
    "message_queue_jobs/{id}": (JobDocument,),
    "recovery_actions/{id}": (RecoveryDocument,),
    "health_status/latest": (HealthDocument,),
    "health_status/comparison": (ComparisonDocument,),
    "health_status/mistake": (MistakeDocument,),
    "health_status/instance_backup": (BackupsDocument,),
    "health_alerts/{id}": (AlertDocument,),
    "events/{first}": (EventsDocument,),
    "event_log/head": (Head,),
    "webhooks/{id}": (Webhook,),
    "webhook_deliveries/{webhook}.{seq}": (DeliveryDocument,),
    "webhook_delivered/{webhook}.{bucket}": (DeliveredDocument,),
    "file_owners/{sha256}.{owner}": (FileOwnerDocument,),
    "api_keys/{id}": (KeyDocument,),
    "key_issuer/issuer": (IssuerDocument,),
    "quotas/{collection}": (QuotaDocument,),
    "revoked_keys/{id}": (RevokedKeyDocument,),
}
"""Classes that declare the fields of a document, by the heading of its section: each field, or run of fields, with its
text behind it. Fields of a class that one of them names as a type are those of a map in it."""

_OWN_ID: Final = frozenset(each for classes in DOCUMENTS.values() for each in classes)
"""Classes whose field `id` is the name of the document, which the heading has."""

_MAPS: Final = {each.__name__: each for each in (AlertEntry, Crash)}
"""Classes of maps that another module than that of the document has."""

_TYPES: Final = {"str": "text", "int": "integer", "float": "number", "bool": "boolean"}
_SECTION: Final = re.compile(r"^(?=#)", re.MULTILINE)
_HEADING: Final = re.compile(r"#+ `(.+)`\n")
_SETTINGS: Final = "| setting |"
"""Begins the table of the settings of contacts, chats and labels."""


class FieldRun(NamedTuple):
    """Fields of one text, by name: the type for people, and the class that declares the maps in it."""

    types: dict[str, tuple[str, type | None]]
    text: str

    @property
    def row(self) -> str:
        """The row of the table, in Markdown."""
        types = [name for name, _ in self.types.values()]
        shown = types[:1] if len(set(types)) == 1 else types
        return f"| {_listed(self.types)} | {', '.join(shown)} | {self.text} |\n"


def markdown(page: str) -> str:
    """The page with the tables of today at the end of each section of a document.

    ValueError where a document has no section, or a section no document.
    """
    sections = _SECTION.split(page)
    names = [heading[1] for each in sections if (heading := _HEADING.match(each))]
    if sorted(names) != sorted(DOCUMENTS):
        different = {*names} ^ DOCUMENTS.keys()
        raise ValueError(f"give each document one section in docs/collections.md: {different}")
    shown: set[type] = set()
    return "".join(_renewed(each, shown) for each in sections)


def declared(*classes: type) -> Iterator[FieldRun]:
    """The fields of a document that these classes declare. ValueError where one has no text."""
    for each in classes:
        (tree,) = ast.parse(dedent(getsource(each))).body
        assert isinstance(tree, ast.ClassDef)
        for base in tree.bases:
            if isinstance(base, ast.Name) and (found := _class(base.id, each)):
                yield from declared(found)
        types: dict[str, tuple[str, type | None]] = {}
        for node in tree.body[1:]:
            match node:
                case ast.AnnAssign(target=ast.Name(id=name)) if name != "id" or each not in _OWN_ID:
                    types[name] = _type(node.annotation, each)
                case ast.Expr(value=ast.Constant(value=str(text))) if types:
                    yield FieldRun(types, text)
                    types = {}
        if types:
            raise ValueError(f"{each.__name__}: {[*types]} without a text")


def _renewed(section: str, shown: set[type]) -> str:
    heading = _HEADING.match(section)
    if heading is not None:
        tables = _tables(DOCUMENTS[heading[1]], shown)
        return section.partition("| field |")[0] + "\n".join(tables) + "\n"
    text, table, _ = section.partition(_SETTINGS)
    return text + "\n".join(_settings(shown)) + "\n" if table else section


def _settings(shown: set[type]) -> Iterator[str]:
    """The table of `ACCOUNT_SETTINGS`, then those of maps that are values."""
    rows = (
        f"| {_listed(each.names)} | a {each.subject} | {_TYPES.get(each.value.__name__, 'map')} | {each.text} |\n"
        for each in ACCOUNT_SETTINGS
    )
    yield f"{_SETTINGS} of | value | |\n|---|---|---|---|\n" + "".join(rows)
    maps = {each.value: list(each.names) for each in ACCOUNT_SETTINGS if each.value is not bool}
    yield from _part_tables(maps, shown)


def _tables(classes: tuple[type, ...], shown: set[type]) -> Iterator[str]:
    """The table of these classes, then those of maps in it; `shown` are classes of maps with a table above."""
    fields = [*declared(*classes)]
    yield "| field | type | |\n|---|---|---|\n" + "".join(each.row for each in fields)
    parts: dict[type, list[str]] = {}
    for each in fields:
        for name, (_, part) in each.types.items():
            if part is not None:
                parts.setdefault(part, []).append(name)
    yield from _part_tables(parts, shown)


def _part_tables(parts: Mapping[type, list[str]], shown: set[type]) -> Iterator[str]:
    for part, names in parts.items():
        if part in shown:
            yield f"In {_listed(names)}: as above.\n"
            continue
        shown.add(part)
        first, *more = _tables((part,), shown)
        yield f"In {_listed(names)}:\n\n{first}"
        yield from more


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _type(annotation: ast.expr, owner: type) -> tuple[str, type | None]:
    """The type for people, and the class that declares the maps in it."""
    match annotation:
        case ast.BinOp(left=left):
            name, part = _type(left, owner)
            return f"{name} or null", part
        case ast.Subscript(value=ast.Name(id="dict"), slice=ast.Tuple(elts=[_, element])):
            name, part = _type(element, owner)
            return "map" if name == "any" else f"map of {name}s", part
        case ast.Subscript(value=ast.Name(id="tuple"), slice=ast.Tuple(elts=[element, _])):
            name, part = _type(element, owner)
            return f"list of {name}s", part
        case ast.Subscript(slice=element):
            name, part = _type(element, owner)
            return f"list of {name}s", part
        case ast.Name(id="Any"):
            return "any", None
        case ast.Name(id=name) if name in _TYPES:
            return _TYPES[name], None
        case ast.Name(id=name):
            part = _class(name, owner)
            return ("text", None) if part is None else ("map", part)
    raise ValueError(f"{owner.__name__}: {ast.unparse(annotation)}")


def _class(name: str, owner: type) -> type | None:
    """The class of that name, None for a type of texts."""
    found = _MAPS.get(name) or vars(sys.modules[owner.__module__]).get(name)
    return found if isinstance(found, type) else None
