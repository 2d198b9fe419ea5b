// The flags of larql-node.

#include "cli/node/settings.hpp"
#include "cli/support/number_check.hpp"

namespace larql::cli {

void add_node_options(command_parser& app, node_flags& f) {
  app.add_option("model", f.vindex,
                 "Vindex (default: /data/vindex; env VINDEX_PATH), GGUF file, checkpoint, or "
                 "hf://OWNER/NAME (env HF_REPO); with both "
                 "variables the directory is filled from there");
  app.add_option("--experts", f.experts, "Experts to own, FIRST-LAST (default: all; env EXPERTS)");
  app.add_option("--layers", f.layers, "Layers to own, FIRST-LAST (default: all; env LAYERS)");
  app.add_option("--bind", f.bind, "Address to bind (default: 127.0.0.1; env ACTOR_BIND)");
  app.add_option("--port", f.port, "Port, 0: any free one (default: 9470; env ACTOR_PORT)")
      .check(whole_number(0, 65535));
  app.add_option("--name", f.name,
                 "Name of the node (default: that of its certificate, else its address; the host's "
                 "name and port if it joins or binds to every address; env NODE_NAME)")
      .group("Machine");
  app.add_option("-t,--threads", f.threads,
                 "Threads for computing (default: one per core; env THREADS)")
      .group("Machine");
  app.add_option(
      "--topology", f.topology,
      "Cluster file; with --node it says all of the above (env TOPOLOGY, and NODE_NAME)");
  app.add_option("--node", f.node, "Which [[node]] of the cluster file this is");
  app.add_option("--tls-ca", f.tls.ca, "CA certificate of the cluster (env TLS_CA)")
      .group("Protection");
  app.add_option("--tls-cert", f.tls.certificate, "Certificate of this node (env TLS_CERT)")
      .group("Protection");
  app.add_option("--tls-key", f.tls.key, "Its key (env TLS_KEY)").group("Protection");
  app.add_option(
         "--secret-file", f.secret_file,
         "Cluster secret, instead of certificates (env CLUSTER_SECRET_FILE; env CLUSTER_SECRET "
         "holds the secret itself)")
      .group("Protection");
  app.add_flag(
         "--insecure-bind", f.insecure_bind,
         "Listen without encryption on an address that others can reach (env INSECURE_BIND=1)")
      .group("Protection");
  app.add_option(
         "--http-port", f.http_port,
         "Port for /healthz, /readyz and /metrics; 0: any free one (default: none; env PORT)")
      .check(whole_number(0, 65535))
      .group("HTTP");
  app.add_option("--http-bind", f.http_bind,
                 "Address for them; they are not encrypted and tell nothing secret (default: "
                 "127.0.0.1; env HTTP_BIND)")
      .group("HTTP");
  app.add_option(
         "--hf-repo", f.hub_repo,
         "OWNER/NAME of the Hugging Face repository to fill the directory from (env HF_REPO)")
      .group("Joining and downloads");
  app.add_option("--join", f.join, "HOST:PORT of a laptop that this node announces itself to")
      .group("Joining and downloads");
  app.add_option(
         "--reach", f.reach,
         "Cluster file of nodes near this one: it answers for their experts as well, and asks "
         "them (env REACH; in a cluster file relay = true)")
      .group("Sessions and relay");
  app.add_option("--available-ram", f.available_ram,
                 "With --join: memory to offer, like 6GB; the laptop says which experts to load")
      .group("Joining and downloads");
  app.add_switch("--warmup,!--no-warmup", f.warmup,
                 "Read all owned experts at first (env WARMUP=1)");
  app.add_switch("--mlock,!--no-mlock", f.mlock, "Keep owned experts in memory (env MLOCK=1)")
      .group("Machine");
  app.add_option("--allow-sessions", f.allow_sessions,
                 "Sessions of laptops that this node computes at the same time (default: 4 for "
                 "laptops whose certificates allow sessions, else 0; env ALLOW_SESSIONS)")
      .check(whole_number(0, max_sessions))
      .group("Sessions and relay");
  app.add_option("--session-memory", f.session_memory,
                 "Memory for their keys and values (default: half of what is free; env "
                 "SESSION_MEMORY)")
      .group("Sessions and relay");
  app.add_option("--buffer-memory", f.buffer_memory,
                 "Memory for calls that wait and answers that are not read, of all laptops "
                 "together (default: 256MB; env BUFFER_MEMORY)")
      .group("Machine");
}

} // namespace larql::cli
