"""Watching a pass, and taking it back to its last good state when it diverges."""

from __future__ import annotations

from collections.abc import Callable

import torch

from diffrec.geometry.mesh import EmptyMeshError, Mesh
from diffrec.training.divergence import MOST_RETURNS, DivergedError, Guard
from diffrec.training.passes import Pass


class Returns:
    """The returns of one pass.

    `last`: the pass's last iteration; `mesh`: the present surface; `alone`: whether there is no
    result but this pass's, so that one that diverges from its beginning fails.
    """

    def __init__(
        self,
        guard: Guard,
        current: Pass,
        mesh: Callable[[], Mesh],
        last: int,
        log: Callable[[str], None],
        *,
        alone: bool,
    ) -> None:
        self._guard = guard
        self._pass = current
        self._mesh = mesh
        self._last = last
        self._log = log
        self._alone = alone
        self._over = False

    @property
    def count(self) -> int:
        """How often the pass went back; 0 when it has been ended for that."""
        return 0 if self._over else self._guard.returns

    def after(self, iteration: int, loss: float | None, *, saving: bool) -> int:
        """The iteration to do after this one: the next, or one to go back to.

        `loss`: the mean image loss since the last one given, where the loop knows it; `saving`:
        whether the state is going to be saved.
        """
        following = iteration + 1
        if self._over:
            return following
        wrong: str | None = None
        if loss is not None:
            wrong = self._guard.reading(iteration, loss, self._pass.damage())
        wrong = wrong or self._guard.keep(following) or self._wrong_at_the_end(following)
        if wrong is None and saving:
            wrong = self._guard.finite()
        return following if wrong is None else self._back(iteration, wrong)

    def vanished(self, iteration: int, error: EmptyMeshError) -> int:
        """An iteration had no mesh; the one to do next. Raises `error` where there is no way."""
        if self._over or iteration == 0:
            raise error
        wrong = self._guard.finite()
        if wrong:  # the cause, where the empty mesh is only what follows
            return self._back(iteration, wrong)
        return self._back(iteration, "the mesh has vanished", error)

    def _wrong_at_the_end(self, following: int) -> str | None:
        if following <= self._last:
            return None
        try:
            with torch.no_grad():
                self._mesh()
        except EmptyMeshError:
            return "the mesh has vanished"
        return self._guard.finished(self._pass.damage())

    def _back(self, iteration: int, wrong: str, error: EmptyMeshError | None = None) -> int:
        following = self._guard.go_back()
        number = self._pass.index + 1
        where = f"Warning: pass {number}, iteration {iteration}: {wrong}; "
        good = self._guard.good_iteration
        if following is not None:
            self._log(
                f"{where}going back to iteration {following} of pass {number} with half the "
                f"learning rates ({self._guard.returns} of {MOST_RETURNS})"
            )
            return following
        if good == 0 and self._alone:
            raise error or DivergedError(
                f"The training diverged {MOST_RETURNS + 1} times from its very beginning: {wrong}",
                "lower learning_rate, and check that the masks and cameras fit the pictures",
                field="learning_rate",
            )
        self._log(
            f"{where}{MOST_RETURNS} returns did not help, so the pass ends with the last good "
            f"state, of iteration {good}. A lower learning_rate may give a better result."
        )
        self._over = True
        return self._last + 1
