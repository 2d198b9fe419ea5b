// Mirrors actors/net: sockets with deadlines, the handshake from both sides, and the listener.

#include "actors/net/listener.hpp"

#include "actors/core/state_actor.hpp"
#include "actors/core/system.hpp"
#include "actors/net/frame_reader.hpp"
#include "actors/net/handshake.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/fake_node.hpp"
#include "tests/support/process_facts.hpp"

#include <deque>
#include <sys/socket.h>
#include <unistd.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::succeeds;

time_limit in(std::chrono::milliseconds t) {
  return std::chrono::steady_clock::now() + t;
}

/// Two connected, prepared sockets.
std::pair<socket, socket> connected_pair() {
  auto listening = listen_on({"127.0.0.1", 0});
  EXPECT_TRUE(succeeds(listening));
  auto a = dial({"127.0.0.1", local_port(*listening)}, in(10s));
  EXPECT_TRUE(succeeds(a));
  auto b = socket{::accept(listening->fd(), nullptr, nullptr)};
  EXPECT_TRUE(succeeds(prepare(b)));
  return {*std::move(a), std::move(b)};
}

// ---- socket -------------------------------------------------------------------------------------

TEST(Socket, CarriesBytesBothWays) {
  const auto [a, b] = connected_pair();
  const auto text = std::string_view{"0123456789"};
  ASSERT_TRUE(succeeds(a.write(text, in(10s))));
  char got[10];
  ASSERT_TRUE(succeeds(b.read(got, in(10s))));
  EXPECT_EQ(std::string_view(got, 10), text);
}

TEST(Socket, ReadingEndsAtTheDeadline) {
  const auto [a, b] = connected_pair();
  char got[4];
  EXPECT_TRUE(fails(a.read(got, in(20ms)), errc::deadline, {"no answer in time", a.peer()}));
  ASSERT_TRUE(succeeds(b.write(std::string_view{"abc"}, in(10s)))); // one too few
  EXPECT_TRUE(fails(a.read(got, in(20ms)), errc::deadline, {"no answer in time"}));
  EXPECT_TRUE(fails(a.read(got, in(-1s)), errc::deadline, {"no answer in time"}));
}

TEST(Socket, WritingToAPeerThatDoesNotReadEndsAtTheDeadline) {
  const auto [a, b] = connected_pair();
  const auto much = std::vector<char>(64 << 20);
  EXPECT_TRUE(fails(a.write(much, in(50ms)), errc::deadline, {"took no data in time"}));
}

TEST(Socket, TheEndOfThePeerIsAnError) {
  auto [a, b] = connected_pair();
  b.close();
  char got[1];
  EXPECT_TRUE(fails(a.read(got, in(10s)), errc::unavailable, {"closed the connection"}));
  const auto much = std::vector<char>(1 << 20);
  auto written = a.write(much, in(10s));
  while (written)
    written = a.write(much, in(10s));
  EXPECT_TRUE(fails(written, errc::unavailable, {"write"}));
}

TEST(Socket, HangingUpEndsBothDirections) {
  const auto [a, b] = connected_pair();
  hang_up(a.fd());
  char got[1];
  EXPECT_TRUE(fails(b.read(got, in(10s)), errc::unavailable, {"closed"}));
  EXPECT_FALSE(a.read(got, in(10s)));
}

TEST(Socket, KnowsItsPeer) {
  const auto [a, b] = connected_pair();
  EXPECT_TRUE(a.peer().starts_with("127.0.0.1:"));
  EXPECT_EQ(socket{}.peer(), "unconnected");
}

TEST(Socket, MovesItsDescriptor) {
  auto [a, b] = connected_pair();
  const auto fd = a.fd();
  auto c = std::move(a);
  EXPECT_EQ(c.fd(), fd);
  EXPECT_FALSE(static_cast<bool>(a));
  EXPECT_EQ(c.release(), fd);
  EXPECT_FALSE(static_cast<bool>(c));
  ::close(fd);
}

