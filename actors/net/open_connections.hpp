// The connections of a node that brokers have opened, so that a process can end though a peer does
// not take what was sent to it.
//
// Threads   Any.
// Blocking  close_within() only.

#pragma once

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <set>

namespace larql::actors {

class open_connections {
public:
  /// The owner of a descriptor calls these after it has opened it and before it closes it.
  void add(int fd);
  void remove(int fd) noexcept;

  /// Waits until all are closed. Those that are not by then are hung up: what their peers have not
  /// taken is lost.
  void close_within(std::chrono::milliseconds limit);

private:
  std::mutex mutex_;
  std::condition_variable changed_;
  std::set<int> open_;
};

} // namespace larql::actors
