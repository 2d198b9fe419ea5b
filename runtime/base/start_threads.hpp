// Threads that share a task, as many as the system gives: a service may run under a limit.

#pragma once

#include "runtime/base/result.hpp"

#include <cstddef>
#include <system_error>
#include <thread>
#include <vector>

namespace larql {

/// Starts up to `count` threads that each call `work`, at least one. errc::io if there is none to
/// be had. The caller joins them.
template <class F>
[[nodiscard]] result<std::vector<std::thread>> start_threads(std::size_t count, const F& work) {
  auto out = std::vector<std::thread>{};
  out.reserve(count);
  try {
    while (out.size() < count)
      out.emplace_back(work);
  } catch (const std::system_error& e) {
    if (out.empty())
      return fail(errc::io, "cannot start a thread: {}", e.what());
  }
  return out;
}

} // namespace larql
