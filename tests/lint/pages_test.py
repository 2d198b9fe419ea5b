#!/usr/bin/env python3
"""The rules of pages.py find what they are for, and nothing else."""
import unittest

import pages

LONG = "x" * 40 + " " + "y" * 52  # with "// " in front, 96 columns


class Rules(unittest.TestCase):
    def found(self, **files):
        """Offences in files; `__` in a name stands for a slash and `_hpp` for its end."""
        tree = {name.replace("__", "/").replace("_hpp", ".hpp").replace("_md", ".md"): text for name, text in files.items()}
        return [f"{name}:{number}: {what}" for name, number, what in pages.offences(pages.Tree(tree))]

    def in_code(self, comment, **more):
        return self.found(runtime__README_md="# x\n", runtime__a_hpp=comment, docs__x_md="# X\n\n## A heading (`b`)\n",
                          docs__adr__0007_md="", **{"docs/adr/0003-three.md": "# 0003\n"}, **more)

    def test_references_that_exist_are_clean(self):
        self.assertEqual(self.in_code('// docs/x.md, "X" and "A heading (`b`)"; ADR 0003; a.hpp, runtime/a.hpp, llama.cpp\n'), [])

    def test_a_page_that_does_not_exist_is_found(self):
        self.assertEqual(self.in_code("// see\n// docs/y.md\n"), ["runtime/a.hpp:2: docs/y.md does not exist"])

    def test_a_heading_that_does_not_exist_is_found_across_lines(self):
        self.assertEqual(self.in_code('// Source  docs/x.md, "A\n//         section".\n'),
                         ['runtime/a.hpp:1: docs/x.md has no heading "A section"'])

    def test_a_missing_decision_is_found(self):
        self.assertEqual(self.in_code("// As ADR 0003 and docs/adr/0004 say.\n"), ["runtime/a.hpp:1: there is no ADR 0004"])

    def test_a_source_file_that_was_renamed_is_found_beside_code_as_well(self):
        self.assertEqual(self.in_code("int x; ///< as in b.hpp\n"), ["runtime/a.hpp:1: b.hpp does not exist"])
        self.assertEqual(self.in_code('#include "b.hpp"\n'), [])

    def test_links_and_their_anchors_are_followed(self):
        good = "[a](docs/x.md) [b](docs/x.md#a-heading-b) [c](https://d/e.md) [d](#top)\n\n# Top\n"
        self.assertEqual(self.in_code("", README_md=good), [])
        self.assertEqual(self.in_code("", docs__z_md="[a](y.md) [b](x.md#c) [c](../docs/x.md)\n"),
                         ["docs/z.md:1: the link y.md leads nowhere", "docs/z.md:1: the link x.md#c names no heading of docs/x.md"])

    def test_paths_in_pages_must_exist_but_may_stand_for_any_name(self):
        page = "`runtime/a` `runtime/` `runtime/*.hpp` `runtime/NAME.cpp` `runtime/b` `runtime/b.*`\n"
        self.assertEqual(self.in_code("", docs__z_md=page),
                         ["docs/z.md:1: runtime/b does not exist", "docs/z.md:1: runtime/b.* does not exist"])

    def test_records_of_a_day_may_name_what_is_gone(self):
        self.assertEqual(self.in_code("", **{"docs/measurements/2026-11-26.md": "[a](gone.md) `runtime/gone.hpp`\n"}), [])

    def test_a_few_words_between_a_full_line_and_its_continuation_are_found(self):
        broken = f"int y;\n// {LONG}\n// some words\n// go on here\n"
        self.assertEqual([f.split(": ")[0] for f in self.in_code(broken)], ["runtime/a.hpp:3"])

    def test_short_lines_that_are_meant_are_not(self):
        for text in (f"// {LONG}\n// some words\n",                        # the last line
                     f"// {LONG}\n// end here.\n// Another sentence\n",    # the end of a sentence
                     f"// {LONG}\n// some words\n//\n// A paragraph\n",
                     f"// {LONG}\n// some words\n// * an entry\n",
                     "// one line\n// some words\n// go on here\n",         # the line above is not full
                     f"// {LONG}\n// some words\n// {'z' * 90}\n"):        # the next word had no room
            self.assertEqual(self.in_code("int y;\n" + text), [], text)

    def test_a_keyword_of_the_opening_comment_keeps_its_indentation(self):
        good = "// What it is.\n//\n// Owner     The node\n//           alone.\n// Placement Here.\n//\n// More text.\n"
        self.assertEqual(self.in_code(good), [])
        self.assertEqual(self.in_code(good.replace("//           alone", "// alone")),
                         ["runtime/a.hpp:4: the comment has lost the indentation of its keyword"])

    def test_short_pages_stay_short(self):
        adr = {"docs/adr/0009-nine.md": "a\n" * 41 + "b" * 101 + "\n"}
        self.assertEqual(self.in_code("", **adr), ["docs/adr/0009-nine.md:42: has 42 lines, an ADR at most 40",
                                                   "docs/adr/0009-nine.md:42: has 101 columns, in an ADR at most 100"])
        self.assertEqual(self.found(runtime__README_md="a\n" * 11),
                         ["runtime/README.md:11: has 11 lines, the README of a folder at most 10"])
        self.assertEqual(self.found(docs__glossary_md="a\n" * 61),
                         ["docs/glossary.md:61: has 61 lines, a page of one screen at most 60"])

    def test_a_folder_of_code_has_a_readme(self):
        self.assertEqual(self.found(runtime__b__c_hpp=""), ["runtime/b:1: has no README.md"])


if __name__ == "__main__":
    unittest.main()
