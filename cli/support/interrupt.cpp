#include "cli/support/interrupt.hpp"

#include "cli/support/terminal_modes.hpp"

#include <cerrno>
#include <unistd.h>

namespace larql::cli {

namespace {

// A signal handler can reach nothing but globals.
std::atomic<bool> pending{false};
std::atomic<int> last_signal{0};
std::atomic<int> end_signal{0}; // SIGTERM or SIGHUP
std::atomic<sem_t*> wake{nullptr};
static_assert(std::atomic<int>::is_always_lock_free && std::atomic<sem_t*>::is_always_lock_free);

void on_signal(int signal) {
  const auto saved_errno = errno;
  last_signal = signal;
  if (signal != SIGINT)
    end_signal = signal;
  if (pending.exchange(true)) {
    give_terminal_back();
    ::_exit(128 + signal);
  }
  if (auto* s = wake.load())
    ::sem_post(s);
  errno = saved_errno;
}

void install(int signal, struct sigaction* before) {
  struct sigaction action {};
  action.sa_handler = on_signal; // without SA_RESTART: a signal ends a wait for input
  ::sigaction(signal, &action, before);
}

} // namespace

interrupt_scope::interrupt_scope() {
  ::sem_init(&wake_, 0, 0);
  watcher_ = std::thread{[this] { watch(); }};
  outer_wake_ = wake.exchange(&wake_);
  install(SIGINT, &before_int_);
  install(SIGTERM, &before_term_);
  install(SIGHUP, &before_hup_);
  if (before_hup_.sa_handler == SIG_IGN) // nohup: the terminal may go
    ::sigaction(SIGHUP, &before_hup_, nullptr);
}

interrupt_scope::~interrupt_scope() {
  ::sigaction(SIGINT, &before_int_, nullptr);
  ::sigaction(SIGTERM, &before_term_, nullptr);
  ::sigaction(SIGHUP, &before_hup_, nullptr);
  wake = outer_wake_;
  ended_ = true;
  ::sem_post(&wake_);
  watcher_.join();
  ::sem_destroy(&wake_);
}

void interrupt_scope::watch() {
  for (;;) {
    while (::sem_wait(&wake_) != 0) // EINTR
      ;
    if (ended_.load())
      return;
    auto source = std::stop_source{std::nostopstate};
    {
      const auto lock = std::scoped_lock{mutex_};
      if (pending.load()) // not renewed meanwhile
        source = source_;
    }
    source.request_stop();
  }
}

std::stop_token interrupt_scope::token() const {
  const auto lock = std::scoped_lock{mutex_};
  return source_.get_token();
}

bool interrupt_scope::interrupted() const noexcept {
  return pending.load();
}

bool interrupt_scope::terminated() const noexcept {
  return end_signal.load() != 0;
}

int interrupt_scope::signal() const noexcept {
  return last_signal.load();
}

std::optional<int> exit_code_of_signal() noexcept {
  if (const auto signal = end_signal.load(); signal != 0)
    return 128 + signal;
  return pending.load() ? std::optional{128 + last_signal.load()} : std::nullopt;
}

void interrupt_scope::renew() {
  const auto lock = std::scoped_lock{mutex_};
  source_ = std::stop_source{};
  pending = false;
}

} // namespace larql::cli
