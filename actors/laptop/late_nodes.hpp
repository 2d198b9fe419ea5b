// Nodes whose calls are overdue, compared with what such calls have taken there so far. The router
// notes them; whoever tells a person what is waited for looks. A node leaves the list with its next
// answer, however late, and with its connection.
//
// Threads   Any.

#pragma once

#include <algorithm>
#include <cstdint>
#include <mutex>
#include <vector>

namespace larql::actors {

class late_nodes {
public:
  void add(std::uint64_t incarnation) {
    const auto lock = std::scoped_lock{mutex_};
    if (std::find(late_.begin(), late_.end(), incarnation) == late_.end())
      late_.push_back(incarnation);
  }
  void remove(std::uint64_t incarnation) {
    const auto lock = std::scoped_lock{mutex_};
    std::erase(late_, incarnation);
  }
  void clear() {
    const auto lock = std::scoped_lock{mutex_};
    late_.clear();
  }

  /// Their incarnations.
  [[nodiscard]] std::vector<std::uint64_t> all() const {
    const auto lock = std::scoped_lock{mutex_};
    return late_;
  }

private:
  mutable std::mutex mutex_;
  std::vector<std::uint64_t> late_;
};

} // namespace larql::actors
