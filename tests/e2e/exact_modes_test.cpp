// Every way to compute an answer that is exact, over links that are late and stall and with nodes
// that are killed in the middle: the same requests give the same texts as this machine alone,
// without drafts.

#include "tests/e2e/serve_process.hpp"
#include "tests/support/wan_link.hpp"

#include <array>
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>

namespace larql::test {
namespace {

using namespace std::chrono_literals;

constexpr auto seeds = 20u;
constexpr auto at_once = 4u;

// ---- what is asked ------------------------------------------------------------------------------

struct request {
  std::string path;
  json body;
};

// One after the other: greedy, penalties, a schema, a stop string that begins in the middle of a
// token, thoughts, and a text that is longer than the window and repeats itself.
request request_of(unsigned seed) {
  const auto chat = [&](const std::string& text, json more) {
    more["seed"] = seed;
    if (!more.contains("max_tokens"))
      more["max_tokens"] = 28;
    return request{"/v1/chat/completions", chat_request(text, more)};
  };
  switch (seed % 6) {
  case 0: return chat("What is the capital of France?", {});
  case 1:
    return chat("Tell me a story.", {{"temperature", 0.9},
                                     {"repetition_penalty", 1.2},
                                     {"presence_penalty", 0.4},
                                     {"frequency_penalty", 0.2}});
  case 2: {
    const auto schema = json::parse(R"({"type":"json_schema","json_schema":{"name":"x","schema":{
        "type":"object","properties":{"capital":{"type":"string","maxLength":12},
        "more":{"type":"array","items":{"enum":["Rome","Paris"]},"minItems":2,"maxItems":4}},
        "required":["capital","more"],"additionalProperties":false}}})");
    return chat("What is the capital of Italy?",
                {{"temperature", 1.0}, {"response_format", schema}, {"max_tokens", 50}});
  }
  case 3: return chat("Tell me a story.", {{"temperature", 0.7}, {"stop", {"e d", "ing t"}}});
  case 4:
    return chat("What is the capital of Japan?",
                {{"temperature", 0.8}, {"chat_template_kwargs", {{"enable_thinking", true}}}});
  default: break;
  }
  auto text = std::string{};
  for (auto i = 0; i < 6; ++i)
    text += "The capital of Italy is Rome. The capital of Spain is Madrid. ";
  return {"/v1/completions",
          {{"prompt", text + "The"}, {"temperature", 0.5}, {"seed", seed}, {"max_tokens", 40}}};
}

// What a client reads: text, thoughts, and why it ended.
std::string answer_of(const serve_process& server, unsigned seed) {
  const auto r = request_of(seed);
  const auto got = server.post(r.path, r.body);
  const auto body = json::parse(got.body, nullptr, false);
  if (got.status != 200 || !body.is_object()) {
    ADD_FAILURE() << "seed " << seed << ": " << got.status << ": " << got.body;
    return {};
  }
  const auto& choice = body["choices"][0];
  const auto& said = choice.contains("message") ? choice["message"] : choice["text"];
  return said.dump() + choice["finish_reason"].dump() + body["usage"]["completion_tokens"].dump();
}

// ---- where it is computed -----------------------------------------------------------------------

wan_profile late_link(std::uint64_t seed) {
  auto out = wan_profile{};
  out.round_trip = 1ms;
  out.jitter = 1ms;
  out.stall_every = 1s;
  out.stall_length = 60ms;
  out.seed = seed;
  return out;
}

/// Two owners of each half of the experts, a relay near them, and two nodes that take sessions;
/// each behind a link of its own.
class ExactModes : public demo_model_test {
protected:
  struct member {
    std::string name, experts;
    words options = {};
    std::uint16_t port = free_port();
    wan_link link = link_to(port, late_link(port));
    node_ptr process = {};
  };

  void SetUp() override {
    write_file(secret(), std::string(64, 'k'));
    fs::permissions(secret(), fs::perms::owner_read | fs::perms::owner_write);
    write_file(file("near.toml"),
               topology_of({&members_[0], &members_[1], &members_[2], &members_[3], &members_[4]},
                           false, ""));
    members_[4].options = {"--reach", file("near.toml").string()};
    for (auto& m : members_)
      start(m);
  }

  [[nodiscard]] static fs::path file(const std::string& name) { return *scratch_ / name; }
  [[nodiscard]] static fs::path secret() { return file("secret"); }

  static void start(member& m) {
    auto options = words{
        "--experts", m.experts, "--name",        m.name,           "--port", std::to_string(m.port),
        "-t",        "1",       "--secret-file", secret().string()};
    options.insert(options.end(), m.options.begin(), m.options.end());
    m.process = std::make_unique<node_process>(vindex(), options);
  }

