#include "cli/support/process_signals.hpp"

#include "cli/support/command.hpp"
#include "runtime/base/log.hpp"

#include <system_error>
#include <unistd.h>

namespace larql::cli {

namespace {

using namespace std::chrono_literals;

// A phase that looks for signals does so several times a second.
constexpr auto taken_within = 1s;
// How long a phase that has taken a signal may need to end, before the node serves.
constexpr auto end_seconds = 10u;

} // namespace

process_signals::process_signals() {
  sigemptyset(&set_);
  for (const auto s : {SIGTERM, SIGINT, SIGHUP, restart})
    sigaddset(&set_, s);
  pthread_sigmask(SIG_BLOCK, &set_, nullptr);
}

result<std::unique_ptr<process_signals>> process_signals::start() {
  auto out = std::unique_ptr<process_signals>{new process_signals};
  try {
    out->thread_ = std::thread{[self = out.get()] { self->serve(); }};
  } catch (const std::system_error& e) {
    return fail(errc::io, "cannot start a thread: {}", e.what());
  }
  return out;
}

process_signals::~process_signals() {
  if (!thread_.joinable())
    return;
  {
    const auto lock = std::scoped_lock{mutex_};
    ended_ = true;
  }
  ::pthread_kill(thread_.native_handle(), restart); // wakes it
  thread_.join();
}

void process_signals::serve() {
  for (auto signal = 0; ::sigwait(&set_, &signal) == 0;) {
    auto lock = std::unique_lock{mutex_};
    if (ended_) {
      if (signal != restart) // it came at the very end: whoever the process becomes takes it
        ::kill(::getpid(), signal);
      return;
    }
    if (signal == SIGHUP) {
      hangup_ = true;
      continue;
    }
    told_to_end_ = told_to_end_ || signal != restart;
    if (pending_ != 0)
      continue; // it ends already
    pending_ = signal;
    changed_.notify_all();
    if (serving_ || signal == restart) // a new start is no hurry, and would inherit the alarm
      continue;
    if (!changed_.wait_for(lock, taken_within, [this] { return pending_ == -1 || serving_; })) {
      log_info(program_name() == "larql-node" ? "node" : "serve", "ends before it was ready");
      ::_exit(exit_ok);
    }
    if (serving_)
      continue;
    std::signal(SIGALRM, [](int) { ::_exit(exit_ok); });
    ::alarm(end_seconds);
  }
}

int process_signals::within(std::chrono::milliseconds time) {
  auto lock = std::unique_lock{mutex_};
  if (!changed_.wait_for(lock, time, [this] { return pending_ > 0; }))
    return 0;
  const auto out = std::exchange(pending_, -1); // later ones change nothing
  changed_.notify_all();
  return out;
}

void process_signals::serving() {
  const auto lock = std::scoped_lock{mutex_};
  serving_ = true;
  changed_.notify_all();
}

bool process_signals::told_to_end() {
  const auto lock = std::scoped_lock{mutex_};
  return told_to_end_;
}

bool process_signals::take_hangup() {
  const auto lock = std::scoped_lock{mutex_};
  return std::exchange(hangup_, false);
}

} // namespace larql::cli
