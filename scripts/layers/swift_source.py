"""A rough reader of Swift: what a file declares and which names it uses, without the types of a compiler."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

TYPE_KEYWORDS = {"struct", "class", "enum", "actor", "protocol", "typealias"}
MODIFIERS = {
    "borrowing", "consuming", "convenience", "distributed", "dynamic", "fileprivate", "final", "indirect", "infix",
    "internal", "isolated", "lazy", "mutating", "nonisolated", "nonmutating", "open", "override", "package", "postfix",
    "prefix", "private", "public", "required", "static", "unowned", "weak",
}  # fmt: skip
TOKEN = re.compile(r"`?[A-Za-z_][A-Za-z_0-9]*`?|[{}()\[\]]|[^\s\w]")


@dataclass(frozen=True)
class Use:
    """A name that a file uses, where, and how."""

    name: str
    line: int
    after_dot: bool
    is_call: bool
    is_label: bool


@dataclass
class SwiftSource:
    """What one file declares and uses."""

    path: Path
    imports: dict[str, int] = field(default_factory=dict)
    """Imported modules, each with its line."""
    types: set[str] = field(default_factory=set)
    """Types at the top level that other files see."""
    values: set[str] = field(default_factory=set)
    """Functions, constants and variables at the top level that other files see."""
    extension_members: set[str] = field(default_factory=set)
    """Members that the file adds to types in extensions and other files see."""
    nested_types: dict[str, set[str]] = field(default_factory=dict)
    """Names of types declared within others, by the outermost of these."""
    extended: set[str] = field(default_factory=set)
    """Outermost types that the file declares or extends."""
    declared: set[str] = field(default_factory=set)
    """Every name the file declares, also private and local ones."""
    uses: list[Use] = field(default_factory=list)


def without_comments(text: str) -> str:
    """Returns the code with comments as spaces; line breaks stay."""
    return _blanked(text, with_strings=False)


def _blanked(text: str, with_strings: bool) -> str:
    """Returns the code with comments, and the contents of string literals if asked for, as spaces; line breaks stay."""
    output = list(text)

    def blank(start: int, end: int, is_string: bool = False) -> None:
        if is_string and not with_strings:
            return
        for index in range(start, end):
            if output[index] != "\n":
                output[index] = " "

    def code(index: int, closing: str | None) -> int:
        """Reads code from `index` up to an unmatched `closing` parenthesis, and returns the index after it."""
        depth = 0
        while index < len(text):
            if text.startswith("//", index):
                end = text.find("\n", index)
                end = len(text) if end < 0 else end
                blank(index, end)
                index = end
            elif text.startswith("/*", index):
                end = comment_end(index)
                blank(index, end)
                index = end
            elif literal := re.compile(r'(#*)("""|")').match(text, index):
                index = string(index, literal.group(1), literal.group(2))
            else:
                if closing and text[index] == "(":
                    depth += 1
                elif closing and text[index] == closing:
                    if depth == 0:
                        return index + 1
                    depth -= 1
                index += 1
        return index

    def comment_end(index: int) -> int:
        depth = 0
        while index < len(text):
            if text.startswith("/*", index):
                depth, index = depth + 1, index + 2
            elif text.startswith("*/", index):
                depth, index = depth - 1, index + 2
                if depth == 0:
                    return index
            else:
                index += 1
        return index

    def string(index: int, hashes: str, quote: str) -> int:
        """Blanks a string literal except for the code of its interpolations."""
        start = index
        index += len(hashes) + len(quote)
        while index < len(text):
            if text.startswith("\\" + hashes + "(", index):
                blank(start, index + len(hashes) + 2, is_string=True)
                index = start = code(index + len(hashes) + 2, ")")
                start -= 1
            elif text.startswith("\\" + hashes, index):
                index += len(hashes) + 2
            elif text.startswith(quote + hashes, index):
                index += len(quote) + len(hashes)
                break
            else:
                index += 1
        blank(start, min(index, len(text)), is_string=True)
        return index

    code(0, None)
    return "".join(output)


def read(path: Path) -> SwiftSource:
    """Reads the file at `path`."""
    return parse(path.read_text(encoding="utf-8"), path)


def parse(text: str, path: Path) -> SwiftSource:
    """Reads the text of the file at `path`."""
    return _Parser(_blanked(text, with_strings=True), SwiftSource(path)).parse()


@dataclass
class _Token:
    text: str
    line: int