  // The laptop goes through the links, nodes near each other do not.
  [[nodiscard]] static std::string topology_of(const std::vector<const member*>& members,
                                               bool through_links, const std::string& wire) {
    auto text = fmt::format("model = \"{}\"\n", vindex());
    for (const auto* m : members)
      text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"127.0.0.1:{}\"\nexperts = \"{}\"\n",
                          m->name, through_links ? m->link.port() : m->port, m->experts);
    return text + fmt::format("[security]\nsecret_file = \"{}\"\n[deadlines]\nfailover = \"60s\"\n"
                              "reconnect_max = \"200ms\"\n[wire]\n{}",
                              secret().string(), wire);
  }

  /// All answers of a server, while one node after the other is killed and started again.
  std::vector<std::string> answers_of(const words& options, const std::vector<member*>& mortal) {
    const auto server = serve_process{vindex(), options};
    auto out = std::vector<std::string>(seeds);
    auto next = std::atomic<unsigned>{0};
    auto clients = std::vector<std::future<void>>{};
    for (auto i = 0u; i < at_once; ++i)
      clients.push_back(std::async(std::launch::async, [&] {
        for (auto n = next++; n < seeds; n = next++)
          out[n] = answer_of(server, n + 1);
      }));
    kill_in_turns(mortal, [&] { return next >= seeds; });
    for (auto& c : clients)
      c.get();
    return out;
  }

  // A child ends with the thread that started it: so in this one.
  void kill_in_turns(const std::vector<member*>& mortal, const std::function<bool()>& is_over) {
    auto pause = std::mutex{};
    auto never = std::condition_variable{};
    for (auto i = std::size_t{0}; !mortal.empty() && !is_over(); ++i) {
      auto lock = std::unique_lock{pause};
      never.wait_for(lock, i == 0 ? 100ms : 1000ms, is_over);
      auto& m = *mortal[i % mortal.size()];
      m.process->child().signal(SIGKILL);
      EXPECT_TRUE(m.process->child().wait());
      start(m);
      ++kills_;
    }
  }

  void expect_exact(const std::string& what, const words& options,
                    const std::vector<member*>& mortal) {
    const auto found = answers_of(options, mortal);
    for (auto n = 0u; n < seeds; ++n)
      EXPECT_EQ(found[n], expected()[n]) << what << ", seed " << n + 1;
  }

  // This machine alone, token by token, one request after the other.
  static const std::vector<std::string>& expected() {
    static const auto answers = [] {
      const auto server = serve_process{vindex(), {"--speculate", "off"}};
      auto out = std::vector<std::string>{};
      for (auto n = 0u; n < seeds; ++n)
        out.push_back(answer_of(server, n + 1));
      return out;
    }();
    return answers;
  }

  [[nodiscard]] words over(const std::string& name, const std::vector<const member*>& members,
                           const std::string& wire, const std::string& drafts) const {
    write_file(file(name), topology_of(members, true, wire));
    return {"--topology", file(name).string(), "--speculate", drafts};
  }

  std::array<member, 7> members_ = {member{"low-1", "0-7"},
                                    member{"low-2", "0-7"},
                                    member{"high-1", "8-15"},
                                    member{"high-2", "8-15"},
                                    member{"near", "0-3"},
                                    member{"place-1", "0-15", {"--allow-sessions", "8"}},
                                    member{"place-2", "0-15", {"--allow-sessions", "8"}}};
  unsigned kills_ = 0;
};

TEST_F(ExactModes, DraftsOnThisMachineGiveTheTextsOfPlainDecoding) {
  for (const auto* drafts : {"auto", "1", "12"})
    expect_exact(fmt::format("local, --speculate {}", drafts), {"--speculate", drafts}, {});
}

TEST_F(ExactModes, FarNodesThatAreKilledGiveTheTextsOfThisMachine) {
  const auto& m = members_;
  for (const auto* drafts : {"off", "8"})
    expect_exact(fmt::format("streaming, --speculate {}", drafts),
                 over("direct.toml", {&m[0], &m[1], &m[2], &m[3]}, "", drafts),
                 {&members_[0], &members_[2], &members_[1], &members_[3]});
  EXPECT_GT(kills_, 0u);
}

TEST_F(ExactModes, ARelayThatIsKilledGivesTheTextsOfThisMachine) {
  const auto& m = members_;
  for (const auto* drafts : {"off", "8"})
    expect_exact(
        fmt::format("relay, --speculate {}", drafts),
        over("relay.toml", {&m[0], &m[1], &m[2], &m[3], &m[4]}, "relay = \"always\"\n", drafts),
        {&members_[4], &members_[0], &members_[4], &members_[3]});
  EXPECT_GT(kills_, 0u);
}

TEST_F(ExactModes, ADispatchForEachLayerGivesTheTextsOfThisMachine) {
  const auto& m = members_;
  for (const auto* relay : {"never", "always"}) {
    auto options = over("batch.toml", {&m[0], &m[1], &m[2], &m[3], &m[4]},
                        fmt::format("relay = \"{}\"\n", relay), "off");
    options.insert(options.end(), {"--moe-dispatch", "batch", "--moe-predispatch-iters", "6"});
    expect_exact(fmt::format("batch, relay {}", relay), options,
                 {&members_[0], &members_[4], &members_[2]});
  }
  EXPECT_GT(kills_, 0u);
}

TEST_F(ExactModes, SessionsAtNodesThatAreKilledGiveTheTextsOfThisMachine) {
  expect_exact(
      "session at a node",
      {"--secret-file", secret().string(), "--session-at",
       fmt::format("127.0.0.1:{},127.0.0.1:{}", members_[5].link.port(), members_[6].link.port())},
      {&members_[5], &members_[6]});
  EXPECT_GT(kills_, 0u);
}

} // namespace
} // namespace larql::test
