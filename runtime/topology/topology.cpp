#include "runtime/topology/topology.hpp"

#include "runtime/base/mapped_file.hpp"
#include "runtime/topology/toml_table.hpp"

#include <algorithm>
#include <map>

namespace larql::topology {

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

constexpr std::uint64_t max_file_bytes = 1 << 20;
constexpr std::size_t max_name_bytes = 64; // what the wire allows
constexpr auto longest = milliseconds{1h};

// Paths of the file are relative to it.
fs::path absolute_path(const std::string& text, const fs::path& base) {
  return text.empty() ? fs::path{} : (base / text).lexically_normal();
}

result<fs::path> file_path(const toml_table& t, std::string_view key, const fs::path& base,
                           bool must_be_readable) {
  LARQL_TRY(const auto text, t.string_or(key, {}));
  auto path = absolute_path(text, base);
  if (!path.empty() && must_be_readable)
    if (const auto in = file::open(path); !in)
      return t.wrong(key, in.error().text);
  return path;
}

result<shard_url> address(const toml_table& t, std::string_view key) {
  LARQL_TRY(const auto text, t.string(key));
  auto parsed = parse_host_port(text, key);
  if (!parsed)
    return fail(errc::usage, "{}: {}", t.where(key), parsed.error().text);
  return parsed;
}

result<std::optional<experts::index_range>> range(const toml_table& t, std::string_view key) {
  auto none = std::optional<experts::index_range>{};
  if (!t.has(key))
    return none;
  LARQL_TRY(const auto text, t.string(key));
  auto parsed = experts::parse_range(text, key);
  if (!parsed)
    return fail(errc::usage, "{}: {}", t.where(key), parsed.error().text);
  return std::optional{*parsed};
}

result<std::string> node_name(const toml_table& t) {
  LARQL_TRY(auto name, t.string("name"));
  const auto control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  if (name.empty() || name.size() > max_name_bytes ||
      std::any_of(name.begin(), name.end(), control))
    return t.wrong("name",
                   fmt::format("is \"{}\", expected 1 to {} bytes without control characters", name,
                               max_name_bytes));
  return name;
}

result<node_entry> read_node(const toml_table& t, const fs::path& base) {
  LARQL_TRY_VOID(t.only({"name", "address", "experts", "layers", "vindex", "listen", "http",
                         "threads", "warmup", "mlock", "sessions", "relay", "certificate", "key"}));
  auto out = node_entry{};
  out.where = t.where("name");
  LARQL_TRY(out.name, node_name(t));
  LARQL_TRY(out.address, address(t, "address"));
  LARQL_TRY(out.experts, range(t, "experts"));
  LARQL_TRY(out.layers, range(t, "layers"));
  LARQL_TRY(const auto vindex, t.string_or("vindex", {}));
  out.vindex = vindex.starts_with("hf://") ? vindex : absolute_path(vindex, base).string();
  if (t.has("listen")) {
    LARQL_TRY(const auto at, address(t, "listen"));
    out.listen = host_port(at);
  }
  if (t.has("http")) {
    LARQL_TRY(const auto at, address(t, "http"));
    out.http = host_port(at);
  }
  LARQL_TRY(const auto threads, t.integer_or("threads", 1, 255, 0));
  out.threads = static_cast<unsigned>(threads);
  LARQL_TRY(out.warmup, t.boolean_or("warmup", false));
  LARQL_TRY(out.mlock, t.boolean_or("mlock", false));
  if (t.has("sessions")) {
    LARQL_TRY(const auto sessions, t.integer_or("sessions", 0, 256, 0));
    out.sessions = static_cast<std::uint32_t>(sessions);
  }
  LARQL_TRY(out.relay, t.boolean_or("relay", false));
  // Not opened: the key of a node is on that node only.
  LARQL_TRY(const auto certificate, t.string_or("certificate", {}));
  LARQL_TRY(const auto key, t.string_or("key", {}));
  out.certificate = absolute_path(certificate, base);
  out.key = absolute_path(key, base);
  if (out.certificate.empty() != out.key.empty())
    return t.wrong(t.has("key") ? "key" : "certificate",
                   "certificate and key come together, one is missing");
  return out;
}

result<discovery> read_discovery(const toml_table& t) {
  LARQL_TRY_VOID(t.only({"dns", "interval", "join"}));
  auto out = discovery{};
  LARQL_TRY(const auto names, t.strings("dns"));
  for (const auto& name : names) {
    auto parsed = parse_host_port(name, "dns");
    if (!parsed)
      return fail(errc::usage, "{}: {}", t.where("dns"), parsed.error().text);
    out.dns.push_back(*std::move(parsed));
  }
  LARQL_TRY(out.interval, t.duration_or("interval", 500ms, longest, out.interval));
  if (t.has("join")) {
    LARQL_TRY(out.join, address(t, "join"));
  }
  return out;
}

result<security> read_security(const toml_table& t, const fs::path& base, reader who) {
  LARQL_TRY_VOID(t.only({"ca", "certificate", "key", "secret_file"}));
  auto out = security{};
  const auto mine = who == reader::laptop;
  LARQL_TRY(out.files.ca, file_path(t, "ca", base, true));
  LARQL_TRY(out.files.certificate, file_path(t, "certificate", base, mine));
  LARQL_TRY(out.files.key, file_path(t, "key", base, mine));
  LARQL_TRY(out.secret_file, file_path(t, "secret_file", base, true));
  for (const auto& [key, path] :
       {std::pair{"ca", out.files.ca}, std::pair{"certificate", out.files.certificate},
        std::pair{"key", out.files.key}})
    if (out.files.any() && path.empty())
      return t.wrong(key, "is missing: ca, certificate and key come together");
  if (out.files.any() && !out.secret_file.empty())
    return t.wrong("secret_file", "certificates and a secret exclude each other");
  return out;
}

result<deadlines> read_deadlines(const toml_table& t) {
  LARQL_TRY_VOID(t.only({"connect", "call_floor", "call_ceiling", "call_factor", "failover",
                         "heartbeat", "heartbeat_misses", "reconnect_first", "reconnect_max"}));
  auto out = deadlines{};
  LARQL_TRY(out.connect, t.duration_or("connect", 10ms, longest, out.connect));
  LARQL_TRY(out.call_floor, t.duration_or("call_floor", 1ms, longest, out.call_floor));
  LARQL_TRY(out.call_ceiling, t.duration_or("call_ceiling", 1ms, longest, out.call_ceiling));
  LARQL_TRY(out.call_factor, t.number_or("call_factor", 1, 1000, out.call_factor));
  LARQL_TRY(out.failover, t.duration_or("failover", 0ms, longest, out.failover));
  LARQL_TRY(out.heartbeat, t.duration_or("heartbeat", 10ms, longest, out.heartbeat));
  LARQL_TRY(const auto misses, t.integer_or("heartbeat_misses", 2, 1000, out.heartbeat_misses));
  out.heartbeat_misses = static_cast<unsigned>(misses);
  LARQL_TRY(out.reconnect_first,
            t.duration_or("reconnect_first", 1ms, longest, out.reconnect_first));
  LARQL_TRY(out.reconnect_max, t.duration_or("reconnect_max", 1ms, longest, out.reconnect_max));
  if (out.call_floor > out.call_ceiling)
    return t.wrong("call_floor", "is above call_ceiling");
  if (out.reconnect_first > out.reconnect_max)
    return t.wrong("reconnect_first", "is above reconnect_max");
  return out;
}

result<hedging> read_hedging(const toml_table& t) {
  LARQL_TRY_VOID(t.only({"enabled", "quantile"}));
  auto out = hedging{};
  LARQL_TRY(out.enabled, t.boolean_or("enabled", out.enabled));
  LARQL_TRY(out.quantile, t.number_or("quantile", 0.5, 0.999, out.quantile));
  return out;
}

result<void> read_wire(const toml_table& t, cluster& out) {
  LARQL_TRY_VOID(t.only({"rows", "relay", "complete_rows", "sums"}));
  LARQL_TRY(const auto rows, t.string_or("rows", "auto"));
  if (rows != "auto" && rows != "f32")
    return t.wrong("rows", fmt::format("is \"{}\", expected \"auto\" or \"f32\"", rows));
  out.rows = rows == "auto" ? row_encoding::automatic : row_encoding::f32;
  LARQL_TRY(const auto relay, t.string_or("relay", "auto"));
  if (relay != "auto" && relay != "never" && relay != "always")
    return t.wrong("relay",
                   fmt::format("is \"{}\", expected \"auto\", \"never\" or \"always\"", relay));
  out.relays = relay == "auto"    ? relay_use::measured
               : relay == "never" ? relay_use::never
                                  : relay_use::always;
  LARQL_TRY(out.complete_rows, t.boolean_or("complete_rows", out.complete_rows));
  LARQL_TRY(const auto sums, t.string_or("sums", "exact"));
  const auto format = quant::find_sum_format(sums);
  if (!format)
    return t.wrong(
        "sums", fmt::format("is \"{}\", expected \"exact\", or \"f16\", \"bf16\" or \"q8\", which "
                            "are approximate",
                            sums));
  out.sums = *format;
  return {};
}

// Nodes of this file, which must have been read.
result<std::vector<std::string>> read_session(const toml_table& t, const cluster& c) {
  LARQL_TRY_VOID(t.only({"at"}));
  LARQL_TRY(auto at, t.strings("at"));
  for (const auto& name : at)
    if (c.find_node(name) == nullptr)
      return t.wrong("at", fmt::format("\"{}\" is no [[node]] of this file", name));
  return at;
}

result<void> check_unique(const cluster& c) {
  auto names = std::map<std::string, std::string>{};
  auto addresses = std::map<std::string, std::string>{};
  for (const auto& n : c.nodes) {
    if (const auto [it, is_new] = names.emplace(n.name, n.where); !is_new)
      return fail(errc::usage, "{}: name: \"{}\" is taken by the node at {}", n.where, n.name,
                  it->second);
    if (const auto [it, is_new] = addresses.emplace(host_port(n.address), n.where); !is_new)
      return fail(errc::usage, "{}: address: {} is taken by the node at {}", n.where,
                  host_port(n.address), it->second);
  }
  return {};
}

} // namespace

