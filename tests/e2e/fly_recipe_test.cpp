// The three steps of deploy/fly/README.md, typed as they stand there: publish the experts, two
// nodes with half of them each, an answer of the laptop. The Hub and both machines are of this
// process; only names that the internet would resolve are replaced. A machine's environment is what
// fly.toml and the README's secrets make it.

#include "tests/e2e/programs.hpp"
#include "tests/support/http_get.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/paths.hpp"

#include <sstream>

namespace larql::test {
namespace {

// A model with as many experts as the recipe speaks of.
tiny_gguf model_of_the_recipe() {
  auto m = tiny_gguf{};
  m.layers = 3;
  m.experts = 128;
  m.expert_encodings = {quant::encoding::q8_0, quant::encoding::q4_k};
  return m;
}

std::string deploy_file(const std::string& name) {
  return read_file(test::source_dir() / "deploy/fly" / name);
}

// The commands below a heading: its first block of code.
std::string commands_below(const std::string& text, const std::string& heading) {
  const auto at = text.find("\n" + heading);
  const auto begin = text.find("```\n", at) + 4;
  EXPECT_NE(at, std::string::npos) << heading;
  return text.substr(begin, text.find("```", begin) - begin);
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  EXPECT_NE(text.find(what), std::string::npos) << what << " is not in " << text;
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size()))
    text.replace(at, what.size(), by);
  return text;
}

// What the line with `what` in it goes on with, up to a space or the end.
std::string behind(const std::string& text, const std::string& what) {
  const auto at = text.find(what);
  EXPECT_NE(at, std::string::npos) << what;
  const auto begin = at + what.size();
  return text.substr(begin, text.find_first_of(" \n;", begin) - begin);
}

// KEY = "value" of a table of fly.toml.
child_process::variables table_of(const std::string& toml, const std::string& name) {
  auto out = child_process::variables{};
  auto lines = std::istringstream{toml.substr(toml.find("\n[" + name + "]\n") + name.size() + 4)};
  for (auto line = std::string{}; std::getline(lines, line) && !line.starts_with("[");)
    if (const auto at = line.find(" = \""); at != std::string::npos)
      out[line.substr(0, at)] = line.substr(at + 4, line.find('"', at + 4) - at - 4);
  return out;
}

class FlyRecipe : public model_test {
protected:
  FlyRecipe() : model_test(model_of_the_recipe()) {}

  void SetUp() override {
    model_test::SetUp();
    fs::rename(vindex(), scratch_ / "gemma4.vindex");
  }

  /// Types commands into a shell in the directory of the model.
  [[nodiscard]] finished type(const std::string& commands,
                              const child_process::variables& settings = {}) const {
    auto all = settings;
    all["PATH"] = test::larql_program().parent_path().string() + ":/usr/bin:/bin";
    return run({"/bin/sh", "-ec", fmt::format("cd {}\n{}", scratch_.path().string(), commands)},
               all);
  }

  /// A machine of fly: the environment of fly.toml and the secrets of the README.
  void start_machine(const std::string& experts) {
    auto settings = table_of(deploy_file("fly.toml"), "env");
    EXPECT_EQ(settings.size(), 5u);
    for (const auto& [key, value] : hub_.environment("hf_secret"))
      settings[key] = value;
    settings["HF_REPO"] = replaced(settings["HF_REPO"], "OWNER/", "ann/");
    settings["VINDEX_PATH"] = (scratch_ / ("data-" + experts) / "vindex").string();
    settings["EXPERTS"] = experts;
    // With its newline, which "$(cat cluster.secret)" would take away and other tools would not.
    settings["CLUSTER_SECRET"] = read_file(scratch_ / "cluster.secret");
    settings["ACTOR_PORT"] = std::to_string(free_port());
    settings["PORT"] = std::to_string(free_port());
    actor_ports_.push_back(settings["ACTOR_PORT"]);
    http_ports_.push_back(static_cast<std::uint16_t>(std::stoi(settings["PORT"])));
    machines_.push_back(std::make_unique<child_process>(larql_node({}), settings));
  }

  hub_server hub_;
  std::vector<std::unique_ptr<child_process>> machines_;
  words actor_ports_;
  std::vector<std::uint16_t> http_ports_;
};

