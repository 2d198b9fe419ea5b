// Mirrors actors/net/tls_context.hpp and actors/net/secure_stream.hpp: who gets in, who does not,
// and what those hear who do not.

#include "actors/net/dial.hpp"
#include "actors/net/model_match.hpp"
#include "actors/net/tls_context.hpp"

#include "actors/core/system.hpp"
#include "actors/laptop/cluster.hpp"
#include "actors/net/certificates.hpp"
#include "actors/net/message_io.hpp"
#include "tests/actors/node/live_node.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_peer.hpp"
#include "tests/support/raw_tls.hpp"
#include "tests/support/temporary_directory.hpp"

#include <csignal>
#include <future>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::succeeds;

const auto secret = std::string(64, 's');

time_limit in(std::chrono::milliseconds t) {
  return std::chrono::steady_clock::now() + t;
}

class Tls : public testing::Test {
protected:
  Tls() {
    std::signal(SIGPIPE, SIG_IGN); // as the programs do
    EXPECT_TRUE(succeeds(create_authority(certs, "tests", authority_days, false)));
    for (const auto& [name, role] :
         {std::pair{"alpha", peer_role::node}, std::pair{"beta", peer_role::node},
          std::pair{"me", peer_role::laptop}, std::pair{"boss", peer_role::operator_}})
      EXPECT_TRUE(
          succeeds(issue_certificate(certs, {name, role, {"127.0.0.1"}, member_days}, false)));
    EXPECT_TRUE(succeeds(create_authority(others, "others", authority_days, false)));
    EXPECT_TRUE(
        succeeds(issue_certificate(others, {"me", peer_role::laptop, {}, member_days}, false)));
    EXPECT_TRUE(
        succeeds(issue_certificate(others, {"alpha", peer_role::node, {}, member_days}, false)));
  }

  [[nodiscard]] topology::tls_files files(const std::string& name) const {
    return {certs / "ca.pem", certs / (name + ".pem"), certs / (name + ".key")};
  }
  [[nodiscard]] tls_context_ptr context(const topology::tls_files& f) const {
    auto c = tls_context::from_files(f);
    EXPECT_TRUE(succeeds(c));
    return c ? *c : nullptr;
  }

  /// Both sides of a handshake over loopback.
  struct both {
    result<secure_stream> dialled, accepted;
  };
  static both shake(const tls_context_ptr& client, const tls_context_ptr& server) {
    auto listening = listen_on({"127.0.0.1", 0});
    auto accepted = std::async(std::launch::async, [&]() -> result<secure_stream> {
      auto s = socket{::accept(listening->fd(), nullptr, nullptr)};
      LARQL_TRY_VOID(prepare(s));
      return secure_stream::accepted(std::move(s), server, in(5s));
    });
    auto s = dial({"127.0.0.1", local_port(*listening)}, in(5s));
    EXPECT_TRUE(succeeds(s));
    auto dialled = secure_stream::dialled(*std::move(s), client, in(5s));
    return {std::move(dialled), accepted.get()};
  }

  /// In TLS 1.3 the side that dialled learns only from its first read that it was not let in.
  static result<void> first_byte(const result<secure_stream>& s) {
    if (!s)
      return s.error();
    char byte = 0;
    return s->read({&byte, 1}, in(5s));
  }

  test::temporary_directory dir;
  std::filesystem::path certs = dir.path() / "certs", others = dir.path() / "others";
};

// ---- certificates -------------------------------------------------------------------------------

TEST_F(Tls, BothSidesLearnNameAndRole) {
  const auto [me, alpha] = shake(context(files("me")), context(files("alpha")));
  ASSERT_TRUE(succeeds(me));
  ASSERT_TRUE(succeeds(alpha));
  EXPECT_EQ(me->identity().name, "alpha");
  EXPECT_EQ(me->identity().role, peer_role::node);
  EXPECT_EQ(alpha->identity().name, "me");
  EXPECT_EQ(alpha->identity().role, peer_role::laptop);
  ASSERT_TRUE(succeeds(me->write(std::string_view{"hello"}, in(5s))));
  char got[5];
  ASSERT_TRUE(succeeds(alpha->read(got, in(5s))));
  EXPECT_EQ(std::string_view(got, 5), "hello");
}

TEST_F(Tls, ANodeOfAnotherAuthorityIsNotTrusted) {
  const auto foreign =
      topology::tls_files{others / "ca.pem", others / "alpha.pem", others / "alpha.key"};
  const auto [me, alpha] = shake(context(files("me")), context(foreign));
  EXPECT_TRUE(fails(me, errc::mismatch, {"TLS handshake", "certificate"}));
  EXPECT_FALSE(alpha);
}

TEST_F(Tls, ALaptopOfAnotherAuthorityIsNotLetIn) {
  const auto foreign = topology::tls_files{certs / "ca.pem", others / "me.pem", others / "me.key"};
  const auto [me, alpha] = shake(context(foreign), context(files("alpha")));
  EXPECT_TRUE(fails(alpha, errc::mismatch, {"TLS handshake", "certificate"}));
  EXPECT_FALSE(first_byte(me));
}

