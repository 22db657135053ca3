"""Every kind of set. To add one: a file in this folder, and its section in `AcquiredSet`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from qsmbench.sets.bids import BidsSet
from qsmbench.sets.derived import IsolatedSet, RemovalSet
from qsmbench.sets.measured import Challenge2016Set, MeasuredSet
from qsmbench.sets.samples import SyntheticSet
from qsmbench.sets.simulated import SimulatedSet

# What stands under `acquisitions`; `synthetic` has sets of one kind.
AcquiredSet = Annotated[
    SimulatedSet | BidsSet | MeasuredSet | Challenge2016Set | IsolatedSet | RemovalSet, Field(discriminator="kind")
]
AnySet = SyntheticSet | SimulatedSet | BidsSet | MeasuredSet | Challenge2016Set | IsolatedSet | RemovalSet
