#include "runtime/experts/combined_experts.hpp"

#include <algorithm>

namespace larql::experts {

/// The tickets of both sides; either may be empty.
class combined_experts::work final : public expert_work {
public:
  [[nodiscard]] bool is_free() const noexcept { return free_; }

  void take(expert_ticket local, expert_ticket remote) noexcept {
    free_ = false;
    local_ = std::move(local);
    remote_ = std::move(remote);
    stats_ = {};
  }

  bool is_ready() const noexcept override { return !remote_ || remote_->is_ready(); }

  result<void> wait(std::span<std::int64_t> sums, const std::stop_token& stop) override {
    for (const auto* side : {&local_, &remote_}) {
      if (!*side)
        continue;
      if (auto done = (*side)->wait(sums, stop); !done) {
        stats_ = stats();
        remote_.drop();
        return done;
      }
    }
    return {};
  }

  call_stats stats() const override { return remote_ ? remote_->stats() : stats_; }

  void release() noexcept override {
    local_.drop();
    remote_.drop();
    free_ = true;
  }

private:
  bool free_ = true;
  expert_ticket local_, remote_;
  call_stats stats_; ///< of a remote part that was cancelled
};

combined_experts::combined_experts(expert_port& local, const ownership& owned, expert_port& remote)
    : local_(local), owned_(owned), remote_(remote) {}

combined_experts::~combined_experts() = default;

result<expert_ticket> combined_experts::start(const expert_batch& batch, ready_fn on_ready) {
  here_.clear();
  there_.clear();
  for (const auto& a : batch.assignments)
    (owned_.contains(batch.layer, a.expert) ? here_ : there_).push_back(a);
  auto part = batch;
  part.is_whole = batch.is_whole && here_.empty();
  auto local = expert_ticket{}, remote = expert_ticket{};
  const auto all_here = there_.empty();
  if (!all_here) {
    part.assignments = there_;
    LARQL_TRY(remote, remote_.start(part, std::move(on_ready)));
  }
  if (!here_.empty()) {
    part.assignments = here_;
    LARQL_TRY(local, local_.start(part, all_here ? std::move(on_ready) : ready_fn{}));
  }
  auto it = std::find_if(works_.begin(), works_.end(), [](const auto& w) { return w->is_free(); });
  if (it == works_.end())
    it = works_.insert(it, std::make_unique<work>());
  (*it)->take(std::move(local), std::move(remote));
  return expert_ticket{**it};
}

} // namespace larql::experts
