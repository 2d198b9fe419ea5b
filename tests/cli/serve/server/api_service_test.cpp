// Mirrors cli/serve/server/api_service.hpp: the API over real connections, with a model that says
// what the test tells it to.

#include "cli/serve/server/api_service.hpp"

#include "tests/cli/serve/api_fixture.hpp"
#include "tests/cli/serve/json_check.hpp"
#include "tests/support/process_facts.hpp"

#include <deque>

namespace larql::serve {
namespace {

using namespace std::chrono_literals;
using test::eventually;
using test::http_response;
using test::http_stream;
using test::is_json;
using test::json_of;

constexpr auto chat_path = "/v1/chat/completions";
constexpr auto chat_body = R"({"model":"x","messages":[{"role":"user","content":"Hi"}]})";
constexpr auto chat_stream =
    R"({"model":"x","messages":[{"role":"user","content":"Hi"}],"stream":true})";

class ApiService : public test::api_fixture {
protected:
  static std::string key_header(std::string_view key) {
    return fmt::format("Authorization: Bearer {}\r\n", key);
  }
};

TEST_F(ApiService, EveryProtocolAnswersWhole) {
  start();
  backend.answer_with(test::plain_answer());
  EXPECT_EQ(json_of(post(chat_path, chat_body).body)["choices"][0]["message"]["content"], "Hello");
  EXPECT_EQ(json_of(post("/v1/completions", R"({"prompt":"x"})").body)["choices"][0]["text"],
            "Hello");
  EXPECT_EQ(
      json_of(post("/v1/responses", R"({"input":"x"})").body)["output"][0]["content"][0]["text"],
      "Hello");
  EXPECT_EQ(
      json_of(post("/v1/messages", R"({"max_tokens":9,"messages":[{"role":"user","content":"x"}]})")
                  .body)["content"][0]["text"],
      "Hello");
  EXPECT_EQ(
      json_of(post("/api/chat",
                   R"({"model":"m","stream":false,"messages":[{"role":"user","content":"x"}]})")
                  .body)["message"]["content"],
      "Hello");
  EXPECT_EQ(
      json_of(
          post("/api/generate", R"({"model":"m","stream":false,"prompt":"x"})").body)["response"],
      "Hello");
}

TEST_F(ApiService, EveryProtocolStreams) {
  start();
  backend.answer_with(test::plain_answer());
  for (const auto& [path, body, type, end] :
       {std::tuple{chat_path, chat_stream, "text/event-stream", "data: [DONE]\n\n"},
        std::tuple{"/v1/completions", R"({"prompt":"x","stream":true})", "text/event-stream",
                   "data: [DONE]\n\n"},
        std::tuple{"/v1/responses", R"({"input":"x","stream":true})", "text/event-stream",
                   "data: [DONE]\n\n"},
        std::tuple{"/v1/messages",
                   R"({"max_tokens":9,"stream":true,"messages":[{"role":"user","content":"x"}]})",
                   "text/event-stream", "{\"type\":\"message_stop\"}\n\n"},
        std::tuple{"/api/chat", R"({"messages":[{"role":"user","content":"x"}]})",
                   "application/x-ndjson", "\n"}}) {
    const auto r = post(path, body);
    EXPECT_EQ(r.status, 200) << path;
    EXPECT_TRUE(http_stream::field(r.head, "content-type").starts_with(type)) << r.head;
    EXPECT_TRUE(r.body.ends_with(end)) << r.body;
    EXPECT_NE(r.body.find("Hel"), std::string::npos) << r.body;
  }
}

TEST_F(ApiService, WhatIsKnownIsAnsweredAtOnce) {
  start();
  EXPECT_TRUE(is_json(json_of(get("/health").body), R"({"status":"ok"})"));
  EXPECT_EQ(json_of(get("/v1/models").body)["data"][0]["id"], "gemma4");
  EXPECT_EQ(json_of(get("/v1/models/gemma4").body)["id"], "gemma4");
  EXPECT_EQ(get("/v1/models/other").status, 404);
  EXPECT_EQ(json_of(get("/props").body)["total_slots"], 4);
  EXPECT_EQ(json_of(get("/api/tags").body)["models"][0]["name"], "gemma4");
  EXPECT_EQ(json_of(get("/api/ps").body)["models"][0]["context_length"], 8192);
  EXPECT_FALSE(json_of(get("/api/version").body)["version"].empty());
  EXPECT_EQ(json_of(post("/api/show", R"({"model":"gemma4"})").body)["details"]["family"],
            "gemma4");
  EXPECT_EQ(get("/", "", "HEAD").status, 200);
  EXPECT_EQ(get("/").body, "larql is running\n");
  EXPECT_EQ(get("/v1/models?limit=20").status, 200); // query strings are ignored
}

TEST_F(ApiService, TextAndTokens) {
  start();
  EXPECT_TRUE(is_json(json_of(post("/tokenize", R"({"content":"AB","add_special":true})").body),
                      R"({"tokens":[2,65,66]})"));
  EXPECT_TRUE(
      is_json(json_of(post("/tokenize", R"({"content":"A\u00e9","with_pieces":true})").body),
              R"({"tokens":[{"id":65,"piece":"A"},{"id":195,"piece":[195]},
                                    {"id":169,"piece":[169]}]})"));
  EXPECT_TRUE(
      is_json(json_of(post("/detokenize", R"({"tokens":[65,66]})").body), R"({"content":"AB"})"));
  EXPECT_EQ(post("/detokenize", R"({"tokens":["x"]})").status, 400);
  EXPECT_TRUE(is_json(json_of(post("/apply-template", chat_body).body), R"({"prompt":"<bos>Hi"})"));
  EXPECT_TRUE(is_json(
      json_of(post("/v1/messages/count_tokens", R"({"messages":[{"role":"user","content":"x"}]})")
                  .body),
      R"({"input_tokens":10})"));
}

TEST_F(ApiService, ErrorsHaveTheShapeOfTheirProtocol) {
  start();
  auto r = post(chat_path, "{");
  EXPECT_EQ(r.status, 400);
  EXPECT_EQ(json_of(r.body)["error"]["type"], "invalid_request_error");
  r = post("/v1/messages", "{}");
  EXPECT_EQ(r.status, 400);
  EXPECT_EQ(json_of(r.body)["type"], "error");
  r = post("/api/chat", "nonsense");
  EXPECT_EQ(r.status, 400);
  EXPECT_TRUE(json_of(r.body)["error"].is_string());
  r = get("/v1/nothing");
  EXPECT_EQ(r.status, 404);
  EXPECT_EQ(json_of(r.body)["error"]["code"], "not_found");
  r = get(chat_path);
  EXPECT_EQ(r.status, 405);
  EXPECT_EQ(http_stream::field(r.head, "allow"), "POST");
  r = post("/v1/embeddings", R"({"input":"x"})");
  EXPECT_EQ(r.status, 400);
  EXPECT_NE(r.body.find("embeddings"), std::string::npos);
  r = post("/api/pull", "{}");
  EXPECT_EQ(r.status, 400);
}

TEST_F(ApiService, ABoundOfTheModelIsARefusalWithItsStatus) {
  start();
  auto full = api_error{error_kind::too_many, "the queue is full"};
  full.retry_after_seconds = 7;
  backend.refuse_with(full);
  for (const auto* body : {chat_body, chat_stream}) { // never a status that would be wrong later
    const auto r = post(chat_path, body);
    EXPECT_EQ(r.status, 429);
    EXPECT_EQ(http_stream::field(r.head, "retry-after"), "7");
    EXPECT_FALSE(http_stream::field(r.head, "x-request-id").empty());
  }
  auto longer = api_error{error_kind::too_long, "x"};
  longer.prompt_tokens = 9000;
  longer.context_tokens = 8192;
  backend.refuse_with(longer);
  EXPECT_EQ(json_of(post(chat_path, chat_body).body)["error"]["code"], "context_length_exceeded");
}

TEST_F(ApiService, WithoutAModelYetItSaysSo) {
  start();
  service->attach(nullptr);
  for (const auto* path : {"/health", "/v1/models"})
    EXPECT_EQ(get(path).status, 503) << path;
  const auto r = post(chat_path, chat_body);
  EXPECT_EQ(r.status, 503);
  EXPECT_FALSE(http_stream::field(r.head, "retry-after").empty());
  EXPECT_EQ(get("/").status, 200);
  service->attach(&backend);
  EXPECT_EQ(get("/health").status, 200);
}

TEST_F(ApiService, WhileItDrainsNothingNewIsTaken) {
  start();
  service->drain();
  const auto r = post(chat_path, chat_body);
  EXPECT_EQ(r.status, 503);
  EXPECT_EQ(backend.count(), 0u);
}

// ---- who may come in ----------------------------------------------------------------------------

constexpr auto key = "sk-0123456789abcdef";

TEST_F(ApiService, WithKeysEverythingButHealthNeedsOne) {
  options.is_local = false;
  start();
  service->use_keys(*api_keys::parse(key, "keys"));
  backend.answer_with(test::plain_answer());
  EXPECT_EQ(get("/health").status, 200);
  EXPECT_EQ(get("/", "", "HEAD").status, 200);
  for (const auto* path : {"/v1/models", "/metrics", "/props", "/api/tags"})
    EXPECT_EQ(get(path).status, 401) << path;
  EXPECT_EQ(post(chat_path, chat_body).status, 401);
  EXPECT_EQ(post(chat_path, chat_body, key_header("sk-0123456789abcdeX")).status, 401);
  EXPECT_EQ(post(chat_path, std::string(100'000, 'x')).status, 401); // the body is not looked at
  EXPECT_EQ(backend.count(), 0u);
  EXPECT_EQ(post(chat_path, chat_body, key_header(key)).status, 200);
  EXPECT_EQ(post(chat_path, chat_body, fmt::format("x-api-key: {}\r\n", key)).status, 200);
  EXPECT_EQ(get("/metrics", key_header(key)).status, 200);
  ASSERT_EQ(backend.count(), 2u);
  const auto client = backend.wait_for(0)->request.client;
  EXPECT_FALSE(client.empty());
  EXPECT_EQ(backend.wait_for(1)->request.client, client);
}

TEST_F(ApiService, OnLoopbackNumbersNeedNoKey) {
  start();
  service->use_keys(*api_keys::parse(key, "keys"));
  service->use_metrics([] { return std::string{"larql_ready 1\n"}; });
  EXPECT_EQ(get("/metrics").body, "larql_ready 1\n");
  EXPECT_EQ(get("/props").status, 200);
  EXPECT_EQ(get("/v1/models").status, 401);
}

TEST_F(ApiService, KeysCanBeReplaced) {
  start();
  service->use_keys(*api_keys::parse(key, "keys"));
  EXPECT_EQ(get("/v1/models", key_header(key)).status, 200);
  service->use_keys(*api_keys::parse("sk-another-key-0000", "keys"));
  EXPECT_EQ(get("/v1/models", key_header(key)).status, 401);
  EXPECT_EQ(get("/v1/models", key_header("sk-another-key-0000")).status, 200);
}

TEST_F(ApiService, AKeyThatIsMissingIsToldInTheProtocolsShape) {
  start();
  service->use_keys(*api_keys::parse(key, "keys"));
  const auto r = get("/v1/models");
  EXPECT_EQ(json_of(r.body)["error"]["code"], "invalid_api_key");
  EXPECT_EQ(http_stream::field(r.head, "www-authenticate"), "Bearer");
  EXPECT_EQ(json_of(post("/v1/messages", "{}").body)["error"]["type"], "authentication_error");
}

TEST_F(ApiService, PagesOfOtherSitesMayNotUseIt) {
  options.access.origins = {"https://chat.example.org"};
  start();
  backend.answer_with(test::plain_answer());
  constexpr auto evil = "Origin: https://evil.example\r\n";
  constexpr auto listed = "Origin: https://chat.example.org\r\n";
  EXPECT_EQ(post(chat_path, chat_body, evil).status, 403);
  EXPECT_EQ(get("/v1/models", evil).status, 403);
  EXPECT_EQ(backend.count(), 0u);
  for (const auto* body : {chat_body, chat_stream}) {
    const auto r = post(chat_path, body, listed);
    EXPECT_EQ(r.status, 200);
    EXPECT_EQ(http_stream::field(r.head, "access-control-allow-origin"),
              "https://chat.example.org");
    EXPECT_EQ(http_stream::field(r.head, "vary"), "Origin");
  }
  EXPECT_EQ(http_stream::field(get("/v1/models").head, "access-control-allow-origin"), "");
}

TEST_F(ApiService, APreflightNeedsNoKey) {
  options.access.origins = {"https://chat.example.org"};
  start();
  service->use_keys(*api_keys::parse(key, "keys"));
  const auto r = get(chat_path,
                     "Origin: https://chat.example.org\r\n"
                     "Access-Control-Request-Method: POST\r\n"
                     "Access-Control-Request-Headers: authorization,content-type\r\n",
                     "OPTIONS");
  EXPECT_EQ(r.status, 204);
  EXPECT_EQ(http_stream::field(r.head, "access-control-allow-headers"),
            "authorization,content-type");
  EXPECT_EQ(http_stream::field(r.head, "access-control-allow-origin"), "https://chat.example.org");
  EXPECT_EQ(get(chat_path, "Origin: https://evil.example\r\n", "OPTIONS").status, 403);
}

TEST_F(ApiService, ANameThatIsNotTheServersIsRefused) {
  start();
  auto client = http_stream{http->port()};
  ASSERT_TRUE(client.send("GET /v1/models HTTP/1.1\r\nHost: evil.example\r\n\r\n"));
  EXPECT_EQ(client.response().status, 403);
}

// ---- clients that leave, or do not read ---------------------------------------------------------

TEST_F(ApiService, AClientThatLeavesEndsItsAnswer) {
  start();
  for (const auto* body : {chat_body, chat_stream}) {
    const auto before = backend.count();
    auto client = http_stream{http->port()};
    ASSERT_TRUE(client.post(chat_path, body));
    const auto model = backend.wait_for(before);
    ASSERT_TRUE(model);
    model->push(prompt_progress{0, 0, 4096}); // still at the prompt
    EXPECT_FALSE(model->cancelled);
    const auto begin = std::chrono::steady_clock::now();
    client.close();
    EXPECT_TRUE(eventually([&] { return model->cancelled.load(); }));
    EXPECT_LT(std::chrono::steady_clock::now() - begin, 1s);
  }
}

TEST_F(ApiService, AClientThatDoesNotReadPausesItsAnswerAlone) {
  start();
  auto slow = http_stream{http->port()};
  ASSERT_TRUE(slow.post(chat_path, chat_stream));
  const auto model = backend.wait_for(0);
  ASSERT_TRUE(model);
  const auto piece = std::string(1000, 'x');
  auto pushed = std::size_t{0};
  for (; !model->paused && pushed < 100'000; ++pushed)
    model->push(text_delta{0, piece});
  EXPECT_TRUE(model->paused);
  EXPECT_LT(pushed * piece.size(), 16u << 20); // what the system holds, and a megabyte
  backend.answer_with(test::plain_answer());
  EXPECT_EQ(post(chat_path, chat_body).status, 200);
  // It reads again, and gets everything.
  for (auto& e : test::plain_answer())
    model->push(e);
  const auto r = slow.response();
  EXPECT_FALSE(model->paused);
  EXPECT_EQ(test::events_of(r.body).size(), pushed + 5); // role, two pieces, the end, [DONE]
}

TEST_F(ApiService, SixtyFourStreamsAtOnce) {
  start();
  auto clients = std::deque<http_stream>{};
  for (auto i = 0; i < 64; ++i) {
    clients.emplace_back(http->port());
    ASSERT_TRUE(clients.back().post(chat_path, chat_stream));
  }
  for (auto i = std::size_t{0}; i < 64; ++i) {
    const auto model = backend.wait_for(i);
    ASSERT_TRUE(model);
    for (auto& e : test::plain_answer())
      model->push(e);
  }
  for (auto& c : clients)
    EXPECT_TRUE(c.response().body.ends_with("data: [DONE]\n\n"));
  EXPECT_TRUE(eventually([&] { return http->busy() == 0; }));
}

} // namespace
} // namespace larql::serve
