// A node inside the test process, listening on a loopback port of its own: what larql-node sets up,
// without the process.

#pragma once

#include "actors/core/system.hpp"
#include "actors/node/expert_service.hpp"
#include "actors/node/node_server.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/tiny_model.hpp"

#include <atomic>
#include <functional>
#include <optional>
#include <stdexcept>

namespace larql::test {

class live_node {
public:
  live_node(const tiny_vindex& model, const experts::ownership& owned, std::string name,
            actors::tls_context_ptr tls = nullptr,
            std::chrono::milliseconds read_limit = actors::reading_watch::default_limit,
            std::optional<topology::cluster> reached = {}) {
    auto bank = experts::expert_bank::open(model.path(), model.config(), owned);
    auto weights = vindex::name_weights(model.path(), model.config());
    auto listening = actors::listen_on({"127.0.0.1", 0});
    if (!bank || !weights || !listening) {
      ADD_FAILURE() << "the node did not start";
      return;
    }
    bank_.emplace(*std::move(bank));
    EXPECT_TRUE(bank_->warm_up([](std::uint64_t) { return true; }));
    port_ = actors::local_port(*listening);
    auto options = actors::node_server_options{
        {**kernels::kernels_by_name(""), pool_},
        *bank_,
        actors::describe(model.config(), *bank_, *weights, std::move(name), port_),
        *std::move(listening),
        std::move(tls),
        {}};
    options.before_call = [this] {
      before_call();
      if (failing.exchange(false))
        throw std::runtime_error("made to fail");
    };
    options.read_limit = read_limit;
    options.reached = std::move(reached);
    options.last_answers = std::chrono::milliseconds{200};
    server_.emplace(sys_, std::move(options));
  }
  live_node(const live_node&) = delete;

  [[nodiscard]] std::uint16_t port() const noexcept { return port_; }
  [[nodiscard]] const schema::node_description& description() const {
    return server_->description();
  }
  [[nodiscard]] actors::node_server& server() { return *server_; }
  [[nodiscard]] compute_pool& pool() { return pool_; }

  /// Makes the shard fail at its next call.
  std::atomic<bool> failing{false};
  /// On the thread that computes a call, before it does. Set before the first call.
  std::function<void()> before_call = [] {};

private:
  compute_pool pool_{1};
  std::uint16_t port_ = 0;
  std::optional<experts::expert_bank> bank_;
  actors::system_config config_;
  caf::actor_system sys_{config_};
  std::optional<actors::node_server> server_;
};

} // namespace larql::test
