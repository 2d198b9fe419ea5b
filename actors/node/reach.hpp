// Whom a node reaches: the connections of a relay to the owners of experts that it does not own,
// and how many calls each laptop may have under way there.
//
// Owner     The node server. Ends its connections with it.
// Threads   Any.
// Failure   An owner that cannot be reached, or holds another model or other weights, is not in the
//           view; it is dialled again for as long as the node lives. A supervisor that fails is
//           started again, some times a minute.

#pragma once

#include "actors/calls/connector.hpp"
#include "actors/core/interfaces.hpp"
#include "actors/net/model_match.hpp"
#include "actors/net/tls_context.hpp"
#include "actors/node/node_counters.hpp"
#include "actors/policy/credit_pool.hpp"
#include "actors/policy/restart_budget.hpp"
#include "runtime/topology/topology.hpp"

#include <memory>
#include <mutex>

namespace larql::actors {

/// What is reached now, for whoever tells laptops, and their credits.
class reach_book {
public:
  /// What connected members own, without this node. From the supervisor.
  void set(cluster_view_ptr view, std::uint64_t self);

  [[nodiscard]] cluster_view_ptr view() const;
  /// Without credits: for a welcome.
  [[nodiscard]] schema::reach reached() const;

  /// The relay that is told of every view from now on; it is told the present one at once.
  void tell(const relay_actor& relay);

  /// A laptop's share of the calls that may be under way.
  class share {
  public:
    explicit share(std::shared_ptr<reach_book> book);
    ~share();
    share(const share&) = delete;
    share& operator=(const share&) = delete;

    /// What is reached, with the credits that the laptop has from now on.
    [[nodiscard]] schema::reach renew();
    /// One more call that needs others. False if there is no credit left.
    [[nodiscard]] bool begin();
    void end();

  private:
    std::shared_ptr<reach_book> book_;
    credit_pool::client client_;
  };

private:
  mutable std::mutex mutex_;
  cluster_view_ptr view_ = std::make_shared<cluster_view>();
  std::vector<schema::reach::part> parts_;
  relay_actor relay_;
  credit_pool credits_{schema::call_window};
};

struct reach_options {
  topology::cluster cluster; ///< nodes and discovery; the node itself is left out by its name
  description_ptr self;
  tls_context_ptr tls;
  owned_digest_fn owned_digest; ///< the node's digests, to compare with the owners'; may be null
  std::shared_ptr<node_counters> counters = std::make_shared<node_counters>();
};

class reach {
public:
  reach(caf::actor_system& sys, reach_options options);
  ~reach();
  reach(const reach&) = delete;
  reach& operator=(const reach&) = delete;

  [[nodiscard]] const std::shared_ptr<reach_book>& book() const noexcept;
  /// For connections that are dialled from now on. From any thread.
  void use_tls(tls_context_ptr tls);

private:
  struct shared;
  static void start_supervisor(caf::actor_system& sys, const std::shared_ptr<shared>& s);

  std::shared_ptr<shared> shared_;
  std::unique_ptr<connector> connector_;
};

} // namespace larql::actors
