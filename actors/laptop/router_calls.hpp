// What the router keeps of a job under way. Included by the router's own files only.

#pragma once

#include "actors/laptop/router.hpp"
#include "schema/sums.hpp"

#include <algorithm>
#include <cstring>

namespace larql::actors {

/// One call to one node.
struct router_state::attempt {
  std::uint64_t id = 0;
  caf::message_id reply; // id of the message that will answer the call
  cluster_view_ptr view; // the view by which the node was chosen
  std::size_t member_index = 0;
  time sent{};
  experts::maker_ledger::time asked{}; // the same by the steady clock, for the ledger
  std::chrono::microseconds allowed{0};
  std::optional<time> deadline; // none once it has passed
  std::optional<time> hedge_at;
  float expected_us = 0;
  std::uint64_t bytes = 0;       // of the call and its answer, as far as that can be known
  std::uint64_t bytes_ahead = 0; // these, and those of the calls in flight when it was sent
  bool relayed = false;          // the node asks others for what it does not own

  [[nodiscard]] const cluster_member& member() const { return view->members[member_index]; }
};

/// Experts of a job that one node was asked for; several nodes once a call was repeated.
struct router_state::node_call {
  std::uint64_t id = 0;
  std::vector<experts::assignment> assignments; // rows as in the job
  std::vector<std::uint32_t> rows;              // rows of the job that the call carries, ascending
  std::vector<attempt> attempts;                // calls in flight
  std::vector<std::uint64_t> tried;             // incarnations of the nodes that were asked
  std::shared_ptr<spot_check> check;            // that the answer waits for
  bool answered = false;                        // its answer is in the check
  std::vector<std::byte> whole_rows;            // of a relayed call, as in schema::expert_call

  /// No call of it is within its deadline any more.
  [[nodiscard]] bool is_late() const {
    return !answered && std::none_of(attempts.begin(), attempts.end(),
                                     [](const attempt& a) { return a.deadline.has_value(); });
  }
};

/// A job with calls in flight, or with experts that no connected node owns.
struct router_state::pending_job {
  layer_job_ptr job;
  std::vector<node_call> calls;
  std::vector<experts::assignment> parked;
  std::optional<time> retry_at;      // for parked assignments, after a back-off
  std::optional<time> trouble_since; // the failover deadline runs from here
  std::optional<failure> last_failure;
  experts::ownership last_owned; // of the node that failed last
  unsigned retries = 0;
  unsigned node_failures = 0;
  bool is_said = false; // people know what it waits for
  bool finished = false;

  // What the sums of each row hold. A complete row takes no other addend.
  enum class row_state : std::uint8_t { empty, added, complete };
  std::vector<row_state> row_states;
  std::optional<way> taken_way; // if there was a choice
  time started{};

  /// As new; the memory stays. @pre finished, so calls and parked are empty
  void reset() {
    retry_at.reset();
    trouble_since.reset();
    last_failure.reset();
    last_owned = {};
    retries = node_failures = 0;
    is_said = finished = false;
    taken_way.reset();
  }

  [[nodiscard]] node_call* find(std::uint64_t call_id) {
    const auto it = std::find_if(calls.begin(), calls.end(),
                                 [&](const node_call& p) { return p.id == call_id; });
    return it == calls.end() ? nullptr : &*it;
  }
};

/// What a node said to a question that others are asked as well.
struct router_state::opinion {
  cluster_view_ptr view;
  std::size_t member_index = 0;
  caf::message_id reply; // of a call that belongs to the check alone
  experts::maker_ledger::time asked{};
  std::optional<std::vector<std::int64_t>> sums; // [rows][hidden]; none yet

  [[nodiscard]] const cluster_member& member() const { return view->members[member_index]; }
};

/// A call that two nodes are asked. The first opinion is the one of the call itself.
struct router_state::spot_check {
  layer_job_ptr job; // keeps the rows
  job_ptr pending;   // of the call that waits; null: the first answer is in use
  std::uint64_t call_id = 0;
  std::vector<experts::assignment> assignments;
  std::vector<std::uint32_t> rows;
  std::vector<opinion> opinions;
  time until = time::max(); // for the last one that was asked
  bool over = false;

  /// "layer 3, experts 5, 7"
  [[nodiscard]] std::string place() const;
};

/// What a call costs a node (call_timing.hpp). @pre sorted by expert
[[nodiscard]] inline std::uint32_t units_of(std::span<const experts::assignment> assignments) {
  auto distinct = 0u;
  for (auto i = std::size_t{0}; i < assignments.size(); ++i)
    distinct += i == 0 || assignments[i].expert != assignments[i - 1].expert;
  return distinct + static_cast<std::uint32_t>(assignments.size());
}

/// Bytes of a row of sums as it usually is on the wire.
[[nodiscard]] inline std::uint64_t usual_row_bytes(std::uint32_t hidden, quant::sum_format f) {
  constexpr auto usual_width = std::uint8_t{5};
  return schema::row_bytes(f == quant::sum_format::exact ? usual_width : schema::rounded_row(f),
                           hidden);
}

/// Bytes of a call with so many of the job's rows and of its answer, whose rows have
/// `answer_bytes`, as far as they can be known.
[[nodiscard]] inline std::uint64_t call_bytes(const layer_job& job, std::uint64_t rows,
                                              std::uint64_t picks, std::uint64_t answer_bytes) {
  constexpr auto pick_bytes = std::uint64_t{10};
  const auto& x = job.rows.view();
  const auto is_f32 = x.format == kernels::activation_format::f32;
  const auto row_bytes = is_f32 ? std::uint64_t{x.cols} * sizeof(float)
                                : x.cols + x.cols / kernels::scale_block(x.format) * sizeof(float);
  return rows * (row_bytes + answer_bytes) + picks * pick_bytes;
}

/// The i-th of the other nodes that had a part in a result.
[[nodiscard]] inline std::uint64_t maker_at(const schema::expert_result& r, std::size_t i) {
  auto out = std::uint64_t{0};
  std::memcpy(&out, r.makers.data() + i * sizeof out, sizeof out);
  return out;
}

/// Whether a node could answer all of a call.
[[nodiscard]] inline bool owns_all(const cluster_member& m, std::uint32_t layer,
                                   std::span<const experts::assignment> assignments) {
  return std::all_of(assignments.begin(), assignments.end(), [&](const experts::assignment& p) {
    return m.description->owned.contains(layer, p.expert);
  });
}

/// The call that an answer belongs to.
struct router_state::call_place {
  job_ptr job;
  std::uint64_t call_id = 0;
  std::uint64_t attempt_id = 0;
};

} // namespace larql::actors
