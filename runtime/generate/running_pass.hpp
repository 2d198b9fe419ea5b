// A pass under way: parts of several sequences that go through the layers together. Whoever runs
// passes takes several of them a step further in turn, so that this machine computes one while
// nodes compute the experts of another. Made and moved by an executor (executor.hpp).
//
// A part can be left out on the way: when its stop is requested, its rows are gone from the next
// layer on, and its sequence stays as it was. The others do not notice. When the stop of every part
// is requested, the pass ends as a stopped one does, and waits for nobody.
//
// Owner     Its caller; its memory is used again by the next pass.
// Threads   One at a time, that of the executor.

#pragma once

#include "runtime/generate/sequence.hpp"
#include "runtime/models/gemma4/forward.hpp"

#include <atomic>
#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

namespace larql::generate {

class running_pass {
public:
  explicit running_pass(const vindex::model_config& config) : pass_(config) {}

  /// Parts that it began with, those that were left out included.
  [[nodiscard]] std::size_t parts() const noexcept { return parts_.size(); }
  [[nodiscard]] bool is_left_out(std::size_t i) const noexcept { return parts_[i].left_out; }
  /// Rows that are still computed.
  [[nodiscard]] std::uint32_t rows() const noexcept { return pass_.rows(); }
  /// Begun, and neither finished nor dropped.
  [[nodiscard]] bool is_active() const noexcept { return active_; }
  /// What it has cost so far.
  [[nodiscard]] const gemma4::pass_stats& stats() const noexcept { return pass_.stats(); }

private:
  friend class executor;

  /// Requests `all` when as many stops as there are parts have been requested, by any threads.
  struct stop_count {
    std::atomic<std::size_t> left{0};
    std::stop_source all;
  };
  struct count_stop {
    std::shared_ptr<stop_count> stops;
    void operator()() const {
      if (stops->left.fetch_sub(1) == 1)
        stops->all.request_stop();
    }
  };

  struct part {
    sequence* to = nullptr;
    std::vector<std::uint32_t> tokens;
    std::vector<std::int32_t> parents;
    std::uint32_t first = 0; ///< position of its first token
    std::stop_token stop;
    std::unique_ptr<std::stop_callback<count_stop>> on_stop;
    bool is_void = false; ///< tokens before its first one will not be there
    bool left_out = false;
  };

  gemma4::forward::pass pass_;
  std::vector<part> parts_;
  std::vector<const running_pass*> ahead_; // passes that read earlier tokens of the same sequences
  std::shared_ptr<stop_count> stops_;
  std::uint64_t condemned_ = 0; // makers when it began
  bool active_ = false;
};

} // namespace larql::generate
