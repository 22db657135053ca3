"""Every source of heads. To add one: a file in this folder, and its class in `OneHead`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from qsmbench.core.section import Section
from qsmbench.heads.challenge2016 import ChallengeSource
from qsmbench.heads.contract import FoundHead
from qsmbench.heads.nifti import NiftiSource
from qsmbench.heads.phantom import PhantomSource

OneHead = PhantomSource | ChallengeSource | NiftiSource


class MixedHead(Section):
    """One head of a mixture."""

    weight: float = Field(1.0, gt=0, description="how often it is drawn, relative to the other heads")
    head: OneHead = Field(discriminator="kind", description="where it comes from")


class MixtureSource(Section):
    """Several heads; each sample is made from one of them, drawn by weight."""

    kind: Literal["mixture"] = Field(description="mix several heads")
    heads: tuple[MixedHead, ...] = Field(min_length=1, description="the heads")


AnySource = OneHead | MixtureSource
HeadSource = Annotated[AnySource, Field(discriminator="kind")]


def heads_of(spec: AnySource) -> list[tuple[float, OneHead]]:
    """The heads of a source, one or several, each with its weight."""
    return [(h.weight, h.head) for h in spec.heads] if isinstance(spec, MixtureSource) else [(1.0, spec)]


def read_head(spec: OneHead) -> FoundHead:
    """Read one head: the only way in which any part of the package comes by one.

    Raises:
        InputError: a file is missing or unusable, or a download failed.
    """
    return spec.read()


def located(spec: AnySource, given: Sequence[Path]) -> AnySource:
    """The same source with the user's files where they are now.

    Raises:
        InputError: a file that the source needs is not among ``given``.
    """
    if not isinstance(spec, MixtureSource):
        return spec.located(given)
    parts = [mixed.model_copy(update={"head": mixed.head.located(given)}) for mixed in spec.heads]
    return spec.model_copy(update={"heads": tuple(parts)})


def files_of(spec: AnySource) -> list[Path]:
    """The user's files that a source reads."""
    return [path for _, head in heads_of(spec) for path in head.files().values()]
