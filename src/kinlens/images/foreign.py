"""Pictures of kinds that aren't read: told apart by their bytes and by their extensions."""

from __future__ import annotations

from kinlens.images.tiff import raw_photo

_RAW = "a RAW photo ({})"

_SIGNATURES = (
    (0, b"8BPS", "a Photoshop document"),
    (0, b"%PDF-", "a PDF"),
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript (EPS)"),
    (0, b"\0\0\0\x0cJXL \r\n", "JPEG XL"),
    (0, b"\xff\x0a", "JPEG XL"),
    (0, b"II\xbc\x01", "JPEG XR"),
    (0, b"DDS ", "a DirectDraw texture (DDS)"),
    (0, b"\x76\x2f\x31\x01", "OpenEXR"),
    (0, b"#?RADIANCE", "Radiance HDR"),
    (0, b"gimp xcf", "a GIMP document"),
    (0, b"AT&TFORM", "DjVu"),
    (0, b"icns", "an Apple icon (ICNS)"),
    (0, b"P7\n", "a portable arbitrary map (PAM)"),
    (0, b"PF\n", "a portable float map in color (PFM)"),
    (8, b"CR\x02", _RAW.format("Canon CR2")),
    (6, b"HEAPCCDR", _RAW.format("Canon CRW")),
    (4, b"ftypcrx ", _RAW.format("Canon CR3")),
    (0, b"FUJIFILMCCD-RAW", _RAW.format("Fujifilm RAF")),
    (0, b"IIRO", _RAW.format("Olympus ORF")),
    (0, b"IIRS", _RAW.format("Olympus ORF")),
    (0, b"MMOR", _RAW.format("Olympus ORF")),
    (0, b"IIU\0", _RAW.format("Panasonic RW2")),
    (0, b"FOVb", _RAW.format("Sigma X3F")),
    (0, b"\0MRM", _RAW.format("Minolta MRW")),
)
OTHERS = (
    (b"PK\x03\x04", "a ZIP archive or office document"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\x1aE\xdf\xa3", "a video"),
)
"""First bytes of what is no picture, for a message."""

_RAW_EXTENSIONS = {
    "3fr": "Hasselblad 3FR", "arw": "Sony ARW", "cr2": "Canon CR2", "cr3": "Canon CR3",
    "crw": "Canon CRW", "dcr": "Kodak DCR", "dng": "DNG", "erf": "Epson ERF",
    "fff": "Hasselblad FFF", "iiq": "Phase One IIQ", "k25": "Kodak K25", "kdc": "Kodak KDC",
    "mef": "Mamiya MEF", "mos": "Leaf MOS", "mrw": "Minolta MRW", "nef": "Nikon NEF",
    "nrw": "Nikon NRW", "orf": "Olympus ORF", "pef": "Pentax PEF", "raf": "Fujifilm RAF",
    "rw2": "Panasonic RW2", "rwl": "Leica RWL", "sr2": "Sony SR2", "srf": "Sony SRF",
    "srw": "Samsung SRW", "x3f": "Sigma X3F",
}  # fmt: skip
_EXTENSIONS = {
    **{extension: _RAW.format(name) for extension, name in _RAW_EXTENSIONS.items()},
    "ai": "an Illustrator drawing",
    "dds": "a DirectDraw texture (DDS)",
    "djvu": "DjVu",
    "emf": "a Windows metafile",
    "eps": "PostScript (EPS)",
    "exr": "OpenEXR",
    "hdr": "Radiance HDR",
    "icns": "an Apple icon (ICNS)",
    "jxl": "JPEG XL",
    "jxr": "JPEG XR",
    "pam": "a portable arbitrary map (PAM)",
    "pcx": "PCX",
    "pdf": "a PDF",
    "psb": "a Photoshop document",
    "psd": "a Photoshop document",
    "svg": "an SVG drawing",
    "svgz": "an SVG drawing",
    "wdp": "JPEG XR",
    "wmf": "a Windows metafile",
    "xcf": "a GIMP document",
}
EXTENSIONS = frozenset(_EXTENSIONS)
"""Extensions of pictures that aren't read, in lower case."""


def not_read(name: str) -> str:
    """The message about a picture of such a kind."""
    return f"This is {name}, which isn't read; export it as JPEG or PNG."


def foreign_picture(data: bytes) -> str | None:
    """What kind of picture these bytes are that isn't read, or None.

    A RAW photo that is a TIFF inside is one, though a small preview of it could be read.
    """
    for at, signature, name in _SIGNATURES:
        if data.startswith(signature, at):
            return name
    raw = raw_photo(data)
    return _RAW.format(raw) if raw else None


def foreign_name(extension: str, kind: str | None) -> str | None:
    """What a file of this extension is that isn't read; None if it may be.

    Parameters
    ----------
    extension : without its dot
    kind : what `picture_format` finds in its first bytes. Those decide, except that RAW photos may
        be TIFFs inside
    """
    extension = extension.lower()
    if kind is None or (kind == "tiff" and extension in _RAW_EXTENSIONS):
        return _EXTENSIONS.get(extension)
    return None
