// Everybody who watches the start: HTTP, and the service manager, which gives up on a start that
// says nothing for longer than it was told.
//
// Threads   Any: downloads call from several.

#pragma once

#include "cli/node/health.hpp"
#include "cli/support/environment.hpp"
#include "cli/support/service_manager.hpp"

#include <chrono>
#include <mutex>
#include <string>

namespace larql::cli {

class watchers {
public:
  node_health health;
  const service_manager manager{process_environment("NOTIFY_SOCKET").value_or("")};

  void loading(std::string text) {
    const auto lock = std::scoped_lock{mutex_};
    text_ = std::move(text);
    health.loading(text_);
    tell();
  }
  /// Nothing new, but it goes on; cheap enough for inner loops.
  void still_loading() {
    const auto lock = std::scoped_lock{mutex_};
    if (clock::now() - told_ >= longest_pause / 10)
      tell();
  }

private:
  using clock = std::chrono::steady_clock;
  static constexpr auto longest_pause =
      std::chrono::seconds{120}; // longer than any pause of a loading node

  void tell() {
    told_ = clock::now();
    manager.starting(text_, longest_pause);
  }

  std::mutex mutex_;
  std::string text_;
  clock::time_point told_{};
};

} // namespace larql::cli
