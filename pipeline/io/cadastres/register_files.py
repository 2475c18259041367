"""Register files: YAML that says how one register writes its titles, and what the law behind it says.

The ready ones are `configs/registers/` of the checkout, beside the package, as the models are: `pip install -e .` is the
normal install, so that they are found from any working directory, and there is one copy of them that anyone can read,
extend and correct. Unknown keys, kinds that do not exist and codes that stand twice are refused.
"""

from collections.abc import Hashable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import RegisterInvalidError
from pipeline.io.cadastres.registers import TITLE_FIELDS, Register, Whole, plain_column
from pipeline.tenure import CountryRules, RiverBuffer, TitleKind, TitleStatus
from pipeline.tenure.minerals import MINERAL_WORDS, plain_word

REGISTERS = Path(__file__).resolve().parents[3] / "configs" / "registers"
"""Folder of the register files that come with overburden."""

_TitleField = Literal[
    "title_id", "name", "holder", "kind", "status", "valid_from", "valid_to", "minerals", "kind_since", "suspended_from",
    "suspended_to",
]  # fmt: skip
_Texts = tuple[str, ...]
_Code = TypeVar("_Code", TitleKind, TitleStatus)
_Value = TypeVar("_Value")


class _Section(BaseModel):
    """Frozen, and refuses keys that it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class CodesSection(_Section):
    """What the texts of the register mean."""

    kind: Annotated[
        dict[TitleKind, _Texts],
        Field(description="Kind to the texts that stand for it; `unknown`: known texts that do not tell the kind."),
    ] = {}
    status: Annotated[
        dict[TitleStatus, _Texts],
        Field(description="Status to the texts that stand for it; `unknown`: known texts that do not tell the status."),
    ] = {}
    minerals: Annotated[
        dict[str, _Texts],
        Field(description="Word beyond the usual to English names of minerals; an empty list: it names no mineral."),
    ] = {}

    @model_validator(mode="after")
    def _each_once(self) -> "CodesSection":
        """Refuse a text that stands under two codes, or twice under one."""
        for name, table in (("kind", self.kind), ("status", self.status)):
            seen: dict[str, str] = {}
            for code, texts in table.items():
                for text in texts:
                    if (plain := plain_word(text)) in seen:
                        raise ValueError(
                            f"found the {name} {text!r} under {seen[plain]} and under {code.value}, expected it once"
                        )
                    seen[plain] = code.value
        return self


class WholeSection(_Section):
    """What the register states of all its titles at once."""

    value: Annotated[str, Field(description="As a column would hold it.")]
    because: Annotated[str, Field(description="Where the register states it.", min_length=1)]


class RunsOnSection(_Section):
    """Statuses under which a title may run on past its last day; it is then in doubt, not lapsed."""

    status: Annotated[_Texts, Field(description="Texts of the status.", min_length=1)]
    because: Annotated[str, Field(description="What speaks for it.", min_length=1)]


class OutlineSection(_Section):
    """How accurate the register's outlines are."""

    accuracy_m: Annotated[float, Field(description="Metres.", ge=0)]
    source: Annotated[str, Field(description="Who states it.", min_length=1)]


class RiverSection(_Section):
    """A strip along water that a law keeps free of mining."""

    width_m: Annotated[float, Field(description="Metres from the edge of the water.", gt=0)]
    source: Annotated[str, Field(description="The provision.", min_length=1)]


class RulesSection(_Section):
    """What the law says. What is left out is not stated, which is not to say that there is none."""

    extraction: Annotated[
        dict[TitleKind, Literal["any"] | _Texts],
        Field(description="Kinds that allow extraction, each with the minerals that it may be for, or `any`."),
    ] = {TitleKind.EXPLOITATION: "any"}
    formalisation_kinds: Annotated[
        tuple[TitleKind, ...], Field(description="Kinds that set ground aside for artisanal mining or its formalisation.")
    ] = (TitleKind.ARTISANAL_ZONE, TitleKind.FORMALISATION_ZONE)
    prohibited_kinds: Annotated[tuple[TitleKind, ...], Field(description="Kinds whose ground is closed to mining.")] = ()
    river_buffer: Annotated[RiverSection | None, Field(description="Strip along water that is kept free of mining.")] = None
    sources: Annotated[_Texts, Field(description="Provisions that the rules were read from.")] = ()

    @model_validator(mode="after")
    def _is_open_or_closed(self) -> "RulesSection":
        """Refuse a kind that would both allow extraction and close the ground to it."""
        both = sorted(kind.value for kind in {*self.extraction, *self.formalisation_kinds} & {*self.prohibited_kinds})
        if both:
            raise ValueError(f"found {', '.join(both)} both open and closed to mining, expected one of them")
        return self

    def as_rules(self) -> CountryRules:
        """Return the rules as the law reads them."""
        river = self.river_buffer
        return CountryRules(
            extraction={kind: frozenset() if names == "any" else frozenset(names) for kind, names in self.extraction.items()},
            formalisation_kinds=frozenset(self.formalisation_kinds),
            prohibited_kinds=frozenset(self.prohibited_kinds),
            river_buffer=None if river is None else RiverBuffer(river.width_m, river.source),
            sources=self.sources,
        )


