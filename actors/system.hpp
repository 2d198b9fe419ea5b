// The actor system of a process: scheduler and network thread as measured (docs/adr/0001).

#pragma once

#include <caf/all.hpp>
#include <caf/io/all.hpp>

namespace larql::actors {

class system_config : public caf::actor_system_config {
public:
  system_config() {
    load<caf::io::middleman>();
    set("scheduler.policy", caf::atom("sharing")); // sleeps on a condition, does not poll
    set("scheduler.max-threads", std::size_t{2});  // control only
    set("middleman.workers", std::size_t{0});      // brokers run on the network thread itself
  }
};

} // namespace larql::actors
