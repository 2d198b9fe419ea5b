// Hostile input on the TLS port of a real node: thousands of seeded attempts, from random bytes to
// well-formed messages with hostile counts over a proper connection. Afterwards the node serves a
// run with the same bits, and has given back memory, descriptors and threads.
//
// LARQL_HOSTILE=N makes N attempts instead of a few hundred, LARQL_HOSTILE_SEED=S others.

#include "actors/net/dial.hpp"
#include "tests/e2e/call_examples.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/environment.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/random_weights.hpp"
#include "tests/support/raw_tls.hpp"

#include <deque>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

constexpr const char* kinds[] = {"random bytes",
                                 "a hello cut short",
                                 "a hello with flipped bits",
                                 "silence",
                                 "byte by byte",
                                 "huge records",
                                 "no certificate",
                                 "a certificate of others",
                                 "an expired certificate",
                                 "a node's certificate",
                                 "a damaged record after the handshake",
                                 "a damaged first message",
                                 "garbage after the greeting",
                                 "calls with hostile counts",
                                 "a call cut short"};

class HostileTls : public model_test {
protected:
  void SetUp() override {
    model_test::SetUp();
    std::signal(SIGPIPE, SIG_IGN); // as the programs do
    const auto dir = certs().string(), others = (scratch_ / "others").string();
    for (const auto& command :
         {words{"certs", "init", "--dir", dir}, words{"certs", "init", "--dir", others},
          words{"certs", "issue", "alpha", "--dir", dir},
          words{"certs", "issue", "beta", "--dir", dir},
          words{"certs", "issue", "me", "--role", "laptop", "--dir", dir},
          words{"certs", "issue", "old", "--role", "laptop", "--dir", dir},
          words{"certs", "issue", "me", "--role", "laptop", "--dir", others}}) {
      const auto done = run(larql(command));
      ASSERT_EQ(done.code, 0) << done.err;
    }
    expire_certificate(certs(), "old");
    node = start_node({"--name", "alpha", "--tls-ca", dir + "/ca.pem", "--tls-cert",
                       dir + "/alpha.pem", "--tls-key", dir + "/alpha.key"});
    write_file(scratch_ / "c.toml",
               fmt::format("model = \"{}\"\n[[node]]\nname = \"alpha\"\naddress = \"{}\"\n"
                           "[security]\nca = \"certs/ca.pem\"\ncertificate = \"certs/me.pem\"\n"
                           "key = \"certs/me.key\"\n",
                           vindex().string(), node->address()));
    auto tls = actors::tls_context::from_files(
        {certs() / "ca.pem", certs() / "me.pem", certs() / "me.key"});
    ASSERT_TRUE(succeeds(tls));
    me = *std::move(tls);
    const auto scout = greeted({});
    ASSERT_TRUE(scout);
    description = scout->description;
    client_hello = first_flight();
  }

  [[nodiscard]] fs::path certs() const { return scratch_ / "certs"; }
  static actors::time_limit soon() { return steady_now() + 10s; }
  static std::chrono::steady_clock::time_point steady_now() {
    return std::chrono::steady_clock::now();
  }

  /// A proper connection.
  [[nodiscard]] std::optional<actors::dialled_node>
  greeted(std::optional<schema::model_identity> model) const {
    auto d = actors::dial_node({"127.0.0.1", node->port(), true}, me,
                               {schema::protocol_version, "hostile", std::move(model)}, soon());
    EXPECT_TRUE(succeeds(d));
    return d ? std::optional{*std::move(d)} : std::nullopt;
  }
  [[nodiscard]] actors::socket plain() const {
    auto s = actors::dial({"127.0.0.1", node->port()}, soon());
    EXPECT_TRUE(succeeds(s));
    return s ? *std::move(s) : actors::socket{};
  }
  /// TLS is up, nothing was said yet.
  [[nodiscard]] std::optional<actors::secure_stream> shaken() const {
    auto s = actors::secure_stream::dialled(plain(), me, soon());
    EXPECT_TRUE(succeeds(s));
    return s ? std::optional{*std::move(s)} : std::nullopt;
  }

  /// The bytes that a TLS client sends first.
  static std::vector<char> first_flight() {
    auto* c = SSL_CTX_new(TLS_client_method());
    auto* s = SSL_new(c);
    auto *in = BIO_new(BIO_s_mem()), *out = BIO_new(BIO_s_mem());
    SSL_set_bio(s, in, out);
    (void) SSL_connect(s); // wants an answer
    char* data = nullptr;
    const auto size = BIO_get_mem_data(out, &data);
    auto bytes = std::vector<char>(data, data + size);
    SSL_free(s);
    SSL_CTX_free(c);
    return bytes;
  }