class RegisterFile(_Section):
    """One register file."""

    name: Annotated[str, Field(description="Name of the register; the file is called so too.", pattern=r"^[a-z][a-z0-9_]*$")]
    title: Annotated[str, Field(description="Who publishes it, and what.", min_length=1)]
    country: Annotated[str | None, Field(description="ISO 3166 alpha-3 code.", pattern=r"^[A-Z]{3}$")] = None
    source: Annotated[str, Field(description="How it is obtained.", min_length=1)]
    note: Annotated[str, Field(description="What a reader of its findings should know.")] = ""
    extends: Annotated[
        str | None, Field(description="Register file beside this one whose columns and codes hold after these.")
    ] = None
    bounds: Annotated[
        tuple[float, float, float, float] | None,
        Field(description="West, south, east, north of the country, lon/lat; outlines that reach outside are reported."),
    ] = None
    columns: Annotated[
        dict[_TitleField, _Texts],
        Field(description="Field to the names of its column, likeliest first; an empty list: in no column at all."),
    ] = {}
    codes: CodesSection = CodesSection()
    kind_minerals: Annotated[
        dict[str, _Texts],
        Field(description="Text of the kind to the minerals that it is for, where no column of minerals has a value."),
    ] = {}
    whole: Annotated[
        dict[_TitleField, WholeSection], Field(description="Field to what holds for every title without a value of its own.")
    ] = {}
    day_first: Annotated[
        bool | None, Field(description="Whether days are written day first, where a column such as 01/02/2024 leaves it open.")
    ] = None
    runs_on: Annotated[
        RunsOnSection | None, Field(description="Statuses under which a title may run on past its last day.")
    ] = None
    outline: Annotated[OutlineSection | None, Field(description="Accuracy of its outlines; empty: not stated.")] = None
    rules: Annotated[RulesSection | None, Field(description="The law; empty: that of the file that it extends.")] = None

    @model_validator(mode="after")
    def _bounds_are_a_box(self) -> "RegisterFile":
        """Refuse bounds that are no box in degrees."""
        if self.bounds is not None:
            west, south, east, north = self.bounds
            if not (-180 <= west < east <= 180 and -90 <= south < north <= 90):
                raise ValueError(f"found bounds {list(self.bounds)}, expected west, south, east, north in degrees")
        return self

    @model_validator(mode="after")
    def _minerals_are_known(self) -> "RegisterFile":
        """Refuse a mineral of the law that no text of a title could ever give: it would make every title a mismatch."""
        tables = (MINERAL_WORDS, self.codes.minerals, self.kind_minerals)
        known = {name for table in tables for names in table.values() for name in names}
        named = {name for names in (self.rules.extraction if self.rules else {}).values() if names != "any" for name in names}
        if strange := sorted(named - known):
            raise ValueError(f"found the minerals {', '.join(strange)} in rules.extraction, expected English names in use")
        return self


# --- reading ----------------------------------------------------------------------------------------------------------


@cache
def generic_register() -> Register:
    """Return the register for files of no register in particular."""
    return load_register(REGISTERS / "generic.yaml")


def find_register(text: str | None) -> Register:
    """Return the register that a configuration names: a ready one by its name, or a file by its path; None: generic."""
    if text is None:
        return generic_register()
    return load_register(Path(text) if text.endswith(".yaml") else REGISTERS / f"{text}.yaml")


def load_register(path: Path) -> Register:
    """Return the register of a file, with what it takes over from the file that it extends.

    Raises
    ------
    RegisterInvalidError
        The file is absent or no YAML, a key is unknown or stands twice, a kind does not exist, a code stands twice, or
        files extend each other in a ring; the message names each fault.
    """
    return _load(path, ())


