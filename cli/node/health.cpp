#include "cli/node/health.hpp"

namespace larql::cli {

void node_health::loading(std::string text) {
  const auto lock = std::scoped_lock{mutex_};
  phase_ = phase::loading;
  text_ = std::move(text);
}

void node_health::attach(const actors::node_server& node) {
  const auto lock = std::scoped_lock{mutex_};
  node_ = &node;
}

void node_health::serving() {
  const auto lock = std::scoped_lock{mutex_};
  phase_ = phase::serving;
  answered_ = std::chrono::steady_clock::now();
}

void node_health::answered() {
  const auto lock = std::scoped_lock{mutex_};
  answered_ = std::chrono::steady_clock::now();
}

void node_health::draining() {
  const auto lock = std::scoped_lock{mutex_};
  phase_ = phase::draining;
}

void node_health::detach() {
  const auto lock = std::scoped_lock{mutex_};
  node_ = nullptr;
}

void node_health::set_certificates(std::vector<actors::certificate_facts> all) {
  const auto lock = std::scoped_lock{mutex_};
  certificates_ = std::move(all);
}

std::vector<actors::certificate_facts> node_health::certificates() const {
  const auto lock = std::scoped_lock{mutex_};
  return certificates_;
}

std::string node_health::waits_for() const {
  const auto lock = std::scoped_lock{mutex_};
  return text_;
}

node_health::readiness node_health::ready() const {
  using schema::node_state;
  const auto lock = std::scoped_lock{mutex_};
  if (phase_ == phase::loading)
    return {false, "loading: " + text_};
  if (phase_ == phase::draining || node_ == nullptr)
    return {false, "draining"};
  switch (node_->counters().state.load()) {
  case node_state::serving:
    if (std::chrono::steady_clock::now() - answered_ > silence_limit)
      return {false, "the node's actor does not answer"};
    return {true, "ready"};
  case node_state::loading: return {false, "loading"};
  case node_state::draining: return {false, "draining"};
  case node_state::degraded: return {false, "degraded: the shard failed too often"};
  }
  return {false, "unknown"};
}

} // namespace larql::cli
