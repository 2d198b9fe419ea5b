#include "actors/calls/supervisor.hpp"

#include "actors/core/errc.hpp"
#include "actors/net/model_match.hpp"
#include "actors/policy/placement.hpp"
#include "runtime/base/log.hpp"

#include <algorithm>

namespace larql::actors {

namespace {

using schema::node_description;

// How long a node may take to open the experts it was told to load before others are told as well.
constexpr auto loading_time = std::chrono::minutes{5};
// A node that offers memory while nothing is missing asks again after this time.
constexpr auto standby_time = std::chrono::seconds{5};

// How long the holder of a name may take to answer when another node claims it.
constexpr auto sign_of_life_time = std::chrono::seconds{1};

failure name_taken(const std::string& who, const std::string& name, const std::string& holder) {
  return fail(errc::mismatch,
              "{}: another node calls itself {}, connected at {}: nodes need names of their own "
              "(--name)",
              who, name, holder);
}

std::uint32_t milliseconds_of(std::chrono::seconds t) {
  return static_cast<std::uint32_t>(std::chrono::milliseconds{t}.count());
}

void end(const node_link_actor& shard) {
  caf::anon_send_exit(shard, caf::exit_reason::user_shutdown);
}

} // namespace

supervisor_state::supervisor_state(pointer self, supervisor_options options)
    : self_(self),
      options_(std::move(options)),
      targets_({options_.cluster.limits.reconnect_first, options_.cluster.limits.reconnect_max},
               options_.uniform),
      formats_(options_.model.layers) {}

supervisor_state::~supervisor_state() {
  for (const auto& [incarnation, m] : members_)
    end(m.shard);
}

supervisor_state::handle::behavior_type supervisor_state::make_behavior() {
  self_->set_down_handler([this](const caf::down_msg& m) { on_down(m); });
  return {
      [this](start_atom) { on_start(); },
      [this](router_atom, const router_actor& router) {
        options_.router = router;
        publish();
      },
      [this](dialled_atom, std::uint64_t id, const connect_result_ptr& o) { on_dialled(id, o); },
      [this](found_atom, const std::string& asked, const address_list_ptr& addresses) {
        on_found(asked, addresses);
      },
      [this](announce_atom, const announce_ptr& node) { return on_announce(node); },
      [this](connect_atom, const connect_result_ptr& o) { on_joined(o); },
      [this](notice_atom, std::uint64_t incarnation, schema::node_state state) {
        on_notice(incarnation, state);
      },
      [this](reach_atom, std::uint64_t incarnation, const reach_ptr& reached) {
        on_reach(incarnation, reached);
      },
      [this](condemn_atom, std::uint64_t incarnation, const std::string& why) {
        on_condemned(incarnation, why);
      },
      [this](dial_atom, std::uint64_t id) { dial(id); },
      [this](found_atom, const std::string& asked) {
        for (const auto& d : options_.cluster.find.dns)
          if (host_port(d) == asked)
            options_.network.resolve(d);
      },
      [this](status_atom) { return status(); },
  };
}

// ---- targets ------------------------------------------------------------------------------------

void supervisor_state::on_start() {
  targets_.add_static(options_.cluster);
  for (const auto id : targets_.ids())
    dial(id);
  for (const auto& d : options_.cluster.find.dns)
    options_.network.resolve(d);
}

void supervisor_state::dial(std::uint64_t id) {
  if (targets_.begin(id))
    options_.network.dial(id, targets_.find(id)->url);
}

void supervisor_state::failed(std::uint64_t id, dial_target& t, const failure& why) {
  if (const auto delay = targets_.failed(id, t, why))
    self_->delayed_send(self_, *delay, dial_atom::value, id);
  publish();
}

void supervisor_state::on_dialled(std::uint64_t id, const connect_result_ptr& outcome) {
  auto* t = targets_.find(id);
  if (t == nullptr)
    return;
  t->dialling = false;
  if (!outcome->node)
    return failed(id, *t, outcome->node.error());
  const auto& node = **outcome->node;
  if (const auto ok = check(node, t); !ok)
    return failed(id, *t, ok.error());
  if (t->narrow && t->experts) { // the map may use less than the node has
    auto used = node;
    used.narrowed_from = used.owned;
    used.owned.experts = *t->experts;
    outcome->node = description_ptr{std::make_shared<node_description>(std::move(used))};
  }
  if (const auto ok = admit(outcome, id); !ok)
    return failed(id, *t, ok.error());
  publish();
}

void supervisor_state::on_found(const std::string& asked, const address_list_ptr& addresses) {
  self_->delayed_send(self_, options_.cluster.find.interval, found_atom::value, asked);
  if (!addresses) // the name server is in trouble; what it said last still holds
    return;
  for (const auto id : targets_.update(asked, *addresses))
    dial(id);
}

// ---- members ------------------------------------------------------------------------------------

// What the topology promises must be what the node holds.
result<void> supervisor_state::check(const node_description& node, const dial_target* t) const {
  const auto where = t != nullptr ? to_string(t->url) : std::string{"announced"};
  if (const auto differs =
          model_difference(options_.model, options_.place, node.model, "on the node");
      !differs.empty())
    return fail(errc::mismatch, "{}: node {} serves another model: {}", where, node.node, differs);
  if (const auto differs = experts_difference(node, node.owned_digest, options_.owned_digest);
      !differs.empty())
    return fail(errc::mismatch, "{}: node {} serves another model: {}", where, node.node, differs);
  if (options_.makers->is_condemned(node.incarnation))
    return fail(errc::mismatch, "{}: node {} has given a wrong answer: {}; it must be started anew",
                where, node.node, options_.makers->why(node.incarnation));
  for (auto l = node.owned.layers.first; l <= node.owned.layers.last && !node.formats.empty(); ++l)
    if (const auto& known = formats_[l];
        known && *known != node.formats[l - node.owned.layers.first])
      return fail(errc::mismatch, "{}: node {} holds layer {} in another encoding than other nodes",
                  where, node.node, l);
  if (t == nullptr)
    return {};
  if (!t->expected_name.empty() && t->expected_name != node.node)
    return fail(errc::mismatch, "{}: the node calls itself {}, the topology calls it {}", where,
                node.node, t->expected_name);
  const auto covers = [](experts::index_range have, experts::index_range want) {
    return want.first >= have.first && want.last <= have.last;
  };
  if (t->experts && !covers(node.owned.experts, *t->experts))
    return fail(errc::mismatch, "{}: node {} owns experts {}, the {} says {}", where, node.node,
                to_string(node.owned.experts), t->narrow ? "shard map" : "topology",
                to_string(*t->experts));
  if (t->layers && !covers(node.owned.layers, *t->layers))
    return fail(errc::mismatch, "{}: node {} owns layers {}, the topology says {}", where,
                node.node, to_string(node.owned.layers), to_string(*t->layers));
  return {};
}

result<void> supervisor_state::admit(const connect_result_ptr& outcome, std::uint64_t target_id) {
  const auto node = *outcome->node;
  const auto incarnation = node->incarnation;
  auto* const via = targets_.find(target_id);
  if (const auto same = members_.find(incarnation); same != members_.end()) {
    if (target_id != 0 || same->second.target != 0) {
      // The same node by another way, an IPv4 and an IPv6 address for example: one connection is
      // enough.
      if (via != nullptr)
        targets_.connected(*via, *node);
      return {};
    }
    remove(incarnation, "it has connected anew"); // its side of the old connection has ended
  }
  if (const auto* holder = holder_of(*node)) {
    // Whoever announced itself before has been asked by now, see on_announce().
    const auto is_same_place = target_id != 0 && holder->target != 0 &&
                               (holder->target == target_id || holder->address == outcome->address);
    if (!is_same_place)
      return name_taken(outcome->address, node->node, holder->address);
    remove(holder->description->incarnation, "the node has restarted");
  }
  auto& m = members_[incarnation];
  m.description = node;
  m.address = outcome->address;
  m.state = node->state;
  m.target = target_id;
  m.shard = options_.link(self_->system(), *outcome, caf::actor_cast<supervisor_actor>(self_));
  self_->monitor(m.shard);
  if (via != nullptr)
    targets_.connected(*via, *node);
  for (auto l = node->owned.layers.first; l <= node->owned.layers.last; ++l)
    formats_[l] = node->formats[l - node->owned.layers.first];
  std::erase_if(promises_, [&](const promise& p) { return p.owned == node->owned; });
  log_info("cluster", "node {} ({}): connected, experts {}, layers {}", node->node, m.address,
           to_string(node->owned.experts), to_string(node->owned.layers));
  return {};
}

// Another run of a node, or another node, that has this name in the view.
const supervisor_state::member* supervisor_state::holder_of(const node_description& node) const {
  for (const auto& [incarnation, m] : members_)
    if (m.description->node == node.node && incarnation != node.incarnation)
      return &m;
  return nullptr;
}

void supervisor_state::remove(std::uint64_t incarnation, const std::string& why) {
  const auto it = members_.find(incarnation);
  if (it == members_.end())
    return;
  const auto text =
      fmt::format("node {} ({}): {}", it->second.description->node, it->second.address, why);
  log_warning("cluster", "{}", text);
  self_->demonitor(it->second.shard.address());
  end(it->second.shard);
  for (const auto& [id, delay] : targets_.lost(incarnation, text))
    self_->delayed_send(self_, delay, dial_atom::value, id);
  members_.erase(it);
}

void supervisor_state::on_down(const caf::down_msg& m) {
  for (const auto& [incarnation, known] : members_)
    if (known.shard.address() == m.source) {
      remove(incarnation, text_of(m.reason));
      return publish();
    }
}

void supervisor_state::on_condemned(std::uint64_t incarnation, const std::string& why) {
  if (!members_.contains(incarnation)) // its work is void all the same
    log_warning("cluster", "a node that is gone (incarnation {:x}) has given a wrong answer: {}",
                incarnation, why);
  remove(incarnation, fmt::format("it has given a wrong answer: {}", why));
  publish();
}

void supervisor_state::on_notice(std::uint64_t incarnation, schema::node_state state) {
  const auto it = members_.find(incarnation);
  if (it == members_.end() || it->second.state == state)
    return;
  it->second.state = state;
  log_info("cluster", "node {} ({}): {}", it->second.description->node, it->second.address,
           name_of(state));
  publish();
}

// The description is shared and never changes: the member gets another one.
void supervisor_state::on_reach(std::uint64_t incarnation, const reach_ptr& reached) {
  const auto it = members_.find(incarnation);
  if (it == members_.end() || it->second.description->reached == *reached)
    return;
  auto fresh = *it->second.description;
  fresh.reached = *reached;
  it->second.description = std::make_shared<node_description>(std::move(fresh));
  publish();
}

// ---- nodes that announce themselves -------------------------------------------------------------

caf::result<accepted_ptr> supervisor_state::on_announce(const announce_ptr& node) {
  if (const auto ok = check(node->node, nullptr); !ok)
    return make_error(failure_code::bad_call, ok.error().text);
  if (const auto* holder = holder_of(node->node))
    return ask_holder(*holder, node);
  return placement_of(*node);
}

caf::result<accepted_ptr> supervisor_state::ask_holder(const member& holder,
                                                       const announce_ptr& node) {
  auto reply = self_->make_response_promise<accepted_ptr>();
  const auto incarnation = holder.description->incarnation;
  const auto address = holder.address;
  self_
      ->request(holder.shard, sign_of_life_time, admin_atom::value,
                admin_message_ptr{std::make_shared<schema::message>(schema::ask_status{})})
      .then(
          [reply, node, address](const admin_message_ptr&) mutable {
            reply.deliver(make_error(failure_code::bad_call,
                                     name_taken("this laptop", node->node.node, address).text));
          },
          [this, reply, node, incarnation](const caf::error&) mutable {
            remove(incarnation, "the node has restarted");
            publish();
            reply.deliver(placement_of(*node));
          });
  return reply;
}

// What a node that announces itself is to do.
accepted_ptr supervisor_state::placement_of(const schema::announce& node) {
  auto out = std::make_shared<schema::accepted>();
  if (const auto it = members_.find(node.node.incarnation);
      it != members_.end() && it->second.target != 0) { // dialled already: one connection is enough
    out->verdict = schema::verdict::standby;
    out->retry_ms = milliseconds_of(standby_time);
    return out;
  }
  if (node.owns) {
    out->verdict = schema::verdict::serve;
    return out;
  }
  const auto now = self_->clock().now();
  // Whoever asks again has not loaded what it was told: it was restarted.
  std::erase_if(promises_,
                [&](const promise& p) { return p.until < now || p.node == node.node.node; });
  auto owned = std::vector<experts::ownership>{};
  for (const auto& [incarnation, m] : members_)
    owned.push_back(m.description->owned);
  for (const auto& n : options_.cluster.nodes) // static nodes will come back
    owned.push_back({n.layers.value_or(experts::index_range{0, options_.model.layers - 1}),
                     n.experts.value_or(experts::index_range{0, options_.model.experts - 1})});
  for (const auto& p : promises_)
    owned.push_back(p.owned);
  const auto range = choose_placement(owned, options_.model.layers, options_.model.experts,
                                      {node.available_bytes, node.bytes_per_expert});
  if (!range) {
    out->verdict = schema::verdict::standby;
    out->retry_ms = milliseconds_of(standby_time);
    return out;
  }
  promises_.push_back(
      {node.node.node, {{0, options_.model.layers - 1}, *range}, now + loading_time});
  log_info("cluster", "node {} is to load experts {}", node.node.node, to_string(*range));
  out->verdict = schema::verdict::load;
  out->experts = *range;
  return out;
}

void supervisor_state::on_joined(const connect_result_ptr& outcome) {
  if (const auto ok = admit(outcome, 0); !ok)
    log_warning("cluster", "{}", ok.error().text);
  publish();
}

// ---- reports ------------------------------------------------------------------------------------

void supervisor_state::publish() {
  auto view = std::make_shared<cluster_view>();
  for (const auto& [incarnation, m] : members_)
    view->members.push_back({m.description, m.address,
                             caf::actor_cast<caf::strong_actor_ptr>(m.shard), m.state,
                             m.target == 0});
  std::sort(view->members.begin(), view->members.end(),
            [](const cluster_member& a, const cluster_member& b) {
              return a.description->node < b.description->node;
            });
  view->missing = targets_.missing(options_.model);
  view_ = std::move(view);
  if (options_.router)
    self_->send(options_.router, view_atom::value, view_);
  options_.on_change(status());
}

cluster_status_ptr supervisor_state::status() const {
  return std::make_shared<cluster_status>(cluster_status{targets_.status(), view_});
}

} // namespace larql::actors
