#include "cli/joining.hpp"

#include "actors/announced_nodes.hpp"
#include "actors/laptop_nodes.hpp"
#include "cli/interrupt.hpp"

#include <thread>

namespace larql::cli {

void add_wait_flag(CLI::App& command, double& seconds) {
  command
      .add_option("--wait", seconds,
                  "Seconds for nodes that announce themselves to come (discovery.join)")
      ->check(CLI::Range(0.0, 3600.0))
      ->capture_default_str();
}

bool pause(double seconds, const std::function<bool()>& enough) {
  const auto until = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  while (!interrupted() && !enough() && std::chrono::steady_clock::now() < until)
    std::this_thread::sleep_for(std::chrono::milliseconds{50});
  return !interrupted();
}

result<std::unique_ptr<actors::joined_nodes>> meet_nodes(const topology::cluster& c,
                                                         const actors::tls_context_ptr& tls,
                                                         double wait_s, const enough_fn& enough) {
  using nodes = std::unique_ptr<actors::joined_nodes>;
  if (!c.find.join)
    return nodes{};
  const auto at = host_port(*c.find.join);
  auto here = actors::announced_nodes::open(*c.find.join, tls);
  if (here) {
    fmt::print(stderr, "waiting {:g} s for nodes that announce themselves at {}\n", wait_s, at);
    (void) pause(wait_s, [&] { return enough && enough((*here)->names()); });
    return nodes{*std::move(here)};
  }
  if (here.error().code == errc::usage)
    return std::move(here).error();
  auto laptop = actors::laptop_nodes::open(*c.find.join, tls, c.limits.connect);
  if (laptop) {
    fmt::print(stderr, "nodes that announced themselves at {} are asked over the laptop there\n",
               at);
    if (enough) // one that has lost its connection comes back
      (void) pause(wait_s, [&] { return enough((*laptop)->names()); });
    return nodes{*std::move(laptop)};
  }
  fmt::print(stderr,
             "{}: nodes that announce themselves go to the program that listens there, and are "
             "not listed here; it does not answer for them: {}\n",
             here.error().text, laptop.error().text);
  return nodes{};
}

} // namespace larql::cli
