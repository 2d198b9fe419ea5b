// What the router keeps of a job under way. Included by the router's own files only.

#pragma once

#include "actors/router.hpp"

#include <algorithm>

namespace larql::actors {

/// One call to one node.
struct router_state::attempt {
  std::uint64_t id = 0;
  std::uint64_t incarnation = 0;
  cluster_member member;
  time sent{};
  std::chrono::microseconds allowed{0};
  std::optional<time> deadline; // none once it has passed
  std::optional<time> hedge_at;
  float expected_us = 0;
};

/// Experts of a job that one node was asked for; several nodes once a call was repeated.
struct router_state::part {
  std::uint64_t id = 0;
  std::vector<experts::pick> picks; // rows as in the job
  std::vector<std::uint32_t> rows;  // rows of the job that the call carries, ascending
  std::vector<attempt> attempts;    // in flight
  std::vector<std::uint64_t> tried; // incarnations

  /// No call of it is within its deadline any more.
  [[nodiscard]] bool is_late() const {
    return std::none_of(attempts.begin(), attempts.end(),
                        [](const attempt& a) { return a.deadline.has_value(); });
  }
};

/// A job with calls in flight, or with experts that nobody owns just now.
struct router_state::pending_job {
  layer_job_ptr job;
  std::map<std::uint64_t, part> parts;
  std::vector<experts::pick> parked;
  std::optional<time> retry_at;      // for parked picks, after a back-off
  std::optional<time> trouble_since; // the failover deadline runs from here
  std::optional<failure> last_failure;
  experts::ownership last_owned; // of the node that failed last
  unsigned retries = 0;
  unsigned node_failures = 0;
  bool finished = false;
};

} // namespace larql::actors
