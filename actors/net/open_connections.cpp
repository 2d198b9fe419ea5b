#include "actors/net/open_connections.hpp"

#include "actors/net/socket.hpp"

namespace larql::actors {

void open_connections::add(int fd) {
  const auto lock = std::scoped_lock{mutex_};
  open_.insert(fd);
}

void open_connections::remove(int fd) noexcept {
  {
    const auto lock = std::scoped_lock{mutex_};
    open_.erase(fd);
  }
  changed_.notify_all();
}

void open_connections::close_within(std::chrono::milliseconds limit) {
  auto lock = std::unique_lock{mutex_};
  changed_.wait_for(lock, limit, [this] { return open_.empty(); });
  for (const auto fd : open_)
    hang_up(fd); // open as long as it is in the list
}

} // namespace larql::actors
