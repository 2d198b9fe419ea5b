// What a laptop makes of a node that is hostile inside or below TLS: it ends in time with an error
// that names the node, or goes on with a replica and the same bits. It never hangs or crashes.

#include "actors/net/dial.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/fake_tls_node.hpp"
#include "tests/support/raw_peer.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;

class HostileTlsNode : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    std::signal(SIGPIPE, SIG_IGN); // as the programs do
    for (const auto& dir : {certs().string(), (scratch_ / "others").string()})
      for (const auto& command :
           {words{"certs", "init", "--dir", dir}, words{"certs", "issue", "alpha", "--dir", dir},
            words{"certs", "issue", "mallory", "--dir", dir},
            words{"certs", "issue", "me", "--role", "laptop", "--dir", dir}}) {
        const auto done = run(larql(command));
        ASSERT_EQ(done.code, 0) << done.err;
      }
    const auto dir = certs().string();
    alpha = start_node({"--name", "alpha", "--tls-ca", dir + "/ca.pem", "--tls-cert",
                        dir + "/alpha.pem", "--tls-key", dir + "/alpha.key"});
    mallory = context(certs(), "mallory");
    const auto scout =
        actors::dial_node({"127.0.0.1", alpha->port(), true}, context(certs(), "me"),
                          {schema::protocol_version, "scout", {}}, fake_tls_node::soon());
    ASSERT_TRUE(succeeds(scout));
    description = scout->description;
    description.node = "mallory";
    ++description.incarnation;
  }

  [[nodiscard]] fs::path certs() const { return scratch_ / "certs"; }
  [[nodiscard]] static actors::tls_context_ptr context(const fs::path& dir,
                                                       const std::string& name) {
    auto c = actors::tls_context::from_files(
        {dir / "ca.pem", dir / (name + ".pem"), dir / (name + ".key")});
    EXPECT_TRUE(succeeds(c));
    return c ? *c : nullptr;
  }

  [[nodiscard]] fs::path topology(const fake_tls_node& node, bool with_alpha) const {
    auto text = fmt::format("model = \"{}\"\n[[node]]\nname = \"mallory\"\n"
                            "address = \"127.0.0.1:{}\"\n",
                            vindex().string(), node.port());
    if (with_alpha)
      text += fmt::format("[[node]]\nname = \"alpha\"\naddress = \"{}\"\n", alpha->address());
    text += "[security]\nca = \"certs/ca.pem\"\ncertificate = \"certs/me.pem\"\n"
            "key = \"certs/me.key\"\n";
    write_file(scratch_ / "c.toml", text);
    return scratch_ / "c.toml";
  }

  /// A run that has nobody but the hostile node ends soon and says why.
  void expect_error(const fake_tls_node::script& treat, const words& parts) {
    const auto node = fake_tls_node{treat};
    auto child =
        child_process{larql({"run", vindex().string(), "abc", "-n", "5", "-q", "--topology",
                             topology(node, false).string(), "--connect-timeout", "500",
                             "--call-timeout", "500", "--failover-timeout", "0"})};
    const auto ended = child.wait(20s);
    ASSERT_TRUE(ended) << "hangs";
    EXPECT_EQ(*ended, (exit_status{1, 0})) << child.err();
    for (const auto& part : parts)
      EXPECT_NE(child.err().find(part), std::string::npos) << child.err();
  }

  /// With a replica the answer is complete, and the bits are those of a run without nodes.
  void expect_failover(const fake_tls_node::script& treat) {
    const auto node = fake_tls_node{treat};
    EXPECT_EQ(difference(logits({"--topology", topology(node, true).string(), "--connect-timeout",
                                 "500", "--call-timeout", "500"}),
                         logits()),
              "");
  }

  node_ptr alpha;
  actors::tls_context_ptr mallory;
  schema::node_description description;
};

TEST_F(HostileTlsNode, SilenceInsteadOfAHandshakeEndsAtTheDeadline) {
  expect_error([](actors::socket s) { fake_tls_node::wait_for_end(s.fd()); },
               {"mallory", "TLS handshake", "no answer in time"});
}

