"""The embedded numerical head: MNI152 anatomy with published susceptibilities."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from pydantic import Field

from qsmbench.heads.contract import FoundHead, HeadSpec

if TYPE_CHECKING:
    from qsmbench.simulation.acquisition.head import WholeHead
    from qsmbench.simulation.acquisition.protocol import Protocol


class PhantomSource(HeadSpec):
    """The embedded numerical head: MNI152 anatomy, published susceptibilities, no download."""

    kind: Literal["phantom"] = Field(description="use the embedded numerical head phantom")
    seed: int = Field(0, description="seed of the phantom's texture and veins")

    def read(self) -> FoundHead:
        """Make the phantom, with its tissues as labels."""
        from qsmbench.core.grid import Grid
        from qsmbench.heads.orientation import upright
        from qsmbench.simulation.phantom import LABELS, head_phantom
        from qsmbench.simulation.source import Source

        phantom = head_phantom(self.seed)
        grid = Grid.from_affine(phantom.chi.shape, phantom.affine)
        names = {str(number): name for number, name in LABELS.items()}
        source = upright(Source(phantom.chi, phantom.mask, grid, phantom.labels, phantom.magnitude))
        return FoundHead(source, {"kind": self.kind, "seed": self.seed, "labels": names})

    def whole(self, protocol: Protocol, iron: dict[str, float], seed: int, subject: str) -> WholeHead:
        """Build the phantom with tissues and veins, which an acquisition draws on a grid finer than a map's."""
        from qsmbench.core.seeds import seed_for
        from qsmbench.simulation.acquisition.head import phantom_head

        # The subject alone, not the set: research and clinical scans may show the same person.
        return phantom_head(protocol, iron, seed_for(seed, "acquisition/anatomy", self.seed, subject))
