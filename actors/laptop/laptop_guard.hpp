// Watches the router and the supervisor of a laptop and replaces one that fails: a handler that
// throws (no memory, a bug in a library) costs a moment, not the answers under way.
//
//   router ends with an error      → back-off → a new router, which gets the supervisor's view;
//                                    jobs of the old one start again (remote_experts.hpp)
//   supervisor ends with an error  → back-off → a new supervisor, which connects to the nodes anew;
//                                    calls in flight wait for them as for any lost node
//   too often within the window    → the cluster has failed: jobs end with an error that says so
//
// Owner     The cluster (cluster.hpp); when the guard exits, it ends both.
// Blocking  Never.

#pragma once

#include "actors/core/interfaces.hpp"
#include "actors/core/state_actor.hpp"
#include "actors/laptop/router_slot.hpp"
#include "actors/policy/restart_budget.hpp"
#include "runtime/base/backoff.hpp"

#include <functional>
#include <memory>
#include <optional>

namespace larql::actors {

struct laptop_guard_options {
  std::function<router_actor(caf::actor_system&)> start_router;
  /// Starts a supervisor that tells `router`; it has been given to everything that talks to it.
  std::function<supervisor_actor(caf::actor_system&, const router_actor& router)> start_supervisor;
  std::shared_ptr<router_slot> router;                  ///< where the router is published
  std::function<double()> uniform = [] { return 0.5; }; ///< random numbers in [0, 1), for jitter
  backoff restart_delay{std::chrono::milliseconds{10}, std::chrono::milliseconds{2000}};
  unsigned most_restarts = 10;
  std::chrono::milliseconds restart_window{60000};
};

class laptop_guard_state {
public:
  using handle = laptop_guard_actor;
  using pointer = handle::pointer;
  static constexpr const char* name = "laptop-guard";

  laptop_guard_state(pointer self, laptop_guard_options options);
  ~laptop_guard_state();

  handle::behavior_type make_behavior();

private:
  void start_router();
  void start_supervisor();
  void on_down(const caf::down_msg& m);
  /// The time until a restart; nothing if there were too many.
  [[nodiscard]] std::optional<std::chrono::microseconds> delay_after(const char* who,
                                                                     const caf::error& why);

  pointer self_;
  laptop_guard_options options_;
  router_actor router_;
  supervisor_actor supervisor_;
  restart_budget budget_;
};

} // namespace larql::actors
