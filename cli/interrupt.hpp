// Ctrl-C as a flag: the first one asks the running work to stop cleanly, the second one ends the
// process at once.

#pragma once

#include <atomic>
#include <csignal>

namespace larql::cli {

/// Set by SIGINT and SIGTERM after install_interrupt_handler().
[[nodiscard]] const std::atomic<bool>& interrupted() noexcept;

/// Set by SIGTERM alone: the user has not only had enough of an answer.
[[nodiscard]] bool terminated() noexcept;

/// The next Ctrl-C is a first one again.
void clear_interrupt() noexcept;

void install_interrupt_handler() noexcept;

/// The handler for a while: what was there before comes back.
class interrupt_scope {
public:
  interrupt_scope() noexcept;
  ~interrupt_scope();
  interrupt_scope(const interrupt_scope&) = delete;
  interrupt_scope& operator=(const interrupt_scope&) = delete;

private:
  struct sigaction before_int_ {};
  struct sigaction before_term_ {};
};

} // namespace larql::cli
