// Mirrors cli/laptop/serve.cpp from outside: what programs get that talk to the model over HTTP.

#include "tests/e2e/serve_process.hpp"
#include "tests/support/raw_tls.hpp"

#include <cmath>
#include <deque>
#include <future>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

constexpr auto chat_path = "/v1/chat/completions";
constexpr auto question = "What is the capital of France?";

class Serve : public demo_model_test {
protected:
  /// Whatever `larql run` says to the same question.
  [[nodiscard]] static std::string run_answer() {
    const auto done = run(larql({"run", vindex(), question, "-q"}));
    EXPECT_EQ(done.code, 0) << done.err;
    auto text = done.out;
    while (text.ends_with('\n'))
      text.pop_back();
    return text;
  }
  /// The pieces of a stream of chat completions, joined.
  [[nodiscard]] static std::string streamed(const std::string& body) {
    auto out = std::string{};
    auto rest = std::string_view{body};
    for (auto at = rest.find("data: {"); at != std::string_view::npos; at = rest.find("data: {")) {
      rest.remove_prefix(at + 6);
      const auto event = json::parse(rest.substr(0, rest.find('\n')));
      for (const auto& choice : event["choices"])
        if (choice["delta"].contains("content") && choice["delta"]["content"].is_string())
          out += choice["delta"]["content"].get<std::string>();
    }
    return out;
  }
};

TEST_F(Serve, ItsAnswerIsThatOfRunWholeAndStreamedInEveryProtocol) {
  const auto expected = run_answer();
  ASSERT_NE(expected.find("Paris"), std::string::npos) << expected;
  auto server = serve_process{vindex(), {}};
  EXPECT_EQ(content_of(server.post(chat_path, chat_request(question))), expected);
  EXPECT_EQ(streamed(server.post(chat_path, chat_request(question, {{"stream", true}})).body),
            expected);
  const auto message =
      json::parse(server.post("/v1/messages", chat_request(question, {{"max_tokens", 100}})).body);
  EXPECT_EQ(message["content"][0]["text"], expected);
  const auto response =
      json::parse(server.post("/v1/responses", {{"input", question}, {"temperature", 0}}).body);
  EXPECT_EQ(response["output"][0]["content"][0]["text"], expected);
  const auto ollama = json::parse(
      server
          .post("/api/chat",
                chat_request(question, {{"stream", false}, {"options", {{"temperature", 0}}}}))
          .body);
  EXPECT_EQ(ollama["message"]["content"], expected);
  const auto raw = json::parse(
      server
          .post("/v1/completions",
                {{"prompt", "The capital of France is"}, {"temperature", 0}, {"max_tokens", 8}})
          .body);
  EXPECT_TRUE(raw["choices"][0]["text"].get<std::string>().starts_with(" Paris")) << raw;
}

TEST_F(Serve, ASeedGivesTheSameTextWhoeverElseIsThere) {
  auto server = serve_process{vindex(), {"--parallel", "8"}};
  const auto seeded =
      chat_request("Tell me a story.", {{"temperature", 1.0}, {"seed", 11}, {"max_tokens", 40}});
  const auto alone = content_of(server.post(chat_path, seeded));
  auto together = std::vector<std::future<std::string>>{};
  for (auto i = 0; i < 8; ++i)
    together.push_back(std::async(std::launch::async, [&, i] {
      auto other = seeded;
      if (i % 2 == 1)
        other["seed"] = 100 + i;
      return content_of(server.post(chat_path, other));
    }));
  for (auto i = std::size_t{0}; i < together.size(); ++i) {
    const auto text = together[i].get();
    EXPECT_TRUE(i % 2 == 1 || text == alone) << text;
  }
  // A seed that was drawn is told, and repeats the text.
  auto drawn = seeded;
  drawn.erase("seed");
  const auto first = json::parse(server.post(chat_path, drawn).body);
  drawn["seed"] = first["seed"];
  EXPECT_EQ(content_of(server.post(chat_path, drawn)),
            first["choices"][0]["message"]["content"].get<std::string>());
}

