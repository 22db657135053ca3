"""A part of the configuration: immutable, unknown keys refused. Every kind of head and of set is described by one."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from qsmbench.core.damage import is_plain, shown

# Names become folders, Zarr paths, table rows and Snakemake wildcards.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9-]*$"
Name = Annotated[str, Field(pattern=NAME_PATTERN, max_length=80)]


def _on_one_line(text: str) -> str:
    if not is_plain(text):
        raise ValueError(f"has characters that cannot be seen, such as line breaks: {shown(text)[:80]}")
    return text


# Labels and titles stand in rows of tables, on pages and on terminals, in any script, on one line.
Text = Annotated[str, Field(max_length=300), AfterValidator(_on_one_line)]


class Section(BaseModel):
    """A part of the configuration."""

    model_config = ConfigDict(frozen=True, extra="forbid")
