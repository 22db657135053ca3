"""One results folder as a page that is served: made in memory, its pictures, tables and volumes by name or number.

Nothing is written and no address is a path: what can be asked for is what the page has, looked up in dictionaries and
lists. The page is made again when the scores or what is shown of them change.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from qsmbench.data.layout import RunLayout
from qsmbench.report.content import Content, gather
from qsmbench.report.display import Display
from qsmbench.report.page import render_page
from qsmbench.report.viewer import describe, live_viewer, packed_map
from qsmbench.report.volumes import Subject
from qsmbench.sets.contract import ScanSet

# Subjects whose volumes stay in memory: the one that is looked at, and the one before.
_KEPT = 2
# Of gzip: a map goes a few centimetres.
_LEVEL = 1


@dataclass(frozen=True)
class OpenedRun:
    """A results folder, opened and checked."""

    layout: RunLayout
    display: Display
    sets: Mapping[str, ScanSet]


class LiveRun:
    """A results folder that is looked at.

    Args:
        root: the folder.
        opener: checks and opens it; called again when it has changed.
    """

    def __init__(self, root: Path, opener: Callable[[Path], OpenedRun]) -> None:
        self.root, self._opener = root, opener
        self._lock = threading.Lock()
        self._seen: tuple[tuple[int, int], ...] | None = None
        self._content: Content | None = None
        self._page = ""
        self._subjects: OrderedDict[tuple[int, int], Subject] = OrderedDict()

    @property
    def title(self) -> str:
        """Of the page."""
        return self.content.display.title

    @property
    def content(self) -> Content:
        """What the page shows, as the folder is now.

        Raises:
            InputError: a folder that cannot be shown.
        """
        with self._lock:
            return self._fresh()

    def _fresh(self) -> Content:
        layout = RunLayout(self.root)
        seen = tuple(_state(path) for path in (layout.all_scores, layout.display))
        if self._content is None or seen != self._seen:
            opened = self._opener(self.root)
            content = gather(opened.layout, opened.display, opened.sets)
            viewer = live_viewer(content.opened, content.display, content.choices, "volumes")
            self._page = render_page(content, viewer, lambda picture: f"figures/{picture.name}.png")
            self._subjects.clear()
            self._content, self._seen = content, seen
        return self._content

    def page(self) -> str:
        """The page."""
        with self._lock:
            self._fresh()
            return self._page

    def figure(self, name: str) -> bytes | None:
        """One of the page's pictures, a PNG."""
        return next((picture.png for picture in self.content.pictures if picture.name == name), None)

    def table(self, name: str) -> str | None:
        """One of the tables, by its file's name."""
        return self.content.tables.get(name)

    def subject(self, set_number: int, number: int) -> dict[str, object] | None:
        """What the viewer needs to know of a subject, each map with its address; None where there is no such."""
        found = self._read(set_number, number)
        if found is None:
            return None
        content, name, subject = found
        why = next(choice.why for choice in content.choices[name] if choice.index == number)
        about = describe(subject, content.display, why)
        for i, entry in enumerate(about["maps"]):
            if entry["there"]:
                entry["url"] = f"volumes/{set_number}/{number}/{i}"
        return about

    def volume(self, set_number: int, number: int, map_number: int) -> bytes | None:
        """One map as a gzipped NIfTI; None where there is none."""
        found = self._read(set_number, number)
        if found is None:
            return None
        content, _, subject = found
        maps = describe(subject, content.display, "")["maps"]
        return packed_map(subject, content.display, maps[map_number]["key"], _LEVEL) if map_number < len(maps) else None

    def _read(self, set_number: int, number: int) -> tuple[Content, str, Subject] | None:
        with self._lock:
            content = self._fresh()
            names = list(content.opened)
            if set_number >= len(names) or number >= len(content.opened[names[set_number]]):
                return None
            key = (set_number, number)
            subject = self._subjects.pop(key, None) or content.opened[names[set_number]].read(number)
            self._subjects[key] = subject
            while len(self._subjects) > _KEPT:
                self._subjects.popitem(last=False)
            return content, names[set_number], subject


def _state(path: Path) -> tuple[int, int]:
    """When a file was changed, and its size; zeros where there is none, of which the opener says more."""
    try:
        found = path.stat()
    except OSError:
        return 0, 0
    return found.st_mtime_ns, found.st_size
