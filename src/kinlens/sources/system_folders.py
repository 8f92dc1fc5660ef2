"""Folders that file systems, storage boxes and photo programs make: no pictures of the user's."""

from __future__ import annotations

SYSTEM_FOLDERS = frozenset(
    name.lower()
    for name in (
        "$RECYCLE.BIN",
        "RECYCLER",
        "System Volume Information",
        "lost+found",
        "__MACOSX",
        "Network Trash Folder",
        "Temporary Items",
        "@eaDir",
        "#recycle",
        "#snapshot",
        "@Recycle",
        "@Recently-Snapshot",
        "@tmp",
    )
)
"""In lower case. Those that begin with a dot, such as .Trash-1000, are hidden ones anyway."""

PREVIEWS = (".lrdata",)
"""Ends of the folders in which Lightroom keeps previews."""

LIBRARIES = (".photoslibrary", ".photolibrary", ".migratedphotolibrary", ".aplibrary")
DERIVED = frozenset({"resources", "previews", "thumbnails", "database", "private", "scopes"})
"""Folders of a photo library of Apple's that hold what was made of the originals."""


def is_system_folder(name: str, above: str) -> bool:
    """Whether the folder of this name, in the one named `above`, is no user's."""
    small = name.lower()
    if small in SYSTEM_FOLDERS or small.endswith(PREVIEWS):
        return True
    return small in DERIVED and above.lower().endswith(LIBRARIES)