TEST_F(Tls, PlainAndEncryptedPeersDoNotUnderstandEachOther) {
  const auto listening = listen_on({"127.0.0.1", 0});
  auto answered = std::async(std::launch::async, [&] {
    auto s = socket{::accept(listening->fd(), nullptr, nullptr)};
    return s.write(std::string(512, 'x'), in(5s));
  });
  auto s = dial({"127.0.0.1", local_port(*listening)}, in(5s));
  const auto me = secure_stream::dialled(*std::move(s), context(files("me")), in(5s));
  EXPECT_TRUE(fails(me, errc::mismatch, {"TLS handshake"}));
  (void) answered.get();
}

TEST_F(Tls, ASilentPeerEndsTheHandshakeAtItsDeadline) {
  const auto listening = listen_on({"127.0.0.1", 0});
  auto s = dial({"127.0.0.1", local_port(*listening)}, in(5s));
  EXPECT_TRUE(fails(secure_stream::dialled(*std::move(s), context(files("me")), in(50ms)),
                    errc::deadline, {"TLS handshake", "no answer in time"}));
}

// ---- a secret -----------------------------------------------------------------------------------

TEST_F(Tls, WhoKnowsTheSecretIsLetIn) {
  const auto [a, b] = shake(*tls_context::from_secret(secret), *tls_context::from_secret(secret));
  ASSERT_TRUE(succeeds(a));
  ASSERT_TRUE(succeeds(b));
  EXPECT_EQ(a->identity().role, peer_role::anyone);
  EXPECT_EQ(b->identity().name, "");
}

TEST_F(Tls, AnotherSecretIsNotLetIn) {
  const auto [a, b] =
      shake(*tls_context::from_secret(secret), *tls_context::from_secret(secret + "x"));
  EXPECT_FALSE(first_byte(a));
  EXPECT_TRUE(fails(b, errc::mismatch, {"TLS handshake"}));
}

TEST_F(Tls, CertificatesAndASecretDoNotMix) {
  const auto [a, b] = shake(*tls_context::from_secret(secret), context(files("alpha")));
  EXPECT_FALSE(first_byte(a));
  EXPECT_FALSE(b);
  const auto [c, d] = shake(context(files("me")), *tls_context::from_secret(secret));
  EXPECT_FALSE(first_byte(c));
  EXPECT_FALSE(d);
}

// ---- files --------------------------------------------------------------------------------------

TEST_F(Tls, AMissingFileIsAnErrorThatNamesIt) {
  for (const auto part : {0, 1, 2}) {
    auto f = files("me");
    auto& path = part == 0 ? f.ca : part == 1 ? f.certificate : f.key;
    path = dir.path() / "nowhere.pem";
    EXPECT_TRUE(
        fails(tls_context::from_files(f), errc::not_found, {"nowhere.pem", "No such file"}));
    path.clear();
    EXPECT_TRUE(fails(tls_context::from_files(f), errc::usage,
                      {part == 0   ? "CA"
                       : part == 1 ? "certificate"
                                   : "key",
                       "come together"}));
  }
  EXPECT_TRUE(
      fails(tls_context::from_secret_file(dir.path() / "nowhere"), errc::not_found, {"nowhere"}));
}

