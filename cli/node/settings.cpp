#include "cli/node/settings.hpp"

#include "cli/support/parse_bytes.hpp"

#include "actors/net/socket.hpp"
#include "runtime/base/log.hpp"
#include "runtime/base/parse_number.hpp"
#include "runtime/hub/repo.hpp"
#include "runtime/vindex/presence.hpp"
#include "schema/messages.hpp"

#include <charconv>
#include <cstdlib>

namespace larql::cli {

namespace {

constexpr auto max_threads = 255u; // as in the cluster file
constexpr auto min_buffer_bytes = std::uint64_t{16'000'000};

result<bool> parse_switch(std::string_view text, std::string_view what) {
  if (text == "1" || text == "true" || text == "yes")
    return true;
  if (text == "0" || text == "false" || text == "no")
    return false;
  return fail(errc::usage, "{} is \"{}\", expected 1 or 0", what, text);
}

result<unsigned> parse_threads(std::string_view text, std::string_view what) {
  const auto n = parse_number<unsigned>(text);
  if (!n || *n == 0 || *n > max_threads)
    return fail(errc::usage, "{} is \"{}\", expected 1 to {}", what, text, max_threads);
  return *n;
}

result<std::uint16_t> parse_port(std::string_view text, std::string_view what) {
  const auto port = parse_number<std::uint16_t>(text);
  if (!port)
    return fail(errc::usage, "{} is \"{}\", expected 0 to 65535", what, text);
  return *port;
}

result<std::uint32_t> parse_sessions(std::string_view text, std::string_view what) {
  const auto n = parse_number<std::uint32_t>(text);
  if (!n || *n > max_sessions)
    return fail(errc::usage, "{} is \"{}\", expected 0 to {}", what, text, max_sessions);
  return *n;
}

// The other nodes, for the experts of sessions: dialled with this node's own protection.
void take_others(topology::cluster c, node_settings& out) {
  std::erase_if(c.nodes, [&](const auto& n) { return n.name == out.name; });
  c.find.join.reset(); // where nodes announce themselves is the laptop's
  c.protect = out.protect;
  if (!c.nodes.empty() || c.find.enabled())
    out.others = std::move(c);
}

// What the cluster file says of this node.
result<void> take_topology(const node_flags& flags, node_settings& out) {
  if (flags.topology.empty()) {
    if (!flags.node.empty())
      return fail(errc::usage, "--node {}: needs --topology FILE", flags.node);
    return {};
  }
  LARQL_TRY(const auto c, topology::load_cluster(flags.topology, topology::reader::node));
  const auto* node = c.find_node(flags.node);
  if (node == nullptr) {
    auto names = std::string{};
    for (const auto& n : c.nodes)
      names += (names.empty() ? "" : ", ") + n.name;
    return fail(errc::usage, "{}: --node is {}; its nodes are: {}", flags.topology.string(),
                flags.node.empty() ? "missing"
                                   : fmt::format("\"{}\", none of this file", flags.node),
                names.empty() ? "none" : names);
  }
  out.name = node->name;
  out.vindex = node->vindex.empty() ? c.model : node->vindex;
  out.experts = node->experts;
  out.layers = node->layers;
  out.threads = node->threads;
  out.warmup = node->warmup;
  out.mlock = node->mlock;
  if (node->relay)
    out.reach = c;
  out.bind = node->address.host;
  out.port = node->address.port;
  if (!node->listen.empty()) {
    LARQL_TRY(const auto at, topology::parse_host_port(node->listen, "listen"));
    out.bind = at.host;
    out.port = at.port;
  }
  if (!node->http.empty()) {
    LARQL_TRY(const auto at, topology::parse_host_port(node->http, "http"));
    out.http_bind = at.host;
    out.http_port = at.port;
  }
  out.protect = c.protect;
  if (c.protect.files.any()) {
    if (node->certificate.empty() && flags.tls.certificate.empty())
      return fail(errc::usage,
                  "{}: node {} has no certificate and key, but the cluster uses certificates",
                  node->where, node->name);
    out.protect.files.certificate = node->certificate;
    out.protect.files.key = node->key;
  }
  out.allow_sessions = node->sessions;
  take_others(c, out);
  return {};
}

class environment_reader {
public:
  explicit environment_reader(const environment_fn& read) : read_(read) {}