TEST(Dial, NamesAddressesThatCannotBeReached) {
  EXPECT_TRUE(fails(dial({"127.0.0.1", 1}, in(10s)), errc::unavailable, {"127.0.0.1:1"}));
  EXPECT_TRUE(fails(dial({"", 1}, in(10s)), errc::unavailable, {":1"}));
  EXPECT_TRUE(fails(dial({"::1", 1}, in(10s)), errc::unavailable, {"[::1]:1"}));
}

// Where connections are neither accepted nor refused: as many wait as the system lets.
class full_port {
public:
  full_port() {
    EXPECT_EQ(::listen(listening_->fd(), 0), 0);
    for (auto i = 0; i < 8 && !is_full_; ++i) {
      auto s = dial({"127.0.0.1", local_port(*listening_)}, in(200ms));
      is_full_ = !s;
      if (s)
        waiting_.push_back(*std::move(s));
    }
    EXPECT_TRUE(is_full_);
  }
  [[nodiscard]] endpoint at() const { return {"127.0.0.1", local_port(*listening_)}; }

private:
  result<socket> listening_ = listen_on({"127.0.0.1", 0});
  std::vector<socket> waiting_;
  bool is_full_ = false;
};

TEST(Dial, AnAddressThatDoesNotAnswerKeepsTheNextWaitingForAMomentOnly) {
  const auto black_hole = full_port{};
  const auto listening = listen_on({"127.0.0.1", 0});
  const endpoint addresses[] = {black_hole.at(), {"127.0.0.1", local_port(*listening)}};
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(succeeds(dial_any(addresses, in(30s))));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 10s);
}

TEST(Dial, AnAddressThatRefusesKeepsNobodyWaiting) {
  const auto listening = listen_on({"127.0.0.1", 0});
  const endpoint addresses[] = {{"127.0.0.1", 1}, {"127.0.0.1", local_port(*listening)}};
  const auto s = dial_any(addresses, in(30s));
  ASSERT_TRUE(succeeds(s));
  EXPECT_EQ(s->peer(), to_string(addresses[1]));
}

TEST(Dial, EndsAtTheDeadlineIfNobodyAnswers) {
  const auto black_hole = full_port{};
  const endpoint addresses[] = {black_hole.at(), black_hole.at(), {"127.0.0.1", 1}};
  EXPECT_TRUE(fails(dial_any(addresses, in(600ms)), errc::deadline, {"no answer in time"}));
}

TEST(ListenOn, NamesAddressesThatCannotBeUsed) {
  const auto first = listen_on({"127.0.0.1", 0});
  ASSERT_TRUE(succeeds(first));
  const auto port = local_port(*first);
  EXPECT_NE(port, 0);
  EXPECT_TRUE(fails(listen_on({"127.0.0.1", port}), errc::io,
                    {fmt::format("cannot listen on 127.0.0.1:{}", port), "in use"}));
}

TEST(IsLoopback, IsTrueForThisMachineOnly) {
  for (const auto* host : {"127.0.0.1", "127.255.0.3", "::1", "localhost"})
    EXPECT_TRUE(is_loopback(host)) << host;
  for (const auto* host : {"0.0.0.0", "::", "10.0.0.1", "128.0.0.1", "example.org", "", "127.1",
                           "127.0.0.1.example.org", "localhost.example.org", "::ffff:10.0.0.1"})
    EXPECT_FALSE(is_loopback(host)) << host;
}

// ---- frame_reader -------------------------------------------------------------------------------

/// Feeds bytes as a broker does: exactly what is wanted.
struct feeder {
  frame_reader reader;
  std::size_t largest = 0;

