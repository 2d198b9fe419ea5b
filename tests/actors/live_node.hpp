// A node inside the test process, listening on a loopback port of its own: what larql-node sets up,
// without the process.

#pragma once

#include "actors/expert_service.hpp"
#include "actors/expert_shard.hpp"
#include "actors/net/listener.hpp"
#include "actors/node.hpp"
#include "actors/system.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/tiny_model.hpp"

#include <memory>
#include <optional>

namespace larql::test {

class live_node {
public:
  live_node(const tiny_vindex& model, const experts::ownership& owned, std::string name) {
    auto bank = experts::expert_bank::open(model.path(), model.config(), owned);
    auto weights = vindex::fingerprint(model.path(), model.config());
    auto listening = actors::listen_on({"127.0.0.1", 0});
    if (!bank || !weights || !listening) {
      ADD_FAILURE() << "the node did not start";
      return;
    }
    bank_.emplace(*std::move(bank));
    port_ = actors::local_port(*listening);
    service_.emplace(kernels::compute{**kernels::kernels_by_name(""), pool_}, *bank_,
                     actors::describe(model.config(), *bank_, *weights, std::move(name), port_));
    const auto description = std::make_shared<schema::node_description>(service_->self());
    const auto compute = [this](const actors::payload& call) {
      auto a = service_->run(call.body(), std::chrono::steady_clock::now());
      return actors::expert_shard_state::computed{std::move(a.frame), a.ok};
    };
    node_ = actors::spawn_state<actors::node_state>(
        sys_,
        actors::spawn_state<actors::expert_shard_state, caf::detached>(sys_, description, compute),
        description, [](const std::string& why) { ADD_FAILURE() << "the shard ended: " << why; });
    listener_.emplace(*std::move(listening), node_, description, actors::listener_options{});
  }
  ~live_node() {
    listener_.reset();
    caf::anon_send_exit(node_, caf::exit_reason::user_shutdown);
    node_ = nullptr;
  }
  live_node(const live_node&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const schema::node_description& description() const { return service_->self(); }

private:
  compute_pool pool_{1};
  std::uint16_t port_ = 0;
  std::optional<experts::expert_bank> bank_;
  std::optional<actors::expert_service> service_;
  actors::system_config config_;
  caf::actor_system sys_{config_}; // after what its actors use
  actors::node_actor node_;
  std::optional<actors::listener> listener_;
};

} // namespace larql::test
