"""A part of the configuration: immutable, unknown keys refused. Every kind of head and of set is described by one."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

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

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _true_is_no_number(cls, given: Any) -> Any:
        # Python's booleans are whole numbers, and pydantic takes them for such: `seed: false` would be 0.
        if isinstance(given, dict):
            for key, info in cls.model_fields.items():
                if _holds_bool(given.get(key)) and not _takes_bool(info.annotation):
                    raise ValueError(f"{key}: true and false are no values of it")
        return given


def _holds_bool(value: Any) -> bool:
    return isinstance(value, bool) or (isinstance(value, list | tuple) and any(map(_holds_bool, value)))


def _takes_bool(annotation: Any) -> bool:
    return annotation is bool or annotation is Any or any(map(_takes_bool, get_args(annotation)))
