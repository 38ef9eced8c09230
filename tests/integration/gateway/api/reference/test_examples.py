"""Every example that the served OpenAPI document gives for a request does what it is for.

The ids in it are put in for ids of what is really there. Answers are held to the document by `Api`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from gateway.schemas.examples import FILE_EXAMPLE, PATH
from tests.integration.gateway.api.reference.test_schemathesis import Rest
from tests.media_samples import film, voice_note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.gateway.served import Api, Gateway

TO = "15550100002"
OFFLINE = {
    "getQr": 409,
    "getPairingCode": 409,
    "listGroups": 409,
    "getGroup": 409,
    **dict.fromkeys(
        ("createGroup", "changeGroup", "leaveGroup", "joinGroup", "previewInvite"), 409
    ),
    **dict.fromkeys(("addMembers", "removeMembers", "promoteMembers", "demoteMembers"), 409),
    **dict.fromkeys(("getInvite", "revokeInvite"), 409),
    **dict.fromkeys(("getPicture", "removeGroupPicture", "getProfile", "changeProfile"), 409),
    **dict.fromkeys(("listBlocked", "blockPerson", "unblockPerson"), 409),
    "setGroupPicture": 404,  # no such file was uploaded
    "checkNumber": 409,
    "setPresence": 409,
    "setTyping": 409,
    "subscribePresence": 409,
    "retryDead": 409,  # it was sent
    "redriveDead": 409,
    **dict.fromkeys(("getPasskey", "answerPasskey", "confirmPasskey"), 409),
    "syncAppState": 409,
    "rejectCall": 409,
    "requestResend": 404,  # nobody stores messages here
    "redeliver": 404,  # nothing was delivered yet
    "markMessageRead": 409,  # it went out
}
"""Operations that need a phone, or a failure: shown by tests of their own."""

REQUIRED = {
    name: {"connection": "shop"}
    for name in (
        *("listAllChats", "listAllContacts", "getGroup", "changeGroup", "leaveGroup"),
        *("setGroupPicture", "removeGroupPicture"),
        *("previewInvite", "addMembers", "promoteMembers", "getInvite", "revokeInvite"),
    )
} | {
    name: {"connection": "shop", "participants": TO} for name in ("removeMembers", "demoteMembers")
}
"""Query parameters that an operation cannot do without."""


MIMES = {
    "image": "image/png",
    "video": "video/mp4",
    "audio": "audio/ogg",
    "document": "application/pdf",
    "sticker": "image/webp",
}


CONTENTS = {"video": film(), "audio": voice_note()}
"""Files that WhatsApp's apps play, of kinds that are converted otherwise."""


def kept(api: Api, kind: str) -> str:
    """The SHA-256 of a file that a message of this kind may bring."""
    headers = {"Content-Type": MIMES[kind]}
    answer = api.post(
        "/api/media", content=CONTENTS.get(kind, kind.encode() * 100), headers=headers
    )
    assert answer.status_code == 201, answer.text
    return str(answer.json()["sha256"])


def sent(api: Api, **body: Any) -> str:
    """The id of a message that WhatsApp has."""
    asked = {"connection": "shop", "to": TO, "text": "hi", **body}
    if asked.get("type", "text") != "text":
        del asked["text"]
    answer = api.post("/api/messages", params={"wait": 20}, json=asked)
    assert answer.json()["status"] == "sent", answer.text
    return str(answer.json()["id"])


def cases(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str, Any]]:
    """Method, path, operation, and a body with its name; what deletes comes last, a whole after its parts."""
    order = {"get": 0, "post": 1, "put": 2, "patch": 2, "delete": 3}
    found = [
        (method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    for method, path, operation in sorted(
        found,
        key=lambda each: (
            order[each[0]],
            *((-each[1].count("/"), "/connections/" in each[1]) if each[0] == "delete" else ()),
        ),
    ):
        content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        for name, example in content.get("examples", {"none": {"value": None}}).items():
            yield method, path, operation["operationId"], name, example["value"]


@pytest.mark.timeout(240)
def test_each_example_can_be_asked(own_gateway: Gateway) -> None:
    api = own_gateway.api
    with Rest(own_gateway):
        text, poll = (
            sent(api),
            sent(api, type="poll", question="Tea or coffee?", options=["tea", "coffee"]),
        )
        files = {kind: kept(api, kind) for kind in MIMES}
        image = sent(api, type="image", media={"sha256": files["image"]})
        hook = api.post("/api/webhooks", json={"url": "https://example.com/hook"}).json()["id"]
        key = api.post("/api/keys", json={"name": "x", "scopes": ["read"]}).json()["id"]
        wrong, refused = [], set()
        for method, path, operation, kind, body in cases(api.get("/openapi.json").json()):
            about = poll if kind == "poll_vote" else text
            about = image if operation == "getMessageMedia" else about
            if operation == "cancelMessage":
                later = {"connection": "shop", "to": TO, "text": "hi"}
                later["send_at"] = "2040-01-01T00:00:00Z"
                about = api.post("/api/messages", json=later).json()["id"]
            real = {
                PATH["id"]: about,
                PATH["webhook"]: hook,
                PATH["key"]: key,
                FILE_EXAMPLE: files.get(kind, FILE_EXAMPLE),
            }
            written, concrete = json.dumps(body), path
            for name, value in PATH.items():
                concrete = concrete.replace(f"{{{name}}}", real.get(value, value))
            for example, value in real.items():
                written = written.replace(example, value)
            if operation == "createConnection":
                written = written.replace('"shop"', '"another"')
            more: dict[str, Any] = {} if body is None else {"json": json.loads(written)}
            if operation == "uploadMedia":
                more = {"content": b"%PDF-1.4", "headers": {"Content-Type": "application/pdf"}}
            if operation in REQUIRED:
                more["params"] = REQUIRED[operation]
            verb = "HEAD" if operation == "readEvents" else method
            answer = api.request(verb, concrete, **more)
            if answer.is_success:
                continue
            refused.add(operation)
            if answer.status_code != OFFLINE.get(operation):
                wrong.append((operation, kind, answer.status_code, answer.text[:200]))
    assert not wrong, "\n".join(map(str, wrong))
    assert refused == set(OFFLINE)
