"""The COSMOS map of the 2016 QSM reconstruction challenge (Langkammer 2018, doi 10.1002/mrm.26830)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, Self

from pydantic import Field

from qsmbench.core.errors import InputError
from qsmbench.heads.contract import FoundHead, HeadSpec
from qsmbench.heads.nifti import read_map

# The challenge's headers are diagonal and say nothing. Its maps show the straight sinus at high y and the vertex at
# high z; x runs to the left if the array is not mirrored, as DICOM's are not.
_AXES = "LPS"


class ChallengeSource(HeadSpec):
    """The COSMOS map of the 2016 QSM reconstruction challenge (Langkammer 2018, doi 10.1002/mrm.26830)."""

    kind: Literal["challenge2016"] = Field(description="use the COSMOS map of the 2016 challenge")
    archive: Path | None = Field(
        None, description="the archive or its unpacked folder, where it is at hand; otherwise it is downloaded"
    )
    cache: Path = Field(Path(".cache/challenge2016"), description="where the download is kept")

    def read(self) -> FoundHead:
        """Read the map from the archive, which is downloaded where it is not at hand."""
        from qsmbench.data.challenge2016 import challenge2016

        files = challenge2016(self.cache, archive=self.archive)
        origin = {"kind": self.kind, "doi": "10.1002/mrm.26830"}
        volumes = files.chi_cosmos, files.mask, files.magnitude
        return read_map(*volumes, b0_dir=files.b0_dir, axes=_AXES, origin=origin)

    def files(self) -> dict[str, Path]:
        """The archive, where it is at hand."""
        return {} if self.archive is None else {"archive": self.archive}

    def located(self, given: Sequence[Path]) -> Self:
        """The same with the archive among ``given``, whatever it is called."""
        words = ("challenge", "archive", ".zip")
        found = next((p for p in given if any(word in p.name.lower() for word in words)), None)
        if found is None:
            raise InputError("Source from the 2016 challenge's archive: give it with --source ARCHIVE.")
        return self.model_copy(update={"archive": found})
