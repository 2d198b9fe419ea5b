// A supervisor without a network: a test says what became of each dial and what a name stands for.

#pragma once

#include "actors/calls/supervisor.hpp"

#include "actors/core/errc.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"

#include <deque>

namespace larql::actors {

using namespace std::chrono_literals;

constexpr auto layers = 3u, all = 8u;

inline schema::model_identity model() {
  auto out = schema::model_identity{};
  out.name = "tiny";
  out.layers = layers;
  out.hidden = 256;
  out.experts = all;
  out.expert_width = 96;
  out.weights_digest.emplace();
  return out;
}

inline schema::node_description node(const std::string& name, std::uint64_t incarnation,
                                     experts::index_range experts = {0, all - 1}) {
  auto out = schema::node_description{};
  out.node = name;
  out.incarnation = incarnation;
  out.model = model();
  out.owned = {{0, layers - 1}, experts};
  out.formats.assign(layers, quant::activation_format::q8_32);
  return out;
}

inline topology::node_entry entry(const std::string& name, std::uint16_t port,
                                  std::optional<experts::index_range> experts = std::nullopt) {
  auto out = topology::node_entry{};
  out.name = name;
  out.address = {"10.0.0.1", port, false};
  out.experts = experts;
  return out;
}

class Supervisor : public test::deterministic_system {
protected:
  Supervisor() {
    topo.source = "c.toml";
    topo.limits.reconnect_first = 100ms;
    topo.limits.reconnect_max = 1000ms;
    topo.find.interval = 5s;
  }
  ~Supervisor() override {
    caf::anon_send_exit(supervisor, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    supervisor = nullptr;
    router = nullptr;
    view = nullptr;
    last = nullptr;
    for (auto& l : links)
      l.shard.end();
    settle();
  }

  class fake_router {
  public:
    using handle = router_actor;
    static constexpr const char* name = "fake-router";
    fake_router(handle::pointer, cluster_view_ptr& view) : view_(view) {}
    handle::behavior_type make_behavior() {
      return {[](route_atom, const layer_job_ptr&) {}, [](cancel_atom, const layer_job_ptr&) {},
              [this](view_atom, const cluster_view_ptr& v) { view_ = v; }, [](tick_atom) {}};
    }

  private:
    cluster_view_ptr& view_;
  };

  void start() {
    router = spawn_state<fake_router>(sys, std::ref(view));
    auto o = supervisor_options{};
    o.cluster = topo;
    o.model = model();
    o.router = router;
    o.network.dial = [this](std::uint64_t target, const topology::shard_url& url) {
      dials.push_back({target, host_port(url)});
    };
    o.network.resolve = [this](const topology::shard_url& url) {
      resolved.push_back(host_port(url));
    };
    o.link = [this](caf::actor_system& system, connect_result& outcome, const supervisor_actor&) {
      auto& l = links.emplace_back();
      l.address = outcome.address;
      l.incarnation = (*outcome.node)->incarnation;
      return l.shard.spawn(system, *outcome.node);
    };
    o.on_change = [this](const cluster_status_ptr& s) { last = s; };
    supervisor = spawn_state<supervisor_state>(sys, std::move(o));
    caf::anon_send(supervisor, start_atom::value);
    settle();
  }

  // What becomes of the i-th dialling.
  void connects(std::size_t i, const schema::node_description& d) {
    auto out = std::make_shared<connect_result>();
    out->address = dials.at(i).address;
    out->node = description_ptr{std::make_shared<schema::node_description>(d)};
    caf::anon_send(supervisor, dialled_atom::value, dials[i].target, connect_result_ptr{out});
    settle();
  }
  void fails(std::size_t i, failure why) {
    auto out = std::make_shared<connect_result>();
    out->address = dials.at(i).address;
    out->node = std::move(why);
    caf::anon_send(supervisor, dialled_atom::value, dials[i].target, connect_result_ptr{out});
    settle();
  }
  static failure refused() { return fail(errc::unavailable, "10.0.0.1:1: Connection refused"); }

  void found(const std::string& name, const std::vector<topology::shard_url>& urls) {
    caf::anon_send(supervisor, found_atom::value, name,
                   address_list_ptr{std::make_shared<std::vector<topology::shard_url>>(urls)});
    settle();
  }
  void not_found(const std::string& name) {
    caf::anon_send(supervisor, found_atom::value, name, address_list_ptr{});
    settle();
  }

  std::shared_ptr<reply<accepted_ptr>> announce(const schema::announce& a) {
    return ask<accepted_ptr>(supervisor, announce_atom::value,
                             announce_ptr{std::make_shared<schema::announce>(a)});
  }
  /// A node that owns something and dials the laptop.
  static schema::announce serving(const schema::node_description& d) {
    auto a = schema::announce{};
    a.node = d;
    return a;
  }
  /// A node with memory for so many experts.
  static schema::announce offering(const std::string& name, std::uint64_t incarnation,
                                   std::uint64_t experts) {
    auto a = schema::announce{};
    a.node = node(name, incarnation);
    a.node.formats.clear();
    a.node.owned.experts = {1, 0};
    a.owns = false;
    a.bytes_per_expert = 1000;
    a.available_bytes = 1000 * experts;
    return a;
  }
  /// The connection of a node that was told to serve.
  void joins(const schema::node_description& d, const std::string& address) {
    auto out = std::make_shared<connect_result>();
    out->address = address;
    out->node = description_ptr{std::make_shared<schema::node_description>(d)};
    caf::anon_send(supervisor, connect_atom::value, connect_result_ptr{out});
    settle();
  }
  void notice(std::uint64_t incarnation, schema::node_state state) {
    caf::anon_send(supervisor, notice_atom::value, incarnation, state);
    settle();
  }
  /// The connection that was made as the i-th ends.
  void lose(std::size_t i) {
    links.at(i).shard.end();
    settle();
  }

  /// "alpha 0-3, beta 4-7 (draining)" of the last view.
  [[nodiscard]] std::string members() const {
    auto out = std::string{};
    for (const auto& m : view->members)
      out += fmt::format("{}{} {}{}", out.empty() ? "" : ", ", m.description->node,
                         to_string(m.description->owned.experts),
                         m.is_usable() ? "" : fmt::format(" ({})", name_of(m.state)));
    return out;
  }
  [[nodiscard]] std::string why_missing() const {
    auto out = std::string{};
    for (const auto& m : view->missing)
      out += (out.empty() ? "" : "; ") + m.why;
    return out;
  }

  struct dialling {
    std::uint64_t target;
    std::string address;
  };
  struct link {
    test::fake_link shard;
    std::string address;
    std::uint64_t incarnation = 0;
  };

  topology::cluster topo;
  std::vector<dialling> dials;
  std::vector<std::string> resolved;
  std::deque<link> links;
  cluster_view_ptr view = std::make_shared<cluster_view>();
  cluster_status_ptr last;
  router_actor router;
  supervisor_actor supervisor;
};

} // namespace larql::actors