TEST_F(Tls, AFileThatIsNoCertificateIsAnErrorThatNamesIt) {
  const auto nonsense = dir.path() / "nonsense.pem";
  test::write_file(nonsense, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  for (const auto part : {0, 1, 2}) {
    auto f = files("me");
    (part == 0 ? f.ca : part == 1 ? f.certificate : f.key) = nonsense;
    EXPECT_TRUE(fails(tls_context::from_files(f), errc::corrupt, {nonsense.string()}));
  }
}

TEST_F(Tls, AKeyOfAnotherCertificateIsAnErrorThatNamesBoth) {
  auto f = files("me");
  f.key = certs / "boss.key";
  EXPECT_TRUE(
      fails(tls_context::from_files(f), errc::corrupt, {f.key.string(), f.certificate.string()}));
}

TEST_F(Tls, AnExpiredCertificateIsAnErrorAtStart) {
  test::expire_certificate(certs, "me");
  EXPECT_TRUE(fails(tls_context::from_files(files("me")), errc::corrupt,
                    {files("me").certificate.string(), "has expired"}));
}

TEST_F(Tls, AnAuthoritysOwnCertificateIsNoMember) {
  const auto f = topology::tls_files{certs / "ca.pem", certs / "ca.pem", certs / "ca.key"};
  EXPECT_TRUE(fails(tls_context::from_files(f), errc::mismatch,
                    {"ca.pem", "expected laptop, node or operator"}));
}

TEST_F(Tls, SecretsThatAreTooShortOrTooLongAreErrors) {
  EXPECT_TRUE(fails(tls_context::from_secret(std::string(31, 's')), errc::usage,
                    {"has 31 bytes, expected at least 32"}));
  const auto file = dir.path() / "secret";
  test::write_file(file, "short\n\n");
  EXPECT_TRUE(fails(tls_context::from_secret_file(file), errc::usage,
                    {file.string(), "has 5 bytes, expected at least 32"}));
  test::write_file(file, std::string(5000, 's'));
  EXPECT_FALSE(tls_context::from_secret_file(file));
}

TEST_F(Tls, ALineBreakAtTheEndOfASecretDoesNotMatter) {
  const auto file = dir.path() / "secret";
  test::write_file(file, secret + "\r\n");
  const auto [a, b] =
      shake(*tls_context::from_secret(secret), *tls_context::from_secret_file(file));
  EXPECT_TRUE(succeeds(a));
  EXPECT_TRUE(succeeds(b));
}

// ---- a node behind TLS --------------------------------------------------------------------------

class TlsNode : public Tls {
protected:
  [[nodiscard]] schema::hello hello() const {
    return {schema::protocol_version, "me",
            identity_of(model.config(), *vindex::name_weights(model.path(), model.config()))};
  }
  [[nodiscard]] result<dialled_node> greet(const test::live_node& node,
                                           const tls_context_ptr& as) const {
    return dial_node({"127.0.0.1", node.port(), true}, as, hello(), in(5s));
  }

  test::tiny_vindex model;
  test::live_node alpha{model, {{0, 2}, {0, 7}}, "alpha", context(files("alpha"))};
};

TEST_F(TlsNode, ALaptopAndAnOperatorAreWelcome) {
  for (const auto* name : {"me", "boss"}) {
    const auto greeted = greet(alpha, context(files(name)));
    ASSERT_TRUE(succeeds(greeted)) << name;
    EXPECT_EQ(greeted->description.node, "alpha");
  }
}

TEST_F(TlsNode, ANodeIsNoLaptop) {
  EXPECT_FALSE(greet(alpha, context(files("beta"))));
}

TEST_F(TlsNode, ANodeThatMayCallOthersIsWelcome) {
  auto request = member_request{"gamma", peer_role::node, {"127.0.0.1"}};
  request.also.calls_nodes = true;
  ASSERT_TRUE(succeeds(issue_certificate(certs, request, false)));
  EXPECT_EQ(context(files("gamma"))->self().role, peer_role::node);
  const auto greeted = greet(alpha, context(files("gamma")));
  ASSERT_TRUE(succeeds(greeted));
  EXPECT_EQ(greeted->description.node, "alpha");
}

TEST_F(TlsNode, ALaptopIsNoNode) {
  const auto impostor = test::live_node{model, {{0, 2}, {0, 7}}, "me", context(files("me"))};
  EXPECT_TRUE(fails(greet(impostor, context(files("boss"))), errc::mismatch,
                    {"its certificate is one of a laptop, expected a node"}));
}

TEST_F(TlsNode, ANodeThatGoesByAnotherNameThanItsCertificateIsRefused) {
  const auto liar = test::live_node{model, {{0, 2}, {0, 7}}, "beta", context(files("alpha"))};
  EXPECT_TRUE(fails(greet(liar, context(files("me"))), errc::mismatch,
                    {"calls itself beta, its certificate is for alpha"}));
}

TEST_F(TlsNode, WithoutACertificateNobodyLearnsAnything) {
  auto expired = files("boss");
  test::expire_certificate(certs, "boss");
  const test::raw_tls_options strangers[] = {
      {{}, {}, TLS1_3_VERSION},
      {others / "me.pem", others / "me.key", TLS1_3_VERSION},
      {expired.certificate, expired.key, TLS1_3_VERSION},
      {certs / "ca.pem", certs / "ca.key", TLS1_3_VERSION},
  };
  for (const auto& stranger : strangers) {
    const auto peer = test::raw_tls_peer{alpha.port(), stranger};
    peer.send(test::frame_of(hello()));
    EXPECT_EQ(peer.read_to_end().size(), 0u) << stranger.certificate;
  }
  EXPECT_TRUE(succeeds(greet(alpha, context(files("me")))));
}

TEST_F(TlsNode, OldTlsIsNotSpoken) {
  const auto me = files("me");
  const auto peer = test::raw_tls_peer{alpha.port(), {me.certificate, me.key, TLS1_2_VERSION}};
  EXPECT_FALSE(peer.is_shaken());
}

TEST_F(TlsNode, PlainTextIsAnsweredWithNothing) {
  auto s = dial({"127.0.0.1", alpha.port()}, in(5s));
  ASSERT_TRUE(succeeds(s));
  ASSERT_TRUE(succeeds(s->write(test::frame_of(hello()), in(5s))));
  auto got = std::string{};
  for (char byte = 0; s->read({&byte, 1}, in(10s));)
    got += byte;
  EXPECT_EQ(got.find("alpha"), std::string::npos);
  EXPECT_LT(got.size(), 64u); // an alert
}

TEST_F(TlsNode, ALaptopWithoutTheClustersFilesIsToldWhatItNeeds) {
  EXPECT_TRUE(
      fails(greet(alpha, nullptr), errc::usage, {"needs certificates or a cluster secret"}));
}

} // namespace
} // namespace larql::actors
