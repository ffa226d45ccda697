"""scikit-learn's estimator protocol by duck typing: parameters, tags, whether it is fitted."""

from __future__ import annotations

import inspect
from typing import Any, Self


class EstimatorProtocol:
    """An estimator whose settings are the keywords of its ``__init__``, kept under their names unchanged."""

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """The settings by name."""
        return {name: getattr(self, name) for name in self._settings()}

    def set_params(self, **params: Any) -> Self:
        """Change settings; ValueError for an unknown name. Returns the estimator itself."""
        for name, value in params.items():
            if name not in self._settings():
                msg = f"{type(self).__name__} has no setting {name!r}; there are {', '.join(self._settings())}"
                raise ValueError(msg)
            setattr(self, name, value)
        return self

    def __repr__(self) -> str:
        defaults = self._settings()
        changed = [f"{k}={v!r}" for k, v in self.get_params().items() if v is not defaults[k] and v != defaults[k]]
        return f"{type(self).__name__}({', '.join(changed)})"

    def __sklearn_is_fitted__(self) -> bool:
        return any(name.endswith("_") and not name.startswith("_") for name in vars(self))

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import InputTags, Tags, TargetTags

        return Tags(
            estimator_type="density_estimator",
            target_tags=TargetTags(required=False),
            input_tags=InputTags(sparse=True),
        )

    @classmethod
    def _settings(cls) -> dict[str, Any]:
        """The defaults by name."""
        arguments = list(inspect.signature(cls.__init__).parameters.values())[1:]
        return {a.name: a.default for a in arguments}
