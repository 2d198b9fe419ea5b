#include "actors/net/http_deadlines.hpp"

#include <algorithm>

#include <sys/socket.h>

namespace larql::actors {

namespace {

// All was read that the client has sent, and nothing more will come.
bool is_at_end(int fd) {
  char next = 0;
  return ::recv(fd, &next, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

} // namespace

void http_deadlines::enter(int fd, phase what) {
  if (const auto it = connections_.find(fd); it != connections_.end())
    it->second = {what, clock::now()};
}

void http_deadlines::close_overdue(clock::time_point now, bool hurry) const {
  const auto crowded = connections_.size() >= options_.max_connections;
  for (const auto& [fd, c] : connections_) {
    auto limit = std::chrono::milliseconds{0};
    switch (c.what) {
    case phase::answer: continue;
    case phase::head: limit = options_.head_timeout; break;
    case phase::body: limit = options_.body_timeout; break;
    case phase::idle: limit = options_.idle_timeout; break;
    }
    if (c.what != phase::body && (crowded || hurry))
      limit = std::min(limit, options_.crowded_timeout);
    if (now - c.since >= limit || is_at_end(fd))
      hang_up(fd); // the library sees the end and cleans up
  }
}

} // namespace larql::actors