TEST_F(HostileTlsNode, AHandshakeThatIsCutOrIsNoneIsAnError) {
  expect_error([](actors::socket) {}, {"mallory", "TLS handshake"});
  expect_error(
      [](actors::socket s) {
        (void) s.write(std::string_view{"\x16\x03\x03\x40\x00 a record that never ends"},
                       fake_tls_node::soon());
        ::shutdown(s.fd(), SHUT_WR);
        fake_tls_node::wait_for_end(s.fd());
      },
      {"mallory", "TLS handshake"});
  expect_error(
      [](actors::socket s) {
        (void) s.write(std::string(4096, 'x'), fake_tls_node::soon());
        fake_tls_node::wait_for_end(s.fd());
      },
      {"mallory", "TLS handshake", "does not seem to speak TLS"});
}

TEST_F(HostileTlsNode, ACertificateOfAnotherCaIsRefusedWithTheCause) {
  const auto stranger = context(scratch_ / "others", "mallory");
  expect_error(
      [&](actors::socket s) { (void) fake_tls_node::greeted(std::move(s), stranger, description); },
      {"mallory", "different cluster CAs"});
}

TEST_F(HostileTlsNode, ALaptopsCertificateMakesNoNode) {
  const auto laptop = context(certs(), "me");
  expect_error(
      [&](actors::socket s) { (void) fake_tls_node::greeted(std::move(s), laptop, description); },
      {"its certificate is one of a laptop, expected a node"});
}

TEST_F(HostileTlsNode, SilenceOrGarbageInsteadOfAWelcomeIsAnError) {
  expect_error(
      [&](actors::socket s) {
        if (const auto c = fake_tls_node::shaken(std::move(s), mallory))
          fake_tls_node::wait_for_end(c->fd());
      },
      {"mallory", "no answer in time"});
  expect_error(
      [&](actors::socket s) {
        if (const auto c = fake_tls_node::shaken(std::move(s), mallory)) {
          (void) c->write(std::string(64, 'x'), fake_tls_node::soon());
          fake_tls_node::wait_for_end(c->fd());
        }
      },
      {"mallory", "magic"});
}

// ---- after the welcome: the laptop's network thread has the connection --------------------------

using treatment = void (*)(const actors::secure_stream&);
struct damage {
  const char* name;
  treatment treat;
};
void PrintTo(const damage& d, std::ostream* out) {
  *out << d.name;
}

class HostileTlsNodeAfterTheWelcome : public HostileTlsNode,
                                      public testing::WithParamInterface<damage> {
protected:
  [[nodiscard]] fake_tls_node::script script() const {
    return [this](actors::socket s) {
      if (const auto c = fake_tls_node::greeted(std::move(s), mallory, description)) {
        GetParam().treat(*c);
        fake_tls_node::wait_for_end(c->fd());
      }
    };
  }
};

TEST_P(HostileTlsNodeAfterTheWelcome, ARunEndsWithAnErrorThatNamesTheNode) {
  expect_error(script(), {"mallory", "experts 0-7"});
}

TEST_P(HostileTlsNodeAfterTheWelcome, WithAReplicaTheAnswerHasTheSameBits) {
  expect_failover(script());
}

constexpr damage damages[] = {
    {"Silence", [](const actors::secure_stream&) {}},
    {"GarbageBelowTls",
     [](const actors::secure_stream& s) {
       const auto bytes = std::string(5000, 'x');
       (void) ::send(s.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
     }},
    {"ARecordWithAWrongTag",
     [](const actors::secure_stream& s) {
       const auto bytes = std::string{"\x17\x03\x03\x00\x20", 5} + std::string(32, '\x55');
       (void) ::send(s.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
     }},
    {"ARecordCutShort",
     [](const actors::secure_stream& s) {
       const auto bytes = std::string{"\x17\x03\x03\x40\x00", 5} + std::string(100, '\x55');
       (void) ::send(s.fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
       ::shutdown(s.fd(), SHUT_WR);
     }},
    {"GarbageInsteadOfFrames",
     [](const actors::secure_stream& s) {
       (void) s.write(std::string(4096, 'x'), fake_tls_node::soon());
     }},
    {"AFrameCutShort",
     [](const actors::secure_stream& s) {
       (void) s.write(frame_header(1 << 20), fake_tls_node::soon());
       (void) s.write(std::string(1 << 19, '\0'), fake_tls_node::soon());
       ::shutdown(s.fd(), SHUT_WR);
     }},
    {"AnEndAtOnce", [](const actors::secure_stream& s) { ::shutdown(s.fd(), SHUT_RDWR); }},
};
INSTANTIATE_TEST_SUITE_P(EveryDamage, HostileTlsNodeAfterTheWelcome, testing::ValuesIn(damages),
                         [](const auto& i) { return std::string{i.param.name}; });

} // namespace
} // namespace larql::test
