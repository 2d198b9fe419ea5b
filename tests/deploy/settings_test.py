#!/usr/bin/env python3
"""The files of deploy/ say what the programs and each other understand.

    settings_test.py LARQL_NODE     the built larql-node, whose --help-all names the variables it reads
"""
import pathlib
import re
import subprocess
import sys
import tomllib
import unittest

try:
    import yaml
except ImportError:
    yaml = None

import dockerfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
NODE = sys.argv.pop(1)
HELP = subprocess.run([NODE, "--help-all"], check=True, capture_output=True, text=True).stdout
# HF_TOKEN is read where downloads are made, and is no option: it would be seen in process lists.
VARIABLES = set(re.findall(r"\benv\s+([A-Z_]+)", HELP)) | {"HF_TOKEN"}
IMAGE = dict(word.split("=", 1) for _, name, argument in dockerfile.instructions((DEPLOY / "fly/Dockerfile").read_text())
             if name == "ENV" for word in argument.split())


def environment_file(path):
    return dict(line.lstrip("#").split("=", 1) for line in path.read_text().splitlines()
                if re.match(r"#?[A-Z_]+=", line))


class Variables(unittest.TestCase):
    def test_help_names_them(self):
        self.assertLessEqual({"EXPERTS", "LAYERS", "WARMUP", "PORT", "ACTOR_PORT", "VINDEX_PATH", "HF_REPO"}, VARIABLES)

    def test_every_variable_that_is_set_is_read(self):
        self.assertLessEqual(set(IMAGE), VARIABLES)
        self.assertLessEqual(set(environment_file(DEPLOY / "systemd/node.env")), VARIABLES)
        for name in ("fly.toml", "fly.private.toml", "fly.relay.toml"):
            self.assertLessEqual(set(tomllib.loads((DEPLOY / "fly" / name).read_text())["env"]), VARIABLES)


class Image(unittest.TestCase):
    def test_it_follows_the_rules(self):
        self.assertEqual(list(dockerfile.offences((DEPLOY / "fly/Dockerfile").read_text())), [])

    def test_what_it_copies_exists(self):
        for _, name, argument in dockerfile.instructions((DEPLOY / "fly/Dockerfile").read_text()):
            if name == "COPY" and not argument.startswith("--from"):
                for source in argument.split()[:-1]:
                    self.assertTrue((ROOT / source).exists(), source)

    def test_it_exposes_the_ports_it_sets(self):
        exposed = [argument.split() for _, name, argument in dockerfile.instructions((DEPLOY / "fly/Dockerfile").read_text())
                   if name == "EXPOSE"]
        self.assertEqual(exposed, [[IMAGE["PORT"], IMAGE["ACTOR_PORT"]]])


class Fly(unittest.TestCase):
    def setUp(self):
        self.public = tomllib.loads((DEPLOY / "fly/fly.toml").read_text())
        self.private = tomllib.loads((DEPLOY / "fly/fly.private.toml").read_text())
        self.relay = tomllib.loads((DEPLOY / "fly/fly.relay.toml").read_text())

    def test_ports_and_paths_agree(self):
        for app in (self.public, self.private, self.relay):
            env = IMAGE | app["env"]
            self.assertEqual(str(app["checks"]["ready"]["port"]), env["PORT"])
            self.assertEqual(app["checks"]["ready"]["path"], "/readyz")
            self.assertEqual((str(app["metrics"]["port"]), app["metrics"]["path"]), (env["PORT"], "/metrics"))
            self.assertTrue(env["VINDEX_PATH"].startswith(app["mounts"][0]["destination"] + "/"))
            self.assertTrue((DEPLOY / "fly" / app["build"]["dockerfile"]).is_file())
            self.assertEqual(app["kill_signal"], "SIGTERM")
            self.assertEqual((app["vm"][0]["size"], app["vm"][0]["memory"]), ("performance-8x", "16gb"))

    def test_laptops_reach_the_nodes_own_tls_at_the_port_that_https_means(self):
        service, = self.public["services"]
        self.assertEqual(str(service["internal_port"]), (IMAGE | self.public["env"])["ACTOR_PORT"])
        port, = service["ports"]
        self.assertEqual(port["port"], 443)
        self.assertNotIn("handlers", port, "fly's proxy would end TLS")

    def test_the_private_variant_has_no_public_service(self):
        self.assertNotIn("services", self.private)
        self.assertNotIn("http_service", self.private)

    def test_the_two_differ_in_nothing_else(self):
        public, private = dict(self.public), dict(self.private)
        public.pop("services")
        private["env"] = {k: v for k, v in private["env"].items() if k != "ACTOR_BIND"}
        self.assertEqual(public, private)

    def test_the_relay_has_the_file_that_it_reads_and_differs_in_nothing_else(self):
        relay = dict(self.relay)
        file, = relay.pop("files")
        self.assertEqual(file, {"guest_path": relay["env"]["REACH"], "secret_name": "NEAR_TOML"})
        relay["env"] = {k: v for k, v in relay["env"].items() if k != "REACH"}
        self.assertEqual(relay, self.public)

    def test_what_the_relay_reaches_is_the_other_app(self):
        near = tomllib.loads((DEPLOY / "fly/near.toml").read_text())
        port = (IMAGE | self.relay["env"])["ACTOR_PORT"]
        self.assertEqual(near["discovery"]["dns"], [f"larql-expert-server-b.internal:{port}"])

    def test_no_secret_is_in_the_files(self):
        for name in ("fly.toml", "fly.private.toml", "fly.relay.toml"):
            self.assertNotRegex((DEPLOY / "fly" / name).read_text(), r"(?m)^\s*(HF_TOKEN|CLUSTER_SECRET|TLS_KEY)\s*=")


@unittest.skipIf(yaml is None, "python3-yaml is missing")
class Compose(unittest.TestCase):
    def setUp(self):
        self.services = yaml.safe_load((DEPLOY / "docker/compose.yml").read_text())["services"]

    def test_there_are_two_nodes_the_program_of_the_laptop_and_a_server(self):
        self.assertEqual(set(self.services), {"alpha", "beta", "larql", "api"})
        self.assertEqual(self.services["larql"]["entrypoint"], ["/usr/bin/larql"])
        self.assertEqual(self.services["api"]["entrypoint"], ["/usr/bin/larql", "serve"])

    def test_every_variable_is_read_and_the_nodes_own_different_halves(self):
        for name in ("alpha", "beta"):
            self.assertLessEqual(set(self.services[name]["environment"]), VARIABLES)
        ranges = [re.search(r"(\d+)-(\d+)", self.services[n]["environment"]["EXPERTS"]).groups() for n in ("alpha", "beta")]
        self.assertEqual(ranges, [("0", "63"), ("64", "127")])

    def test_services_can_do_little(self):
        for service in self.services.values():
            self.assertTrue(service["read_only"])
            self.assertEqual(service["cap_drop"], ["ALL"])

    def test_published_ports_are_on_loopback(self):
        for service in self.services.values():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), port)

    def test_its_dockerfile_is_there(self):
        build = self.services["alpha"]["build"]
        self.assertTrue((DEPLOY / "docker" / build["context"] / build["dockerfile"]).resolve().is_file())


if __name__ == "__main__":
    unittest.main()
