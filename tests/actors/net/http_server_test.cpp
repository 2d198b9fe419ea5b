// Mirrors actors/net/http_server.hpp: real connections on loopback to exchanges that the test
// controls.

#include "actors/net/http_server.hpp"

#include "actors/net/certificates.hpp"
#include "tests/support/failures.hpp"
#include "tests/support/files.hpp"
#include "tests/support/http_stream.hpp"
#include "tests/support/process_facts.hpp"
#include "tests/support/raw_tls.hpp"
#include "tests/support/temporary_directory.hpp"

#include <csignal>
#include <deque>
#include <map>
#include <mutex>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::http_post;
using test::http_stream;

/// What a test says in place of an exchange.
struct script {
  std::mutex mutex;
  std::optional<http_reply> reply;
  std::string bytes; ///< of the stream, not read yet
  bool ended = false;
  bool cut = false; ///< tick() says so
  http_waker waker;
  http_request request;
  std::atomic<bool> dropped{false};
  std::atomic<int> ticks{0};

  void answer(http_reply r) {
    {
      const auto lock = std::scoped_lock{mutex};
      reply = std::move(r);
    }
    waker.wake();
  }
  void stream() {
    auto r = http_reply{};
    r.is_stream = true;
    answer(std::move(r));
  }
  void say(std::string_view text, bool end = false) {
    {
      const auto lock = std::scoped_lock{mutex};
      bytes += text;
      ended = end;
    }
    waker.wake();
  }
};
using script_ptr = std::shared_ptr<script>;

class scripted_exchange final : public http_exchange {
public:
  explicit scripted_exchange(script_ptr s) : script_(std::move(s)) {}
  ~scripted_exchange() override { script_->dropped.store(true); }
  std::optional<http_reply> reply() override {
    const auto lock = std::scoped_lock{script_->mutex};
    return std::exchange(script_->reply, std::nullopt);
  }
  next read(std::string& out) override {
    const auto lock = std::scoped_lock{script_->mutex};
    out += std::exchange(script_->bytes, {});
    return script_->ended ? next::end : out.empty() ? next::wait : next::more;
  }
  bool tick(clock::time_point) override {
    ++script_->ticks;
    return !script_->cut;
  }

private:
  script_ptr script_;
};

/// Echoes at once, except for paths that begin with /wait.
class test_handler final : public http_handler {
public:
  std::optional<http_reply> check(const http_request& head) override {
    if (head.path == "/forbidden")
      return http_reply{403, {}, "no\n"};
    return std::nullopt;
  }
  std::unique_ptr<http_exchange> start(http_request request, http_waker waker) override {
    auto s = std::make_shared<script>();
    s->waker = waker;
    if (!request.path.starts_with("/wait"))
      s->reply = http_reply{200,
                            {{"Content-Type", "text/plain"}},
                            fmt::format("{} {} {} {}", request.method, request.path,
                                        request.body.size(), request.header("x-test"))};
    s->request = std::move(request);
    {
      const auto lock = std::scoped_lock{mutex};
      scripts.push_back(s);
    }
    return std::make_unique<scripted_exchange>(s);
  }
  http_reply too_large(const http_request&, std::uint64_t limit) override {
    return {413, {}, fmt::format("at most {}\n", limit)};
  }
  http_reply no_memory(const http_request&) override { return {503, {}, "later\n"}; }

  [[nodiscard]] script_ptr script_of(std::size_t number) {
    auto out = script_ptr{};
    EXPECT_TRUE(eventually([&] {
      const auto lock = std::scoped_lock{mutex};
      if (scripts.size() > number)
        out = scripts[number];
      return out != nullptr;
    }));
    return out;
  }

  std::mutex mutex;
  std::vector<script_ptr> scripts;
};

class HttpServer : public testing::Test {
protected:
  HttpServer() { std::signal(SIGPIPE, SIG_IGN); } // as the programs do

  void start() {
    auto listening = listen_on({"127.0.0.1", 0});
    ASSERT_TRUE(test::succeeds(listening));
    auto made = http_server::start(*std::move(listening), handler, options);
    ASSERT_TRUE(test::succeeds(made));
    server = *std::move(made);
  }
  [[nodiscard]] std::uint16_t port() const { return server->port(); }
  [[nodiscard]] test::http_response get(std::string_view path) const {
    auto client = http_stream{port()};
    return client.get(path) ? client.response() : test::http_response{};
  }

  http_server_options options;
  test_handler handler;
  std::unique_ptr<http_server> server; // before the handler goes
};

