// A whole cluster in one thread and in virtual time: router, supervisor and links of a laptop, and
// nodes with real weights, with a bad network in between (tests/support/network_shim.hpp) and nodes
// that are killed, stopped, drained and started again. A seed decides everything that happens.

#pragma once

#include "actors/calls/node_link.hpp"
#include "actors/calls/supervisor.hpp"
#include "actors/laptop/call_builder.hpp"
#include "actors/laptop/router.hpp"
#include "actors/net/model_match.hpp"
#include "actors/node/expert_service.hpp"
#include "actors/node/expert_shard.hpp"
#include "actors/node/node.hpp"
#include "runtime/base/compute_pool.hpp"
#include "runtime/experts/expert_compute.hpp"
#include "tests/support/deterministic_system.hpp"
#include "tests/support/network_shim.hpp"
#include "tests/support/tiny_model.hpp"

#include <deque>
#include <stdexcept>

namespace larql::test {

using namespace actors;

/// What all runs share: a model, its experts on this machine, and what nodes open of it.
class shimmed_model {
public:
  explicit shimmed_model(const std::vector<experts::index_range>& ranges) {
    const auto& c = vindex_.config();
    for (const auto& r : ranges)
      banks_.push_back(*experts::expert_bank::open(vindex_.path(), c, {{0, c.layers - 1}, r}));
    all_.emplace(
        *experts::expert_bank::open(vindex_.path(), c, {{0, c.layers - 1}, {0, c.experts - 1}}));
  }

  [[nodiscard]] const vindex::model_config& config() const { return vindex_.config(); }
  [[nodiscard]] kernels::compute compute() { return {**kernels::kernels_by_name(""), pool_}; }
  [[nodiscard]] const experts::expert_bank& bank(std::size_t node) const { return banks_[node]; }
  [[nodiscard]] std::size_t nodes() const { return banks_.size(); }

  /// Rows with random numbers and random assignments; all experts if `all`.
  layer_job_ptr make_job(random_source& random, bool all = false) {
    const auto& c = config();
    auto job = std::make_shared<layer_job>();
    job->layer = random.below(c.layers);
    job->hidden = c.hidden;
    job->row_count = 1 + random.below(4);
    job->rows.reset(all_->input_format(job->layer), job->row_count, c.hidden);
    for (auto r = 0u; r < job->row_count; ++r)
      job->rows.set_row(compute().k, r, random_floats(random, c.hidden));
    for (auto e = 0u; e < c.experts; ++e)
      for (auto r = 0u; r < job->row_count; ++r)
        if ((all && r == 0) || random.below(3) == 0)
          job->assignments.push_back({r, e, random.uniform(0.1f, 1)});
    if (job->assignments.empty())
      job->assignments.push_back({0, 0, 1});
    return job;
  }
  /// What it must give.
  std::vector<std::int64_t> expected(const layer_job& job) {
    auto sums = std::vector<std::int64_t>(std::size_t{job.row_count} * job.hidden, 0);
    auto compute_experts = experts::expert_compute{compute(), *all_};
    EXPECT_TRUE(compute_experts.run(job.layer, job.rows.view(), job.assignments, sums));
    return sums;
  }

private:
  tiny_vindex vindex_{all_in(quant::encoding::q8_0)};
  compute_pool pool_{1};
  std::deque<experts::expert_bank> banks_;
  std::optional<experts::expert_bank> all_;
};

class shimmed_cluster : public deterministic_system {
public:
  using micros = std::chrono::microseconds;

  shimmed_cluster(shimmed_model& model, std::uint64_t seed, const shim_profile& profile)
      : model_(model), random_(seed), profile_(profile) {
    start_laptop();
    for (auto i = std::size_t{0}; i < model.nodes(); ++i) {
      nodes_.emplace_back();
      start_node(i);
    }
    caf::anon_send(supervisor_, start_atom::value);
  }
  ~shimmed_cluster() override {
    for (auto& n : nodes_)
      caf::anon_send_exit(n.actor, caf::exit_reason::kill);
    caf::anon_send_exit(supervisor_, caf::exit_reason::user_shutdown);
    caf::anon_send_exit(router_, caf::exit_reason::user_shutdown);
    nodes_.clear();
    supervisor_ = nullptr;
    router_ = nullptr;
    settle();
  }
  void TestBody() override {}

  void route(const layer_job_ptr& job) { caf::anon_send(router_, route_atom::value, job); }

  /// Lets time pass until the job is finished; false if it takes longer than `limit`.
  bool run_until_finished(const layer_job_ptr& job, micros limit, bool with_events) {
    for (const auto end = now_ + limit; now_ < end;) {
      if (job->has_ended())
        return true;
      step(with_events);
    }
    return job->has_ended();
  }
  void run_for(micros time, bool with_events) {
    for (const auto end = now_ + time; now_ < end;)
      step(with_events);
  }

