"""Ports, programs and nodes on loopback, for the scripts beside this file."""
import contextlib
import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time


def stop(text):
    """Ends the script with an error that begins with its name."""
    sys.exit(f"{os.path.basename(sys.argv[0])}: {text}")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for_port(port, process, what):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if process.poll() is not None:
            stop(f"{what} ended with code {process.returncode}")
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    stop(f"{what} does not listen on port {port} after 60 s")


def programs(folder):
    """The paths of larql and larql-node."""
    found = [shutil.which(name, path=folder) for name in ("larql", "larql-node")]
    if not all(found):
        stop(f"{folder} has no larql and larql-node")
    return found


def start_node(node, vindex, first, last, threads, port=None, log=subprocess.DEVNULL, name=None):
    """A node with these experts that takes connections, and its port."""
    port = port or free_port()
    env = dict(os.environ, VINDEX_PATH=str(vindex), EXPERTS=f"{first}-{last}", ACTOR_PORT=str(port))
    named = ["--name", name] if name else []
    process = subprocess.Popen([node, "--threads", str(threads), *named], env=env, stdout=subprocess.DEVNULL, stderr=log)
    try:
        wait_for_port(port, process, "larql-node")
    except BaseException:
        process.kill()
        process.wait()
        raise
    return process, port


@contextlib.contextmanager
def sharing_nodes(node, vindex, count, threads=1):
    """Nodes that share a model's experts: name, experts ("0-63") and port of each. They end with the block."""
    experts = json.load(open(pathlib.Path(vindex) / "index.json"))["model_config"]["moe"]["num_experts"]
    nodes, out = [], []
    try:
        for i in range(count):
            first, last = experts * i // count, experts * (i + 1) // count - 1
            process, port = start_node(node, vindex, first, last, threads, name=f"n{i}")
            nodes.append(process)
            out.append((f"n{i}", f"{first}-{last}", port))
        yield out
    finally:
        end_all(nodes)


def shard_map(nodes):
    """For --moe-shards."""
    return ",".join(f"{experts}=caf://127.0.0.1:{port}" for _, experts, port in nodes)


def end_all(processes):
    for p in processes:
        p.terminate()
    for p in processes:
        p.wait()