@dataclass
class _Scope:
    kind: str
    """`type`, `extension` or `code`."""
    name: str
    is_private: bool


class _Parser:
    def __init__(self, text: str, source: SwiftSource) -> None:
        self.source = source
        self.tokens = list(self._tokens(text))
        self.scopes: list[_Scope] = []
        self.parentheses_of_pending = 0

    @staticmethod
    def _tokens(text: str) -> Iterator[_Token]:
        line, position = 1, 0
        for match in TOKEN.finditer(text):
            line += text.count("\n", position, match.start())
            position = match.start()
            yield _Token(match.group().strip("`"), line)

    def parse(self) -> SwiftSource:
        pending: _Scope | None = None
        parentheses = 0
        index = 0
        while index < len(self.tokens):
            token = self._text(index)
            if token in "([":
                parentheses += 1
            elif token in ")]":
                parentheses -= 1
            elif token == "{":
                is_body = pending is not None and parentheses == self.parentheses_of_pending
                self.scopes.append(pending if is_body and pending else _Scope("code", "", False))
                pending = None if is_body else pending
            elif token == "}":
                if self.scopes:
                    self.scopes.pop()
            elif token == "import" and not self.scopes and self._text(index - 1) != ".":
                index = self._read_import(index)
            elif self._is_name(token) and self._declares(index):
                scope = self._declare(index)
                if scope:
                    pending, self.parentheses_of_pending = scope, parentheses
                    index += 0 if scope.kind == "extension" else 1
                else:
                    index += 1
            elif self._is_name(token):
                self._use(index)
            index += 1
        return self.source

    def _text(self, index: int) -> str:
        return self.tokens[index].text if 0 <= index < len(self.tokens) else ""

    @staticmethod
    def _is_name(token: str) -> bool:
        return token[:1].isalpha() or token[:1] == "_"

    def _read_import(self, index: int) -> int:
        index += 1
        if self._text(index) in TYPE_KEYWORDS | {"func", "var", "let"}:
            index += 1
        self.source.imports.setdefault(self._text(index), self.tokens[index].line)
        while self._text(index + 1) == ".":
            index += 2
        return index

    def _declares(self, index: int) -> bool:
        keyword, following = self._text(index), self._text(index + 1)
        if self._text(index - 1) == "." or not self._is_name(following):
            return False
        if keyword == "class":
            return following not in MODIFIERS | {"func", "var", "let", "subscript"}
        if keyword == "case":
            return bool(self.scopes) and self.scopes[-1].kind != "code"
        return keyword in TYPE_KEYWORDS | {"extension", "func", "let", "var"}

    def _declare(self, index: int) -> _Scope | None:
        """Notes the declaration at `index`; returns the scope of its members if it has any."""
        keyword, name = self._text(index), self._text(index + 1)
        is_private = self._is_private(index) or any(scope.is_private for scope in self.scopes)
        is_top = not self.scopes
        is_member = bool(self.scopes) and all(scope.kind != "code" for scope in self.scopes)
        if keyword == "extension":
            self.source.extended.add(name)
            return _Scope("extension", name, is_private)
        self.source.declared.add(name)
        if keyword in TYPE_KEYWORDS:
            if is_top:
                self.source.extended.add(name)
                if not is_private:
                    self.source.types.add(name)
            elif is_member:
                self.source.nested_types.setdefault(self.scopes[0].name, set()).add(name)
            return None if keyword == "typealias" else _Scope("type", name, is_private)
        if is_top and not is_private:
            self.source.values.add(name)
        if is_member and self.scopes[-1].kind == "extension" and not is_private:
            self.source.extension_members.add(name)
        return None

    def _is_private(self, index: int) -> bool:
        index -= 1
        while index >= 0:
            token = self._text(index)
            if token in {"private", "fileprivate"}:
                return True
            if token == ")":
                while index >= 0 and self._text(index) != "(":
                    index -= 1
                index -= 1
                if self._text(index) not in MODIFIERS:
                    return False
            elif token not in MODIFIERS:
                return False
            index -= 1
        return False

    def _use(self, index: int) -> None:
        following = self._text(index + 1)
        self.source.uses.append(
            Use(
                name=self._text(index),
                line=self.tokens[index].line,
                after_dot=self._text(index - 1) == ".",
                is_call=following == "(",
                is_label=following == ":" or (self._is_name(following) and self._text(index + 2) == ":"),
            )
        )