  /// Frames found in `bytes`, until an error.
  result<std::vector<std::vector<char>>> feed(std::span<const char> bytes) {
    auto out = std::vector<std::vector<char>>{};
    while (bytes.size() >= reader.wanted()) {
      const auto n = reader.wanted();
      largest = std::max(largest, n);
      auto piece = std::vector<char>(bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      LARQL_TRY(auto frame, reader.take(piece));
      if (frame)
        out.push_back(std::move(*frame));
    }
    return out;
  }
};

TEST(FrameReader, CutsBytesIntoPayloads) {
  auto bytes = test::frame_of(schema::ping{1});
  schema::encode(schema::hello{1, "x", {}}, bytes);
  schema::encode(schema::ping{2}, bytes);
  auto f = feeder{};
  const auto frames = f.feed(bytes);
  ASSERT_TRUE(succeeds(frames));
  ASSERT_EQ(frames->size(), 3u);
  const auto m = schema::decode((*frames)[2]);
  EXPECT_EQ(std::get<schema::ping>(*m).nonce, 2u);
}

TEST(FrameReader, AsksForLargeFramesInPieces) {
  auto call = schema::expert_call{};
  const auto data = std::vector<std::byte>(10 << 20, std::byte{7});
  call.activations = data;
  auto f = feeder{};
  const auto frames = f.feed(test::frame_of(call));
  ASSERT_TRUE(succeeds(frames));
  ASSERT_EQ(frames->size(), 1u);
  EXPECT_LE(f.largest, std::size_t{1} << 20);
  EXPECT_EQ(std::get<schema::expert_call>(*schema::decode(frames->front())).activations.size(),
            data.size());
}

TEST(FrameReader, RefusesHeadersOutOfRange) {
  auto f = feeder{};
  EXPECT_TRUE(fails(f.feed(test::frame_header(0)), errc::corrupt, {"length is 0"}));
  auto g = feeder{};
  EXPECT_TRUE(fails(g.feed(std::vector<char>(8)), errc::corrupt, {"magic"}));
}

// ---- handshake ----------------------------------------------------------------------------------

std::pair<secure_stream, secure_stream> connected_streams() {
  auto [laptop, node] = connected_pair();
  return {secure_stream{std::move(laptop)}, secure_stream{std::move(node)}};
}

schema::node_description small_node() {
  auto d = schema::node_description{};
  d.node = "alpha";
  d.model.layers = d.model.experts = d.model.hidden = d.model.expert_width = 1;
  d.model.weights_digest.emplace().fill(std::byte{0xab});
  d.formats = {quant::activation_format::f32};
  return d;
}

TEST(Handshake, ExchangesNamesAndDescription) {
  const auto [laptop, node] = connected_streams();
  auto heard = result<schema::hello>{schema::hello{}};
  auto other = std::thread{[&, &s = node] { heard = greet_laptop(s, small_node(), in(10s)); }};
  const auto greeted = greet_node(laptop, {1, "Ada", small_node().model}, in(10s));
  other.join();
  ASSERT_TRUE(succeeds(greeted));
  ASSERT_TRUE(succeeds(heard));
  EXPECT_EQ(*greeted, small_node());
  EXPECT_EQ(heard->name, "Ada");
}

TEST(Handshake, BothSidesEndAtTheirDeadline) {
  const auto [laptop, node] = connected_streams();
  EXPECT_TRUE(fails(greet_laptop(node, small_node(), in(20ms)), errc::deadline, {node.peer()}));
  EXPECT_TRUE(fails(greet_node(laptop, {}, in(20ms)), errc::deadline, {laptop.peer()}));
}

TEST(Handshake, TheNodeRefusesWhatIsNoHello) {
  const auto refuses = [](const std::vector<char>& bytes, std::string_view part) {
    const auto [laptop, node] = connected_streams();
    ASSERT_TRUE(succeeds(laptop.write(bytes, in(10s))));
    EXPECT_TRUE(
        fails(greet_laptop(node, small_node(), in(10s)), errc::corrupt, {node.peer(), part}));
  };
  refuses(std::vector<char>(8, 'x'), "magic");
  refuses(test::frame_header(schema::max_hello_bytes + 1), "length is 4097");
  refuses(test::frame_of(schema::ping{}), "first message is not hello");
  refuses(test::frame_of(schema::hello{1, std::string(65, 'n'), {}}), "hello.name has 65 bytes");
}

TEST(Handshake, TheNodeRefusesAnotherModelAndSaysWhatDiffers) {
  const auto refuses = [](auto change, std::string_view part) {
    const auto [laptop, node] = connected_streams();
    auto model = small_node().model;
    change(model);
    auto heard = result<schema::hello>{schema::hello{}};
    auto other = std::thread{[&, &s = node] { heard = greet_laptop(s, small_node(), in(10s)); }};
    const auto greeted = greet_node(laptop, {1, "Ada", model}, in(10s));
    other.join();
    EXPECT_TRUE(fails(heard, errc::mismatch, {part}));
    EXPECT_TRUE(fails(greeted, errc::mismatch, {"refused the connection", "node alpha", part}));
  };
  refuses([](auto& m) { m.layers = 5; }, "layers 1 on the node (\"\"), 5 on the laptop");
  refuses([](auto& m) { m.hidden = 5; }, "hidden size 1 on the node (\"\"), 5 on the laptop");
  refuses([](auto& m) { m.experts = 5; }, "experts 1 on the node (\"\"), 5 on the laptop");
  refuses([](auto& m) { m.expert_width = 5; },
          "expert width 1 on the node (\"\"), 5 on the laptop");
  refuses([](auto& m) { m.weights[7] = std::byte{1}; }, "other fingerprints");
  refuses([](auto& m) { m.weights_digest = schema::fingerprint{std::byte{9}}; },
          "weights digest abababababababab… on the node");
}

TEST(Handshake, WhoShowsNoModelIsWelcome) {
  const auto [laptop, node] = connected_streams();
  auto heard = result<schema::hello>{schema::hello{}};
  auto other = std::thread{[&, &s = node] { heard = greet_laptop(s, small_node(), in(10s)); }};
  EXPECT_TRUE(succeeds(greet_node(laptop, {1, "status", {}}, in(10s))));
  other.join();
  ASSERT_TRUE(succeeds(heard));
  EXPECT_FALSE(heard->model);
}

TEST(Handshake, ANodeAnnouncesItselfAndIsToldWhatToDo) {
  const auto [node, laptop] = connected_streams();
  auto self = schema::announce{};
  self.node = small_node();
  self.owns = false;
  self.available_bytes = 500;
  self.bytes_per_expert = 100;
  auto answer = result<schema::accepted>{schema::accepted{}};
  auto other = std::thread{[&, &s = node] { answer = announce_to_laptop(s, self, in(10s)); }};
  const auto who = read_first_message(laptop, in(10s));
  ASSERT_TRUE(succeeds(who));
  const auto heard = answer_announcement(
      laptop, std::get<schema::announce>(*who),
      [](const schema::announce& came) -> result<schema::accepted> {
        EXPECT_EQ(came.node.node, "alpha");
        EXPECT_FALSE(came.owns);
        EXPECT_EQ(came.available_bytes, 500u);
        return schema::accepted{schema::verdict::load, {2, 6}, 0};
      },
      in(10s));
  other.join();
  ASSERT_TRUE(succeeds(heard));
  ASSERT_TRUE(succeeds(answer));
  EXPECT_EQ(answer->verdict, schema::verdict::load);
  EXPECT_EQ(answer->experts, (experts::index_range{2, 6}));
}

TEST(Handshake, AnAnnouncementThatIsRefusedHearsWhy) {
  const auto [node, laptop] = connected_streams();
  auto answer = result<schema::accepted>{schema::accepted{}};
  auto other = std::thread{[&, &s = node] {
    auto self = schema::announce{};
    self.node = small_node();
    answer = announce_to_laptop(s, self, in(10s));
  }};
  const auto who = read_first_message(laptop, in(10s));
  ASSERT_TRUE(succeeds(who));
  EXPECT_TRUE(fails(answer_announcement(
                        laptop, std::get<schema::announce>(*who),
                        [](const auto&) { return fail(errc::mismatch, "not of us"); }, in(10s)),
                    errc::mismatch, {"not of us"}));
  other.join();
  EXPECT_TRUE(fails(answer, errc::mismatch, {"refused the connection: not of us"}));
}

// ---- listener -----------------------------------------------------------------------------------

class Listener : public testing::Test {
protected:
  void listen(listener_options options) {
    auto listening = listen_on({"127.0.0.1", 0});
    ASSERT_TRUE(succeeds(listening));
    port = local_port(*listening);
    listening_.emplace(*std::move(listening), nullptr, options,
                       [this](secure_stream s, time_limit until) -> larql::result<void> {
                         LARQL_TRY(const auto hello, greet_laptop(s, small_node(), until));
                         (void) hello;
                         const auto lock = std::scoped_lock{mutex};
                         streams.push_back(std::move(s));
                         ++connected;
                         return {};
                       });
  }

