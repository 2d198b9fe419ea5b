// local_runtime: sessions at a node. The model is opened here only when no node is left.

#include "cli/laptop/local_runtime.hpp"

#include "actors/net/model_match.hpp"
#include "cli/support/output.hpp"
#include "cli/support/session_identity.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "runtime/vindex/presence.hpp"

#include <algorithm>

namespace larql::cli {

void add_session_at(command_parser& command, runtime_options& o) {
  o.may_place = true;
  command
      .add_option(
          "--session-at", o.places,
          "Node that computes the whole session, by its name in the cluster file or HOST:PORT: "
          "prompt "
          "and text go there, and a token needs no round trip; several, with commas between, best "
          "first; here: this machine (default: [session] at of the cluster file)")
      .group("Connections");
}

namespace {

// Of a node that the cluster file does not name. It is protected as the cluster is.
result<topology::shard_url> address_of(const std::string& text, bool is_protected) {
  if (text.find("://") != std::string::npos)
    return topology::parse_url(text);
  LARQL_TRY(auto out, topology::parse_host_port(text, "--session-at"));
  out.tls = is_protected;
  return out;
}

} // namespace

topology::security local_runtime::protection() const {
  if (options_.nodes)
    return options_.nodes->protect;
  auto out = topology::security{};
  out.files = options_.cluster.tls;
  out.secret_file = options_.cluster.secret_file;
  return out;
}

result<std::vector<topology::shard_url>> local_runtime::places() const {
  auto out = std::vector<topology::shard_url>{};
  const auto& nodes = options_.nodes;
  for (const auto& name : options_.session_at) {
    if (const auto* node = nodes ? nodes->find_node(name) : nullptr) {
      out.push_back(node->address);
      continue;
    }
    auto address = address_of(name, protection().enabled());
    if (!address)
      return fail(errc::usage, "--session-at {}: no node of the cluster file, and no HOST:PORT",
                  name);
    out.push_back(*std::move(address));
  }
  return out;
}

// The dense tensors are here, and so are the experts, or nodes that have them.
bool local_runtime::can_compute() const {
  const auto here = vindex::read_presence(options_.vindex, model_.config);
  return here && vindex::require_dense(options_.vindex, *here) &&
         (options_.nodes || here->has_all(vindex::everything(model_.config)));
}

result<std::unique_ptr<actors::session_provider>>
local_runtime::place_sessions(actors::session_options sessions) {
  LARQL_TRY(auto* const system, actor_system());
  auto o = actors::remote_sessions_options{};
  LARQL_TRY(o.places, places());
  o.protect = protection();
  if (options_.nodes)
    o.limits = options_.nodes->limits;
  LARQL_TRY(const auto weights, vindex::name_weights(options_.vindex, model_.config));
  o.model = actors::identity_of(model_.config, weights);
  LARQL_TRY(o.identity, session_identity(options_.vindex, model_.config, kv_format(), stop_));
  if (can_compute())
    o.own = [this, sessions]() -> result<actors::session_actor> {
      LARQL_TRY_VOID(open(stop_));
      LARQL_TRY(own_sessions_, start_own_sessions(sessions));
      return own_sessions_->client().service();
    };
  o.on_news = [](const std::string& news) { say("{}", news); };
  o.sessions = std::move(sessions);
  LARQL_TRY(auto out, actors::remote_sessions::open(*system, std::move(o), stop_));
  context_.tokens = out->options().limits.context;
  return std::unique_ptr<actors::session_provider>{std::move(out)};
}

} // namespace larql::cli