TEST_F(FlyRecipe, FromPublishToTextAsTheReadmeSays) {
  const auto readme = deploy_file("README.md");

  const auto publish = replaced(commands_below(readme, "## 1. "), "OWNER/", "ann/");
  auto settings = hub_.environment("hf_secret");
  settings["LARQL_CACHE"] = (scratch_ / "cache").string();
  const auto published = type(publish, settings);
  ASSERT_EQ(published.code, 0) << published.err;
  const auto repository = hub_.files("ann/gemma-4-26b-a4b-it-vindex-expert-server");
  auto layer_bytes = std::uint64_t{0};
  for (const auto& [name, content] : repository)
    layer_bytes += name.starts_with("layers/") ? content.size() : 0;
  ASSERT_GT(layer_bytes, 0u);

  const auto deploy = commands_below(readme, "## 2. ");
  const auto secret = type(deploy.substr(0, deploy.find('\n')));
  ASSERT_EQ(secret.code, 0) << secret.err;
  for (const auto& shard : {behind(deploy, "for shard in a:"), behind(deploy, " b:")}) {
    hub_.forget_calls();
    start_machine(shard);
    ASSERT_TRUE(machines_.back()->wait_for_out("ready")) << machines_.back()->err();
    EXPECT_NE(machines_.back()->out().find("experts " + shard), std::string::npos)
        << machines_.back()->out();
    EXPECT_NE(machines_.back()->err().find("node: warm: "), std::string::npos) << "WARMUP is 1";
    EXPECT_EQ(http_get(http_ports_.back(), "/readyz").status, 200);
    const auto ratio =
        static_cast<double>(hub_.storage().sent_bytes()) / static_cast<double>(layer_bytes);
    fmt::print("experts {}: {:.3f} of the bytes of all layers came\n", shard, ratio);
    EXPECT_LT(ratio, 0.56); // norms and heads weigh more here than in a large model
    const auto verified =
        run(larql({"verify", "--deep", (scratch_ / ("data-" + shard) / "vindex").string()}));
    EXPECT_EQ(verified.code, 0) << verified.out;
  }
  EXPECT_EQ(hub_.token_leaks(), 0u);

  auto ask = commands_below(readme, "## 3. ");
  ask = replaced(ask, "larql-expert-server-a.fly.dev", "127.0.0.1:" + actor_ports_[0]);
  ask = replaced(ask, "larql-expert-server-b.fly.dev", "127.0.0.1:" + actor_ports_[1]);
  const auto answer = type(ask);
  ASSERT_EQ(answer.code, 0) << answer.err;
  const auto local = type("larql run gemma4.vindex --max-tokens 20 'The capital of France is'");
  ASSERT_EQ(local.code, 0) << local.err;
  EXPECT_EQ(answer.out, local.out);
  EXPECT_FALSE(answer.out.empty());

  // Without the secret nobody is served.
  const auto stranger = type(replaced(ask, "--secret-file cluster.secret ",
                                      "--failover-timeout 300 --connect-timeout 2000 "));
  EXPECT_NE(stranger.code, 0) << stranger.out;
}

TEST_F(FlyRecipe, ALaterStartOfAMachineAsksTheHubForNothing) {
  const auto readme = deploy_file("README.md");
  auto settings = hub_.environment("hf_secret");
  settings["LARQL_CACHE"] = (scratch_ / "cache").string();
  const auto published =
      type(replaced(commands_below(readme, "## 1. "), "OWNER/", "ann/"), settings);
  ASSERT_EQ(published.code, 0) << published.err;
  ASSERT_EQ(type("larql certs secret cluster.secret").code, 0);
  for (const auto is_first : {true, false}) {
    hub_.forget_calls();
    start_machine("64-127");
    auto& machine = *machines_.back();
    ASSERT_TRUE(machine.wait_for_out("ready")) << machine.err();
    EXPECT_EQ(hub_.hub().calls().empty(), !is_first);
    machine.signal(SIGTERM); // as `fly machine stop`
    EXPECT_EQ(machine.wait(), (exit_status{0, 0})) << machine.err();
  }
}

} // namespace
} // namespace larql::test