TEST_F(HttpServer, ARequestAndItsReplyUseTheConnectionAgain) {
  start();
  auto client = http_stream{port()};
  for (auto i = 0; i < 3; ++i) {
    ASSERT_TRUE(client.post("/echo?x=1", "hello", "X-Test: yes\r\n"));
    const auto r = client.response();
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(r.body, "POST /echo 5 yes");
  }
  EXPECT_EQ(server->counted().connections, 1u);
  EXPECT_EQ(server->counted().replies[2], 3u);
  ASSERT_TRUE(client.get("/")); // and another method
  EXPECT_EQ(client.response().body, "GET / 0 ");
}

TEST_F(HttpServer, AReplyMayComeLater) {
  start();
  auto client = http_stream{port()};
  ASSERT_TRUE(client.post("/wait", "x"));
  const auto s = handler.script_of(0);
  ASSERT_TRUE(eventually([&] { return s->ticks > 0; })); // it waits, and others are answered
  EXPECT_EQ(get("/other").status, 200);
  s->answer({201, {}, "late"});
  const auto r = client.response();
  EXPECT_EQ(r.status, 201);
  EXPECT_EQ(r.body, "late");
}

TEST_F(HttpServer, AStreamArrivesPieceByPiece) {
  start();
  auto client = http_stream{port()};
  ASSERT_TRUE(client.post("/wait", "x"));
  const auto s = handler.script_of(0);
  s->stream();
  ASSERT_TRUE(client.wait_for("\r\n\r\n")); // the status, before there is anything to say
  for (const auto* piece : {"one", "two", "three"}) {
    s->say(piece);
    ASSERT_TRUE(client.wait_for(piece));
  }
  s->say("end", true);
  const auto r = client.response();
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "onetwothreeend");
  ASSERT_TRUE(client.get("/again")); // the connection goes on
  EXPECT_EQ(client.response().status, 200);
}

// The library does not look at connections that wait.
TEST_F(HttpServer, AClientThatLeavesIsNoticedWithinASecond) {
  start();
  for (const auto streams : {false, true})
    for (const auto half : {false, true}) {
      const auto before = handler.scripts.size();
      auto client = http_stream{port()};
      ASSERT_TRUE(client.post("/wait", "x"));
      const auto s = handler.script_of(before);
      if (streams) {
        s->stream();
        s->say("hello");
        ASSERT_TRUE(client.wait_for("hello"));
      }
      ASSERT_TRUE(eventually([&] { return s->ticks > 0; }));
      const auto begin = std::chrono::steady_clock::now();
      half ? client.half_close() : client.close();
      EXPECT_TRUE(eventually([&] { return s->dropped.load(); }));
      EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
      s->say("nobody reads this", true); // harmless
    }
  EXPECT_TRUE(eventually([&] { return server->busy() == 0; }));
  EXPECT_EQ(server->counted().left, 4u);
}

