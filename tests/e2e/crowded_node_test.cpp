// Silent and idle peers do not keep laptops out: of a node in plain TCP and with certificates, from
// other addresses of this machine and from the laptops' own.

#include "tests/e2e/programs.hpp"
#include "tests/support/raw_peer.hpp"

#include <arpa/inet.h>
#include <deque>
#include <future>
#include <netinet/in.h>
#include <thread>

namespace larql::test {
namespace {

class CrowdedNode : public model_test, public testing::WithParamInterface<bool> {
protected:
  void SetUp() override {
    model_test::SetUp();
    if (GetParam()) {
      const auto certs = (scratch_ / "certs").string();
      for (const auto& c : {words{"certs", "init", "--dir", certs},
                            words{"certs", "issue", "alpha", "--dir", certs},
                            words{"certs", "issue", "me", "--role", "laptop", "--dir", certs}})
        ASSERT_EQ(run(larql(c)).code, 0);
      tls_ = {"--tls-ca", certs + "/ca.pem"};
    }
    node_ = start_node(with("alpha", {"--name", "alpha"}));
  }

  [[nodiscard]] words with(const std::string& name, words options) const {
    options.insert(options.end(), tls_.begin(), tls_.end());
    const auto certs = (scratch_ / "certs").string();
    if (!tls_.empty())
      options.insert(options.end(), {"--tls-cert", fmt::format("{}/{}.pem", certs, name),
                                     "--tls-key", fmt::format("{}/{}.key", certs, name)});
    return options;
  }
  [[nodiscard]] std::string map() const {
    return fmt::format("0-7={}://{}", GetParam() ? "tls" : "caf", node_->address());
  }

  /// A connection from this address of the machine; silent. Nothing if it failed.
  [[nodiscard]] actors::socket from(const std::string& host) const {
    auto s = actors::socket{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    auto address = sockaddr_in{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, host.c_str(), &address.sin_addr);
    if (::bind(s.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return {};
    ::inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
    address.sin_port = htons(node_->port());
    if (::connect(s.fd(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0)
      return {};
    return s;
  }

  /// Six laptops, and an operator: at once, or when somebody has been idle long enough.
  void expect_laptops_get_in(bool at_once = true) const {
    auto laptops = std::vector<std::future<finished>>{};
    for (auto i = 0; i < 6; ++i)
      laptops.push_back(std::async(std::launch::async, [this] {
        return generate(with("me", {"--moe-shards", map(), "-n", "1", "-q"}));
      }));
    auto status = run(larql(with("me", {"status", "--moe-shards", map()})));
    EXPECT_TRUE(eventually([&] {
      if (status.code != 0 && !at_once)
        status = run(larql(with("me", {"status", "--moe-shards", map()})));
      return status.code == 0 || at_once;
    }));
    EXPECT_EQ(status.code, 0) << status.out << status.err;
    for (auto& l : laptops) {
      const auto done = l.get();
      EXPECT_EQ(done.code, 0) << done.err;
    }
  }

  words tls_;
  node_ptr node_;
};

TEST_P(CrowdedNode, LaptopsGetInBesideAFloodOfSilentConnections) {
  for (const auto* host : {"127.0.0.2", "127.0.0.1"}) {
    auto flood = std::jthread{[&](const std::stop_token& stop) {
      auto open = std::deque<actors::socket>{};
      while (!stop.stop_requested()) {
        open.push_back(from(host));
        if (open.size() > 600)
          open.pop_front();
        std::this_thread::sleep_for(std::chrono::microseconds{2500}); // 400 a second
      }
    }};
    expect_laptops_get_in();
  }
}

TEST_P(CrowdedNode, LaptopsGetInBesideIdlePeersThatHoldEveryPlace) {
  if (GetParam())
    GTEST_SKIP() << "without a certificate nobody gets a place";
  const auto scout = raw_peer{node_->port()}.greet();
  ASSERT_TRUE(scout);
  const auto occupy = [&](const std::optional<schema::model_identity>& model) {
    auto idle = std::deque<raw_peer>{};
    for (auto i = 0; i < 300; ++i) {
      idle.emplace_back(from(fmt::format("127.0.1.{}", 1 + i % 4)));
      idle.back().send(schema::hello{schema::protocol_version, "idle", model});
    }
    return idle;
  };
  {
    const auto laptops = occupy(scout->model);
    expect_laptops_get_in(); // operators have places of their own
  }
  const auto operators = occupy({}); // and here they are taken as well
  expect_laptops_get_in(false);
}

INSTANTIATE_TEST_SUITE_P(Crowded, CrowdedNode, testing::Bool(),
                         [](const auto& i) { return std::string{i.param ? "Tls" : "Plain"}; });

} // namespace
} // namespace larql::test
