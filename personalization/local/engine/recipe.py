"""What every recipe does before it learns, and the names it goes by."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

from scipy import sparse

from personalization.local.engine.base import Model, TrainingData
from personalization.local.engine.events import Encoded, encode
from personalization.local.engine.features import item_features
from personalization.local.engine.requirements import require_enough, require_known


@dataclass(frozen=True)
class Training:
    """One request to learn, with its data as numbers when somebody looks at them."""

    data: TrainingData
    given: Mapping[str, str]
    seed: int

    @cached_property
    def encoded(self) -> Encoded:
        """The interactions as numbers."""
        return encode(self.data, self.seed)

    @cached_property
    def features(self) -> sparse.csr_array | None:
        """The items' metadata as numbers, or None."""
        return item_features(self.data.items, self.encoded.items)


class Recipe(ABC):
    """A way to learn.

    A subclass states its names, how to learn and how to measure.  The same data, hyper-parameters
    and seed give the same model, whatever the order of rows.
    """

    name: ClassVar[str]
    recipe_type: ClassVar[str]
    gives_scores: ClassVar[bool] = False
    # Personalize's own, which steer its neural networks, are accepted and mostly without effect.
    hyperparameters: ClassVar[frozenset[str]] = frozenset()

    def fit(
        self, data: TrainingData, hyperparameters: Mapping[str, str] | None = None, seed: int = 0
    ) -> Model:
        """Learn from all of `data`.

        Raises FatalError with Personalize's failureReason where the data does not suffice, and
        ConfigError for hyper-parameters the recipe does not have or that are out of range.
        """
        training = Training(data, hyperparameters or {}, seed)
        self._check(training)
        return self._fit(training)

    def metrics(
        self, data: TrainingData, hyperparameters: Mapping[str, str] | None = None, seed: int = 0
    ) -> dict[str, float]:
        """Learn from a part of `data` and measure on the rest, as Personalize does.

        The keys are those of GetSolutionMetrics.  Items a user already met count as
        recommendations only where the data shows that users come back to items.
        Raises as `fit` does.
        """
        training = Training(data, hyperparameters or {}, seed)
        self._check(training)
        return self._metrics(training)

    def _check(self, training: Training) -> None:
        require_known(training.given, self.hyperparameters, self.name)
        require_enough(training.data)

    @abstractmethod
    def _fit(self, training: Training) -> Model: ...

    @abstractmethod
    def _metrics(self, training: Training) -> dict[str, float]: ...
