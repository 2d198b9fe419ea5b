#include "cli/interrupt.hpp"

#include <csignal>
#include <unistd.h>

namespace larql::cli {

namespace {

// A signal handler can reach nothing but a global.
std::atomic<bool> flag{false};
std::atomic<bool> term_flag{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void on_signal(int signal) {
  if (signal == SIGTERM)
    term_flag = true;
  if (flag.exchange(true))
    ::_exit(128 + signal);
}

} // namespace

const std::atomic<bool>& interrupted() noexcept {
  return flag;
}

bool terminated() noexcept {
  return term_flag;
}

void clear_interrupt() noexcept {
  flag = false;
}

void install_interrupt_handler() noexcept {
  struct sigaction action {};
  action.sa_handler = on_signal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
}

interrupt_scope::interrupt_scope() noexcept {
  ::sigaction(SIGINT, nullptr, &before_int_);
  ::sigaction(SIGTERM, nullptr, &before_term_);
  install_interrupt_handler();
}

interrupt_scope::~interrupt_scope() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
}

} // namespace larql::cli
