// Mirrors cli/serve/server/api_page.cpp: what the page gets over real connections, with a model
// that says what the test tells it to.

#include "cli/serve/server/api_service.hpp"

#include "tests/cli/serve/api_fixture.hpp"
#include "tests/cli/serve/json_check.hpp"
#include "tests/support/process_facts.hpp"

namespace larql::serve {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::http_response;
using test::http_stream;
using test::json_of;

constexpr auto answer_path_text = "/page/answers/0123456789abcdef0123456789abcdef";
constexpr auto chat_body = R"({"messages":[{"role":"user","content":"Hi"}]})";

class ApiPage : public test::api_fixture {
protected:
  void use_key() {
    auto keys = api_keys::parse("sk-0123456789abcdef\n", "keys");
    ASSERT_TRUE(test::succeeds(keys));
    service->use_keys(*std::move(keys));
  }
};

TEST_F(ApiPage, ABrowserGetsThePageAndOthersTheirLine) {
  start();
  const auto page = get("/", "Accept: text/html,*/*\r\n");
  EXPECT_EQ(page.status, 200);
  EXPECT_TRUE(page.body.starts_with("<!doctype html>"));
  EXPECT_FALSE(http_stream::field(page.head, "content-security-policy").empty());
  EXPECT_EQ(get("/", "Accept: */*\r\n").body, "larql is running\n");
  const auto script = get("/page/main.js");
  EXPECT_EQ(script.status, 200);
  EXPECT_EQ(http_stream::field(script.head, "content-type"), "text/javascript; charset=utf-8");
  const auto tag = http_stream::field(script.head, "etag");
  EXPECT_EQ(get("/page/main.js", fmt::format("If-None-Match: {}\r\n", tag)).status, 304);
  for (const auto* path : {"/page/none.js", "/page/", "/page/../main.js", "/page/%2e%2e/x"})
    EXPECT_EQ(get(path).status, 404) << path;
  EXPECT_EQ(post("/page/main.js").status, 405);
}

TEST_F(ApiPage, FilesNeedNoKeyAndAllElseDoes) {
  start();
  use_key();
  service->use_cluster([] { return std::string{"{}"}; });
  EXPECT_EQ(get("/", "Accept: text/html\r\n").status, 200);
  EXPECT_EQ(get("/page/main.js").status, 200);
  EXPECT_EQ(get("/cluster").status, 401);
  EXPECT_EQ(post(answer_path_text, chat_body).status, 401);
  EXPECT_EQ(get(std::string{answer_path_text} + "/0").status, 401);
  EXPECT_EQ(get("/cluster", "Authorization: Bearer sk-0123456789abcdef\r\n").status, 200);
}

TEST_F(ApiPage, TheClusterIsToldOnceThereIsOne) {
  start();
  const auto loading = get("/cluster");
  EXPECT_EQ(loading.status, 503);
  EXPECT_EQ(http_stream::field(loading.head, "retry-after"), "5");
  service->use_cluster([] { return std::string{"{\"nodes\":[]}"}; });
  EXPECT_EQ(get("/cluster").body, "{\"nodes\":[]}");
}

TEST_F(ApiPage, AnAnswerGoesOnWhenItsPageLeavesAndIsTakenUpAgain) {
  start();
  auto first = http_stream{http->port()};
  ASSERT_TRUE(first.post(answer_path_text, chat_body));
  const auto model = backend.wait_for(0);
  ASSERT_TRUE(model);
  model->push(text_delta{0, "Hello "});
  ASSERT_TRUE(first.wait_for("{\"text\":\"Hello \"}\n"));
  first.close();
  ASSERT_TRUE(eventually([&] { return http->busy() == 0; }));
  EXPECT_FALSE(model->cancelled);
  for (auto& e : test::plain_answer())
    model->push(e);
  const auto rest = get(std::string{answer_path_text} + "/18");
  EXPECT_EQ(rest.status, 200);
  EXPECT_TRUE(rest.body.starts_with("{\"progress\"")) << rest.body;
  EXPECT_NE(rest.body.find("{\"end\":"), std::string::npos) << rest.body;
  ASSERT_TRUE(eventually([&] { return http->busy() == 0; })); // nobody reads any more
  service->sweep(std::chrono::steady_clock::now() + 2min);
  EXPECT_EQ(get(std::string{answer_path_text} + "/18").status, 404);
}

TEST_F(ApiPage, AnAnswerThatNobodyComesBackForIsCancelled) {
  start();
  auto first = http_stream{http->port()};
  ASSERT_TRUE(first.post(answer_path_text, chat_body));
  const auto model = backend.wait_for(0);
  ASSERT_TRUE(model);
  first.close();
  ASSERT_TRUE(eventually([&] { return http->busy() == 0; }));
  service->sweep(std::chrono::steady_clock::now() + 2min);
  EXPECT_TRUE(eventually([&] { return model->cancelled.load(); }));
}

TEST_F(ApiPage, AnAnswerIsStoppedByItsPage) {
  start();
  auto reading = http_stream{http->port()};
  ASSERT_TRUE(reading.post(answer_path_text, chat_body));
  const auto model = backend.wait_for(0);
  ASSERT_TRUE(model);
  model->push(reasoning_delta{0, "Hm"});
  ASSERT_TRUE(reading.wait_for("Hm"));
  EXPECT_EQ(post(std::string{answer_path_text} + "/stop").status, 200);
  EXPECT_TRUE(eventually([&] { return model->cancelled.load(); }));
  EXPECT_TRUE(reading.wait_for("0\r\n\r\n")); // the end of the stream
  EXPECT_EQ(get(std::string{answer_path_text} + "/0").status, 404);
}

TEST_F(ApiPage, TwoReadersGetTheSame) {
  start();
  auto a = http_stream{http->port()}, b = http_stream{http->port()};
  ASSERT_TRUE(a.post(answer_path_text, chat_body));
  const auto model = backend.wait_for(0);
  ASSERT_TRUE(model);
  model->push(text_delta{0, "Hel"});
  ASSERT_TRUE(a.wait_for("Hel"));
  ASSERT_TRUE(b.get(std::string{answer_path_text} + "/0"));
  ASSERT_TRUE(b.wait_for("Hel"));
  model->push(text_delta{0, "lo"});
  EXPECT_TRUE(a.wait_for("lo"));
  EXPECT_TRUE(b.wait_for("lo"));
  EXPECT_EQ(backend.count(), 1u);
}

TEST_F(ApiPage, WhatIsWrongWithARequestIsSaidInItsReply) {
  start();
  EXPECT_EQ(post(answer_path_text, "{").status, 400);
  const auto two = "/page/answers/11111111111111111111111111111111";
  const auto many = post(two, R"({"messages":[{"role":"user","content":"x"}],"n":2})");
  EXPECT_EQ(many.status, 400);
  EXPECT_EQ(json_of(many.body)["error"]["param"], "n");
  backend.refuse_with({error_kind::too_long, "", "", 9000, 8192});
  const auto three = "/page/answers/22222222222222222222222222222222";
  const auto long_one = json_of(post(three, chat_body).body)["error"];
  EXPECT_EQ(long_one["n_prompt_tokens"], 9000);
  EXPECT_EQ(long_one["n_ctx"], 8192);
  EXPECT_EQ(get("/page/answers/33333333333333333333333333333333/0").status, 404);
  EXPECT_EQ(get("/page/answers/xyz").status, 404);
}

TEST_F(ApiPage, PagesOfOtherSitesAreRefused) {
  start();
  service->use_cluster([] { return std::string{"{}"}; });
  EXPECT_EQ(get("/cluster", "Origin: https://evil.example\r\n").status, 403);
  EXPECT_EQ(post(answer_path_text, chat_body, "Origin: https://evil.example\r\n").status, 403);
  EXPECT_EQ(get("/cluster", "Origin: http://localhost\r\n").status, 200);
}

} // namespace
} // namespace larql::serve
