"""What can be wrong between here and the farm."""

from __future__ import annotations


class HQueueProblem(Exception):
    """One sentence for the artist; ``cure`` says what to do next, '' when nothing helps."""

    def __init__(self, message: str, cure: str = "") -> None:
        super().__init__(message)
        self.cure = cure

    def __str__(self) -> str:
        said = super().__str__()
        return f"{said}; {self.cure}" if self.cure else said
