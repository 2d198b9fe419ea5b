// The actor system of a process: scheduler and network thread as measured (docs/adr/0001).

#pragma once

#include "actors/core/mailbox_gauge.hpp"

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

  /// The gauge of the actors of all systems with this configuration.
  std::shared_ptr<mailbox_gauge> mailboxes = std::make_shared<mailbox_gauge>();
};

/// The gauge of a system that was configured as above; null for others, as tests have them.
[[nodiscard]] inline std::shared_ptr<mailbox_gauge> mailboxes_of(const caf::actor_system& sys) {
  const auto* config = dynamic_cast<const system_config*>(&sys.config());
  return config == nullptr ? nullptr : config->mailboxes;
}

} // namespace larql::actors
