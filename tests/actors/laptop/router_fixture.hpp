// A router over fake shards that answer what the test says, in virtual time.

#pragma once

#include "actors/core/errc.hpp"
#include "actors/laptop/router.hpp"
#include "runtime/kernels/kernel_set.hpp"
#include "schema/codec.hpp"
#include "schema/sums.hpp"
#include "tests/actors/core/fake_worker.hpp"
#include "tests/support/deterministic_system.hpp"

#include <cstring>
#include <deque>
#include <set>

namespace larql::test {

using namespace actors;
using namespace std::chrono_literals;

inline constexpr auto hidden = 4u;

template <class T>
T number_at(std::span<const std::byte> bytes, std::size_t i) {
  T x;
  std::memcpy(&x, bytes.data() + i * sizeof x, sizeof x);
  return x;
}

// What the fakes "compute": the whole numbers of a row times expert + 1 times the weight.
inline std::int64_t output(float x, std::uint32_t expert, float weight) {
  return static_cast<std::int64_t>(x) * (expert + 1) * static_cast<std::int64_t>(weight);
}

/// A message with its spans pointing into a buffer of its own, as a link makes it.
template <class T>
received<T> received_of(const T& message) {
  auto frame = std::vector<char>{};
  schema::encode(message, frame);
  const auto body =
      std::make_shared<std::vector<char>>(frame.begin() + schema::frame_header_bytes, frame.end());
  const auto m = schema::decode(*body);
  EXPECT_TRUE(m) << m.error().text;
  return {body, std::get<T>(*m)};
}

/// A result with these numbers.
inline received_result result_of(const schema::expert_call& call,
                                 const std::vector<std::int64_t>& sums, std::uint32_t rows) {
  auto widths = std::vector<std::byte>{}, bytes = std::vector<std::byte>{};
  schema::pack_sums(sums, hidden, call.sums, widths, bytes);
  auto out = schema::expert_result{};
  out.id = call.id;
  out.rows = rows;
  out.widths = widths;
  out.sums = bytes;
  out.compute_ns = 1000;
  return received_of(out);
}

inline schema::expert_call call_in(const outgoing_call& call) {
  const auto m = schema::decode(std::span{*call.frame}.subspan(schema::frame_header_bytes));
  EXPECT_TRUE(m) << m.error().text;
  return std::get<schema::expert_call>(*m);
}

/// The right answer to a call.
inline received_result right_answer(const outgoing_call& out) {
  const auto call = call_in(out);
  auto sums = std::vector<std::int64_t>(std::size_t{call.rows} * hidden, 0);
  for (auto i = std::size_t{0}; i < call.pick_experts.size() / 2; ++i) {
    const auto row = number_at<std::uint32_t>(call.pick_rows, i);
    for (auto h = 0u; h < hidden; ++h)
      sums[row * hidden + h] += output(number_at<float>(call.activations, row * hidden + h),
                                       number_at<std::uint16_t>(call.pick_experts, i),
                                       number_at<float>(call.pick_weights, i));
  }
  return result_of(call, sums, call.rows);
}

class router_fixture : public deterministic_system {
protected:
  ~router_fixture() override {
    caf::anon_send_exit(router, caf::exit_reason::user_shutdown);
    router = nullptr;
    members.clear();
    for (auto& s : shards)
      s.end();
    settle();
  }

  /// A router over shards alpha, beta, ... with these experts of all layers.
  void start(const std::vector<experts::index_range>& ranges) {
    auto owned = std::vector<experts::ownership>{};
    for (const auto& r : ranges)
      owned.push_back({{0, 9}, r});
    start_with(owned);
  }
  void start_with(const std::vector<experts::ownership>& owned) {
    for (const auto& o : owned)
      add_member(o);
    router = spawn_state<router_state>(sys, options);
    publish();
  }

