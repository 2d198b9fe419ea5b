// Mirrors actors/node/relay.hpp from outside, with real processes: answers through a relay have the
// bits of this machine's, and no relay or owner that is killed in the middle of one changes that.

#include "tests/e2e/chaos_cluster.hpp"

namespace larql::test {
namespace {

using namespace std::chrono_literals;

/// near owns experts 0-2 and reaches beta (3-5) and gamma (6-7).
class RelayProcesses : public model_test {
protected:
  static constexpr auto tokens = std::size_t{40};

  void SetUp() override {
    model_test::SetUp();
    write_file(secret(), std::string(64, 'k'));
    fs::permissions(secret(), fs::perms::owner_read | fs::perms::owner_write);
  }

  [[nodiscard]] fs::path secret() const { return scratch_ / "secret"; }
  [[nodiscard]] fs::path topology() const { return scratch_ / "c.toml"; }

  struct member {
    std::string name, experts;
    std::uint16_t port = free_port();
    node_ptr process = {};
  };
  void start(member& m, const words& more = {}) const {
    auto options =
        words{"--experts",     m.experts,        "--name", m.name, "--port", std::to_string(m.port),
              "--secret-file", secret().string()};
    options.insert(options.end(), more.begin(), more.end());
    m.process = start_node(options);
  }
  static void kill(member& m) {
    m.process->child().signal(SIGKILL);
    EXPECT_TRUE(m.process->child().wait());
  }
  /// For the laptop, and for nodes that reach the others.
  void write_topology(const std::vector<member*>& members) const {
    auto text = fmt::format("model = \"{}\"\n", vindex().string());
    for (const auto* m : members)
      text += fmt::format("[[node]]\nname = \"{}\"\naddress = \"127.0.0.1:{}\"\nexperts = \"{}\"\n",
                          m->name, m->port, m->experts);
    text += fmt::format("[security]\nsecret_file = \"{}\"\n[deadlines]\nfailover = \"20s\"\n"
                        "reconnect_max = \"200ms\"\nheartbeat = \"100ms\"\n"
                        "[wire]\nrelay = \"always\"\n",
                        secret().string());
    write_file(topology(), text);
  }
  /// Starts the owners, and then near, which reaches all of the file.
  void start_all(const std::vector<member*>& others, const words& near_options = {}) {
    auto all = others;
    all.push_back(&near);
    write_topology(all);
    for (auto* m : others)
      start(*m);
    auto options = words{"--reach", topology().string()};
    options.insert(options.end(), near_options.begin(), near_options.end());
    start(near, options);
  }

  /// A generation whose script runs after some tokens, compared with this machine's.
  struct outcome {
    generation over_nodes, here;
    std::uint64_t retries = 0;
  };
  outcome generate_with(const std::function<void()>& script) {
    auto laptop = in_process_laptop{vindex()};
    auto out = outcome{};
    const auto connected = laptop.connect(topology());
    EXPECT_TRUE(succeeds(connected));
    if (!connected)
      return out;
    const auto prompt = random_ids(12, 500, 7);
    out.here = laptop.generate_locally(prompt, tokens);
    out.over_nodes = laptop.generate(prompt, tokens, [&](std::size_t n) {
      if (n == tokens / 4)
        script();
    });
    out.retries = laptop.retries();
    return out;
  }
  static void expect_same(const outcome& o) {
    EXPECT_EQ(o.over_nodes.error, "");
    EXPECT_EQ(o.over_nodes.ids, o.here.ids);
    EXPECT_TRUE(o.over_nodes.same_bits(o.here));
  }
  /// What the relay says that it has done for others: "2 other nodes: …".
  [[nodiscard]] std::string work_of_near() const {
    const auto done = run(larql({"status", "--topology", topology().string()}));
    const auto at = done.out.find("near: a relay for ");
    return at == std::string::npos ? done.out + done.err
                                   : done.out.substr(at + 18, done.out.find('\n', at) - at - 18);
  }
  [[nodiscard]] bool reaches(unsigned nodes) const {
    return work_of_near().starts_with(fmt::format("{} other nodes", nodes));
  }

  member near{"near", "0-2"}, beta{"beta", "3-5"}, gamma{"gamma", "6-7"};
};

TEST_F(RelayProcesses, AnswersHaveTheBitsOfThisMachine) {
  start_all({&beta, &gamma});
  ASSERT_TRUE(eventually([&] { return reaches(2); })) << work_of_near();
  expect_same(generate_with([] {}));
  const auto work = work_of_near();
  EXPECT_EQ(work.find(" 0 rows forwarded"), std::string::npos) << work;
}

TEST_F(RelayProcesses, ARelayThatIsKilledInTheMiddleOfAnAnswerChangesNothing) {
  auto spare = member{"spare", "0-2"};
  start_all({&beta, &gamma, &spare});
  ASSERT_TRUE(eventually([&] { return reaches(3); })) << work_of_near();
  const auto o = generate_with([&] { kill(near); });
  expect_same(o);
}

TEST_F(RelayProcesses, AnOwnerThatIsKilledBehindARelayChangesNothing) {
  auto spare = member{"spare", "3-7"};
  start_all({&beta, &gamma, &spare});
  ASSERT_TRUE(eventually([&] { return reaches(3); })) << work_of_near();
  expect_same(generate_with([&] { kill(beta); }));
}

TEST_F(RelayProcesses, AnOwnerThatComesBackIsReachedAgain) {
  start_all({&beta, &gamma});
  ASSERT_TRUE(eventually([&] { return reaches(2); })) << work_of_near();
  kill(beta);
  EXPECT_TRUE(eventually([&] { return reaches(1); })) << work_of_near();
  start(beta);
  EXPECT_TRUE(eventually([&] { return reaches(2); })) << work_of_near();
  expect_same(generate_with([] {}));
}

TEST_F(RelayProcesses, RelaysThatReachEachOtherAnswerOnce) {
  write_topology({&near, &beta, &gamma});
  const auto reach = words{"--reach", topology().string()};
  for (auto* m : {&near, &beta, &gamma})
    start(*m, reach);
  ASSERT_TRUE(eventually([&] { return reaches(2); })) << work_of_near();
  expect_same(generate_with([] {}));
}

TEST_F(RelayProcesses, ACertificateThatDoesNotAllowItIsSaidAtStart) {
  const auto certs = (scratch_ / "certs").string();
  ASSERT_EQ(run(larql({"certs", "init", "--dir", certs})).code, 0);
  const auto issue = words{"certs", "issue", "near", "--host", "127.0.0.1", "--dir", certs};
  ASSERT_EQ(run(larql(issue)).code, 0);
  write_file(topology(), fmt::format("model = \"{}\"\n[[node]]\nname = \"beta\"\naddress = "
                                     "\"127.0.0.1:1\"\n",
                                     vindex().string()));
  const auto command =
      larql_node({vindex().string(), "--name", "near", "--port", "0", "--tls-ca", certs + "/ca.pem",
                  "--tls-cert", certs + "/near.pem", "--tls-key", certs + "/near.key", "--reach",
                  topology().string()});
  const auto refused = run(command);
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("larql certs issue near --allow calls-nodes"), std::string::npos)
      << refused.err;
  auto again = issue;
  again.insert(again.end(), {"--allow", "calls-nodes", "--force"});
  ASSERT_EQ(run(larql(again)).code, 0);
  auto allowed = child_process{command};
  EXPECT_TRUE(allowed.wait_for_out("ready on")) << allowed.err();
  allowed.signal(SIGTERM);
  EXPECT_EQ(allowed.wait(), (exit_status{0, 0})) << allowed.err();
}

} // namespace
} // namespace larql::test