  static std::vector<char> random_bytes(random_source& random, std::size_t n) {
    auto out = std::vector<char>(n);
    for (auto& b : out)
      b = static_cast<char>(random.bits());
    return out;
  }
  static void flip_bits(random_source& random, std::span<char> bytes) {
    for (auto n = 1 + random.below(8); n != 0; --n)
      bytes[random.below(static_cast<std::uint32_t>(bytes.size()))] ^=
          static_cast<char>(1u << random.below(8));
  }
  /// Words of a message: counts, pointers, numbers.
  static void damage_words(random_source& random, std::vector<char>& frame) {
    for (auto n = 1 + random.below(3); n != 0; --n) {
      const auto words = static_cast<std::uint32_t>(frame.size() / 8 - 1);
      const auto at = schema::frame_header_bytes + 8 * random.below(words);
      const auto word = random.below(2) == 0 ? random.bits() : std::uint64_t{random.below(1 << 20)};
      std::memcpy(frame.data() + at, &word, 8);
    }
  }

  /// Keeps a connection open for a while; only a few at a time, so that others find a place.
  void leave_open(actors::socket s) {
    open.push_back(std::move(s));
    if (open.size() > 6)
      open.pop_front();
  }
  /// Ends a connection in one of the ways that there are.
  void end(random_source& random, actors::socket s) {
    switch (random.below(4)) {
    case 0: {
      const auto at_once = linger{1, 0};
      ::setsockopt(s.fd(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
      return;
    }
    case 1: ::shutdown(s.fd(), SHUT_WR); return leave_open(std::move(s));
    default: return; // closes
    }
  }

  /// What a peer with this certificate gets for its hello.
  [[nodiscard]] std::vector<char> answer_to(const raw_tls_options& who) const {
    const auto peer = raw_tls_peer{node->port(), who};
    peer.send(frame_of(schema::hello{schema::protocol_version, "stranger", description.model}));
    return peer.read_to_end();
  }
  void stranger(const raw_tls_options& who) const {
    EXPECT_EQ(answer_to(who).size(), 0u) << "a stranger got an answer: " << who.certificate;
  }
  /// A member that may not call hears why, and nothing else.
  void member_of_another_role(const raw_tls_options& who) const {
    const auto answer = answer_to(who);
    ASSERT_GT(answer.size(), schema::frame_header_bytes);
    const auto body = std::vector<char>{answer.begin() + schema::frame_header_bytes, answer.end()};
    const auto m = schema::decode(body);
    ASSERT_TRUE(succeeds(m));
    const auto* no = std::get_if<schema::refused>(&*m);
    ASSERT_NE(no, nullptr);
    EXPECT_EQ(no->reason, "your certificate is one of a node, expected a laptop or an operator");
  }

  void attempt(std::uint32_t kind, random_source& random) {
    const auto send = [](const actors::socket& s, std::span<const char> bytes) {
      (void) s.write(bytes, soon()); // the node may have closed already
    };
    switch (kind) {
    case 0: {
      auto s = plain();
      send(s, random_bytes(random, 1 + random.below(4000)));
      return end(random, std::move(s));
    }
    case 1: {
      auto s = plain();
      send(s, std::span{client_hello}.first(
                  random.below(static_cast<std::uint32_t>(client_hello.size() + 1))));
      return end(random, std::move(s));
    }
    case 2: {
      auto hello = client_hello;
      flip_bits(random, hello);
      auto s = plain();
      send(s, hello);
      return end(random, std::move(s));
    }
    case 3: return leave_open(plain());
    case 4: {
      auto s = plain();
      for (auto i = std::size_t{0}; i < 1 + random.below(40); ++i)
        send(s, std::span{client_hello}.subspan(i, 1));
      return leave_open(std::move(s));
    }
    case 5: {
      auto bytes = random_bytes(random, 5 + random.below(40000));
      constexpr char header[] = {0x16, 0x03, 0x01};
      std::copy(std::begin(header), std::end(header), bytes.begin());
      bytes[3] = bytes[4] = static_cast<char>(0xff - random.below(2));
      auto s = plain();
      send(s, bytes);
      return end(random, std::move(s));
    }
    case 6: return stranger({});
    case 7: return stranger({scratch_ / "others" / "me.pem", scratch_ / "others" / "me.key"});
    case 8: return stranger({certs() / "old.pem", certs() / "old.key"});
    case 9: return member_of_another_role({certs() / "beta.pem", certs() / "beta.key"});
    case 10: { // bytes below TLS
      auto s = shaken();
      if (!s)
        return;
      auto bytes = random_bytes(random, 5 + random.below(2000));
      const char header[] = {0x17, 0x03, 0x03, 0, static_cast<char>(random.below(256))};
      std::copy(std::begin(header), std::end(header), bytes.begin());
      (void) ::send(s->fd(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
      return;
    }
    case 11: {
      auto s = shaken();
      if (!s)
        return;
      auto frame = frame_of(schema::hello{schema::protocol_version, "hostile", description.model});
      random.below(4) == 0 ? flip_bits(random, frame) : damage_words(random, frame);
      (void) s->write(frame, soon());
      return;
    }
    case 12: {
      auto d = greeted(description.model);
      if (!d)
        return;
      auto bytes =
          frame_header(random.below(3) == 0 ? ~0u - random.below(9) : 8 * random.below(1 << 20));
      const auto more = random_bytes(random, random.below(3000));
      bytes.insert(bytes.end(), more.begin(), more.end());
      (void) d->connection.write(bytes, soon());
      return;
    }
    case 13: {
      auto d = greeted(description.model);
      if (!d)
        return;
      const auto example = call_example{description, 3};
      for (auto i = 0; i < 5; ++i) {
        auto frame = frame_of(example.call);
        damage_words(random, frame);
        if (!d->connection.write(frame, soon()))
          return;
      }
      char byte;
      (void) d->connection.read({&byte, 1}, soon()); // an answer, or the end
      return;
    }
    default: {
      auto d = greeted(description.model);
      if (!d)
        return;
      const auto example = call_example{description, 16};
      const auto frame = frame_of(example.call);
      (void) d->connection.write(
          std::span{frame}.first(random.below(static_cast<std::uint32_t>(frame.size()))), soon());
    }
    }
  }

  bool works() {
    return difference(logits({"--topology", (scratch_ / "c.toml").string()}), expected).empty();
  }

  node_ptr node;
  actors::tls_context_ptr me;
  schema::node_description description;
  std::vector<char> client_hello;
  std::string expected;
  std::deque<actors::socket> open;
};

TEST_F(HostileTls, NothingThatComesInCrashesHangsOrFillsANode) {
  expected = logits();
  const auto attempts = number_in("LARQL_HOSTILE", 750);
  const auto seed = number_in("LARQL_HOSTILE_SEED", 1);
  auto random = random_source{seed};
  for (const auto kind : {13u, 14u, 12u}) // so that scratch memory is there when it is measured
    attempt(kind, random);
  ASSERT_TRUE(works());
  const auto descriptors = descriptor_count(node->pid());
  const auto threads = thread_count(node->pid());
  const auto memory = memory_bytes(node->pid(), "RssAnon");
  for (auto i = 0ul; i < attempts; ++i) {
    const auto kind = static_cast<std::uint32_t>(i % std::size(kinds));
    attempt(kind, random);
    if (HasFailure()) {
      ADD_FAILURE() << "attempt " << i << " of seed " << seed << ": " << kinds[kind];
      break;
    }
  }
  open.clear();
  EXPECT_TRUE(works());
  EXPECT_TRUE(eventually([&] { return descriptor_count(node->pid()) <= descriptors; }))
      << descriptor_count(node->pid()) << " descriptors, " << descriptors << " before";
  EXPECT_TRUE(eventually([&] { return thread_count(node->pid()) <= threads; }))
      << thread_count(node->pid()) << " threads, " << threads << " before";
  const auto after = memory_bytes(node->pid(), "RssAnon");
  std::printf("%lu attempts: RssAnon %.1f MB before, %.1f MB after; %zu descriptors, %zu threads\n",
              attempts, static_cast<double>(memory) * 1e-6, static_cast<double>(after) * 1e-6,
              descriptor_count(node->pid()), thread_count(node->pid()));
#if !defined(__SANITIZE_ADDRESS__) // which keeps freed memory
  // Arenas of the allocator and of the threads that shook hands; it does not grow with the
  // attempts.
  EXPECT_LT(after, memory + (24u << 20));
#endif
  node->child().signal(SIGTERM);
  EXPECT_EQ(node->child().wait(), (exit_status{0, 0})) << node->child().err().substr(0, 2000);
}

} // namespace
} // namespace larql::test
