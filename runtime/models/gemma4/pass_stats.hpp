// What passes cost: where their time went, and what was sent to nodes and back.
//
// Numerics  Reading the clock changes no result.

#pragma once

#include "runtime/experts/expert_port.hpp"

#include <chrono>

namespace larql::gemma4 {

struct phase_times {
  std::chrono::nanoseconds attention{0}; ///< projections, cache, scores, and the norms around them
  std::chrono::nanoseconds router{0};    ///< choice of experts
  std::chrono::nanoseconds dense{0};     ///< dense branch and its norms
  std::chrono::nanoseconds experts{0};   ///< handing over and waiting; local experts compute here
  std::chrono::nanoseconds combine{0};   ///< norms and sums after the experts
  std::chrono::nanoseconds head{0};      ///< logits
};

[[nodiscard]] inline phase_times operator-(const phase_times& a, const phase_times& b) {
  return {a.attention - b.attention, a.router - b.router,   a.dense - b.dense,
          a.experts - b.experts,     a.combine - b.combine, a.head - b.head};
}
[[nodiscard]] inline phase_times operator+(const phase_times& a, const phase_times& b) {
  return {a.attention + b.attention, a.router + b.router,   a.dense + b.dense,
          a.experts + b.experts,     a.combine + b.combine, a.head + b.head};
}

/// Of the slowest call of each layer.
struct away_times {
  std::chrono::nanoseconds round_trips{0};
  std::chrono::nanoseconds kernels{0}; ///< of that, at the node
  std::chrono::nanoseconds queue{0};   ///< likewise, before them
};

/// Sums over the layers of passes.
struct pass_stats {
  phase_times times;
  away_times away;
  std::uint64_t layers = 0;
  experts::call_stats calls; ///< slowest and its parts: of the slowest call of all

  void add_layer(const experts::call_stats& c) {
    ++layers;
    add(away_times{c.slowest, c.slowest_compute, c.slowest_queue});
    calls.add(c);
  }
  void add(const pass_stats& s) {
    times = times + s.times;
    layers += s.layers;
    add(s.away);
    calls.add(s.calls);
  }

  /// What was added since `before`; the slowest call is that of all time.
  [[nodiscard]] pass_stats since(const pass_stats& before) const {
    auto out = *this;
    out.times = times - before.times;
    out.away.round_trips -= before.away.round_trips;
    out.away.kernels -= before.away.kernels;
    out.away.queue -= before.away.queue;
    out.layers -= before.layers;
    out.calls.calls -= before.calls.calls;
    out.calls.retries -= before.calls.retries;
    out.calls.hedges -= before.calls.hedges;
    out.calls.relayed -= before.calls.relayed;
    out.calls.bytes_sent -= before.calls.bytes_sent;
    out.calls.bytes_received -= before.calls.bytes_received;
    return out;
  }

private:
  void add(const away_times& a) {
    away.round_trips += a.round_trips;
    away.kernels += a.kernels;
    away.queue += a.queue;
  }
};

/// Adds the time since the last lap to one of the sums.
class phase_clock {
public:
  void lap(std::chrono::nanoseconds& to) {
    const auto now = std::chrono::steady_clock::now();
    to += now - last_;
    last_ = now;
  }

private:
  std::chrono::steady_clock::time_point last_ = std::chrono::steady_clock::now();
};

} // namespace larql::gemma4
