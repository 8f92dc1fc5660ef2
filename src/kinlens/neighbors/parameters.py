"""Constructor parameters as scikit-learn's tools expect them: to get, set, copy and show."""

from __future__ import annotations

import inspect
from typing import Any, Self

from kinlens.errors import InvalidInput
from kinlens.neighbors import options


class Parameters:
    """Keeps each parameter of the constructor in an attribute of the same name."""

    def __new__(cls, *_: Any, **params: Any) -> Self:
        """Refuse parameters that there aren't; for those of cuML the error names the way."""
        options.refuse(cls.__name__, params.keys() - cls._defaults().keys())
        return super().__new__(cls)

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: ARG002  (none is nested)
        """The parameters by name.

        Parameters
        ----------
        deep : makes no difference: no parameter has parameters of its own
        """
        return {name: getattr(self, name) for name in self._defaults()}

    def set_params(self, **params: Any) -> Self:
        """Change parameters; `fit` checks them.

        Raises
        ------
        InvalidInput : no parameter of that name; nothing was changed
        """
        known = self._defaults()
        for name in params:
            if name not in known:
                raise InvalidInput(
                    f"Invalid parameter {name!r} for estimator {self!r}. "
                    f"Valid parameters are: {list(known)}."
                )
        for name, value in params.items():
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = self._defaults()
        changed = ", ".join(
            f"{name}={value!r}"
            for name, value in self.get_params().items()
            if repr(value) != repr(defaults[name])
        )
        return f"{type(self).__name__}({changed})"

    @classmethod
    def _defaults(cls) -> dict[str, Any]:
        _, *parameters = inspect.signature(cls.__init__).parameters.values()
        return {one.name: one.default for one in sorted(parameters, key=lambda one: one.name)}
