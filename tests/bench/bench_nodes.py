"""Ports, programs and nodes on loopback, for the scripts beside this file."""
import os
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


def end_all(processes):
    for p in processes:
        p.terminate()
    for p in processes:
        p.wait()