TEST_F(Serve, ToolsAndSchemasGiveJson) {
  auto server = serve_process{vindex(), {}};
  const auto tool = json::parse(R"({"type":"function","function":{"name":"weather",
      "parameters":{"type":"object","properties":{"city":{"type":"string","enum":["Rome","Paris"]},
      "days":{"type":"integer","minimum":1,"maximum":3}},"required":["city","days"]},"strict":true}})");
  const auto called =
      json::parse(server
                      .post(chat_path, chat_request("How is the weather in Rome?",
                                                    {{"tools", json::array({tool})},
                                                     {"tool_choice", "required"},
                                                     {"parallel_tool_calls", false}}))
                      .body);
  ASSERT_EQ(called["choices"][0]["finish_reason"], "tool_calls") << called;
  const auto& call = called["choices"][0]["message"]["tool_calls"][0];
  EXPECT_EQ(call["function"]["name"], "weather");
  const auto arguments = json::parse(call["function"]["arguments"].get<std::string>());
  EXPECT_TRUE(arguments["city"] == "Rome" || arguments["city"] == "Paris") << arguments;
  EXPECT_TRUE(arguments["days"].is_number_integer()) << arguments;

  const auto schema = json::parse(R"({"type":"json_schema","json_schema":{"name":"x","schema":{
      "type":"object","properties":{"capital":{"type":"string","maxLength":20},"big":{"type":"boolean"}},
      "required":["capital","big"],"additionalProperties":false}}})");
  const auto object = json::parse(
      content_of(server.post(chat_path, chat_request(question, {{"response_format", schema}}))));
  EXPECT_TRUE(object["capital"].is_string()) << object;
  EXPECT_TRUE(object["big"].is_boolean()) << object;
}

TEST_F(Serve, ReasonsStopsUsageAndLogprobs) {
  auto server = serve_process{vindex(), {}};
  const auto cut =
      json::parse(server.post(chat_path, chat_request(question, {{"max_tokens", 2}})).body);
  EXPECT_EQ(cut["choices"][0]["finish_reason"], "length");
  EXPECT_EQ(cut["usage"]["completion_tokens"], 2);
  EXPECT_GT(cut["usage"]["prompt_tokens"], 5);
  const auto stopped =
      content_of(server.post(chat_path, chat_request(question, {{"stop", "is Par"}})));
  EXPECT_TRUE(stopped.ends_with("The capital of France ")) << stopped;
  const auto told = json::parse(
      server
          .post(chat_path,
                chat_request(question, {{"logprobs", true}, {"top_logprobs", 2}, {"n", 2}}))
          .body);
  ASSERT_EQ(told["choices"].size(), 2u);
  const auto& tokens = told["choices"][1]["logprobs"]["content"];
  ASSERT_FALSE(tokens.empty());
  EXPECT_LE(tokens[0]["logprob"].get<double>(), 0);
  EXPECT_EQ(tokens[0]["top_logprobs"].size(), 2u);
  EXPECT_EQ(tokens[0]["top_logprobs"][0]["token"], tokens[0]["token"]); // temperature 0
}

TEST_F(Serve, TheNextTurnReadsOnlyWhatIsNew) {
  auto server = serve_process{vindex(), {}};
  auto request = chat_request(question);
  const auto first = json::parse(server.post(chat_path, request).body);
  request["messages"].push_back(first["choices"][0]["message"]);
  request["messages"].push_back({{"role", "user"}, {"content", "What is the capital of Japan?"}});
  const auto second = json::parse(server.post(chat_path, request).body);
  const auto cached = second["usage"]["prompt_tokens_details"]["cached_tokens"].get<int>();
  EXPECT_GT(cached, first["usage"]["prompt_tokens"].get<int>() / 2) << second["usage"];
  EXPECT_GT(server.metric("larql_prefix_cache_hits_total"), 0);
  EXPECT_EQ(server.metric("llamacpp:tokens_predicted_total"),
            first["usage"]["completion_tokens"].get<int>() +
                second["usage"]["completion_tokens"].get<int>());
}

