// `larql serve` over nodes that are killed while it streams: with a replica no client notices, and
// without one every stream ends as its protocol says that it failed, and the server goes on.

#include "tests/e2e/serve_process.hpp"

#include <array>
#include <future>

namespace larql::test {
namespace {

/// A streamed request that only its maximum ends.
struct asked {
  std::string path;
  json body;
};

/// One of each protocol, all with sampling and seeds of their own.
std::vector<asked> long_answers(int tokens) {
  const auto bans = json{{"106", -100}, {"1", -100}, {"50", -100}};
  const auto sampled = [&](std::uint64_t seed) {
    return json{{"stream", true}, {"temperature", 1.0}, {"seed", seed}, {"logit_bias", bans}};
  };
  const auto with = [](json body, const json& more) {
    body.update(more);
    return body;
  };
  const auto story = json::array({{{"role", "user"}, {"content", "Tell me a story."}}});
  return {
      {"/v1/chat/completions",
       with(sampled(5), {{"messages", story}, {"max_tokens", tokens}, {"logprobs", true}})},
      {"/v1/completions", with(sampled(6), {{"prompt", "Once upon"}, {"max_tokens", tokens}})},
      {"/v1/responses", with(sampled(7), {{"input", "Tell me."}, {"max_output_tokens", tokens}})},
      {"/v1/messages", with(sampled(8), {{"messages", story}, {"max_tokens", tokens}})},
      {"/api/chat",
       {{"messages", story},
        {"stream", true},
        {"options", with(sampled(9), {{"num_predict", tokens}})}}},
  };
}

/// The events of a stream, as JSON: those of server-sent events and of lines.
std::vector<json> events_of(const std::string& body) {
  auto out = std::vector<json>{};
  auto rest = std::string_view{body};
  while (!rest.empty()) {
    auto line = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(std::min(rest.size(), line.size() + 1));
    if (line.starts_with("data: "))
      line.remove_prefix(6);
    if (line.starts_with("{"))
      out.push_back(json::parse(line));
  }
  return out;
}

/// What the events say of the answer, however many tokens each of them has.
struct answer {
  std::string text;
  json tokens = json::array(); ///< with their probabilities, where these were asked for
};

answer said_in(const std::string& body) {
  auto out = answer{};
  const auto text = [&](const json& value) {
    if (value.is_string())
      out.text += value.get<std::string>();
  };
  for (const auto& e : events_of(body)) {
    if (e.contains("choices"))
      for (const auto& c : e["choices"]) {
        text(c.value("text", json{}));
        text(c.value("delta", json::object()).value("content", json{}));
        if (const auto told = c.value("logprobs", json{}); told.is_object())
          out.tokens.insert(out.tokens.end(), told["content"].begin(), told["content"].end());
      }
    const auto delta = e.value("delta", json{});
    text(delta.is_object() ? delta.value("text", json{}) : delta);
    text(e.value("message", json::object()).value("content", json{}));
  }
  return out;
}

class ServeOverNodes : public demo_model_test {
protected:
  /// Sends every request on a connection of its own, and waits until each has had text.
  static std::vector<std::unique_ptr<http_stream>> begin(const serve_process& server,
                                                         const std::vector<asked>& requests) {
    auto out = std::vector<std::unique_ptr<http_stream>>{};
    for (const auto& r : requests) {
      out.push_back(std::make_unique<http_stream>(server.port()));
      EXPECT_TRUE(out.back()->post(r.path, r.body.dump()));
    }
    constexpr std::array first = {"\"content\":\"", "\"text\":\"", "output_text.delta",
                                  "text_delta", "\"content\":\""};
    for (auto i = std::size_t{0}; i < out.size(); ++i)
      EXPECT_TRUE(out[i]->wait_for(first[i])) << out[i]->received();
    return out;
  }
  /// The bodies of all streams, read at the same time.
  static std::vector<std::string> finish(std::vector<std::unique_ptr<http_stream>>& streams) {
    auto reading = std::vector<std::future<std::string>>{};
    for (auto& s : streams)
      reading.push_back(std::async(std::launch::async, [&s] {
        const auto r = s->response();
        EXPECT_EQ(r.status, 200);
        return r.body;
      }));
    auto out = std::vector<std::string>{};
    for (auto& r : reading)
      out.push_back(r.get());
    return out;
  }
  /// A server over both nodes, named as the cluster file wants it.
  static words cluster(const node_process& alpha, const node_process& beta,
                       const std::string& experts_of_alpha, const std::string& experts_of_beta) {
    const auto file = (*scratch_ / "cluster.toml").string();
    auto text = fmt::format("model = \"{}\"\n", vindex());
    for (const auto& [name, node, experts] : {std::tuple{"alpha", &alpha, &experts_of_alpha},
                                              std::tuple{"beta", &beta, &experts_of_beta}})
      text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"{}\"\nexperts = \"{}\"\n", name,
                          node->address(), *experts);
    write_file(file, text);
    return {"--topology", file};
  }
};

TEST_F(ServeOverNodes, AKilledReplicaIsNoticedByNoClient) {
  const auto requests = long_answers(80);
  auto expected = std::vector<answer>{};
  {
    const auto here = serve_process{vindex(), {}};
    for (const auto& r : requests)
      expected.push_back(said_in(here.post(r.path, r.body).body));
  }
  auto alpha = node_process{vindex(), {"--experts", "0-15", "--name", "alpha"}};
  auto beta = node_process{vindex(), {"--experts", "0-15", "--name", "beta"}};
  const auto server = serve_process{vindex(), cluster(alpha, beta, "0-15", "0-15")};
  auto streams = begin(server, requests);
  EXPECT_EQ(server.metric("larql_answers_running"), static_cast<double>(requests.size()));
  beta.child().signal(SIGKILL);
  const auto bodies = finish(streams);
  for (auto i = std::size_t{0}; i < requests.size(); ++i) {
    const auto said = said_in(bodies[i]);
    ASSERT_GT(expected[i].text.size(), 200u) << requests[i].path;
    EXPECT_EQ(said.text, expected[i].text) << requests[i].path;
    EXPECT_EQ(said.tokens, expected[i].tokens);
  }
  EXPECT_EQ(expected[0].tokens.size(), 80u);
  EXPECT_EQ(server.metric("larql_requests_failed_total"), 0);
  EXPECT_FALSE(content_of(server.post(requests[0].path, chat_request("Hi."))).empty());
}

TEST_F(ServeOverNodes, WithoutTheOnlyOwnerStreamsEndInTheirOwnWordsAndTheServerGoesOn) {
  auto alpha = node_process{vindex(), {"--experts", "0-7", "--name", "alpha"}};
  const auto options =
      words{"--experts", "8-15", "--name", "beta", "--port", std::to_string(free_port())};
  auto beta = std::make_unique<node_process>(vindex(), options);
  auto settings = cluster(alpha, *beta, "0-7", "8-15");
  settings.insert(settings.end(), {"--failover-timeout", "0"});
  const auto server = serve_process{vindex(), settings};
  const auto short_one = chat_request("What is the capital of France?");
  const auto before = content_of(server.post("/v1/chat/completions", short_one));

  const auto requests = long_answers(1000);
  auto streams = begin(server, requests);
  beta->child().signal(SIGKILL);
  ASSERT_TRUE(beta->child().wait());
  const auto bodies = finish(streams);
  for (auto i = std::size_t{0}; i < requests.size(); ++i) {
    SCOPED_TRACE(requests[i].path + ": " +
                 bodies[i].substr(bodies[i].size() - std::min<std::size_t>(bodies[i].size(), 600)));
    EXPECT_EQ(bodies[i].find("[DONE]"), std::string::npos);
    const auto events = events_of(bodies[i]);
    ASSERT_FALSE(events.empty());
    const auto& last = events.back();
    const auto& error = last.contains("response") ? last["response"]["error"] : last["error"];
    const auto message = error.is_object() ? error["message"] : error;
    ASSERT_TRUE(message.is_string());
    EXPECT_NE(message.get<std::string>().find("experts 8-15"), std::string::npos);
    EXPECT_EQ(last.value("type", ""), requests[i].path == "/v1/messages"    ? "error"
                                      : requests[i].path == "/v1/responses" ? "response.failed"
                                                                            : "");
  }
  EXPECT_EQ(server.get("/health").status, 200);
  const auto away = server.post("/v1/chat/completions", short_one);
  EXPECT_EQ(away.status, 503) << away.body;
  EXPECT_FALSE(http_stream::field(away.head, "retry-after").empty()) << away.head;

  beta = std::make_unique<node_process>(vindex(), options);
  auto after = http_response{};
  EXPECT_TRUE(eventually([&] {
    after = server.post("/v1/chat/completions", short_one);
    return after.status == 200;
  })) << after.body;
  EXPECT_EQ(content_of(after), before);
}

} // namespace
} // namespace larql::test