  /// Calls `take` with the value if the variable is set.
  template <class Take>
  result<void> with(const char* name, Take take) const {
    if (const auto value = read_(name))
      return take(*value, name);
    return {};
  }

private:
  const environment_fn& read_;
};

result<void> take_range(const std::string& text, std::string_view what,
                        std::optional<experts::index_range>& to) {
  if (text.empty())
    return {};
  LARQL_TRY(to, experts::parse_range(text, what));
  return {};
}

result<void> take_environment(const environment_fn& environment, node_settings& out) {
  const auto env = environment_reader{environment};
  const auto range = [](std::optional<experts::index_range>& to) {
    return [&to](const std::string& v, const char* name) { return take_range(v, name, to); };
  };
  const auto on = [](bool& to) {
    return [&to](const std::string& v, const char* name) -> result<void> {
      LARQL_TRY(to, parse_switch(v, name));
      return {};
    };
  };
  const auto path = [](std::filesystem::path& to) {
    return [&to](const std::string& v, const char*) -> result<void> {
      to = v;
      return {};
    };
  };
  const auto text = [](std::string& to) {
    return [&to](const std::string& v, const char*) -> result<void> {
      to = v;
      return {};
    };
  };
  const auto port = [](auto& to) {
    return [&to](const std::string& v, const char* name) -> result<void> {
      LARQL_TRY(to, parse_port(v, name));
      return {};
    };
  };
  LARQL_TRY_VOID(env.with("VINDEX_PATH", text(out.vindex)));
  LARQL_TRY_VOID(env.with("HF_REPO", text(out.hub_repo)));
  LARQL_TRY_VOID(env.with("EXPERTS", range(out.experts)));
  LARQL_TRY_VOID(env.with("LAYERS", range(out.layers)));
  LARQL_TRY_VOID(env.with("WARMUP", on(out.warmup)));
  LARQL_TRY_VOID(env.with("MLOCK", on(out.mlock)));
  LARQL_TRY_VOID(env.with("INSECURE_BIND", on(out.insecure_bind)));
  LARQL_TRY_VOID(env.with("THREADS", [&](const std::string& v, const char* name) -> result<void> {
    LARQL_TRY(out.threads, parse_threads(v, name));
    return {};
  }));
  LARQL_TRY_VOID(
      env.with("BUFFER_MEMORY", [&](const std::string& v, const char* name) -> result<void> {
        LARQL_TRY(out.buffer_bytes, parse_bytes(v, name));
        return {};
      }));
  LARQL_TRY_VOID(
      env.with("ALLOW_SESSIONS", [&](const std::string& v, const char* name) -> result<void> {
        LARQL_TRY(out.allow_sessions, parse_sessions(v, name));
        return {};
      }));
  LARQL_TRY_VOID(
      env.with("SESSION_MEMORY", [&](const std::string& v, const char* name) -> result<void> {
        LARQL_TRY(out.session_bytes, parse_bytes(v, name));
        return {};
      }));
  LARQL_TRY_VOID(env.with("ACTOR_PORT", port(out.port)));
  LARQL_TRY_VOID(env.with("ACTOR_BIND", text(out.bind)));
  LARQL_TRY_VOID(env.with("PORT", port(out.http_port)));
  LARQL_TRY_VOID(env.with("HTTP_BIND", text(out.http_bind)));
  LARQL_TRY_VOID(env.with("NODE_NAME", text(out.name)));
  LARQL_TRY_VOID(env.with("TLS_CA", path(out.protect.files.ca)));
  LARQL_TRY_VOID(env.with("TLS_CERT", path(out.protect.files.certificate)));
  LARQL_TRY_VOID(env.with("TLS_KEY", path(out.protect.files.key)));
  LARQL_TRY_VOID(env.with("CLUSTER_SECRET_FILE", path(out.protect.secret_file)));
  LARQL_TRY_VOID(env.with("CLUSTER_SECRET", text(out.protect.secret)));
  LARQL_TRY_VOID(env.with("REACH", [&](const std::string& v, const char*) -> result<void> {
    LARQL_TRY(out.reach, topology::load_cluster(v, topology::reader::node));
    return {};
  }));
  return {};
}

result<void> take_flags(const node_flags& f, node_settings& out) {
  const auto text = [](const std::string& from, std::string& to) {
    if (!from.empty())
      to = from;
  };
  const auto path = [](const std::filesystem::path& from, std::filesystem::path& to) {
    if (!from.empty())
      to = from;
  };
  text(f.vindex, out.vindex);
  if (!f.vindex.empty()) // what is typed means itself
    out.hub_repo.clear();
  if (out.vindex.empty() && !out.hub_repo.empty())
    out.vindex = std::string{hub::scheme} + std::exchange(out.hub_repo, {});
  text(f.bind, out.bind);
  text(f.name, out.name);
  LARQL_TRY_VOID(take_range(f.experts, "--experts", out.experts));
  LARQL_TRY_VOID(take_range(f.layers, "--layers", out.layers));
  out.port = f.port.value_or(out.port);
  out.threads = f.threads.value_or(out.threads);
  out.warmup = f.warmup.value_or(out.warmup);
  out.mlock = f.mlock.value_or(out.mlock);
  out.insecure_bind = out.insecure_bind || f.insecure_bind;
  text(f.http_bind, out.http_bind);
  if (f.http_port)
    out.http_port = f.http_port;
  text(f.hub_repo, out.hub_repo);
  path(f.tls.ca, out.protect.files.ca);
  path(f.tls.certificate, out.protect.files.certificate);
  path(f.tls.key, out.protect.files.key);
  path(f.secret_file, out.protect.secret_file);
  if (!f.buffer_memory.empty()) {
    LARQL_TRY(out.buffer_bytes, parse_bytes(f.buffer_memory, "--buffer-memory"));
  }
  if (f.allow_sessions)
    out.allow_sessions = f.allow_sessions;
  if (!f.session_memory.empty()) {
    LARQL_TRY(out.session_bytes, parse_bytes(f.session_memory, "--session-memory"));
  }
  if (!f.join.empty()) {
    LARQL_TRY(out.join, topology::parse_host_port(f.join, "--join"));
  }
  if (!f.reach.empty()) {
    LARQL_TRY(out.reach, topology::load_cluster(f.reach, topology::reader::node));
  }
  if (!f.available_ram.empty()) {
    LARQL_TRY(out.available_ram, parse_bytes(f.available_ram, "--available-ram"));
  }
  return {};
}

result<void> check(const node_settings& s) {
  if (s.name.size() > schema::max_name_bytes || one_line(s.name) != s.name)
    return fail(errc::usage, "--name \"{}\": expected at most {} bytes without control characters",
                s.name, schema::max_name_bytes);
  const auto& p = s.protect;
  if (p.files.any() + !p.secret_file.empty() + !p.secret.empty() > 1)
    return fail(
        errc::usage,
        "certificates, a file with the cluster secret and CLUSTER_SECRET exclude each other");
  if (s.http_port && *s.http_port != 0 && *s.http_port == s.port)
    return fail(errc::usage,
                "PORT {} is for HTTP and ACTOR_PORT for laptops: they must be different",
                *s.http_port);
  if (!s.protect.enabled() && !actors::is_loopback(s.bind) && !s.insecure_bind)
    return fail(
        errc::usage,
        "--bind {} (or ACTOR_BIND): without certificates or a cluster secret a node listens "
        "on loopback addresses only (--insecure-bind lifts this where the network itself is "
        "private)",
        s.bind);
  if (s.buffer_bytes < min_buffer_bytes)
    return fail(
        errc::usage,
        "--buffer-memory is {} bytes, expected at least {}: a call of a long prompt must fit",
        s.buffer_bytes, min_buffer_bytes);
  if (s.available_ram && !s.join)
    return fail(errc::usage, "--available-ram: needs --join, somebody who says what to load");
  if (s.available_ram && (s.experts || s.layers))
    return fail(errc::usage,
                "--available-ram: with it the coordinator chooses the experts, so --experts and "
                "--layers must not be given");
  return {};
}

} // namespace

result<node_settings> merge_settings(const node_flags& flags, const environment_fn& environment) {
  auto out = node_settings{};
  auto of_file = flags;
  if (of_file.topology.empty()) {
    of_file.topology = environment("TOPOLOGY").value_or("");
    if (!of_file.topology.empty() && of_file.node.empty())
      of_file.node = environment("NODE_NAME").value_or("");
  }
  LARQL_TRY_VOID(take_topology(of_file, out));
  LARQL_TRY_VOID(take_environment(environment, out));
  LARQL_TRY_VOID(take_flags(flags, out));
  // Others are reached with what protects this node, and answer exactly, whatever the file says for
  // laptops.
  for (auto* c : {&out.others, &out.reach})
    if (*c) {
      (*c)->protect = out.protect;
      (*c)->sums = quant::sum_format::exact;
      for (auto& n : (*c)->nodes)
        n.address.tls = out.protect.enabled();
      for (auto& d : (*c)->find.dns)
        d.tls = out.protect.enabled();
    }
  if (out.vindex.empty())
    out.vindex = default_vindex;
  LARQL_TRY_VOID(check(out));
  return out;
}

result<experts::ownership> owned_by(const node_settings& s, const vindex::model_config& model) {
  LARQL_TRY(const auto here, vindex::read_presence(s.vindex, model));
  // A slice of one rectangle is owned whole unless told otherwise; of several, one must be chosen.
  const auto all = here.sliced && here.holds.size() == 1 ? here.holds[0] : everything(model);
  return experts::ownership{
      s.layers.value_or(experts::index_range{all.first_layer, all.last_layer}),
      s.experts.value_or(experts::index_range{all.first_expert, all.last_expert})};
}

} // namespace larql::cli
