"""One dialect of docstrings and error messages over all rooms, read from the syntax trees.

A docstring's sections follow Google's style: an argument's, an error's and a result's
description begins with a capital (or a digit, a quote, a code literal), has a noun and three
words, and ends with a full stop; arguments are those of the signature, and all of them. An error's
message goes rule, value, remedy: one sentence that begins in lower case (or with a name) and ends
without a full stop, its remedy after a colon or a semicolon.
"""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FOLDERS = ("models", "features", "ultimate_deep", "train_scripts", "benchmarks")

# Names that begin with a capital wherever they stand, as a message's first word.
NAMES = frozenset({"Heads", "Keras"})

# What opens a phrase without a noun of its own: "Of all weights." tells not what is of them.
BARE_OPENINGS = re.compile(
    r"(after|and|as|at|before|besides?|beyond|but|by|during|for|from|in|into|of|on|or|over|per|see"
    r"|since|than|through|to|under|until|upon|with|within|without)(?![-\w])",
    re.IGNORECASE,
)

LEAST_WORDS = 3
NAMED = ("Args", "Attributes", "Raises")
SECTIONS = (*NAMED, "Returns", "Yields")
ENTRY = re.compile(r"(\*{0,2}[\w.]+(?:, \*{0,2}[\w.]+)*)(?: \([^)]*\))?:(?:\s+(.*))?$")
CODE = re.compile(r"``?[^`]+``?|'[^']+'|\"[^\"]+\"")
STARTS = re.compile(r"[A-Z0-9`'\"(\[{+-]")
ENDS = re.compile(r"[.!?][)\"'`]*$")


@dataclass(frozen=True)
class Fault:
    """One sentence that does not follow the dialect."""

    path: str
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.rule}: {self.text[:120]!r}"


@dataclass
class Section:
    """One section of a docstring: names and their descriptions, in order."""

    title: str
    entries: list[tuple[str, str]] = field(default_factory=list)


def sections_of(docstring: str) -> list[Section]:
    """The sections of a cleaned docstring; prose of a result is one entry without a name."""
    found: list[Section] = []
    current: Section | None = None
    for line in docstring.splitlines():
        title = re.fullmatch(r"(\w+):", line)
        if title and title[1] in SECTIONS:
            current = Section(title[1])
            found.append(current)
        elif current is not None and line and not line.startswith(" "):
            current = None
        elif current is not None and line.strip():
            _take(current, line)
    return found


def _take(section: Section, line: str) -> None:
    """Add a line of a section: a new entry, or more of the last one's description."""
    indent = len(line) - len(line.lstrip())
    entry = ENTRY.match(line.strip()) if indent == 4 else None
    if section.title in NAMED and indent == 4:
        name, text = (entry[1], entry[2] or "") if entry else ("", line.strip())
        section.entries.append((name, text))
    elif not section.entries:
        section.entries.append(("", line.strip()))
    else:
        name, text = section.entries[-1]
        section.entries[-1] = (name, f"{text} {line.strip()}".strip())


def faults_of_description(text: str, title: str = "Args") -> Iterator[str]:
    """What is wrong with one description in a section of that title."""
    if not STARTS.match(text):
        yield "a description begins with a capital"
    if not ENDS.search(text):
        yield "a description ends with a full stop"
    words = re.findall(r"[\w'/-]+", CODE.sub("", text))
    if not CODE.search(text) and len(words) < LEAST_WORDS:
        yield f"a description has {LEAST_WORDS} words or a code literal"
    if title in NAMED and BARE_OPENINGS.match(text):
        yield "a description opens with its noun"


@dataclass(frozen=True)
class Names:
    """What a class has: fields (and those given to it), attributes, bases, a constructor."""

    fields: tuple[str, ...]
    given: tuple[str, ...]
    attributes: set[str]
    bases: tuple[str, ...]
    constructor: tuple[str, ...] | None
    loose: set[str]
    dataclass: bool


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> tuple[str, ...]:
    """Names of a function's parameters, without the object itself."""
    given = function.args
    listed = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    return tuple(each.arg for each in listed if each.arg not in ("self", "cls"))


def loose_parameters_of(function: ast.FunctionDef) -> set[str]:
    """Names of `*args` and `**options`, which may be described and need not be."""
    return {each.arg for each in (function.args.vararg, function.args.kwarg) if each is not None}


