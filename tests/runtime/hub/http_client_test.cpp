// Mirrors runtime/hub/http_client.hpp.

#include "runtime/hub/http_client.hpp"

#include "tests/support/failures.hpp"
#include "tests/support/http_server.hpp"

#include <gtest/gtest.h>

namespace larql::hub {
namespace {

using namespace std::chrono_literals;
using test::fails;
using test::http_call;
using test::http_reply;
using test::succeeds;

class HttpClient : public testing::Test {
protected:
  HttpClient() {
    for (auto i = 0; i < 100'000; ++i)
      content_ += static_cast<char>(i * 7 % 251);
    settings_.access.endpoint = home_.url();
    settings_.access.origin = home_.url();
    settings_.access.token = "secret";
    settings_.access.token_source = "HF_TOKEN";
    settings_.retry.first = 1ms;
    settings_.retry.longest = 4ms;
    settings_.stall_timeout = 1s;
    settings_.on_notice = [this](const std::string& text) { notices_.push_back(text); };
  }

  http_reply answer(const http_call& c) {
    if (c.target == "/moved")
      return {302, "", {"Location: " + away_.url() + "/file?Signature=abc"}, false};
    if (c.target == "/relative")
      return {307, "", {"Location: /file"}, false};
    if (c.target == "/loop")
      return {302, "", {"Location: /loop"}, false};
    return {200, content_, {}, true};
  }

  result<std::string> fetch(const std::string& target, interval range,
                            std::uint64_t file_bytes = 100'000) {
    auto out = std::string{};
    auto client = http_client{settings_};
    auto d =
        download{home_.url() + target, range, file_bytes, [&](std::span<const std::byte> bytes) {
                   out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
                   return result<void>{};
                 }};
    LARQL_TRY_VOID(client.fetch(d));
    return out;
  }
  result<http_answer> get(const std::string& target) {
    auto client = http_client{settings_};
    auto request = http_request{};
    request.url = home_.url() + target;
    return client.exchange_ok(std::move(request));
  }

  std::string content_;
  std::vector<std::string> notices_;
  test::http_server home_{[this](const http_call& c) { return answer(c); }};
  test::http_server away_{[this](const http_call& c) { return answer(c); }};
  http_settings settings_;
};

TEST_F(HttpClient, FetchesTheRangeThatWasAskedFor) {
  const auto got = fetch("/file", {1000, 5000});
  ASSERT_TRUE(succeeds(got));
  EXPECT_EQ(*got, content_.substr(1000, 4000));
  EXPECT_EQ(home_.calls().at(0).header("range"), "bytes=1000-4999");
}

TEST_F(HttpClient, GivesTheTokenToItsOriginOnly) {
  ASSERT_TRUE(succeeds(fetch("/moved", {0, 100})));
  EXPECT_EQ(home_.calls().at(0).header("authorization"), "Bearer secret");
  EXPECT_EQ(away_.calls().at(0).header("authorization"), "");
  ASSERT_TRUE(succeeds(fetch("/relative", {0, 100})));
  EXPECT_EQ(home_.calls().back().target, "/file");
  EXPECT_EQ(home_.calls().back().header("authorization"), "Bearer secret");
}

TEST_F(HttpClient, AsksForTheRestAfterACut) {
  home_.add_fault({.target = "/file", .times = 3, .cut_after = 20'000});
  const auto got = fetch("/file", {10, 90'000});
  ASSERT_TRUE(succeeds(got));
  EXPECT_EQ(*got, content_.substr(10, 89'990));
  EXPECT_EQ(home_.sent_bytes(), 89'990u);
  EXPECT_EQ(home_.calls().at(1).header("range"), "bytes=20010-89999");
}

TEST_F(HttpClient, LeavesATransferThatStalls) {
  home_.add_fault({.target = "/file", .cut_after = 20'000, .stall = true});
  const auto got = fetch("/file", {0, 50'000});
  ASSERT_TRUE(succeeds(got));
  EXPECT_EQ(*got, content_.substr(0, 50'000));
  ASSERT_EQ(notices_.size(), 1u);
}

TEST_F(HttpClient, WaitsAsLongAsTheServerAsks) {
  home_.add_fault({.target = "/file", .status = 429, .headers = {"Retry-After: 1"}});
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_TRUE(succeeds(get("/file")));
  EXPECT_GE(std::chrono::steady_clock::now() - begin, 1s);
}

TEST_F(HttpClient, KnowsTheHubsOwnWayToSayWhenItsLimitEnds) {
  home_.add_fault(
      {.target = "/file", .status = 429, .headers = {R"(RateLimit: "api";r=0;t=7200)"}});
  EXPECT_TRUE(fails(get("/file"), errc::unavailable, {"429", "7200 s"}));
}

TEST_F(HttpClient, GivesUpAfterItsAttemptsWithTheServersWords) {
  home_.add_fault(
      {.target = "/file", .times = 100, .status = 503, .body = R"({"error":"too hot"})"});
  EXPECT_TRUE(fails(get("/file"), errc::unavailable, {"503", "too hot", "6 attempts"}));
  EXPECT_EQ(home_.calls().size(), 6u);
  EXPECT_TRUE(fails(fetch("/file", {0, 10}), errc::unavailable, {"503", "too hot"}));
}

TEST_F(HttpClient, DoesNotComeBackInHours) {
  home_.add_fault({.target = "/file", .status = 429, .headers = {"Retry-After: 7200"}});
  EXPECT_TRUE(fails(get("/file"), errc::unavailable, {"429", "7200 s"}));
  EXPECT_EQ(home_.calls().size(), 1u);
}

TEST_F(HttpClient, SaysWhatToDoAboutARefusal) {
  home_.add_fault({.target = "/file", .status = 401});
  EXPECT_TRUE(fails(get("/file"), errc::unavailable, {"401", "token of HF_TOKEN", "not valid"}));
  home_.add_fault({.target = "/file", .status = 404, .headers = {"X-Error-Code: EntryNotFound"}});
  EXPECT_TRUE(fails(get("/file"), errc::not_found, {"404", "no such file"}));
  settings_.access.token.clear();
  home_.add_fault({.target = "/file", .status = 401});
  EXPECT_TRUE(fails(get("/file"), errc::unavailable, {"401", "set HF_TOKEN"}));
}

TEST_F(HttpClient, ASignedAddressThatExpiredIsAskedForAnew) {
  auto out = std::string{};
  auto client = http_client{settings_};
  auto d = download{home_.url() + "/moved", {0, 10}, 100'000, [&](std::span<const std::byte> b) {
                      out.append(reinterpret_cast<const char*>(b.data()), b.size());
                      return result<void>{};
                    }};
  ASSERT_TRUE(succeeds(client.fetch(d)));
  d.range = {10, 20};
  ASSERT_TRUE(succeeds(client.fetch(d)));
  EXPECT_EQ(home_.calls().size(), 1u); // the address is known
  away_.add_fault({.target = "/file", .status = 403});
  d.range = {20, 30};
  ASSERT_TRUE(succeeds(client.fetch(d)));
  EXPECT_EQ(home_.calls().size(), 2u);
  EXPECT_EQ(out, content_.substr(0, 30));
}

TEST_F(HttpClient, ErrorsDoNotShowSignatures) {
  away_.add_fault({.target = "/file", .times = 100, .status = 403});
  const auto got = fetch("/moved", {0, 10});
  ASSERT_TRUE(fails(got, errc::unavailable, {"403", "storage host"}));
  EXPECT_EQ(got.error().text.find("Signature"), std::string::npos) << got.error().text;
}

TEST_F(HttpClient, AnAnswerAboutOtherBytesIsRefused) {
  home_.add_fault({.target = "/file",
                   .status = 206,
                   .headers = {"Content-Range: bytes 0-9/100000"},
                   .body = "0123456789"});
  EXPECT_TRUE(
      fails(fetch("/file", {10, 20}), errc::corrupt, {"bytes 0-9/100000", "expected bytes 10-19"}));
  EXPECT_TRUE(
      fails(fetch("/file", {10, 20}, 90'000), errc::mismatch, {"100000", "expected 90000"}));
  EXPECT_TRUE(
      fails(fetch("/file", {200'000, 200'010}, 300'000), errc::mismatch, {"416", "shorter"}));
}

TEST_F(HttpClient, OfAServerWithoutRangesTheRestIsDropped) {
  home_.add_fault({.target = "/file", .times = 2, .cut_after = 50'000, .ignore_range = true});
  home_.add_fault({.target = "/file", .ignore_range = true});
  const auto got = fetch("/file", {40'000, 90'000});
  ASSERT_TRUE(succeeds(got));
  EXPECT_EQ(*got, content_.substr(40'000, 50'000));
}

TEST_F(HttpClient, OfALargeFileWithoutRangesNothingIsRead) {
  const auto bytes = std::uint64_t{1} << 30;
  home_.add_fault({.target = "/file", .status = 200, .body = "x"});
  EXPECT_TRUE(fails(fetch("/file", {10, 20}, bytes), errc::unsupported, {"whole file"}));
}

TEST_F(HttpClient, AWholeFileMayComeWithoutRanges) {
  home_.add_fault({.target = "/file", .ignore_range = true});
  const auto got = fetch("/file", {0, 100'000});
  ASSERT_TRUE(succeeds(got));
  EXPECT_EQ(*got, content_);
}

TEST_F(HttpClient, AnAnswerThatIsTooLongIsCutOff) {
  auto client = http_client{settings_};
  auto request = http_request{};
  request.url = home_.url() + "/file";
  request.max_body_bytes = 1000;
  EXPECT_TRUE(fails(client.exchange_ok(std::move(request)), errc::corrupt, {"longer than 1000"}));
}

TEST_F(HttpClient, RedirectsEnd) {
  EXPECT_TRUE(fails(get("/loop"), errc::corrupt, {"redirects"}));
}

TEST_F(HttpClient, StopsWhenTold) {
  home_.add_fault(
      {.target = "/file", .times = 100, .status = 503, .headers = {"Retry-After: 200"}});
  auto source = std::stop_source{};
  settings_.stop = source.get_token();
  settings_.on_notice = [&](const std::string&) { source.request_stop(); }; // in the first pause
  EXPECT_TRUE(fails(get("/file"), errc::cancelled, {"stopped"}));
}

TEST_F(HttpClient, ASinkThatFailsEndsTheTransferWithItsError) {
  auto client = http_client{settings_};
  const auto d = download{
      home_.url() + "/file", {0, 100}, 100'000, [](std::span<const std::byte>) -> result<void> {
        return fail(errc::io, "disk full");
      }};
  EXPECT_TRUE(fails(client.fetch(d), errc::io, {"disk full"}));
  EXPECT_EQ(home_.calls().size(), 1u);
}

TEST_F(HttpClient, NobodyListeningIsAnErrorThatNamesTheAddress) {
  auto port = std::uint16_t{0};
  {
    const auto gone = test::http_server{[](const http_call&) { return http_reply{}; }};
    port = gone.port();
  }
  auto client = http_client{settings_};
  auto request = http_request{};
  request.url = fmt::format("http://127.0.0.1:{}/x", port);
  EXPECT_TRUE(
      fails(client.exchange(std::move(request)), errc::unavailable, {"127.0.0.1", "6 attempts"}));
}

} // namespace
} // namespace larql::hub
