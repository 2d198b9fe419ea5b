#include "actors/cluster.hpp"

#include "actors/net/handshake.hpp"
#include "actors/shard_link.hpp"

namespace larql::actors {

namespace {

using clock = std::chrono::steady_clock;
using schema::node_description;

// What the map promises must be what the node holds.
result<void> check_node(const node_description& node, const topology::shard_entry& entry,
                        const vindex::model_config& model, const schema::fingerprint& weights) {
  const auto url = to_string(entry.url);
  const std::tuple<const char*, std::uint32_t, std::uint32_t> shapes[] = {
      {"layers", node.layers, model.layers},
      {"hidden size", node.hidden, model.hidden},
      {"experts", node.experts, model.experts},
      {"expert width", node.expert_width, model.expert_width}};
  for (const auto& [what, found, expected] : shapes)
    if (found != expected)
      return fail(errc::mismatch, "{}: node {} serves \"{}\" with {} {}, this model has {}", url,
                  node.node, node.model, found, what, expected);
  if (node.weights != weights)
    return fail(errc::mismatch,
                "{}: node {} serves other weights of the same shape (\"{}\"): fingerprints differ",
                url, node.node, node.model);
  if (entry.experts.first < node.owned.experts.first ||
      entry.experts.last > node.owned.experts.last)
    return fail(errc::mismatch, "{}: node {} owns experts {}, the shard map says {}", url,
                node.node, to_string(node.owned.experts), to_string(entry.experts));
  return {};
}

result<void> check_map(const std::vector<topology::shard_entry>& shards,
                       const vindex::model_config& model) {
  auto parts = std::vector<topology::coverage_part>{};
  for (const auto& s : shards) {
    if (s.experts.last >= model.experts)
      return fail(errc::usage, "{}: experts {}: the model has experts 0-{}", to_string(s.url),
                  to_string(s.experts), model.experts - 1);
    parts.push_back({to_string(s.url), {{0, model.layers - 1}, s.experts}});
  }
  // Two nodes may share experts by owning different layers; that shows only after connecting.
  auto experts_only = std::vector<bool>(model.experts, false);
  for (const auto& p : parts)
    for (auto e = p.owned.experts.first; e <= p.owned.experts.last; ++e)
      experts_only[e] = true;
  if (std::find(experts_only.begin(), experts_only.end(), false) == experts_only.end())
    return {};
  return topology::check_exactly_once(parts, model.layers, model.experts);
}

} // namespace

result<cluster> cluster::connect(caf::actor_system& sys, const vindex::model_config& model,
                                 const schema::fingerprint& weights,
                                 const std::vector<topology::shard_entry>& shards,
                                 const cluster_options& options) {
  LARQL_TRY_VOID(check_map(shards, model));
  auto out = cluster{};
  out.formats_.assign(model.layers, quant::activation_format::f32);
  auto parts = std::vector<topology::coverage_part>{};
  for (const auto& entry : shards) {
    const auto url = to_string(entry.url);
    if (entry.url.tls)
      return fail(errc::unsupported, "{}: this version has no TLS", url);
    const auto until = clock::now() + options.connect_timeout;
    LARQL_TRY(auto s, dial({entry.url.host, entry.url.port}, until));
    auto greeted = greet_node(s, {schema::protocol_version, options.name}, until);
    if (!greeted)
      return std::move(greeted).error().in(url);
    LARQL_TRY_VOID(check_node(*greeted, entry, model, weights));
    auto node = std::make_shared<node_description>(*std::move(greeted));
    node->owned.experts = entry.experts; // the map may use less than the node has
    for (auto l = node->owned.layers.first; l <= node->owned.layers.last; ++l)
      out.formats_[l] = node->formats[l - node->owned.layers.first];
    out.max_rows_ = std::min(out.max_rows_, node->max_rows);
    parts.push_back({fmt::format("node {} ({})", node->node, url), node->owned});
    const auto address = to_string(endpoint{entry.url.host, entry.url.port});
    const auto link = spawn_broker<shard_link_state>(sys, s.release(), node, address);
    out.shards_.push_back({link, node, address});
  }
  LARQL_TRY_VOID(topology::check_exactly_once(parts, model.layers, model.experts));
  out.router_ = spawn_state<router_state>(sys, out.shards_);
  return out;
}

cluster& cluster::operator=(cluster&& other) noexcept {
  std::swap(shards_, other.shards_);
  std::swap(router_, other.router_);
  std::swap(formats_, other.formats_);
  std::swap(max_rows_, other.max_rows_);
  return *this;
}

cluster::~cluster() {
  for (const auto& s : shards_)
    caf::anon_send_exit(s.shard, caf::exit_reason::user_shutdown);
  if (router_)
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
}

} // namespace larql::actors
