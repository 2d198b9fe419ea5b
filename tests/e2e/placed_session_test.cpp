// A session at a node: `run`, `chat` and `serve` give what they give with everything on this
// machine, whatever becomes of links and nodes in the middle of an answer.

#include "tests/e2e/programs.hpp"
#include "tests/e2e/serve_process.hpp"
#include "tests/support/wan_link.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;

class PlacedSession : public model_test {
protected:
  static constexpr auto many = "1500";

  [[nodiscard]] node_ptr start_place(const std::string& name, const words& more = {}) const {
    auto options = words{"--allow-sessions", "2", "--name", name, "--session-memory", "200MB"};
    options.insert(options.end(), more.begin(), more.end());
    return start_node(options);
  }
  [[nodiscard]] static words at(const std::string& places) { return {"--session-at", places}; }

  /// A long answer in the making: its first tokens have been printed.
  [[nodiscard]] std::unique_ptr<child_process> start_run(const std::string& places) const {
    auto out = std::make_unique<child_process>(
        larql({"run", vindex().string(), "abc", "-n", many, "--temperature", "1", "--seed", "7",
               "--session-at", places}));
    EXPECT_TRUE(eventually([&] { return out->out().size() > 20; })) << out->err();
    return out;
  }
  [[nodiscard]] std::string expected() const {
    const auto done = generate({"-n", many, "--temperature", "1", "--seed", "7"});
    EXPECT_EQ(done.code, 0) << done.err;
    return done.out;
  }
  void expect_whole(child_process& going) const {
    const auto ended = going.wait(100s);
    ASSERT_TRUE(ended) << "hangs: " << going.err();
    EXPECT_EQ(*ended, (exit_status{0, 0})) << going.err();
    EXPECT_EQ(difference(going.out(), expected()), "") << going.err();
  }
};

TEST_F(PlacedSession, GivesTheAnswerOfThisMachine) {
  const auto alpha = start_place("alpha");
  for (const auto& sampling : {words{}, words{"--temperature", "0.8", "--seed", "3"}}) {
    auto there = at(alpha->address());
    there.insert(there.end(), sampling.begin(), sampling.end());
    const auto placed = generate(there);
    EXPECT_EQ(placed.code, 0) << placed.err;
    EXPECT_EQ(difference(placed.out, generate(sampling).out), "");
    EXPECT_NE(placed.err.find("prompt and text are processed at alpha (" + alpha->address()),
              std::string::npos)
        << placed.err;
  }
}

TEST_F(PlacedSession, ANodeThatWasNotAskedToTakesNone) {
  const auto plain = start_node({"--name", "alpha"});
  const auto done = generate(at(plain->address()));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("it takes no sessions (larql-node --allow-sessions N)"),
            std::string::npos)
      << done.err;
}

TEST_F(PlacedSession, AnotherTemplateIsNamedAndRefused) {
  const auto alpha = start_place("alpha");
  ASSERT_EQ(generate(at(alpha->address())).code, 0); // it has read its files
  write_file(vindex() / "chat_template.jinja", "{{ messages }}<|turn>model\n");
  const auto done = generate(at(alpha->address()));
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("another chat template"), std::string::npos) << done.err;
}

TEST_F(PlacedSession, ALinkThatIsCutGoesOnWhereItWas) {
  const auto alpha = start_place("alpha");
  auto profile = wan_profile{};
  profile.round_trip = 10ms;
  auto link = link_to(alpha->port(), profile);
  const auto going = start_run(fmt::format("127.0.0.1:{}", link.port()));
  for (auto i = 0; i < 3; ++i) {
    link.cut();
    const auto news = fmt::format("connected to alpha (127.0.0.1:{}) again", link.port());
    ASSERT_TRUE(eventually([&] {
      auto found = 0;
      const auto err = going->err();
      for (auto p = err.find(news); p != std::string::npos; p = err.find(news, p + 1))
        ++found;
      return found > i || going->wait(0ms).has_value();
    })) << going->err();
  }
  expect_whole(*going);
}

TEST_F(PlacedSession, AKilledNodeIsLeftForTheNext) {
  const auto alpha = start_place("alpha"), beta = start_place("beta");
  const auto going = start_run(alpha->address() + "," + beta->address());
  alpha->child().signal(SIGKILL);
  expect_whole(*going);
}

TEST_F(PlacedSession, ANodeThatDrainsIsLeftForTheNext) {
  const auto alpha = start_place("alpha"), beta = start_place("beta");
  const auto going = start_run(alpha->address() + "," + beta->address());
  alpha->child().signal(SIGTERM);
  expect_whole(*going);
  EXPECT_TRUE(alpha->child().wait());
}

TEST_F(PlacedSession, WithoutANodeThisMachineGoesOn) {
  const auto alpha = start_place("alpha");
  const auto going = start_run(alpha->address());
  alpha->child().signal(SIGKILL);
  expect_whole(*going);
}

TEST_F(PlacedSession, WhatIsSaidIsInNoLog) {
  const auto alpha = start_place("alpha");
  const auto done = run(
      larql({"run", vindex().string(), "xylograph", "-n", "8", "--session-at", alpha->address()}));
  EXPECT_EQ(done.code, 0) << done.err;
  ASSERT_TRUE(eventually([&] {
    return alpha->child().err().find("its session was closed") != std::string::npos;
  })) << alpha->child().err();
  EXPECT_EQ(alpha->child().err().find("xylograph"), std::string::npos);
}