TEST_F(Serve, APromptThatIsTooLongIsRefusedWithNumbers) {
  auto server = serve_process{vindex(), {"--context", "64"}};
  auto text = std::string{};
  for (auto i = 0; i < 200; ++i)
    text += "and then ";
  const auto r = server.post(chat_path, chat_request(text));
  EXPECT_EQ(r.status, 400);
  const auto error = json::parse(r.body)["error"];
  EXPECT_EQ(error["code"], "context_length_exceeded");
  EXPECT_EQ(error["n_ctx"], 64);
  EXPECT_GT(error["n_prompt_tokens"], 64);
  const auto full = json::parse(
      server
          .post(chat_path, chat_request(question, {{"logit_bias",
                                                    {{"106", -100}, {"1", -100}, {"50", -100}}}}))
          .body);
  EXPECT_EQ(full["choices"][0]["finish_reason"], "length");
}

TEST_F(Serve, AClientThatLeavesIsCancelledAndNobodyElseNotices) {
  auto server = serve_process{vindex(), {}};
  const auto endless = chat_request("Tell me a story.",
                                    {{"stream", true},
                                     {"temperature", 1.0},
                                     {"logit_bias", {{"106", -100}, {"1", -100}, {"50", -100}}}});
  auto leaver = http_stream{server.port()};
  ASSERT_TRUE(leaver.post(chat_path, endless.dump()));
  ASSERT_TRUE(leaver.wait_for("\"content\""));
  const auto begin = std::chrono::steady_clock::now();
  leaver.close();
  EXPECT_TRUE(eventually([&] { return server.metric("larql_answers_running") == 0; }));
  EXPECT_LT(std::chrono::steady_clock::now() - begin, 2s);
  EXPECT_EQ(server.metric("larql_requests_cancelled_total"), 1);
  EXPECT_FALSE(content_of(server.post(chat_path, chat_request(question))).empty());
}