TEST_F(HttpServer, ARequestThatIsRefusedByItsHeadIsNotRead) {
  start();
  auto client = http_stream{port()};
  ASSERT_TRUE(client.post("/forbidden", std::string(100'000, 'x')));
  EXPECT_EQ(client.response().status, 403);
  EXPECT_TRUE(handler.scripts.empty());
  ASSERT_TRUE(client.get("/next"));
  EXPECT_EQ(client.response().status, 200);
  // What says that it waits for a word to go on gets the last word.
  auto polite = http_stream{port()};
  ASSERT_TRUE(polite.send("POST /forbidden HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                          "Content-Length: 10000000\r\n\r\n"));
  EXPECT_EQ(polite.response().status, 403);
}

TEST_F(HttpServer, BodiesAreBounded) {
  options.max_body_bytes = 1000;
  start();
  EXPECT_EQ(http_post(port(), "/echo", std::string(1000, 'x')).status, 200);
  const auto r = http_post(port(), "/echo", std::string(1001, 'x'));
  EXPECT_EQ(r.status, 413);
  EXPECT_EQ(r.body, "at most 1000\n");
  // Without a length it is found out on the way.
  auto chunked = http_stream{port()};
  ASSERT_TRUE(chunked.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
  for (auto i = 0; i < 11; ++i)
    ASSERT_TRUE(chunked.send("64\r\n" + std::string(100, 'x') + "\r\n"));
  ASSERT_TRUE(chunked.send("0\r\n\r\n"));
  EXPECT_EQ(chunked.response().status, 413);
}

TEST_F(HttpServer, ABodyThatNeverEndsIsCutOff) {
  options.max_body_bytes = 1000;
  start();
  auto client = http_stream{port()};
  ASSERT_TRUE(client.send("POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"));
  auto sent = 0;
  while (sent < 10'000 && client.send("1000\r\n" + std::string(0x1000, 'x') + "\r\n"))
    ++sent;
  EXPECT_LT(sent, 10'000); // 40 MB
  EXPECT_TRUE(handler.scripts.empty());
}

TEST_F(HttpServer, BodiesOfAllRequestsTogetherAreBounded) {
  options.all_bodies_bytes = 100'000;
  start();
  auto slow = std::deque<http_stream>{};
  for (auto i = 0; i < 2; ++i) {
    slow.emplace_back(port());
    ASSERT_TRUE(slow.back().send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n" +
                                 std::string(39'999, 'x')));
  }
  // As soon as the server has read what these sent, there is no memory for a third one.
  EXPECT_TRUE(eventually([&] {
    auto third = http_stream{port()};
    return third.post("/echo", std::string(40'000, 'x')) && third.response().status == 503;
  }));
  auto served = 0; // a third one may have been read before the second
  for (auto& s : slow) {
    ASSERT_TRUE(s.send("x"));
    served += s.response().status == 200 ? 1 : 0;
  }
  EXPECT_GE(served, 1);
}

TEST_F(HttpServer, HeadersAreBounded) {
  options.connection_bytes = 16 << 10;
  start();
  auto client = http_stream{port()};
  (void) client.send("GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(100'000, 'x') + "\r\n\r\n");
  const auto r = client.response();
  EXPECT_TRUE(r.status == 0 || r.status >= 400) << r.status;
  EXPECT_TRUE(handler.scripts.empty());
  EXPECT_EQ(get("/").status, 200);
}

TEST_F(HttpServer, SlowRequestsAreClosed) {
  options.head_timeout = 100ms;
  options.body_timeout = 100ms;
  start();
  auto head = http_stream{port()};
  ASSERT_TRUE(head.send("GET / HT"));
  auto body = http_stream{port()};
  ASSERT_TRUE(body.send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc"));
  EXPECT_TRUE(head.is_closed());
  EXPECT_TRUE(body.is_closed());
  EXPECT_TRUE(handler.scripts.empty());
}

TEST_F(HttpServer, WhileAllPlacesAreTakenIdleConnectionsGiveTheirs) {
  options.max_connections = 4;
  start();
  auto idle = std::deque<http_stream>{};
  for (auto i = 0; i < 4; ++i) {
    idle.emplace_back(port());
    ASSERT_TRUE(idle.back().get("/"));
    EXPECT_EQ(idle.back().response().status, 200);
  }
  EXPECT_EQ(get("/").status, 200);
}

// The end comes together with the last bytes before it, which the library reads as one.
TEST_F(HttpServer, AClientThatSendsNothingMoreIsAnsweredAndClosed) {
  options.idle_timeout = 600s; // beyond the patience of tests
  options.head_timeout = options.body_timeout = 600s;
  start();
  auto clients = std::deque<http_stream>{};
  for (auto i = 0; i < 20; ++i) {
    auto& client = clients.emplace_back(port());
    ASSERT_TRUE(client.post("/echo", "hello"));
    client.half_close();
  }
  for (const auto* part :
       {"", "GET / HT", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\nab"}) {
    auto& client = clients.emplace_back(port());
    ASSERT_TRUE(client.send(part));
    client.half_close();
  }
  for (auto i = 0; i < 20; ++i)
    EXPECT_EQ(clients[static_cast<std::size_t>(i)].response().body, "POST /echo 5 ");
  for (auto& client : clients)
    EXPECT_TRUE(client.is_closed());
  EXPECT_TRUE(eventually([&] { return server->counted().connections == 0; }));
}

TEST_F(HttpServer, AClientThatDoesNotReadIsCutWhenItsExchangeSaysSo) {
  start();
  auto client = http_stream{port()};
  ASSERT_TRUE(client.post("/wait", "x"));
  const auto s = handler.script_of(0);
  s->stream();
  s->say(std::string(8 << 20, 'x')); // more than the system holds for it
  ASSERT_TRUE(eventually([&] { return s->ticks > 0; }));
  EXPECT_FALSE(s->dropped);
  s->cut = true;
  EXPECT_TRUE(eventually([&] { return s->dropped.load(); }));
  EXPECT_TRUE(eventually([&] { return server->busy() == 0; }));
}

TEST_F(HttpServer, StoppingLetsAnswersFinish) {
  start();
  auto client = http_stream{port()};
  ASSERT_TRUE(client.post("/wait", "x"));
  const auto s = handler.script_of(0);
  s->stream();
  server->stop_accepting();
  EXPECT_TRUE(eventually([&] {
    return !dial({"127.0.0.1", port()}, std::chrono::steady_clock::now() + 5s);
  }));
  s->say("the end", true);
  EXPECT_EQ(client.response().body, "the end");
  EXPECT_TRUE(client.is_closed());
  EXPECT_EQ(server->busy(), 0u);
}

TEST_F(HttpServer, EndingDropsWhatIsUnderWay) {
  start();
  auto waiting = http_stream{port()}, streaming = http_stream{port()}, half = http_stream{port()};
  ASSERT_TRUE(waiting.post("/wait", "x"));
  const auto a = handler.script_of(0);
  ASSERT_TRUE(streaming.post("/wait", "x"));
  const auto b = handler.script_of(1);
  b->stream();
  ASSERT_TRUE(half.send("POST /ech"));
  server.reset();
  EXPECT_TRUE(a->dropped);
  EXPECT_TRUE(b->dropped);
  EXPECT_TRUE(waiting.is_closed());
  a->answer({200, {}, "too late"}); // harmless
}

TEST_F(HttpServer, WhatIsNoHttpHurtsNobody) {
  start();
  for (const auto* text :
       {"\r\n\r\n\r\n", "GET\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        "GET / HTTP/1.1\r\nno colon\r\n\r\n", "GET /%00%ff HTTP/1.1\r\nHost: a\r\n\r\n"}) {
    auto client = http_stream{port()};
    (void) client.send(text);
    client.half_close();
    (void) client.wait_for("\r\n\r\n"); // an answer, or the end
  }
  EXPECT_EQ(get("/alive").status, 200);
}

// ---- TLS ----------------------------------------------------------------------------------------

class HttpsServer : public HttpServer {
protected:
  HttpsServer() {
    EXPECT_TRUE(test::succeeds(create_authority(dir.path(), "tests", authority_days, false)));
    for (const auto* name : {"alpha", "beta"})
      EXPECT_TRUE(test::succeeds(issue_certificate(
          dir.path(), {name, peer_role::node, {"127.0.0.1"}, member_days}, false)));
  }
  [[nodiscard]] http_certificate certificate(const std::string& name) const {
    return {test::read_file(dir.path() / (name + ".pem")),
            test::read_file(dir.path() / (name + ".key"))};
  }
  [[nodiscard]] std::string ask(test::raw_tls_peer& peer) const {
    constexpr std::string_view text =
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 2\r\n\r\nhi";
    EXPECT_TRUE(peer.send(std::span{text.data(), text.size()}));
    const auto all = peer.read_to_end();
    return {all.begin(), all.end()};
  }

  test::temporary_directory dir;
};

TEST_F(HttpsServer, TheCertificatesOfAClusterServeTheApiAsWell) {
  options.certificate = certificate("alpha");
  start();
  for (const auto version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    auto peer = test::raw_tls_peer{port(), {{}, {}, version}};
    ASSERT_TRUE(peer.is_shaken());
    EXPECT_EQ(peer.server_name(), "alpha");
    EXPECT_NE(ask(peer).find("POST /echo 2"), std::string::npos);
  }
  auto old = test::raw_tls_peer{port(), {{}, {}, TLS1_1_VERSION}};
  EXPECT_FALSE(old.is_shaken());
}

TEST_F(HttpsServer, ANewCertificateIsUsedForNewConnections) {
  options.certificate = certificate("alpha");
  start();
  auto before = test::raw_tls_peer{port(), {}};
  ASSERT_TRUE(before.is_shaken());
  ASSERT_TRUE(test::succeeds(server->use_certificate(certificate("beta"))));
  ASSERT_TRUE(eventually([&] {
    auto peer = test::raw_tls_peer{port(), {}};
    return peer.server_name() == "beta";
  }));
  EXPECT_NE(ask(before).find("200 OK"), std::string::npos); // it goes on
}

TEST_F(HttpsServer, ACertificateThatIsNoneChangesNothing) {
  options.certificate = certificate("alpha");
  start();
  EXPECT_FALSE(server->use_certificate({"nonsense", "nonsense"}));
  EXPECT_FALSE(server->use_certificate({certificate("alpha").chain, certificate("beta").key}));
  auto peer = test::raw_tls_peer{port(), {}};
  EXPECT_EQ(peer.server_name(), "alpha");
  EXPECT_NE(ask(peer).find("200 OK"), std::string::npos);
}

TEST_F(HttpsServer, AClientThatLeavesIsNoticed) {
  options.certificate = certificate("alpha");
  start();
  auto peer = std::make_unique<test::raw_tls_peer>(port(), test::raw_tls_options{});
  constexpr std::string_view text = "POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi";
  ASSERT_TRUE(peer->send(std::span{text.data(), text.size()}));
  const auto s = handler.script_of(0);
  ASSERT_TRUE(eventually([&] { return s->ticks > 0; }));
  peer.reset();
  EXPECT_TRUE(eventually([&] { return s->dropped.load(); }));
}

} // namespace
} // namespace larql::actors