  std::mutex mutex;
  std::vector<secure_stream> streams; // of the node's side
  std::atomic<int> connected{0};
  std::uint16_t port = 0;
  std::optional<listener> listening_;
};

TEST_F(Listener, HandsGreetedConnectionsToTheNode) {
  listen({});
  const auto a = test::raw_peer{port}, b = test::raw_peer{port};
  EXPECT_TRUE(a.greet());
  EXPECT_TRUE(b.greet());
  EXPECT_TRUE(test::eventually([&] { return connected == 2; }));
}

TEST_F(Listener, ClosesSilentPeersAtTheDeadline) {
  listen({2, 300ms});
  const auto a = test::raw_peer{port}, b = test::raw_peer{port}, c = test::raw_peer{port};
  EXPECT_TRUE(a.is_closed_by_peer());
  EXPECT_TRUE(b.is_closed_by_peer());
  EXPECT_TRUE(c.is_closed_by_peer());
  EXPECT_EQ(connected, 0);
  EXPECT_TRUE(test::eventually([&] { // places are free again
    const auto d = test::raw_peer{port};
    d.send(schema::hello{});
    return d.read_payload().has_value();
  }));
}

TEST_F(Listener, ASilentPeerDoesNotKeepOthersOut) {
  listen({2, 10s});
  const auto silent = test::raw_peer{port};
  for (auto i = 0; i < 5; ++i)
    EXPECT_TRUE(test::raw_peer{port}.greet());
  EXPECT_TRUE(test::eventually([&] { return connected == 5; }));
}

TEST_F(Listener, ThoseWhoSpeakGetInHoweverManyAreSilent) {
  auto options = listener_options{2, 10s};
  options.max_silent = 8;
  options.silent_per_address = 8;
  listen(options);
  auto silent = std::deque<test::raw_peer>{};
  for (auto i = 0; i < 24; ++i)
    silent.emplace_back(port);
  EXPECT_TRUE(silent.front().is_closed_by_peer()); // the oldest gave its place away
  for (auto i = 0; i < 5; ++i)
    EXPECT_TRUE(test::raw_peer{port}.greet());
}

TEST_F(Listener, APeerThatLeavesWithoutAWordCostsNoThread) {
  listen({4, 10s});
  const auto threads = test::thread_count(::getpid());
  for (auto i = 0; i < 20; ++i)
    test::raw_peer{port}.close();
  EXPECT_TRUE(test::eventually([&] { return listening_->failed_handshakes() == 20; }));
  EXPECT_EQ(test::thread_count(::getpid()), threads);
  EXPECT_TRUE(test::raw_peer{port}.greet());
}

TEST_F(Listener, OneAddressHasAShareOfTheHandshakes) {
  auto options = listener_options{4, 300ms};
  options.handshakes_per_address = 1;
  listen(options);
  const auto threads = test::thread_count(::getpid());
  const auto slow = test::raw_peer{port}, next = test::raw_peer{port};
  slow.send(std::string_view{"F"}); // and no more
  next.send(std::string_view{"F"});
  ASSERT_TRUE(test::eventually([&] { return test::thread_count(::getpid()) > threads; }));
  EXPECT_EQ(test::thread_count(::getpid()), threads + 1);
  EXPECT_TRUE(slow.is_closed_by_peer());
  EXPECT_TRUE(next.is_closed_by_peer());
}

TEST_F(Listener, EndsWhileHandshakesAreUnderWay) {
  listen({4, 200ms});
  const auto threads = test::thread_count(::getpid());
  const auto a = test::raw_peer{port}, b = test::raw_peer{port};
  a.send(std::string_view{"F"}); // a thread each from here on
  b.send(std::string_view{"F"});
  ASSERT_TRUE(test::eventually([&] { return test::thread_count(::getpid()) == threads + 2; }));
  listening_.reset(); // waits for their deadline, and no longer
  EXPECT_TRUE(a.is_closed_by_peer());
}

} // namespace
} // namespace larql::actors