def name_of(node: ast.expr | None) -> str:
    """The last part of a dotted name; empty for anything else."""
    if isinstance(node, ast.Call | ast.Subscript):
        return name_of(node.func if isinstance(node, ast.Call) else node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@dataclass
class Reading:
    """What one walk over a file's tree finds."""

    documented: list[ast.Module | ast.ClassDef | ast.FunctionDef] = field(default_factory=list)
    messages: list[tuple[ast.expr, ast.FunctionDef | None]] = field(default_factory=list)
    calls: list[ast.Call] = field(default_factory=list)
    texts: dict[str, list[ast.expr]] = field(default_factory=dict)
    attributes: dict[str, set[str]] = field(default_factory=dict)
    classes: dict[str, Names] = field(default_factory=dict)

    def walk(self, node: ast.AST, function: ast.FunctionDef | None, owner: str) -> None:
        """Take a node and all below it, within a function and a class."""
        kind = type(node)
        if kind is ast.Call or kind is ast.Raise:
            message = error_message(node)
            if message is not None:
                self.messages.append((message, function))
            if kind is ast.Call:
                self.calls.append(node)
        elif kind is ast.Attribute:
            if owner and isinstance(node.ctx, ast.Store):
                self.attributes[owner].add(node.attr)
        elif kind is ast.Assign or kind is ast.AnnAssign:
            self._assigned(node, owner)
        elif kind is ast.Return and node.value is not None and function is not None:
            self.texts.setdefault(f"{function.name}()", []).append(node.value)
        elif kind is ast.FunctionDef:
            self.documented.append(node)
            self.attributes.get(owner, set()).add(node.name)
            function = node
        elif kind is ast.ClassDef:
            self.documented.append(node)
            owner = node.name
            self.attributes.setdefault(owner, set())
        elif kind is ast.Module:
            self.documented.append(node)
        for name in node._fields:
            value = getattr(node, name)
            if type(value) is list:
                for each in value:
                    if isinstance(each, ast.AST) and not isinstance(each, LEAVES):
                        self.walk(each, function, owner)
            elif isinstance(value, ast.AST) and not isinstance(value, LEAVES):
                self.walk(value, function, owner)

    def _assigned(self, node: ast.Assign | ast.AnnAssign, owner: str) -> None:
        for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
            if isinstance(target, ast.Name):
                self.attributes.get(owner, set()).add(target.id)
                if node.value is not None:
                    self.texts.setdefault(target.id, []).append(node.value)


ERROR = re.compile(r"[A-Z]\w*(Error|Exit|Warning)")
LEAVES = (
    ast.Constant,
    ast.Name,
    ast.arguments,
    ast.expr_context,
    ast.operator,
    ast.unaryop,
    ast.boolop,
)


def names_of(node: ast.ClassDef, attributes: set[str]) -> Names:
    """What a class's own body says of it."""
    annotated = [
        each
        for each in node.body
        if isinstance(each, ast.AnnAssign)
        and isinstance(each.target, ast.Name)
        and name_of(each.annotation) != "ClassVar"
    ]
    constructor: tuple[str, ...] | None = None
    loose: set[str] = set()
    for each in node.body:
        if isinstance(each, ast.FunctionDef) and each.name in ("__init__", "__new__"):
            constructor, loose = parameters_of(each), loose_parameters_of(each)
    bases = tuple(name_of(base) for base in node.bases)
    made = any(name_of(each) == "dataclass" for each in node.decorator_list)
    fields = tuple(each.target.id for each in annotated)
    given = tuple(each.target.id for each in annotated if not _is_made_later(each.value))
    return Names(fields, given, attributes, bases, constructor, loose, made)


def _is_made_later(value: ast.expr | None) -> bool:
    """Whether a dataclass's field is `field(init=False)`."""
    return isinstance(value, ast.Call) and any(each.arg == "init" for each in value.keywords)


class House:
    """Everything that the trees of all files tell together."""

    def __init__(self, sources: dict[str, str]) -> None:
        self.readings: dict[str, Reading] = {}
        self.classes: dict[str, Names] = {}
        self.handed: dict[str, dict[int | str, tuple[bool, bool]]] = {}
        for path, text in sources.items():
            reading = self.readings[path] = Reading()
            reading.walk(ast.parse(text), None, "")
            for node in reading.documented:
                if isinstance(node, ast.ClassDef):
                    names = names_of(node, reading.attributes[node.name])
                    self.classes[node.name] = reading.classes[node.name] = names
            for message, function in reading.messages:
                if function is not None:
                    places = dict(handed_places(message, function))
                    self.handed.setdefault(function.name, {}).update(places)

    def line_of(self, name: str, reading: Reading) -> list[Names]:
        """A class and those that it comes from, as far as they are ours."""
        names, line = [name], []
        for each in names:
            known = reading.classes.get(each) or self.classes.get(each)
            if known is not None:
                line.append(known)
                names.extend(base for base in known.bases if base not in names)
        return line

    def faults(self) -> list[Fault]:
        """Everything against the dialect, file by file."""
        found: list[Fault] = []
        for path, reading in self.readings.items():
            found.extend(self._docstring_faults(path, reading))
            found.extend(self._message_faults(path, reading))
        return found

    def _docstring_faults(self, path: str, reading: Reading) -> Iterator[Fault]:
        for node in reading.documented:
            docstring = ast.get_docstring(node)
            if docstring is None:
                continue
            line = getattr(node, "lineno", 1)
            summary = docstring.split("\n\n")[0]
            if not STARTS.match(summary):
                yield Fault(path, line, "a docstring begins with a capital", summary)
            if not ENDS.search(summary) and not summary.endswith(":"):
                yield Fault(path, line, "a docstring's summary ends with a full stop", summary)
            for section in sections_of(docstring):
                for name, text in section.entries:
                    for rule in faults_of_description(text, section.title):
                        yield Fault(path, line, f"{section.title}: {rule}", f"{name}: {text}")
                for rule, name in self._name_faults(node, section, reading):
                    yield Fault(path, line, f"{section.title}: {rule}", name)

    def _name_faults(
        self, node: ast.AST, section: Section, reading: Reading
    ) -> Iterator[tuple[str, str]]:
        names = [name for names, _ in section.entries for name in names.split(", ")]
        if section.title == "Raises":
            for name in names:
                if not re.fullmatch(r"[A-Z]\w+", name):
                    yield "an entry names what is raised", name
        if section.title not in ("Args", "Attributes"):
            return
        if isinstance(node, ast.ClassDef):
            line = self.line_of(node.name, reading)
            known, needed = _class_names(line, section.title)
        elif isinstance(node, ast.FunctionDef) and section.title == "Args":
            needed = set(parameters_of(node))
            known = needed | loose_parameters_of(node)
            needed = set() if node.name.startswith("_") else needed
        else:
            return
        named = {name.lstrip("*") for name in names}
        for name in sorted(named - known) if known else ():
            yield "a name that the signature does not have", name
        for name in sorted(needed - named):
            yield "a parameter without its line", name

    def _message_faults(self, path: str, reading: Reading) -> Iterator[Fault]:
        wanted = [(message, (True, True)) for message, _ in reading.messages]
        for call in reading.calls:
            for place, edges in self.handed.get(name_of(call), {}).items():
                wanted += [(x, edges) for number, x in enumerate(call.args) if number == place]
                wanted += [(x.value, edges) for x in call.keywords if x.arg == place]
        seen: set[int] = set()
        for message, edges in wanted:
            for one in _resolved(message, reading.texts):
                if id(one) not in seen:
                    seen.add(id(one))
                    for rule, text in faults_of_message(one, edges):
                        yield Fault(path, one.lineno, rule, text)


def _class_names(line: list[Names], title: str) -> tuple[set[str], set[str]]:
    """Names that a class's section may have, and those that it must have."""
    if title == "Attributes":
        return {name for each in line for name in (*each.attributes, *each.fields)}, set()
    own = line[0]
    if own.constructor is not None:
        return {*own.constructor, *own.loose}, set(own.constructor)
    inherited = {name for each in line[1:] for name in (*each.fields, *(each.constructor or ()))}
    needed = set(own.given) - inherited if own.dataclass else set()
    return inherited.union(own.fields), {name for name in needed if not name.startswith("_")}


def handed_places(
    message: ast.expr, function: ast.FunctionDef
) -> Iterator[tuple[int | str, tuple[bool, bool]]]:
    """Parameters that an error's message begins or ends with, by number and by name."""
    first, last = _edge(message, 0), _edge(message, -1)
    for place, name in enumerate(parameters_of(function)):
        edges = tuple(isinstance(e, ast.Name) and e.id == name for e in (first, last))
        if any(edges):
            yield place, edges
            yield name, edges


def _edge(message: ast.expr, place: int) -> ast.expr:
    """The first or last piece of a message."""
    while True:
        if isinstance(message, ast.JoinedStr) and message.values:
            message = message.values[place]
        elif isinstance(message, ast.BinOp):
            message = message.left if place == 0 else message.right
        elif isinstance(message, ast.FormattedValue) and message.format_spec is None:
            message = message.value
        else:
            return message


def error_message(node: ast.Raise | ast.Call) -> ast.expr | None:
    """The message of an error that is made at a node."""
    made = node.exc if isinstance(node, ast.Raise) else node
    if not isinstance(made, ast.Call) or not made.args:
        return None
    if isinstance(node, ast.Call) and not ERROR.fullmatch(name_of(node)):
        return None
    return made.args[0]


def _resolved(message: ast.expr, texts: dict[str, list[ast.expr]]) -> list[ast.expr]:
    """The messages that an expression may be, as far as its module tells."""
    if isinstance(message, ast.IfExp):
        return [*_resolved(message.body, texts), *_resolved(message.orelse, texts)]
    if isinstance(message, ast.Name):
        found = texts.get(message.id, [])
    elif isinstance(message, ast.Call):
        found = texts.get(f"{name_of(message)}()", [])
    else:
        found = [message]
    return [one for one in found if isinstance(one, ast.JoinedStr | ast.Constant | ast.BinOp)]


def _written(message: ast.expr) -> str:
    """A message's text; a zero byte stands for each placeholder."""
    if isinstance(message, ast.Constant):
        return message.value if isinstance(message.value, str) else "\0"
    if isinstance(message, ast.JoinedStr):
        return "".join(_written(value) for value in message.values)
    if isinstance(message, ast.BinOp) and isinstance(message.op, ast.Add):
        return _written(message.left) + _written(message.right)
    return "\0"


def faults_of_message(message: ast.expr, edges: tuple[bool, bool] = (True, True)) -> Iterator:
    """What is wrong with an error's message, with the text as it is written."""
    text = _written(message)
    shown = text.replace("\0", "{}")
    if edges[0] and not begins_low(text):
        yield "a message begins in lower case or with a name", shown
    if edges[1] and re.search(r"(?<!\.)[.!][)\"'`\]]*$", text):
        yield "a message ends without a full stop", shown
    if re.search(r"\bremedy:", text, re.IGNORECASE):
        yield "a message gives its remedy after a colon or a semicolon, without a label", shown
    if re.search(r"[a-z0-9)\]\"'`\0]\. +[A-Z\0]", text):
        yield "a message is one sentence", shown


def begins_low(text: str) -> bool:
    """Whether a message begins in lower case, with a placeholder, a literal or a name."""
    word = re.match(r"[^\W\d]\w*", text)
    if word is None:
        return True
    rest = text[word.end() :]
    named = re.search(r"[A-Z_0-9]", word[0][1:]) or re.match(r"\.\w|=|\(", rest)
    return word[0][0].islower() or bool(named) or word[0] in NAMES


def product_files() -> list[str]:
    """Every product file, named from the repository's root, each once."""
    found = []
    for folder in FOLDERS:
        for path in sorted((ROOT / folder).rglob("*.py")):
            if not any(parent.is_symlink() for parent in path.parents):
                found.append(path.relative_to(ROOT).as_posix())
    return found


@cache
def house() -> House:
    """The product's own files."""
    return House({path: (ROOT / path).read_text(encoding="utf-8") for path in product_files()})


@cache
def house_faults() -> tuple[Fault, ...]:
    """Everything in them against the dialect."""
    return tuple(house().faults())


GOOD = '''
"""A module.

Args in prose are no section.
"""

MESSAGE = "nothing fits; give another name"


@dataclass(frozen=True)
class Options(Base):
    """What there is to choose.

    Args:
        width: Width of every layer.
        names (tuple): `None` for all.
    """

    width: int
    names: tuple[str, ...] | None = None


def build(width: int, *rows: int, name: str = "") -> int:
    """Return the width.

    Args:
        width: Width of every layer,
            in values.
        *rows: Numbers of the rows.
        name: 'auto', or a name.

    Returns:
        The width that was given.

    Raises:
        ValueError, TypeError: A width below one.
    """
    check(width, "width must be positive; give 1 or more")
    if not rows:
        raise TypeError(f"{name} has no rows: give e.g. (1, 2, ...)")
    if width < 1:
        raise ValueError("width must be at least 1, got " + str(width) + ": give 1")
    if width > 9:
        raise ValueError(MESSAGE if name else "NaN has no width, v. 2 had")
    raise Refused(_why(name))


def _why(name: str) -> str:
    return f"Heads of {name} are none"


def check(holds: bool, message: str) -> None:
    """Raise unless something holds."""
    if not holds:
        raise ValueError(message)
'''

MUTATIONS = [
    ("width: Width of every layer,", "width: width of every layer,", "begins with a capital"),
    ("in values.", "in values", "ends with a full stop"),
    ("*rows: Numbers of the rows.", "*rows: The rows.", "3 words or a code literal"),
    ("*rows: Numbers of the rows.", "*rows: Of all the rows.", "opens with its noun"),
    ("        name: 'auto', or a name.\n", "", "a parameter without its line"),
    ("        name: 'auto', or a name.", "        names: Some other name.", "does not have"),
    ("        name: 'auto', or a name.", "        A word on names.", "does not have"),
    ("(tuple): `None` for all.", "(tuple): none for all.", "begins with a capital"),
    ("        names (tuple): `None` for all.\n", "", "a parameter without its line"),
    ("The width that was given.", "the width that was given.", "begins with a capital"),
    ("The width that was given.", "The width.", "3 words or a code literal"),
    ("TypeError: A width below one.", "TypeError: a width below one.", "begins with a capital"),
    ("ValueError, TypeError: A width", "ValueError, trouble: A width", "names what is raised"),
    ("TypeError: A width below one.", "TypeError: For a width below one.", "its noun"),
    ('"""Return the width.', '"""return the width.', "a docstring begins with a capital"),
    ('"""A module.', '"""A module', "summary ends with a full stop"),
    ("e.g. (1, 2, ...)", "e.g. (1, 2).", "a message ends without a full stop"),
    ('": give 1"', '": give 1."', "a message ends without a full stop"),
    ('"width must be at', '"Width must be at', "a message begins in lower case"),
    ("nothing fits; give", "Nothing fits; give", "a message begins in lower case"),
    ("nothing fits; give", "nothing fits. Give", "a message is one sentence"),
    ("nothing fits; give", "nothing fits; remedy: give", "without a label"),
    ("Heads of {name} are none", "Tails of {name} are none", "a message begins in lower case"),
    ("Heads of {name} are none", "heads of {name} are none.", "without a full stop"),
    ("give 1 or more", "give 1 or more.", "a message ends without a full stop"),
    ("width must be positive", "Width must be positive", "a message begins in lower case"),
]


def rules_broken(source: str) -> list[str]:
    base = "class Base:\n    pass\n"
    return [fault.rule for fault in House({"base.py": base, "file.py": source}).faults()]


def test_what_follows_the_dialect_passes():
    assert rules_broken(GOOD) == []


@pytest.mark.parametrize(("right", "wrong", "rule"), MUTATIONS)
def test_every_rule_can_fail(right, wrong, rule):
    assert GOOD.count(right) == 1

    broken = rules_broken(GOOD.replace(right, wrong))

    assert any(rule in each for each in broken), broken


def test_a_field_of_a_base_may_be_described_and_need_not_be():
    base = "@dataclass\nclass Base:\n    depth: int\n"
    child = GOOD.replace(
        "        width: Width of every layer.", "        depth: Depth in all.\n\\g"
    )
    child = child.replace("\\g", "        width: Width of every layer.")

    assert House({"base.py": base, "file.py": GOOD}).faults() == []
    assert House({"base.py": base, "file.py": child}).faults() == []
    assert len(rules_broken(child)) == 1


def test_the_house_is_read():
    readings = house().readings.values()

    assert sum(len(reading.messages) for reading in readings) > 700
    assert sum(len(reading.documented) for reading in readings) > 4000


def test_docstrings_and_messages_follow_the_dialect():
    broken = house_faults()

    assert not broken, "\n".join(map(str, broken))
