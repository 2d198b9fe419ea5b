#include "cli/support/typed_ahead.hpp"

#include <array>
#include <cerrno>
#include <poll.h>
#include <unistd.h>
#include <utility>

namespace larql::cli {

namespace {

constexpr std::size_t most_bytes = 16u << 20;
// How late the foreground is noticed: a shell may bring a running program there without a signal.
constexpr auto look_milliseconds = 200;

} // namespace

typed_ahead::typed_ahead(terminal_modes& modes) : modes_(modes) {
  modes_.take();
  thread_ = std::jthread{[this](const std::stop_token& ended) { read(ended); }};
}

typed_ahead::~typed_ahead() {
  (void) finish();
}

std::string typed_ahead::finish() {
  if (thread_.joinable()) {
    thread_.request_stop();
    jobs_.wake();
    thread_.join();
  }
  return std::exchange(keys_, {});
}

void typed_ahead::read(const std::stop_token& ended) {
  auto is_there = true;
  while (!ended.stop_requested()) {
    if (jobs_.take_stop()) {
      modes_.give_back();
      jobs_.stop();
    }
    if (jobs_.take_foreground())
      modes_.lost();
    const auto listens = modes_.take() && is_there && keys_.size() < most_bytes;
    // Whoever reads in the background is stopped.
    auto waited = std::array{pollfd{jobs_.descriptor(), POLLIN, 0},
                             pollfd{listens ? STDIN_FILENO : -1, POLLIN, 0}};
    if (::poll(waited.data(), waited.size(), look_milliseconds) <= 0)
      continue;
    if (waited[0].revents != 0)
      jobs_.awake();
    if (waited[1].revents != 0)
      is_there = take_bytes();
  }
}

// False if the terminal has gone.
bool typed_ahead::take_bytes() {
  auto bytes = std::array<char, 4096>{};
  const auto n = ::read(STDIN_FILENO, bytes.data(), bytes.size());
  if (n > 0)
    keys_.append(bytes.data(), static_cast<std::size_t>(n));
  return n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN));
}

} // namespace larql::cli