def read_register_file(path: Path) -> RegisterFile:
    """Return a register file as it stands, without what it extends; raises as `load_register`."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _OnceLoader)  # noqa: S506  (a SafeLoader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        ready = ", ".join(sorted(file.stem for file in REGISTERS.glob("*.yaml")))
        raise RegisterInvalidError(
            f"{path}: {error}; expected a register file, or the name of a ready one ({ready}); see docs/registers.md"
        ) from error
    if not isinstance(document, Mapping):
        raise RegisterInvalidError(f"{path}: found {type(document).__name__}, expected fields; see docs/registers.md")
    try:
        return RegisterFile.model_validate(document)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, f['loc']))}: {f['msg']} (found {str(f['input'])[:60]})" for f in error.errors())
        raise RegisterInvalidError(f"{path}: {faults}; every field is described in docs/registers.md") from error


class _OnceLoader(yaml.SafeLoader):
    """Refuses a key that stands twice, which YAML would let the last one win."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        """Return a mapping whose keys all differ."""
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = sorted({str(key) for key in keys if keys.count(key) > 1})
        if twice:
            raise yaml.constructor.ConstructorError(None, None, f"found {', '.join(twice)} twice", node.start_mark)
        return super().construct_mapping(node, deep)


def _load(path: Path, below: tuple[Path, ...]) -> Register:
    """Return the register of a file that the files below it extend."""
    file = read_register_file(path)
    if path.resolve() in below:
        raise RegisterInvalidError(f"{path}: found itself among the files that it extends; take one `extends` out")
    parent = None
    if file.extends is not None:
        parent = _load(path.with_name(f"{file.extends}.yaml"), (*below, path.resolve()))
    return _joined(file, parent)


def _joined(file: RegisterFile, parent: Register | None) -> Register:
    """Return the register of a file, its own tables before those of the file that it extends."""
    base = parent or Register("", {}, _own_names(TitleKind), _own_names(TitleStatus))
    runs_on = frozenset(plain_word(text) for text in (file.runs_on.status if file.runs_on else ()))
    return Register(
        name=file.name,
        columns=_columns({key: tuple(map(plain_column, names)) for key, names in file.columns.items()}, base.columns),
        kinds={**base.kinds, **_turned(file.codes.kind)},
        statuses={**base.statuses, **_turned(file.codes.status)},
        minerals={**base.minerals, **_plain_keys(file.codes.minerals)},
        kind_minerals={**base.kind_minerals, **_plain_keys(file.kind_minerals)},
        whole={**base.whole, **{key: Whole(said.value, said.because) for key, said in file.whole.items()}},
        runs_on=base.runs_on | runs_on,
        day_first=base.day_first if file.day_first is None else file.day_first,
        bounds=base.bounds if file.bounds is None else file.bounds,
        outline_m=base.outline_m if file.outline is None else file.outline.accuracy_m,
        rules=base.rules if file.rules is None else file.rules.as_rules(),
    )


def _columns(own: Mapping[str, _Texts], parent: Mapping[str, _Texts]) -> dict[str, _Texts]:
    """Return names of columns, a file's own first; a field that it says is in no column stays in none."""
    return {
        key: own[key] and tuple(dict.fromkeys((*own[key], *parent.get(key, ())))) if key in own else parent[key]
        for key in TITLE_FIELDS
        if key in own or key in parent
    }


def _turned(table: Mapping[_Code, Iterable[str]]) -> dict[str, _Code]:
    """Turn a table of texts round: plain text to code."""
    return {plain_word(text): code for code, texts in table.items() for text in texts}


def _own_names(codes: type[_Code]) -> dict[str, _Code]:
    """Return the names of the codes themselves, but for `unknown`, which in a register is a text like any other."""
    named = [code for code in codes if code.value != "unknown"]
    return {form: code for code in named for form in (code.value, code.value.replace("_", " "))}


def _plain_keys(table: Mapping[str, _Value]) -> dict[str, _Value]:
    """Return a table with plain keys."""
    return {plain_word(key): value for key, value in table.items()}


# --- the table of docs/registers.md -----------------------------------------------------------------------------------


def fields_markdown() -> str:
    """Return every field of a register file as a Markdown table."""
    rows = ["| field | default | what it says |", "| --- | --- | --- |"]
    rows += [f"| `{name}` | {default} | {text} |" for name, default, text in _rows(RegisterFile, "")]
    return "\n".join(rows) + "\n"


def _rows(model: type[BaseModel], prefix: str) -> Iterable[tuple[str, str, str]]:
    """Yield name, default and description of each field, those of sections after them."""
    for key, about in model.model_fields.items():
        section = _section(about.annotation)
        is_table = get_origin(about.annotation) is dict
        default = "required" if about.is_required() else "" if not about.default or section else f"`{_shown(about.default)}`"
        doc = (section.__doc__ or "").split("\n")[0] if section and not about.description else ""
        yield prefix + key, default, about.description or doc
        if section is not None:
            yield from _rows(section, f"{prefix}{key}.{'FIELD.' if is_table else ''}")


def _shown(default: object) -> str:
    """Return a default as YAML would show it."""
    if isinstance(default, Mapping):
        return "{" + ", ".join(f"{key}: {value}" for key, value in default.items()) + "}"
    return "[" + ", ".join(map(str, default)) + "]" if isinstance(default, tuple) else str(default)


def _section(annotation: Any) -> type[BaseModel] | None:  # noqa: ANN401  (whatever pydantic keeps)
    """Return the section that a field holds, alone, as an option or in a table."""
    found = [a for a in (annotation, *get_args(annotation)) if isinstance(a, type) and issubclass(a, _Section)]
    return found[0] if found else None
