"""Tests of scripts/check-layers on small packages."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/check-layers"
sys.dont_write_bytecode = True


def load() -> ModuleType:
    loader = SourceFileLoader("check_layers", str(SCRIPT))
    spec = spec_from_loader("check_layers", loader)
    assert spec is not None
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


check_layers = load()
from layers import graph, package, rules, swift_source  # noqa: E402


class SwiftSourceTests(unittest.TestCase):
    def parse(self, text: str) -> swift_source.SwiftSource:
        return swift_source.parse(text, Path("File.swift"))

    def names(self, text: str) -> set[str]:
        return {use.name for use in self.parse(text).uses}

    def test_top_level_declarations_are_found(self) -> None:
        source = self.parse(
            "package struct A<T>: B where T: C {}\nfinal class D {}\nfunc e() {}\nlet f = 1\ntypealias G = Int"
        )
        self.assertEqual(source.types, {"A", "D", "G"})
        self.assertEqual(source.values, {"e", "f"})

    def test_only_private_declarations_are_invisible_to_other_files(self) -> None:
        source = self.parse("private struct A {}\nfileprivate func b() {}\nprivate(set) var c = 1")
        self.assertEqual((source.types, source.values), (set(), {"c"}))

    def test_nested_types_belong_to_the_outermost(self) -> None:
        source = self.parse("struct A { struct B { enum C { case d } } }\nextension E { struct F {} }")
        self.assertEqual(source.types, {"A"})
        self.assertEqual(source.nested_types, {"A": {"B", "C"}, "E": {"F"}})

    def test_only_members_of_extensions_are_extension_members(self) -> None:
        source = self.parse(
            "struct A { func b() {} }\n"
            "extension A { func c() { let d = 1 }\n private func e() {}\n static var f: Int { 1 } }"
        )
        self.assertEqual(source.extension_members, {"c", "f"})

    def test_a_closure_in_a_default_argument_is_not_the_body(self) -> None:
        source = self.parse("func a(b: () -> Void = { }) { struct C {} }\nstruct D {}")
        self.assertEqual(source.types, {"D"})

    def test_comments_and_strings_use_nothing(self) -> None:
        self.assertEqual(self.names('/* A /* B */ C */ // D\nlet e = "F" + #"G"H"# + """\n I "J" \n"""'), set())

    def test_code_in_interpolations_is_used(self) -> None:
        self.assertEqual(self.names(r'let a = "B \(C(d: "E \(F)")) G" + #"\(H) \#(I)"#'), {"C", "d", "F", "I"})

    def test_lines_are_counted(self) -> None:
        source = self.parse('import A\n\nlet b = """\n  c\n  """\nlet d = E()')
        self.assertEqual(source.imports, {"A": 1})
        self.assertEqual([(use.name, use.line) for use in source.uses], [("E", 6)])

    def test_a_pattern_in_a_switch_is_a_use(self) -> None:
        self.assertIn("A", self.names("func f() { switch x { case A.b: break } }"))


class GraphTests(unittest.TestCase):
    def test_circles_are_found_also_through_others(self) -> None:
        self.assertEqual(graph.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}), [["a", "b", "c"]])
        self.assertEqual(graph.circles({"a": {"b"}, "b": set()}), [])

    def test_each_node_is_above_all_it_uses(self) -> None:
        self.assertEqual(
            graph.layers({"a": {"b", "c"}, "b": {"c"}, "c": set(), "d": set()}), [["a"], ["b"], ["c", "d"]]
        )


class RuleTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)

    def write(self, manifest: dict[str, list[str]], files: dict[str, str]) -> list[package.Target]:
        declarations = [
            f'.target(name: "{name}", dependencies: [{", ".join(f"{used!r}" for used in uses)}]), // "Unused"'
            for name, uses in manifest.items()
        ]
        (self.root / "Package.swift").write_text("\n".join(declarations).replace("'", '"'))
        for path, text in files.items():
            file = self.root / "Sources" / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        return package.targets(self.root)

    def folder_faults(self, files: dict[str, str], most_loose: int = 1, most_flat: int = 2) -> list[str]:
        targets = self.write({"T": []}, {f"T/{path}": text for path, text in files.items()})
        found = rules.folder_graph(targets[0], targets, self.root)
        return rules.folder_faults(targets[0], found, most_loose, most_flat)

    def test_imports_downwards_are_right(self) -> None:
        targets = self.write({"Top": ["Low"], "Low": []}, {"Top/A.swift": "import Low", "Low/B.swift": ""})
        self.assertEqual(rules.target_faults(targets, [["Top"], ["Low"]], self.root), [])

    def test_an_upward_import_is_reported_with_its_place(self) -> None:
        targets = self.write({"Top": [], "Low": ["Top"]}, {"Top/A.swift": "", "Low/B.swift": "\nimport Top"})
        faults = rules.target_faults(targets, [["Top"], ["Low"]], self.root)
        self.assertEqual(faults, ["upward import: Low → Top\n    Sources/Low/B.swift:2"])

    def test_targets_of_one_row_must_not_import_each_other(self) -> None:
        targets = self.write({"A": ["B"], "B": []}, {"A/A.swift": "import B", "B/B.swift": ""})
        self.assertEqual(len(rules.target_faults(targets, [["A", "B"]], self.root)), 1)

    def test_a_target_without_a_place_is_reported(self) -> None:
        targets = self.write({"A": []}, {"A/A.swift": ""})
        self.assertEqual(len(rules.target_faults(targets, [], self.root)), 1)

    def test_manifest_and_imports_must_agree(self) -> None:
        targets = self.write(
            {"A": [], "B": ["C"], "C": []}, {"A/A.swift": "import C", "B/B.swift": "", "C/C.swift": ""}
        )
        faults = rules.target_faults(targets, [["A", "B"], ["C"]], self.root)
        self.assertEqual(len(faults), 2)
        self.assertIn("A imports C, which Package.swift does not declare", faults[0])
        self.assertIn("Package.swift lets B import C, but no file does", faults[1])

    def test_folders_without_a_circle_are_right(self) -> None:
        self.assertEqual(
            self.folder_faults(
                {"F.swift": "let f = A()", "X/A.swift": "struct A { let b: B }", "Y/B.swift": "struct B {}"}
            ),
            [],
        )

    def test_a_circle_of_folders_is_reported_with_its_uses(self) -> None:
        faults = self.folder_faults(
            {"X/A.swift": "struct A { let c: C }", "Y/B.swift": "struct B {\n var a: A }", "Y/C.swift": "struct C {}"}
        )
        self.assertEqual(len(faults), 1)
        self.assertIn("T: circle of X, Y", faults[0])
        self.assertIn("Sources/T/Y/B.swift:2  A", faults[0])

    def test_a_circle_through_deeper_folders_is_reported(self) -> None:
        faults = self.folder_faults(
            {"X/P/A.swift": "struct A { var b: B }", "X/Q/C.swift": "struct C {}", "Y/B.swift": "struct B { var c: C }"}
        )
        self.assertEqual(len(faults), 1)

    def test_a_circle_within_a_folder_is_reported(self) -> None:
        faults = self.folder_faults({"X/P/A.swift": "struct A { var b: B }", "X/Q/B.swift": "struct B { var a: A }"})
        self.assertEqual(len(faults), 1)
        self.assertIn("T/X: circle of P, Q", faults[0])

    def test_a_folder_must_not_use_the_root(self) -> None:
        faults = self.folder_faults({"F.swift": "struct F {}", "X/A.swift": "struct A { let f: F }"})
        self.assertEqual(len(faults), 1)
        self.assertIn("T: X uses the root", faults[0])

    def test_loose_files_are_counted(self) -> None:
        self.assertEqual(len(self.folder_faults({"F.swift": "", "G.swift": ""})), 0)
        self.assertEqual(len(self.folder_faults({"F.swift": "", "G.swift": "", "X/A.swift": ""})), 1)
        self.assertEqual(len(self.folder_faults({"H.swift": "", "I.swift": "", "X/A.swift": ""}, most_loose=4)), 0)

    def test_an_extension_member_of_one_declaration_is_a_use(self) -> None:
        files = {
            "X/A.swift": "struct A {}\nfunc f(b: A) { b.rarity }",
            "Y/B.swift": "extension A { var rarity: Int { 1 } }",
        }
        self.assertEqual(len(self.folder_faults(files)), 1)

    def test_a_member_declared_twice_is_no_use(self) -> None:
        files = {
            "X/A.swift": "struct A { var rarity: Int { 1 } }\nfunc f(b: A) { b.rarity }",
            "Y/B.swift": "extension A { var rarity: Int { 1 } }",
        }
        self.assertEqual(self.folder_faults(files), [])

    def test_a_nested_type_hides_one_of_the_same_name(self) -> None:
        files = {
            "X/A.swift": "struct A { enum State {} }",
            "X/A+More.swift": "extension A { func f(_: State) {} }",
            "Y/B.swift": "struct State { let a: A }",
        }
        self.assertEqual(self.folder_faults(files), [])

    def test_a_name_of_two_folders_is_no_use_of_either(self) -> None:
        files = {"X/A.swift": "struct A {}", "Y/A.swift": "struct A {}", "Z/B.swift": "struct B { let a: A }"}
        self.assertEqual(self.folder_faults(files), [])


class CommandTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for names in check_layers.ORDER:
            for name in names:
                (self.root / "Sources" / name).mkdir(parents=True)
                (self.root / "Sources" / name / "A.swift").write_text("struct A {}")
        (self.root / "Package.swift").write_text("")
        self.page = self.root / "ARCHITECTURE.md"
        self.page.write_text(f"before\n{check_layers.BEGIN}old\n{check_layers.END}\nafter\n")

    def run_script(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(SCRIPT), "--root", str(self.root), *arguments]
        return subprocess.run(command, capture_output=True, text=True)

    def test_a_stale_picture_fails_until_it_is_written(self) -> None:
        self.assertEqual(self.run_script().returncode, 1)
        self.assertEqual(self.run_script("--report").returncode, 0)
        self.assertEqual(self.run_script("--write").returncode, 0)
        written = self.run_script()
        self.assertEqual(written.returncode, 0, written.stdout)
        text = self.page.read_text()
        self.assertTrue(text.startswith("before\n") and text.endswith("\nafter\n"))
        self.assertIn("VerbatimCLI\n    A\n", text)

    def test_a_page_without_a_place_for_the_picture_fails(self) -> None:
        self.page.write_text("nothing\n")
        self.assertEqual(self.run_script("--write").returncode, 1)


if __name__ == "__main__":
    unittest.main()