  /// A node that is connected from the next publish() on. Names are alpha, beta, ...
  std::size_t add_member(const experts::ownership& owned) {
    constexpr const char* names[] = {"alpha", "beta", "gamma", "delta", "epsilon", "zeta"};
    auto d = std::make_shared<schema::node_description>();
    d->node = names[shards.size()];
    d->incarnation = shards.size() + 1;
    d->owned = owned;
    shards.emplace_back();
    members.push_back({d, d->node + ":9470",
                       caf::actor_cast<caf::strong_actor_ptr>(shards.back().spawn(sys)),
                       schema::node_state::serving});
    return shards.size() - 1;
  }
  cluster_member& member(std::size_t shard) {
    return *std::find_if(members.begin(), members.end(), [&](const cluster_member& m) {
      return m.description->incarnation == shard + 1;
    });
  }
  /// The node goes: its connection ends, and the next view is without it.
  void lose(std::size_t shard) {
    for (auto i = std::size_t{0}; i < shards[shard].calls().size(); ++i)
      if (!answered.contains({shard, i}))
        shards[shard].fail(i, make_error(failure_code::link_lost, "the connection was closed"));
    settle();
    shards[shard].end();
    members.erase(members.begin() + (&member(shard) - members.data()));
    publish();
  }
  /// The router gets a view of the members.
  void publish() {
    auto view = std::make_shared<cluster_view>();
    view->members = members;
    view->missing = missing;
    caf::anon_send(router, view_atom::value, cluster_view_ptr{std::move(view)});
    settle();
  }

  /// A job of `rows` rows with numbers of their own.
  static layer_job_ptr make_job(std::uint32_t layer, std::uint32_t rows,
                                std::vector<experts::assignment> assignments) {
    auto job = std::make_shared<layer_job>();
    job->layer = layer;
    job->hidden = hidden;
    job->row_count = rows;
    job->rows.reset(kernels::activation_format::f32, rows, hidden);
    for (auto r = 0u; r < rows; ++r) {
      const auto x = number(r);
      job->rows.set_row(**kernels::kernels_by_name("scalar"), r,
                        std::vector<float>{x, x + 1, x + 2, -x});
    }
    std::sort(assignments.begin(), assignments.end(), [](const auto& a, const auto& b) {
      return std::pair{a.expert, a.row} < std::pair{b.expert, b.row};
    });
    job->assignments = std::move(assignments);
    return job;
  }
  static float number(std::uint32_t row) { return static_cast<float>(100 * row + 7); }

  static std::vector<std::int64_t> expected_sums(const layer_job& job) {
    auto out = std::vector<std::int64_t>(std::size_t{job.row_count} * hidden, 0);
    for (const auto& p : job.assignments) {
      const auto x = number(p.row);
      const float row[] = {x, x + 1, x + 2, -x};
      for (auto h = 0u; h < hidden; ++h)
        out[p.row * hidden + h] += output(row[h], p.expert, p.weight);
    }
    return out;
  }

  layer_job_ptr route(layer_job_ptr job) {
    caf::anon_send(router, route_atom::value, job);
    settle();
    return job;
  }
  static bool is_done(const layer_job_ptr& job) { return job->has_ended(); }
  static std::string error_of(const layer_job_ptr& job) {
    if (!is_done(job))
      return "not done";
    return job->outcome() ? "no error" : job->outcome().error().text;
  }
  void answer_rightly(std::size_t shard, std::size_t call = 0) {
    auto& s = shards.at(shard);
    answered.insert({shard, call});
    s.answer(call, right_answer(s.calls().at(call)));
    settle();
  }

  /// Time passes as it does for a process that runs: ticks come when they are due.
  void advance(caf::timespan by) {
    constexpr auto step = caf::timespan{10ms};
    for (; by > step; by -= step)
      deterministic_system::advance(step);
    deterministic_system::advance(by);
  }
  /// Time passes while the process is stopped: nothing runs.
  void stop_for(caf::timespan time) { deterministic_system::advance(time); }

  // Two rows, three experts each.
  static std::vector<experts::assignment> some_assignments() {
    return {{0, 1, 2}, {0, 5, 3}, {0, 6, 1}, {1, 1, 1}, {1, 2, 4}, {1, 7, 2}};
  }

  /// Calls are given 100 ms; trouble ends a job at once. Set before start().
  static router_options short_limits() {
    auto o = router_options{};
    o.limits.call_floor = o.limits.call_ceiling = 100ms;
    o.limits.failover = 0ms;
    return o;
  }

  router_options options = short_limits();
  std::deque<fake_link> shards;
  std::vector<cluster_member> members;
  std::vector<cluster_view::absent> missing;
  std::set<std::pair<std::size_t, std::size_t>> answered;
  router_actor router;
};

} // namespace larql::test
