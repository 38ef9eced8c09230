"""Uploads app state snapshots and large patches to the media servers, and builds an ExternalBlobReference.

After whatsmeow `appstate/decode.go` (ParsePatchList, parseSnapshot) and whatsapp-rust
`wacore/appstate/src/patch_decode.rs`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulator.wire.protocol_library import ExternalBlobReference, SyncdMutations, SyncdPatch

if TYPE_CHECKING:
    from simulator.media.store import MediaStore


def reference_of(content: bytes, media: MediaStore) -> Any:
    """Puts a file on the media servers; returns the ExternalBlobReference by which a client finds it."""
    sealed, path = media.put([content], "md-app-state")
    return ExternalBlobReference(
        media_key=sealed.key,
        direct_path=path,
        file_size_bytes=sealed.length,
        file_sha256=sealed.sha256,
        file_enc_sha256=sealed.enc_sha256,
    )


def with_external_mutations(patch: Any, media: MediaStore) -> Any:
    """Returns a SyncdPatch whose mutations are in a file."""
    mutations = SyncdMutations(mutations=patch.mutations).SerializeToString()
    small = SyncdPatch()
    small.CopyFrom(patch)
    small.ClearField("mutations")
    small.external_mutations.CopyFrom(reference_of(mutations, media))
    return small
