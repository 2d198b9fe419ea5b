// Mirrors actors/net/http_endpoint.hpp: real connections on loopback, honest and hostile.

#include "actors/net/http_endpoint.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/http_get.hpp"

#include <deque>
#include <sys/resource.h>

namespace larql::actors {
namespace {

using namespace std::chrono_literals;
using test::http_get;
using test::http_peer;

class HttpEndpoint : public testing::Test {
protected:
  void start(const http_options& options = {}) {
    auto listening = listen_on({"127.0.0.1", 0});
    ASSERT_TRUE(test::succeeds(listening));
    auto made = http_endpoint::start(
        *std::move(listening),
        [this](std::string_view path) {
          ++asked;
          return path == "/big" ? http_answer{200, "text/plain", std::string(8 << 20, 'x')}
                                : http_answer{path == "/busy" ? 503u : 200u, "text/plain",
                                              fmt::format("you asked for {}\n", path)};
        },
        options);
    ASSERT_TRUE(test::succeeds(made));
    server = *std::move(made);
  }
  [[nodiscard]] std::uint16_t port() const { return server->port(); }

  std::atomic<int> asked{0};
  std::unique_ptr<http_endpoint> server;
};

TEST_F(HttpEndpoint, AnswersAGetWithTheHandlersAnswerAndCloses) {
  start();
  const auto r = http_get(port(), "/here?x=1");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "you asked for /here\n");
  EXPECT_NE(r.head.find("Content-Type: text/plain"), std::string::npos) << r.head;
  EXPECT_NE(r.head.find("Connection: close"), std::string::npos) << r.head;
  EXPECT_EQ(http_get(port(), "/busy").status, 503);
}

TEST_F(HttpEndpoint, AHeadHasTheHeadersAndNoBody) {
  start();
  const auto r = http_get(port(), "/", "HEAD");
  EXPECT_EQ(r.status, 200);
  EXPECT_EQ(r.body, "");
}

TEST_F(HttpEndpoint, OtherMethodsAreRefusedAndNeverReachTheHandler) {
  start();
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "BREW"})
    EXPECT_EQ(http_get(port(), "/", method).status, 405) << method;
  const auto body = http_peer{port()};
  ASSERT_TRUE(body.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999\r\n\r\nabc"));
  EXPECT_EQ(body.reply().status, 405);
  EXPECT_EQ(asked, 0);
}

TEST_F(HttpEndpoint, WhatIsNoHttpIsClosedOrRefused) {
  start();
  for (const auto* text :
       {"\r\n\r\n\r\n", "LQF1\x10\x20\x30\x40 frames of a laptop\r\n\r\n", "GET / HTTP/9.9\r\n\r\n",
        "GET\r\n\r\n", "\x16\x03\x01\x02\r\n\r\n", "GET / HTTP/1.1\r\nno colon\r\n\r\n"}) {
    const auto peer = http_peer{port()};
    ASSERT_TRUE(peer.send(text));
    ASSERT_TRUE(peer.send("GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    (void) peer.read_all(5s); // whatever it gets, the server must live
  }
  EXPECT_EQ(http_get(port(), "/alive").body, "you asked for /alive\n");
}

TEST_F(HttpEndpoint, HeadersBeyondTheMemoryOfAConnectionAreAnError) {
  start();
  const auto before = asked.load();
  for (const auto& request :
       {"GET /" + std::string(1 << 20, 'a') + " HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: " + std::string(1 << 20, 'b') + "\r\n\r\n"}) {
    const auto peer = http_peer{port()};
    (void) peer.send(request); // the server may close before it has all
    const auto status = peer.reply().status;
    EXPECT_TRUE(status == 0 || (status >= 400 && status < 500)) << status;
  }
  EXPECT_EQ(asked, before);
  EXPECT_EQ(http_get(port(), "/").status, 200);
}

TEST_F(HttpEndpoint, AConnectionThatIsNeverDoneIsClosedAtItsDeadline) {
  auto options = http_options{};
  options.deadline = 300ms;
  start(options);
  const auto silent = http_peer{port()};
  const auto busy = http_peer{port()};
  ASSERT_TRUE(busy.send("GET / HTTP/1.1\r\n"));
  const auto begin = std::chrono::steady_clock::now();
  while (busy.send("X: y\r\n")) // one header after the other puts the end off, but not the deadline
    ASSERT_LT(std::chrono::steady_clock::now() - begin, test::test_timeout);
  EXPECT_TRUE(silent.read_all());
}

TEST_F(HttpEndpoint, APeerThatDoesNotReadItsAnswerIsClosedAtItsDeadline) {
  auto options = http_options{};
  options.deadline = 300ms;
  options.max_connections = 1;
  options.crowded_deadline = 300ms;
  start(options);
  const auto deaf = http_peer{port()};
  ASSERT_TRUE(deaf.send("GET /big HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(http_get(port(), "/").status, 200); // the only place is free again
}

TEST_F(HttpEndpoint, AThousandSlowConnectionsDelayAnHonestRequestByAMoment) {
  auto limit = rlimit{};
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &limit), 0);
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 4096);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &limit), 0);
  start();
  auto slow = std::deque<http_peer>{};
  for (auto i = 0; i < 1000; ++i)
    if (!slow.emplace_back(port()).send("GET / HTTP/1.1\r\nX-Slow: "))
      slow.pop_back(); // closed already to make room
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_EQ(http_get(port(), "/").status, 200);
  // 1000 connections in turns of 128 for 250 ms each are 2 s; the deadline of one is 10 s.
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 8s);
  EXPECT_EQ(asked, 1);
}

TEST_F(HttpEndpoint, EndsWithConnectionsOpen) {
  start();
  const auto open = http_peer{port()};
  ASSERT_TRUE(open.send("GET / HT"));
  server.reset();
  EXPECT_TRUE(open.read_all());
}

} // namespace
} // namespace larql::actors