const node_entry* cluster::find_node(std::string_view name) const {
  const auto it =
      std::find_if(nodes.begin(), nodes.end(), [&](const node_entry& n) { return n.name == name; });
  return it == nodes.end() ? nullptr : &*it;
}

result<cluster> parse_cluster(std::string_view text, std::string name, const fs::path& base,
                              reader who) {
  LARQL_TRY(const auto root, toml_table::parse(text, name));
  LARQL_TRY_VOID(root.only({"model", "node", "discovery", "security", "deadlines", "hedging",
                            "wire", "session", "spot_check"}));
  auto out = cluster{};
  out.source = std::move(name);
  LARQL_TRY(const auto model, root.string("model"));
  out.model = model.starts_with("hf://") ? model : absolute_path(model, base).string();
  LARQL_TRY(const auto nodes, root.tables("node"));
  for (const auto& t : nodes) {
    LARQL_TRY(auto node, read_node(t, base));
    out.nodes.push_back(std::move(node));
  }
  LARQL_TRY(const auto find, root.table("discovery"));
  LARQL_TRY(out.find, read_discovery(find));
  LARQL_TRY(const auto protect, root.table("security"));
  LARQL_TRY(out.protect, read_security(protect, base, who));
  LARQL_TRY(const auto limits, root.table("deadlines"));
  LARQL_TRY(out.limits, read_deadlines(limits));
  LARQL_TRY(const auto spot_check, root.integer_or("spot_check", 0, 1'000'000'000, out.spot_check));
  out.spot_check = static_cast<unsigned>(spot_check);
  LARQL_TRY(const auto hedge, root.table("hedging"));
  LARQL_TRY(out.hedge, read_hedging(hedge));
  LARQL_TRY(const auto wire, root.table("wire"));
  LARQL_TRY_VOID(read_wire(wire, out));
  LARQL_TRY(const auto session, root.table("session"));
  LARQL_TRY(out.sessions_at, read_session(session, out));
  if (out.nodes.empty() && !out.find.enabled())
    return fail(errc::usage, "{}: has no [[node]] and no [discovery]: nobody would own an expert",
                out.source);
  for (auto& n : out.nodes)
    n.address.tls = out.protect.enabled();
  for (auto& d : out.find.dns)
    d.tls = out.protect.enabled();
  LARQL_TRY_VOID(check_unique(out));
  return out;
}

result<cluster> load_cluster(const fs::path& path, reader who) {
  LARQL_TRY(const auto text, read_text_file(path, max_file_bytes));
  return parse_cluster(text, path.string(), path.parent_path(), who);
}

cluster cluster_of(const std::vector<shard_entry>& shards) {
  auto out = cluster{};
  for (const auto& s : shards) {
    auto node = node_entry{};
    node.address = s.url;
    node.experts = s.experts;
    node.where = to_string(s.url);
    out.nodes.push_back(std::move(node));
  }
  return out;
}

std::vector<coverage_part> parts_of(const cluster& c, std::uint32_t layers, std::uint32_t experts) {
  auto out = std::vector<coverage_part>{};
  for (const auto& n : c.nodes)
    out.push_back({n.name.empty() ? to_string(n.address) : n.name,
                   {n.layers.value_or(experts::index_range{0, layers - 1}),
                    n.experts.value_or(experts::index_range{0, experts - 1})}});
  return out;
}

result<void> check_against(const cluster& c, std::uint32_t layers, std::uint32_t expert_count,
                           const std::optional<experts::ownership>& own) {
  for (const auto& n : c.nodes) {
    if (n.experts && n.experts->last >= expert_count)
      return fail(errc::usage, "{}: experts {}: the model has experts 0-{}", n.where,
                  to_string(*n.experts), expert_count - 1);
    if (n.layers && n.layers->last >= layers)
      return fail(errc::usage, "{}: layers {}: the model has layers 0-{}", n.where,
                  to_string(*n.layers), layers - 1);
  }
  if (c.find.enabled())
    return {};
  auto parts = parts_of(c, layers, expert_count);
  if (own)
    parts.push_back({"this one", *own});
  auto complete = check_complete(parts, layers, expert_count);
  if (!complete && !c.source.empty())
    return std::move(complete).error().in(c.source);
  return complete;
}

} // namespace larql::topology