  /// The network is good again and every node is up, for good.
  void calm_down() {
    profile_ = {};
    for (auto i = std::size_t{0}; i < nodes_.size(); ++i)
      if (!nodes_[i].is_up || nodes_[i].drains)
        restart(i);
  }

  [[nodiscard]] const topology::deadlines& limits() const { return limits_; }
  [[nodiscard]] micros now() const { return now_; }
  /// A number for everything that went over the network so far and when.
  [[nodiscard]] std::uint64_t trace() const { return trace_; }
  [[nodiscard]] std::size_t events() const { return events_; }

private:
  struct node {
    node_actor actor;
    description_ptr description;
    bool is_up = false;
    bool drains = false;
    micros back_at{0};
    micros stopped_until{0};
    std::shared_ptr<bool> fails_next = std::make_shared<bool>(false);
  };
  struct connection {
    std::size_t node;
    int laptop, server; // virtual descriptors
    network_shim up, down;
    std::shared_ptr<bool> dropped; // the laptop gave it up before it was used
    bool laptop_ended = false, server_ended = false;
  };
  struct attempt {
    std::uint64_t target;
    std::size_t node;
    micros due;
  };

  static topology::deadlines quick() {
    auto out = topology::deadlines{};
    using namespace std::chrono_literals;
    out.call_floor = 50ms;
    out.call_ceiling = 500ms;
    out.failover = 5s;
    out.heartbeat = 200ms;
    out.heartbeat_misses = 5;
    out.reconnect_first = 50ms;
    out.reconnect_max = 500ms;
    return out;
  }

  double uniform() { return static_cast<double>(random_.uniform(0, 1)); }

  void start_laptop() {
    auto r = router_options{};
    r.limits = limits_;
    r.uniform = [this] { return uniform(); };
    router_ = spawn_state<router_state>(sys, std::move(r));
    auto o = supervisor_options{};
    o.cluster.source = "c.toml";
    o.cluster.limits = limits_;
    for (auto i = std::size_t{0}; i < model_.nodes(); ++i) {
      auto entry = topology::node_entry{};
      entry.name = name_of(i);
      entry.address = {"10.0.0.1", static_cast<std::uint16_t>(i), false};
      entry.experts = model_.bank(i).owned().experts;
      o.cluster.nodes.push_back(std::move(entry));
    }
    o.model = identity_of(model_.config(), {});
    o.router = router_;
    o.uniform = [this] { return uniform(); };
    o.network.dial = [this](std::uint64_t target, const topology::shard_url& url) {
      const auto wait = micros{1000 + random_.below(20000)};
      dials_.push_back(
          {target, url.port, std::max(now_, nodes_.at(url.port).stopped_until) + wait});
    };
    o.network.resolve = [](const topology::shard_url&) {};
    o.link = [this](caf::actor_system& system, connect_result& n,
                    const supervisor_actor& supervisor) -> node_link_actor {
      return spawn_broker<node_link_state>(
          system, std::move(n.connection), *n.node, n.address,
          link_options{limits_.heartbeat, limits_.heartbeat_misses, supervisor});
    };
    supervisor_ = spawn_state<supervisor_state>(sys, std::move(o));
  }

  static std::string name_of(std::size_t i) { return fmt::format("node-{}", i); }

  void start_node(std::size_t i) {
    auto& n = nodes_[i];
    auto d = describe(model_.config(), model_.bank(i), {}, name_of(i), ++last_incarnation_);
    n.description = std::make_shared<schema::node_description>(std::move(d));
    n.is_up = true;
    n.drains = false;
    auto o = node_options{};
    o.description = n.description;
    o.uniform = [this] { return uniform(); };
    o.start_shard = [this, i, description = n.description,
                     fails = n.fails_next](caf::actor_system& system) {
      auto service =
          std::make_shared<expert_service>(model_.compute(), model_.bank(i), *description);
      return spawn_state<expert_shard_state>(
          system, description,
          [service, fails](const received_call& call, std::vector<char> frame) {
            if (std::exchange(*fails, false))
              throw std::runtime_error("made to fail");
            auto a = service->run(call.message, {}, std::move(frame));
            return expert_shard_state::computed{std::move(a.frame), a.ok};
          });
    };
    n.actor = spawn_state<node_supervisor_state>(sys, std::move(o));
  }

  // ---- what goes wrong --------------------------------------------------------------------------

