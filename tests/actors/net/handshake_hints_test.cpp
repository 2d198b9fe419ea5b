// Mirrors actors/net/handshake_hints.hpp: two sides that were set up differently hear what differs.
// Real handshakes, because the texts are OpenSSL's.

#include "actors/net/handshake_hints.hpp"

#include "actors/net/certificates.hpp"
#include "actors/net/dial.hpp"
#include "actors/node/announcer.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/fake_node.hpp"

#include <csignal>
#include <gmock/gmock.h>
#include <thread>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::live_node;
using test::succeeds;
using testing::HasSubstr;

class HandshakeHints : public testing::Test {
protected:
  HandshakeHints() {
    std::signal(SIGPIPE, SIG_IGN); // as the programs do
    for (const auto& dir : {ours, theirs}) {
      EXPECT_TRUE(succeeds(create_authority(dir, "tests", authority_days, false)));
      EXPECT_TRUE(
          succeeds(issue_certificate(dir, {"alpha", peer_role::node, {}, member_days}, false)));
      EXPECT_TRUE(
          succeeds(issue_certificate(dir, {"me", peer_role::laptop, {}, member_days}, false)));
    }
  }

  [[nodiscard]] static tls_context_ptr taken(result<tls_context_ptr> c) {
    EXPECT_TRUE(succeeds(c));
    return c ? *c : nullptr;
  }
  [[nodiscard]] static tls_context_ptr files(const std::filesystem::path& ca_of,
                                             const std::filesystem::path& own,
                                             const std::string& name) {
    return taken(
        tls_context::from_files({ca_of / "ca.pem", own / (name + ".pem"), own / (name + ".key")}));
  }
  [[nodiscard]] static tls_context_ptr secret(char c) {
    return taken(tls_context::from_secret(std::string(64, c)));
  }

  [[nodiscard]] result<dialled_node> dial_port(std::uint16_t port, const tls_context_ptr& as,
                                               std::chrono::milliseconds time = 5s) const {
    return dial_node({"127.0.0.1", port, as != nullptr}, as, {schema::protocol_version, "me", {}},
                     std::chrono::steady_clock::now() + time);
  }
  void expect_hint(const tls_context_ptr& node, const tls_context_ptr& laptop,
                   std::string_view part) const {
    const auto alpha = live_node{model, {{0, 2}, {0, 7}}, "alpha", node};
    const auto d = dial_port(alpha.port(), laptop);
    ASSERT_FALSE(d);
    const auto address = fmt::format("127.0.0.1:{}: ", alpha.port());
    EXPECT_NE(d.error().text.find(part), std::string::npos) << d.error().text;
    EXPECT_EQ(d.error().text.find(address), 0u) << d.error().text;
  }

  test::tiny_vindex model;
  test::temporary_directory scratch;
  std::filesystem::path ours = scratch / "ours", theirs = scratch / "theirs";
};

TEST_F(HandshakeHints, AnotherClusterCaOnEitherSide) {
  const auto node = files(ours, ours, "alpha");
  expect_hint(node, files(theirs, theirs, "me"), "different cluster CAs");
  expect_hint(node, files(ours, theirs, "me"), "different cluster CAs"); // the node refuses
  expect_hint(node, files(theirs, ours, "me"), "different cluster CAs"); // the laptop does
}

TEST_F(HandshakeHints, AnotherClusterSecret) {
  expect_hint(secret('a'), secret('b'), "different cluster secrets");
}

TEST_F(HandshakeHints, CertificatesOnOneSideAndASecretOnTheOther) {
  expect_hint(secret('a'), files(ours, ours, "me"), "one side has certificates");
  expect_hint(files(ours, ours, "alpha"), secret('a'), "one side has certificates");
}

TEST_F(HandshakeHints, ProtectionOnOneSideOnly) {
  expect_hint(secret('a'), nullptr, "a node with certificates or a secret, which wants them");
  expect_hint(nullptr, secret('a'), "does not seem to speak TLS");
  expect_hint(nullptr, files(ours, ours, "me"), "does not seem to speak TLS");
}

TEST_F(HandshakeHints, AServerThatAnswersWithHttp) {
  const auto server = test::fake_node{[](test::raw_peer& peer) {
    (void) peer.read_payload();
    constexpr std::string_view answer = "HTTP/1.1 400 Bad Request\r\n\r\n";
    peer.send(std::span{answer});
  }};
  EXPECT_TRUE(fails(dial_port(server.port(), nullptr), errc::corrupt,
                    {"the answer is HTTP", "own port (9470"}));
}

TEST_F(HandshakeHints, AServerThatWaitsForMoreMayBeAnHttpPort) {
  const auto server = test::fake_node{[](test::raw_peer&) {}};
  EXPECT_TRUE(fails(dial_port(server.port(), nullptr, 100ms), errc::deadline,
                    {"no answer in time", "or its HTTP port"}));
}

TEST_F(HandshakeHints, ANodeThatJoinsHearsThemToo) {
  const auto node = live_node{model, {{0, 2}, {0, 7}}, "me", secret('a')};
  auto options = announce_options{};
  options.laptop = {"127.0.0.1", node.port(), true};
  options.tls = secret('b');
  const auto answer = announce_to(options, {});
  ASSERT_FALSE(answer);
  EXPECT_NE(answer.error().text.find("different cluster secrets"), std::string::npos)
      << answer.error().text;
}

TEST_F(HandshakeHints, WhoeverListensHearsThemToo) {
  const auto error_of = [&](const tls_context_ptr& node, const tls_context_ptr& laptop) {
    auto listening = listen_on({"127.0.0.1", 0});
    EXPECT_TRUE(succeeds(listening));
    const auto port = local_port(*listening);
    auto dialling = std::jthread{[&] { (void) dial_port(port, laptop); }};
    auto s = socket{::accept4(listening->fd(), nullptr, nullptr, SOCK_CLOEXEC)};
    EXPECT_TRUE(succeeds(prepare(s)));
    auto shaken =
        secure_stream::accepted(std::move(s), node, std::chrono::steady_clock::now() + 5s);
    EXPECT_FALSE(shaken);
    return shaken ? std::string{} : with_hint(std::move(shaken).error(), node).text;
  };
  EXPECT_THAT(error_of(secret('a'), secret('b')), HasSubstr("different cluster secrets"));
  EXPECT_THAT(error_of(secret('a'), files(ours, ours, "me")), HasSubstr("one side has"));
  EXPECT_THAT(error_of(files(ours, ours, "alpha"), files(theirs, theirs, "me")),
              HasSubstr("different cluster CAs"));
}

TEST_F(HandshakeHints, AConnectionThatEndsAfterTheHandshakeMayMeanARefusedCertificate) {
  const auto f = fail(errc::unavailable, "1.2.3.4:5: write: the peer closed the connection");
  EXPECT_THAT(with_hint(f, files(ours, ours, "me")).text, HasSubstr("different cluster CAs"));
  EXPECT_EQ(with_hint(f, secret('a')).text, f.text);
}

TEST(HandshakeHint, OtherErrorsStayAsTheyAre) {
  const auto tls = tls_context::from_secret(std::string(64, 's'));
  ASSERT_TRUE(succeeds(tls));
  for (const auto& used : {*tls, tls_context_ptr{}})
    EXPECT_EQ(with_hint(fail(errc::io, "1.2.3.4:5: no route"), used).text, "1.2.3.4:5: no route");
}

} // namespace
} // namespace larql::actors
