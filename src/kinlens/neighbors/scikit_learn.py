"""What scikit-learn asks its estimators for; the only file that knows it, and only once asked."""

from __future__ import annotations

import sys
from typing import Any

from kinlens.errors import NotFitted


def tags() -> Any:
    """`sklearn.utils.Tags` of an estimator that takes dense, finite numbers and no target."""
    from sklearn.utils import Tags, TargetTags  # noqa: PLC0415  (scikit-learn is what calls)

    return Tags(estimator_type=None, target_tags=TargetTags(required=False))


def not_fitted(owner: str) -> NotFitted:
    """The error; one of scikit-learn's as well, where that is in use."""
    message = (
        f"This {owner} instance is not fitted yet. Call 'fit' with appropriate arguments before "
        "using this estimator."
    )
    theirs = sys.modules.get("sklearn.exceptions")
    if theirs is None:
        return NotFitted(message)
    kind: type[NotFitted] = type("NotFitted", (NotFitted, theirs.NotFittedError), {})
    return kind(message)
