#include "actors/admin/meet_nodes.hpp"

#include "actors/admin/local_directory.hpp"
#include "actors/admin/proxied_directory.hpp"

#include <condition_variable>
#include <mutex>

namespace larql::actors {

bool pause(double seconds, const std::stop_token& stop, const std::function<bool()>& complete) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  auto mutex = std::mutex{};
  auto stopped = std::condition_variable_any{};
  auto lock = std::unique_lock{mutex};
  while (!stop.stop_requested() && !complete() && std::chrono::steady_clock::now() < until)
    stopped.wait_for(lock, stop, std::chrono::milliseconds{50}, [] { return false; });
  return !stop.stop_requested();
}

result<std::unique_ptr<node_directory>>
meet_nodes(const topology::cluster& c, const tls_context_ptr& tls, double wait_s,
           const complete_fn& complete, const notice_fn& notice, const std::stop_token& stop) {
  using directory = std::unique_ptr<node_directory>;
  if (!c.find.join)
    return directory{};
  const auto at = host_port(*c.find.join);
  auto local = local_directory::open(*c.find.join, tls);
  if (local) {
    notice(fmt::format("waiting {:g} s for nodes that announce themselves at {}", wait_s, at));
    (void) pause(wait_s, stop, [&] { return complete && complete((*local)->names()); });
    return directory{*std::move(local)};
  }
  if (local.error().code == errc::usage)
    return std::move(local).error();
  auto proxied = proxied_directory::open(*c.find.join, tls, c.limits.connect);
  if (proxied) {
    notice(
        fmt::format("nodes that announced themselves at {} are asked over the laptop there", at));
    if (complete) // one that has lost its connection comes back
      (void) pause(wait_s, stop, [&] { return complete((*proxied)->names()); });
    return directory{*std::move(proxied)};
  }
  notice(fmt::format(
      "{}: nodes that announce themselves go to the program that listens there, and are not "
      "listed here; it does not answer for them: {}",
      local.error().text, proxied.error().text));
  return directory{};
}

} // namespace larql::actors
