"""In which order cells are drawn: by type, and which cells share a row of pixels where there are more cells than rows.

Types stand in the order of the alphabet, cells of unknown type last, and within a type cells stand as the stream lists
them: so a cell keeps its place whatever happens to others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from controller.messages import Cell

UNKNOWN: Final = "type not known"


@dataclass(frozen=True, slots=True)
class Group:
    """Cells of one type: rows ``start`` to ``stop``, the latter exclusive."""

    name: str
    start: int
    stop: int

    @property
    def size(self) -> int:
        """How many cells there are."""
        return self.stop - self.start


@dataclass(frozen=True, slots=True, eq=False)
class CellOrder:
    """Which cell stands in which row.

    Attributes
    ----------
    order
        The stream's number of each row's cell, shape (n,).
    rows
        The row of each cell, by the stream's number, shape (n,).
    groups
        Types, from the top.
    ids, types
        What each cell is called, and its type, by the stream's number.
    """

    order: NDArray[np.intp]
    rows: NDArray[np.intp]
    groups: tuple[Group, ...]
    ids: tuple[str, ...]
    types: tuple[str, ...]

    @property
    def n_cells(self) -> int:
        """How many cells there are."""
        return len(self.ids)


def order_of(cells: Sequence[Cell], n_cells: int) -> CellOrder:
    """Return the order of ``n_cells`` cells; a list of another length says nothing of them."""
    listed = list(cells) if len(cells) == n_cells else [Cell(str(number + 1)) for number in range(n_cells)]
    types = tuple(cell.type or UNKNOWN for cell in listed)
    names = sorted(set(types), key=lambda name: (name == UNKNOWN, name.lower(), name))
    place = {name: number for number, name in enumerate(names)}
    order = np.argsort([place[name] for name in types], kind="stable").astype(np.intp)
    groups, start = [], 0
    for name in names:
        stop = start + types.count(name)
        groups.append(Group(name, start, stop))
        start = stop
    rows = np.empty(n_cells, np.intp)
    rows[order] = np.arange(n_cells)
    return CellOrder(order, rows, tuple(groups), tuple(cell.id for cell in listed), types)


def bands_of(groups: Sequence[Group], height: int) -> NDArray[np.intp]:
    """Return the first row of each band of rows that is drawn as one, shape (bands,).

    With no more cells than ``height`` each row is a band. Otherwise there are about ``height`` of them, no two types
    share one, and each type has at least one.
    """
    n_cells = groups[-1].stop if groups else 0
    if n_cells <= height:
        return np.arange(n_cells)
    edges = [round(group.stop * height / n_cells) for group in groups]
    starts, before = [], 0
    for group, edge in zip(groups, edges, strict=True):
        bands = min(group.size, max(1, edge - before))
        starts.append(group.start + np.arange(bands) * group.size // bands)
        before = edge
    return np.concatenate(starts).astype(np.intp)


def spread_over(order: CellOrder, count: int) -> list[int]:
    """Return ``count`` cells that stand evenly over the rows: what is looked at before anybody has chosen."""
    count = min(count, order.n_cells)
    return [int(order.order[(2 * i + 1) * order.n_cells // (2 * count)]) for i in range(count)]