TEST_F(Serve, SigtermLetsAnswersFinish) {
  auto server = serve_process{vindex(), {"--drain-timeout", "60"}};
  auto client = http_stream{server.port()};
  ASSERT_TRUE(client.post(
      chat_path, chat_request("Tell me a story.", {{"stream", true}, {"max_tokens", 60}}).dump()));
  ASSERT_TRUE(client.wait_for("\"content\""));
  server.child().signal(SIGTERM);
  ASSERT_TRUE(server.child().wait_for_err("draining"));
  EXPECT_TRUE(client.response().body.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(server.child().wait(), (exit_status{0, 0})) << server.child().err();
}

TEST_F(Serve, AnAnswerThatIsTooLongForTheEndIsCutWithAReason) {
  auto server = serve_process{vindex(), {"--drain-timeout", "0", "--context", "100000"}};
  auto client = http_stream{server.port()};
  ASSERT_TRUE(client.post(
      chat_path,
      chat_request("Tell me a story.",
                   {{"stream", true}, {"logit_bias", {{"106", -100}, {"1", -100}, {"50", -100}}}})
          .dump()));
  ASSERT_TRUE(client.wait_for("\"content\""));
  server.child().signal(SIGTERM);
  const auto body = client.response().body;
  EXPECT_NE(body.find("\"error\""), std::string::npos);
  EXPECT_FALSE(body.ends_with("data: [DONE]\n\n"));
  EXPECT_EQ(server.child().wait(), (exit_status{0, 0})) << server.child().err();
}

TEST_F(Serve, KeysAreReadAgainOnSighup) {
  const auto keys = *scratch_ / "keys";
  write_file(keys, "sk-first-0123456789\n");
  fs::permissions(keys, fs::perms::owner_read | fs::perms::owner_write);
  auto server = serve_process{vindex(), {"--api-key-file", keys.string()}};
  const auto with = [](std::string_view key) {
    return fmt::format("Authorization: Bearer {}\r\n", key);
  };
  EXPECT_EQ(server.get("/v1/models").status, 401);
  EXPECT_EQ(server.get("/v1/models", with("sk-first-0123456789")).status, 200);
  EXPECT_EQ(server.get("/health").status, 200);
  write_file(keys, "sk-second-0123456789\n");
  server.child().signal(SIGHUP);
  ASSERT_TRUE(server.child().wait_for_err("keys were read again")) << server.child().err();
  EXPECT_EQ(server.get("/v1/models", with("sk-first-0123456789")).status, 401);
  EXPECT_EQ(server.get("/v1/models", with("sk-second-0123456789")).status, 200);
  write_file(keys, "short\n");
  server.child().signal(SIGHUP);
  ASSERT_TRUE(server.child().wait_for_err("stays in use"));
  EXPECT_EQ(server.get("/v1/models", with("sk-second-0123456789")).status, 200);
}

TEST_F(Serve, AnAddressOfOthersNeedsKeyAndHttps) {
  for (const auto& options : {words{"--host", "0.0.0.0"}, words{"--host", "::"}}) {
    auto command = larql({"serve", vindex(), "--port", "0"});
    command.insert(command.end(), options.begin(), options.end());
    const auto done = run(command);
    EXPECT_EQ(done.code, 2) << done.err;
    EXPECT_NE(done.err.find("--api-key-file"), std::string::npos) << done.err;
  }
  const auto keys = *scratch_ / "bind-keys";
  write_file(keys, "sk-first-0123456789\n");
  const auto done = run(larql(
      {"serve", vindex(), "--port", "0", "--host", "0.0.0.0", "--api-key-file", keys.string()}));
  EXPECT_EQ(done.code, 2) << done.err;
  EXPECT_NE(done.err.find("--https-cert"), std::string::npos) << done.err;
}

TEST_F(Serve, WithKeyAndCertificateOthersMayCome) {
  const auto dir = (*scratch_ / "certs").string();
  for (const auto& command :
       {words{"certs", "init", "--dir", dir},
        words{"certs", "issue", "server", "--dir", dir, "--host", "127.0.0.1"}})
    ASSERT_EQ(run(larql(command)).code, 0) << command[1];
  const auto keys = *scratch_ / "https-keys";
  write_file(keys, "sk-first-0123456789\n");
  auto server = serve_process{vindex(),
                              {"--host", "0.0.0.0", "--api-key-file", keys.string(), "--https-cert",
                               dir + "/server.pem", "--https-key", dir + "/server.key"}};
  EXPECT_TRUE(server.url().starts_with("https://")) << server.url();
  const auto ask = [&](std::string_view path, std::string_view headers) {
    auto peer = raw_tls_peer{server.port(), {}};
    const auto text = fmt::format(
        "GET {} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n{}\r\n", path, headers);
    EXPECT_TRUE(peer.send(std::span{text.data(), text.size()}));
    const auto all = peer.read_to_end();
    return std::string{all.begin(), all.end()};
  };
  EXPECT_TRUE(ask("/health", "").starts_with("HTTP/1.1 200"));
  EXPECT_TRUE(ask("/metrics", "").starts_with("HTTP/1.1 401")); // not on loopback alone
  EXPECT_TRUE(ask("/v1/models", "x-api-key: sk-first-0123456789\r\n").starts_with("HTTP/1.1 200"));
}

TEST_F(Serve, WrongSettingsAreNamed) {
  auto taken = serve_process{vindex(), {}};
  const auto busy = run(larql({"serve", vindex(), "--port", std::to_string(taken.port())}));
  EXPECT_EQ(busy.code, 1);
  EXPECT_NE(busy.err.find("cannot listen on 127.0.0.1:"), std::string::npos) << busy.err;
  const auto none = run(larql({"serve", (*scratch_ / "nothing.vindex").string(), "--port", "0"}));
  EXPECT_NE(none.code, 0);
  EXPECT_NE(none.err.find("nothing.vindex"), std::string::npos) << none.err;
  EXPECT_EQ(std::count(none.err.begin(), none.err.end(), '\n'), 1)
      << "what is wrong is all that is said: " << none.err;
  const auto memory = run(larql({"serve", vindex(), "--port", "0", "--kv-memory", "lots"}));
  EXPECT_EQ(memory.code, 2);
  EXPECT_NE(memory.err.find("--kv-memory"), std::string::npos) << memory.err;
}

TEST_F(Serve, ExpertsOnNodesGiveTheSameText) {
  const auto a = node_process{vindex(), {"--experts", "0-7"}};
  const auto b = node_process{vindex(), {"--experts", "8-15"}};
  auto here = serve_process{vindex(), {}};
  auto there = serve_process{vindex(), {"--moe-shards", a.owns("0-7") + "," + b.owns("8-15")}};
  const auto seeded =
      chat_request("Tell me a story.", {{"temperature", 1.0}, {"seed", 5}, {"max_tokens", 30}});
  const auto answer = json::parse(there.post(chat_path, seeded).body);
  EXPECT_EQ(answer["choices"][0]["message"]["content"].get<std::string>(),
            content_of(here.post(chat_path, seeded)));
  EXPECT_EQ(answer["timings"]["nodes"], 2);
  EXPECT_GT(answer["timings"]["round_trips"], 0);
  EXPECT_GT(answer["timings"]["received_bytes"], 0);
}

// Every request is a damaged one; whoever sends a right one afterwards is answered as before.
TEST_F(Serve, HostileRequestsLeaveNothingBehind) {
  auto server = serve_process{vindex(), {}};
  const auto expected = content_of(server.post(chat_path, chat_request(question)));
  const auto good =
      chat_request(
          question,
          {{"tools",
            json::array({{{"type", "function"},
                          {"function", {{"name", "now"}, {"parameters", {{"type", "object"}}}}}}})},
           {"stop", "x"},
           {"max_tokens", 1}})
          .dump();
  const auto ask = [&](std::uint32_t seed) {
    auto body = good;
    for (auto i = 0u; i < 1 + seed % 4; ++i) {
      const auto at = (seed * 2654435761u + i * 40503u) % body.size();
      if (seed % 3 == 0)
        body.erase(at, 1 + seed % 7);
      else
        body[at] = static_cast<char>(seed * 31 + i * 7);
    }
    constexpr std::array paths = {
        "/v1/chat/completions", "/v1/completions", "/v1/responses",  "/v1/messages", "/api/chat",
        "/api/generate",        "/tokenize",       "/apply-template"};
    return http_post(server.port(), paths[seed % paths.size()], body).status;
  };
  for (auto seed = 1u; seed <= 200; ++seed) // what one-time allocations take
    (void) ask(seed);
  const auto memory = memory_bytes(server.child().pid(), "RssAnon");
  const auto descriptors = descriptor_count(server.child().pid());
  for (auto seed = 201u; seed <= 1500; ++seed) {
    const auto status = ask(seed);
    EXPECT_TRUE(status == 200 || (status >= 400 && status < 500)) << status << " for " << seed;
  }
  EXPECT_TRUE(eventually([&] { return server.metric("larql_answers_running") == 0; }));
  EXPECT_LT(memory_bytes(server.child().pid(), "RssAnon"), memory + (32u << 20));
  EXPECT_LE(descriptor_count(server.child().pid()), descriptors + 4);
  EXPECT_EQ(content_of(server.post(chat_path, chat_request(question))), expected);
}

} // namespace
} // namespace larql::test
