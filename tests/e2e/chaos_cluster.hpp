// A cluster of real node processes that a test disturbs, and a laptop in the test's own process
// that generates over it, so that every logit and every token's time can be looked at.
//
// Threads   Nodes are started by the test's main thread (a child dies with the thread that started
//           it); generations may run in another.

#pragma once

#include "actors/core/system.hpp"
#include "actors/laptop/cluster.hpp"
#include "actors/laptop/remote_experts.hpp"
#include "actors/net/model_match.hpp"
#include "actors/node/expert_service.hpp"
#include "runtime/vindex/fingerprint.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/run_model.hpp"

#include <algorithm>
#include <chrono>
#include <functional>

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

/// Always takes the most likely token.
inline generation generate_over(generate::executor& run, generate::sequence& sequence,
                                std::span<const std::uint32_t> prompt, std::size_t tokens,
                                const token_watcher& on_token = {}) {
  auto out = generation{};
  out.at.push_back(steady::now());
  auto next = std::vector<std::uint32_t>{prompt.begin(), prompt.end()};
  while (out.ids.size() < tokens) {
    if (const auto ok = run.append(sequence, next); !ok) {
      out.error = ok.error().text;
      return out;
    }
    const auto row = *run.last_logits(sequence);
    out.logits.insert(out.logits.end(), row.begin(), row.end());
    const auto best =
        static_cast<std::uint32_t>(std::max_element(row.begin(), row.end()) - row.begin());
    out.ids.push_back(best);
    out.at.push_back(steady::now());
    next = {best};
    if (on_token)
      on_token(out.ids.size());
  }
  return out;
}

/// A laptop inside this process.
class in_process_laptop {
public:
  explicit in_process_laptop(const fs::path& vindex) {
    std::signal(SIGPIPE, SIG_IGN); // as larql does
    auto opened = running_model::open(vindex);
    EXPECT_TRUE(succeeds(opened));
    model_ = *std::move(opened);
    vindex_ = vindex;
  }
  result<void> connect(const fs::path& topology) {
    LARQL_TRY(auto c, topology::load_cluster(topology));
    LARQL_TRY(const auto weights, vindex::name_weights(vindex_, model_->model().config));
    LARQL_TRY(cluster_, actors::cluster::connect(
                            sys_, {std::move(c),
                                   actors::identity_of(model_->model().config, weights), "chaos"}));
    port_ = std::make_unique<actors::remote_experts>(sys_, cluster_->router(), cluster_->formats(),
                                                     model_->compute(), cluster_->limits());
    run_ = model_->new_executor(*port_);
    return {};
  }

  /// Over the nodes, or with this machine's experts.
  generation generate(std::span<const std::uint32_t> prompt, std::size_t tokens,
                      const token_watcher& on_token = {}) {
    return generate_over(*run_, *model_->new_sequence(), prompt, tokens, on_token);
  }
  generation generate_locally(std::span<const std::uint32_t> prompt, std::size_t tokens) {
    return generate_over(model_->executor(), *model_->new_sequence(), prompt, tokens);
  }

  /// Calls made again so far.
  [[nodiscard]] std::uint64_t retries() const { return run_->stats().calls.retries; }
  [[nodiscard]] const actors::cluster& nodes() const { return *cluster_; }
  [[nodiscard]] const actors::mailbox_gauge& mailboxes() const { return *config_.mailboxes; }

private:
  fs::path vindex_;
  std::unique_ptr<running_model> model_;
  actors::system_config config_;
  caf::actor_system sys_{config_};
  std::unique_ptr<actors::cluster> cluster_;
  std::unique_ptr<actors::remote_experts> port_;
  std::unique_ptr<generate::executor> run_;
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

  void SetUp() override {
    model_test::SetUp();
    ASSERT_EQ(run(larql({"certs", "secret", secret()})).code, 0);
    for (const auto& [name, experts] : {std::pair{"alpha", "0-3"}, std::pair{"beta", "4-7"},
                                        std::pair{"gamma", "0-3"}, std::pair{"delta", "4-7"}})
      members_.push_back({name, experts, nullptr, std::to_string(free_port()), {}});
    for (auto& m : members_)
      start(m);
    write_topology();
  }

  [[nodiscard]] std::string secret() const { return (scratch_ / "secret").string(); }
  [[nodiscard]] fs::path topology() const { return scratch_ / "c.toml"; }

  /// Starts a node, again on the port that it had.
  void start(member& m) const {
    auto options = words{"--name", m.name,          "--experts", m.experts, "--port",
                         m.port,   "--secret-file", secret(),    "-t",      "1"};
    options.insert(options.end(), m.options.begin(), m.options.end());
    m.process = start_node(options);
    m.address = m.process->address();
  }
  void write_topology(const std::string& deadlines = {}) const {
    auto text = fmt::format("model = \"{}\"\n", vindex().string());
    for (const auto& m : members_)
      text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}\"\nexperts = \"{}\"\n", m.name,
                          m.address, m.experts);
    text += "[security]\nsecret_file = \"secret\"\n[deadlines]\nconnect = \"2s\"\n"
            "call_ceiling = \"2s\"\nreconnect_max = \"500ms\"\n" +
            deadlines;
    write_file(topology(), text);
  }
  static void kill(member& m) {
    m.process->child().signal(SIGKILL);
    EXPECT_TRUE(m.process->child().wait()) << m.name;
  }

  std::vector<member> members_;
};

} // namespace larql::test