  void maybe_something_happens() {
    for (auto i = std::size_t{0}; i < nodes_.size(); ++i)
      if (!nodes_[i].is_up && nodes_[i].back_at <= now_)
        restart(i);
    if (random_.below(150) != 0)
      return;
    ++events_;
    const auto i = std::size_t{random_.below(static_cast<std::uint32_t>(nodes_.size()))};
    auto& n = nodes_[i];
    switch (random_.below(5)) {
    case 0:
    case 1: return kill(i, micros{10'000 + random_.below(1'500'000)});
    case 2: return stop(i, micros{1'000 + random_.below(3'000'000)});
    case 3: *n.fails_next = true; return;
    default:
      if (n.is_up && !n.drains) {
        n.drains = true;
        caf::anon_send(n.actor, drain_atom::value);
      } else {
        kill(i, micros{10'000});
      }
    }
  }

  // Most deaths are heard of at once, a power failure is not.
  void kill(std::size_t i, micros down_for) {
    auto& n = nodes_[i];
    if (!n.is_up)
      return;
    n.is_up = false;
    n.back_at = now_ + down_for;
    const auto is_silent = random_.below(4) == 0;
    for (auto& c : connections_)
      if (c.node == i && !c.server_ended) {
        c.server_ended = true;
        if (!is_silent)
          c.down.end(now_);
      }
    caf::anon_send_exit(n.actor, caf::exit_reason::kill);
    settle();
  }
  void restart(std::size_t i) {
    if (nodes_[i].is_up)
      kill(i, micros{0});
    start_node(i);
  }
  void stop(std::size_t i, micros time) {
    nodes_[i].stopped_until = now_ + time;
    for (auto& c : connections_)
      if (c.node == i) {
        c.up.hold(now_ + time);
        c.down.hold(now_ + time);
      }
  }

  // ---- the network ------------------------------------------------------------------------------

  void step(bool with_events) {
    settle();
    if (with_events)
      maybe_something_happens();
    for (auto& d : std::exchange(dials_, {}))
      d.due <= now_ ? connect(d) : dials_.push_back(d);
    for (auto& c : connections_)
      carry(c);
    std::erase_if(connections_,
                  [](const connection& c) { return c.laptop_ended && c.server_ended; });
    now_ += micros{1000};
    advance(micros{1000});
  }

  void connect(const attempt& a) {
    auto& n = nodes_[a.node];
    auto outcome = std::make_shared<connect_result>();
    outcome->address = fmt::format("10.0.0.1:{}", a.node);
    if (!n.is_up) {
      outcome->node = fail(errc::unavailable, "{}: connect: Connection refused", outcome->address);
    } else {
      const auto laptop = next_fd_++, server = next_fd_++;
      auto dropped = std::make_shared<bool>(false);
      connections_.push_back(
          {a.node, laptop, server, {profile_, random_}, {profile_, random_}, dropped});
      auto client = std::make_shared<accepted_client>();
      client->connection = virtual_connection(server);
      client->peer = "laptop";
      client->hello.model.emplace();
      caf::anon_send(n.actor, connect_atom::value, accepted_client_ptr{std::move(client)});
      auto d = *n.description;
      d.state = n.drains ? schema::node_state::draining : schema::node_state::serving;
      outcome->node = description_ptr{std::make_shared<schema::node_description>(std::move(d))};
      // The descriptor of a real connection would close with its last owner.
      auto opened = std::make_shared<bool>(false);
      auto owner =
          std::shared_ptr<void>{nullptr, [dropped, opened](void*) { *dropped = !*opened; }};
      outcome->connection = [this, laptop, opened, owner](caf::actor_system&) {
        *opened = true;
        return network.new_scribe(laptop);
      };
    }
    caf::anon_send(supervisor_, dialled_atom::value, a.target, connect_result_ptr{outcome});
    settle();
  }

  void note(std::uint64_t what) { trace_ = (trace_ ^ what) * 0x100000001b3u; }

  void carry(connection& c) {
    if (!c.laptop_ended)
      c.up.put(sent(c.laptop), now_);
    if (!c.server_ended)
      c.down.put(sent(c.server), now_);
    if (!c.laptop_ended && (*c.dropped || is_closed(c.laptop))) {
      c.laptop_ended = true;
      c.up.end(now_);
    }
    if (!c.server_ended && is_closed(c.server)) {
      c.server_ended = true;
      c.down.end(now_);
    }
    deliver(c.up, c.server, c.server_ended);
    deliver(c.down, c.laptop, c.laptop_ended);
  }

  void deliver(network_shim& from, int to, bool& ended) {
    while (auto d = from.take(now_)) {
      note(static_cast<std::uint64_t>(now_.count()));
      note(static_cast<std::uint64_t>(to) << 32 | d->bytes.size());
      if (ended || is_closed(to))
        continue; // bytes for a socket that is gone
      if (d->is_end) {
        lose(to);
        ended = true;
      } else {
        receive(to, d->bytes);
      }
    }
  }

  shimmed_model& model_;
  random_source random_;
  shim_profile profile_;
  topology::deadlines limits_ = quick();
  std::deque<node> nodes_;
  std::deque<connection> connections_;
  std::vector<attempt> dials_;
  router_actor router_;
  supervisor_actor supervisor_;
  micros now_{0};
  std::uint64_t last_incarnation_ = 0;
  int next_fd_ = 100000; // no descriptors of this process
  std::uint64_t trace_ = 0xcbf29ce484222325u;
  std::size_t events_ = 0;
};

} // namespace larql::test
