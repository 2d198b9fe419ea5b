// What the process of a node is doing, for those who ask over HTTP: before there is a node, while
// it loads, and after.
//
// Threads   Any.

#pragma once

#include "actors/net/member_files.hpp"
#include "actors/node/node_server.hpp"

#include <chrono>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace larql::cli {

class node_health {
public:
  struct readiness {
    bool ready = false;
    std::string text; ///< "ready", or what it is waiting for
  };

  /// Before calls are taken: what it waits for.
  void loading(std::string text);
  /// Now this node's own state counts. It must live until detach().
  void attach(const actors::node_server& node);
  /// Calls are taken, unless the node says otherwise.
  void serving();
  /// The node's actor has answered just now; one that has not for longer than `silence_limit` is
  /// not ready.
  void answered();
  static constexpr auto silence_limit = std::chrono::seconds{5};
  /// The process ends.
  void draining();
  void detach();

  [[nodiscard]] readiness ready() const;
  /// What it was said to wait for last.
  [[nodiscard]] std::string waits_for() const;

  /// The node's own certificates and CAs; empty without.
  void set_certificates(std::vector<actors::certificate_facts> all);
  [[nodiscard]] std::vector<actors::certificate_facts> certificates() const;

  /// The counters of the node, as `use` wants them; false while there is no node. The node cannot
  /// go away meanwhile.
  template <class Use>
  bool with_node(Use use) const {
    const auto lock = std::scoped_lock{mutex_};
    if (node_ == nullptr)
      return false;
    use(*node_);
    return true;
  }

private:
  enum class phase { loading, serving, draining };

  mutable std::mutex mutex_;
  phase phase_ = phase::loading;
  std::string text_ = "starting";
  const actors::node_server* node_ = nullptr;
  std::chrono::steady_clock::time_point answered_{};
  std::vector<actors::certificate_facts> certificates_;
};

} // namespace larql::cli
