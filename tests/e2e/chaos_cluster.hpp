// A cluster of real node processes that a test disturbs, and a laptop in the test's own process
// that generates over it, so that every logit and every token's time can be looked at.
//
// Threads   Nodes are started by the test's main thread (a child dies with the thread that started
//           it); generations may run in another.

#pragma once

#include "tests/e2e/programs.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"

#include <chrono>
#include <functional>
#include <memory>
#include <span>

namespace larql::test {

using steady = std::chrono::steady_clock;

inline double milliseconds_of(steady::duration d) {
  return std::chrono::duration<double, std::milli>(d).count();
}

/// What a generation gave, token by token.
struct generation {
  std::vector<std::uint32_t> ids;
  std::vector<float> logits; ///< of every token, one after the other
  std::vector<steady::time_point> at;
  std::string error; ///< empty: complete

  [[nodiscard]] bool same_bits(const generation& other) const {
    return ids == other.ids && logits == other.logits;
  }
};

/// Told how many tokens there are, after each.
using token_watcher = std::function<void(std::size_t)>;

/// A laptop inside this process. Always takes the most likely token.
class in_process_laptop {
public:
  explicit in_process_laptop(const fs::path& vindex);
  ~in_process_laptop();
  in_process_laptop(const in_process_laptop&) = delete;
  in_process_laptop& operator=(const in_process_laptop&) = delete;

  result<void> connect(const fs::path& topology);

  /// Over the nodes.
  generation generate(std::span<const std::uint32_t> prompt, std::size_t tokens,
                      const token_watcher& on_token = {});
  /// With this machine's experts.
  generation generate_locally(std::span<const std::uint32_t> prompt, std::size_t tokens);

  /// Calls made again so far.
  [[nodiscard]] std::uint64_t retries() const;
  /// Messages that wait in actors' mailboxes.
  [[nodiscard]] std::uint64_t waiting_messages() const;

private:
  struct parts;

  std::unique_ptr<parts> parts_;
};

/// Nodes alpha and gamma own experts 0-3, beta and delta 4-7; TLS by a secret.
class chaos_test : public model_test {
protected:
  struct member {
    std::string name;
    std::string experts;
    node_ptr process;
    std::string port; // kept by whoever starts it again, the node itself included
    std::string address;
    words options = {}; // from the next start on
  };

  void SetUp() override;

  [[nodiscard]] std::string secret() const { return (scratch_ / "secret").string(); }
  [[nodiscard]] fs::path topology() const { return scratch_ / "c.toml"; }

  /// Starts a node, again on the port that it had.
  void start(member& m) const;
  void write_topology(const std::string& deadlines = {}) const;
  static void kill(member& m);

  std::vector<member> members_;
};

} // namespace larql::test