TEST_F(PlacedSession, ANodeWithSomeExpertsAsksTheOthers) {
  const auto a = free_port(), b = free_port();
  const auto file = scratch_ / "cluster.toml";
  const auto secret = scratch_ / "cluster.secret";
  ASSERT_EQ(run(larql({"certs", "secret", secret.string()})).code, 0);
  write_file(file, fmt::format(R"(model = "tiny.vindex"
[[node]]
name = "alpha"
address = "127.0.0.1:{}"
experts = "0-3"
threads = 2
sessions = 2
[[node]]
name = "beta"
address = "127.0.0.1:{}"
experts = "4-7"
threads = 2
[session]
at = "alpha"
[security]
secret_file = "cluster.secret"
)",
                               a, b));
  auto nodes = std::vector<std::unique_ptr<child_process>>{};
  for (const auto* name : {"beta", "alpha"}) {
    nodes.push_back(
        std::make_unique<child_process>(larql_node({"--topology", file.string(), "--node", name})));
    ASSERT_TRUE(nodes.back()->wait_for_out(" ready on ")) << nodes.back()->err();
  }
  const auto placed = generate({"--topology", file.string()});
  EXPECT_EQ(placed.code, 0) << placed.err;
  EXPECT_NE(placed.err.find("processed at alpha"), std::string::npos) << placed.err;
  EXPECT_EQ(difference(placed.out, generate().out), "");
  const auto here = generate({"--topology", file.string(), "--session-at", "here"});
  EXPECT_EQ(here.code, 0) << here.err;
  EXPECT_EQ(difference(here.out, placed.out), "");
}

TEST_F(PlacedSession, CertificatesSayWhoMayHaveSessions) {
  const auto certs = (scratch_ / "certs").string();
  const auto make = [&](words arguments) {
    auto command = words{"certs"};
    command.insert(command.end(), arguments.begin(), arguments.end());
    command.insert(command.end(), {"--dir", certs});
    const auto done = run(larql(command));
    ASSERT_EQ(done.code, 0) << done.err;
  };
  make({"init"});
  make({"issue", "alpha", "--host", "127.0.0.1"});
  make({"issue", "ann", "--role", "laptop", "--allow", "sessions"});
  make({"issue", "old", "--role", "laptop"});
  const auto files = [&](const std::string& name) {
    return words{"--tls-ca",  certs + "/ca.pem",          "--tls-cert", certs + "/" + name + ".pem",
                 "--tls-key", certs + "/" + name + ".key"};
  };
  const auto alpha = start_node(files("alpha"));
  for (const auto* name : {"ann", "old"}) {
    auto options = files(name);
    options.insert(options.end(), {"--session-at", alpha->address()});
    const auto done = generate(options);
    if (std::string{name} == "ann") {
      EXPECT_EQ(done.code, 0) << done.err;
      EXPECT_EQ(difference(done.out, generate().out), "");
    } else {
      EXPECT_EQ(done.code, 1);
      EXPECT_NE(done.err.find("does not allow sessions"), std::string::npos) << done.err;
    }
  }
}

class PlacedDemo : public testing::Test {
protected:
  void SetUp() override {
    const auto done =
        run(larql({"extract", (source_dir() / "tests/demo_model/larql-demo.gguf").string(), "-o",
                   vindex().string()}));
    ASSERT_EQ(done.code, 0) << done.err;
    place_ = std::make_unique<node_process>(
        vindex(), words{"--allow-sessions", "2", "--name", "alpha", "--session-memory", "500MB"});
  }
  [[nodiscard]] fs::path vindex() const { return scratch_ / "demo.vindex"; }
  [[nodiscard]] words there() const { return {"--session-at", place_->address()}; }

  temporary_directory scratch_;
  node_ptr place_;
};

TEST_F(PlacedDemo, AConversationIsTheOneOfThisMachine) {
  const auto talk = [&](const words& options) {
    auto command = larql({"chat", vindex().string(), "-n", "12"});
    command.insert(command.end(), options.begin(), options.end());
    auto chat = child_process{command, child_process::variables{}, child_input::pipe};
    chat.write("The capital of France is\nThe capital of Italy is\n/retry\n/quit\n");
    EXPECT_EQ(chat.wait(), (exit_status{0, 0})) << chat.err();
    return chat.out();
  };
  const auto placed = talk(there());
  EXPECT_NE(placed.find("Paris"), std::string::npos) << placed;
  EXPECT_EQ(difference(placed, talk({})), "");
}

TEST_F(PlacedDemo, AServerAnswersAsThisMachine) {
  const auto placed = serve_process{vindex(), there()}, here = serve_process{vindex(), {}};
  const auto schema = json{{"type", "object"},
                           {"properties", {{"town", {{"type", "string"}, {"maxLength", 8}}}}},
                           {"required", {"town"}},
                           {"additionalProperties", false}};
  for (const auto& body :
       {json{{"messages", {{{"role", "user"}, {"content", "The capital of France is"}}}},
             {"max_tokens", 12},
             {"temperature", 0.7},
             {"seed", 5},
             {"logprobs", true},
             {"top_logprobs", 3}},
        json{{"messages", {{{"role", "user"}, {"content", "A town in France"}}}},
             {"max_tokens", 40},
             {"temperature", 0},
             {"response_format",
              {{"type", "json_schema"}, {"json_schema", {{"name", "t"}, {"schema", schema}}}}}}}) {
    const auto a = placed.post("/v1/chat/completions", body);
    const auto b = here.post("/v1/chat/completions", body);
    ASSERT_EQ(a.status, 200) << a.body;
    ASSERT_EQ(b.status, 200) << b.body;
    const auto x = json::parse(a.body), y = json::parse(b.body);
    EXPECT_EQ(x["choices"], y["choices"]);
    EXPECT_EQ(x["usage"]["completion_tokens"], y["usage"]["completion_tokens"]);
  }
}

} // namespace
} // namespace larql::test
