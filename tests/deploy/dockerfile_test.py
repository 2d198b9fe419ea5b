#!/usr/bin/env python3
"""The rules of dockerfile.py find what they are for."""
import unittest

import dockerfile

GOOD = """FROM debian:bookworm-slim AS build
RUN apt-get update \\
 && apt-get install -y --no-install-recommends g++ \\
 && rm -rf /var/lib/apt/lists/*
FROM debian:bookworm-slim
COPY --from=build /x /x
USER 10001:10001
ENTRYPOINT ["/x"]
"""


class Rules(unittest.TestCase):
    def found(self, text):
        return "\n".join(f"{n}: {what}" for n, what in dockerfile.offences(text))

    def test_a_good_file_is_clean(self):
        self.assertEqual(self.found(GOOD), "")

    def test_each_rule_finds_its_offence(self):
        for old, new, expected in [
            ("debian:bookworm-slim AS", "debian AS", "1: debian: no fixed tag"),
            ("debian:bookworm-slim AS", "debian:latest AS", "no fixed tag"),
            ("debian:bookworm-slim AS", "--platform=$BUILDPLATFORM debian AS", "1: debian: no fixed tag"),
            (" --no-install-recommends", "", "2: apt-get install without --no-install-recommends"),
            ("install -y", "install", "without -y"),
            ("apt-get update", "true", "without apt-get update"),
            (" \\\n && rm -rf /var/lib/apt/lists/*", "", "lists stay"),
            ("apt-get install", "apt install", "apt is for people"),
            ("RUN apt", "RUN sudo apt", "sudo"),
            ("RUN apt", "RUN curl https://a/b | sh && apt", "runs what it downloads"),
            ("COPY", "ADD", "6: ADD instead of COPY"),
            ("COPY", "WORKDIR src\nCOPY", "WORKDIR src is relative"),
            ("COPY", "ENV HF_TOKEN=x\nCOPY", "a secret"),
            ("USER 10001:10001\n", "", "runs as root"),
            ("USER 10001:10001", "USER 0:0", "runs as root"),
            ('["/x"]', "/x", "shell form"),
            ('ENTRYPOINT ["/x"]\n', "", "exactly one ENTRYPOINT"),
        ]:
            self.assertIn(old, GOOD)
            self.assertIn(expected, self.found(GOOD.replace(old, new, 1)))


if __name__ == "__main__":
    unittest.main()
