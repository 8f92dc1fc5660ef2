"""The exceptions Kinlens raises for what a user or the world did wrong.

Every message says what was needed, what came, and what to do.

    KinlensError
    ├── InvalidInput               k, crop, vector, metric, id ... can't be used (also a ValueError)
    │   ├── InvalidFilter          a filter that doesn't parse
    │   └── NotFitted              an estimator asked before it was fitted (also an AttributeError)
    ├── PictureError               bytes that can't become pixels
    │   ├── UnsupportedPicture     not a picture, or a format that isn't read (SVG, PDF)
    │   ├── BrokenPicture          truncated, corrupted, or a decoder that hung or died
    │   └── PictureTooLarge        over the byte or the pixel limit
    ├── FetchError                 a URL that gave no picture
    │   └── ForbiddenAddress       a URL that leads to an address Kinlens doesn't connect to
    ├── SourceError                a folder or table that can't be indexed
    ├── NotFound                   no item of that id
    │   └── PictureGone            an item whose picture file isn't there any more
    ├── EncoderError
    │   ├── BundleError            a model folder that is incomplete or not what it says
    │   └── ModelUnavailable       a model that isn't on this machine and can't be had
    ├── CatalogError               the catalog can't be read or written
    │   ├── EncoderMismatch        vectors of another encoder
    │   ├── CatalogBusy            another process holds it
    │   └── CatalogFull            no space left on the disk
    ├── AccessError
    │   ├── Unauthenticated        no key, or an unknown one
    │   ├── PermissionDenied       a key without the needed scope, or a bad signature
    │   └── RateLimited            too many requests; `retry_after` seconds
    ├── OutputError                a file of results that can't be written
    ├── Overloaded                 too much in flight; try again
    ├── ConfigError                a setting that can't be used
    └── MissingDependency          an extra that isn't installed
"""


class KinlensError(Exception):
    """Base of everything Kinlens raises on purpose."""


class InvalidInput(KinlensError, ValueError):
    """A value that can't be used: k, crop, vector, metric, id."""


class InvalidFilter(InvalidInput):
    """A filter that doesn't parse."""


class NotFitted(InvalidInput, AttributeError):
    """An estimator that is asked for what it learns by `fit`."""


class PictureError(KinlensError):
    """Bytes that can't become pixels."""


class UnsupportedPicture(PictureError):
    """Not a picture, or a format that isn't read."""


class BrokenPicture(PictureError):
    """A picture that is truncated or corrupted, or on which a decoder hung or died."""


class PictureTooLarge(PictureError):
    """A picture over the byte or the pixel limit; the message names the limit."""


class FetchError(KinlensError):
    """A URL that gave no picture."""


class ForbiddenAddress(FetchError):
    """A URL that leads to an address Kinlens doesn't connect to."""


class SourceError(KinlensError):
    """A folder or table that can't be indexed."""


class NotFound(KinlensError, LookupError):
    """No item of that id."""


class PictureGone(NotFound):
    """An item whose picture file isn't where it was indexed any more."""


class PictureUnreadable(SourceError):
    """A picture file that is there, or may be, and can't be read."""


class EncoderError(KinlensError):
    """An encoder that can't be loaded or run."""


class BundleError(EncoderError):
    """A model folder that is incomplete or doesn't reproduce its golden numbers."""


class ModelUnavailable(EncoderError):
    """A model that isn't on this machine and can't be had."""


class CatalogError(KinlensError):
    """A catalog that can't be read or written."""


class CatalogUnavailable(CatalogError):
    """Files of the data folder that are gone, were replaced by others, or may not be read.

    Parameters
    ----------
    message : for the log and the command line; it names the path
    reason : for clients; it names no path
    """

    def __init__(self, message: str, reason: str) -> None:
        super().__init__(message)
        self.reason = reason


class EncoderMismatch(CatalogError):
    """A catalog whose vectors come from another encoder."""


class CatalogBusy(CatalogError):
    """A catalog that another process holds."""


class CatalogFull(CatalogError):
    """No space left where the catalog lives."""


class AccessError(KinlensError):
    """A request that isn't let in."""


class Unauthenticated(AccessError):
    """No key, or an unknown one."""


class PermissionDenied(AccessError):
    """A key without the needed scope, or a signature that doesn't hold."""


class RateLimited(AccessError):
    """Too many requests.

    Parameters
    ----------
    message : what was exceeded
    retry_after : float, seconds until the next request may pass
    """

    def __init__(self, message: str, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class OutputError(KinlensError):
    """A file of results that can't be written; what was there before stays."""


class Overloaded(KinlensError):
    """More work in flight than the process takes on; try again."""


class ConfigError(KinlensError):
    """A setting that can't be used."""


class MissingDependency(KinlensError):
    """An optional part that isn't installed; the message names the extra."""
