"""Tests of scripts/check-docs on small repositories."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "scripts/check-docs"


class CheckDocsTests(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        subprocess.run(["git", "init", "--quiet", str(self.root)], check=True)

    def write(self, path: str, text: str = "") -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def faults(self, page: str) -> list[str]:
        self.write("page.md", page)
        command = [sys.executable, str(SCRIPT), "--root", str(self.root)]
        finished = subprocess.run(command, capture_output=True, text=True)
        found = [line.removeprefix("error: ") for line in finished.stdout.splitlines() if line.startswith("error: ")]
        self.assertEqual(finished.returncode, 1 if found else 0, finished.stderr)
        return found

    def test_links_to_files_folders_and_headings_are_right(self) -> None:
        self.write("docs/other.md", "# Other\n\n## A `code` word, and more\n")
        self.write("Sources/A/B.swift")
        page = (
            "# Page\n[a](docs/other.md) [b](docs/other.md#a-code-word-and-more) [c](#page) [d](docs) [e](https://x.y)\n"
        )
        self.assertEqual(self.faults(page + "`Sources/A/B.swift` in `Sources/A/`, Sources/A.\n"), [])

    def test_a_missing_file_is_reported_with_its_line(self) -> None:
        self.assertEqual(self.faults("a\n[b](docs/none.md)\n"), ["page.md:2: there is no docs/none.md"])

    def test_a_missing_heading_is_reported(self) -> None:
        self.write("docs/other.md", "# Other\n")
        self.assertEqual(self.faults("[a](docs/other.md#none)\n"), ["page.md:1: docs/other.md has no heading #none"])

    def test_a_missing_path_in_text_and_code_is_reported(self) -> None:
        self.write("scripts/run")
        found = self.faults("Run `scripts/run --fast` and scripts/walk.\n```\nscripts/fly\n```\n")
        self.assertEqual(found, ["page.md:1: there is no scripts/walk", "page.md:3: there is no scripts/fly"])

    def test_a_placeholder_needs_its_folder_only(self) -> None:
        self.write("Sources/A/B.swift")
        self.assertEqual(self.faults("`Sources/A/<Name>.swift` and `Sources/A/*.swift`\n"), [])
        self.assertEqual(len(self.faults("`Sources/C/<Name>.swift`\n")), 1)

    def test_a_long_line_is_reported_unless_it_is_a_row_of_a_table(self) -> None:
        self.assertEqual(self.faults("x" * 121 + "\n"), ["page.md:1: 121 columns"])
        self.assertEqual(self.faults("| " + "x" * 121 + " |\n"), [])

    def test_a_suppression_of_a_missing_file_is_reported(self) -> None:
        self.write("Sources/A/B.swift")
        self.write("scripts/thread-sanitizer-suppressions.txt", "# note\nrace:B.swift\nrace:A/B.swift\nrace:C.swift\n")
        self.assertEqual(self.faults(""), ["thread-sanitizer-suppressions.txt: there is no C.swift"])


if __name__ == "__main__":
    unittest.main()
