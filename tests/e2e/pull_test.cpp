// Mirrors runtime/hub/pull.hpp and cli/laptop/pull.cpp: what arrives is what was published,
// whatever happens on the way, and no more of it travels than needed.

#include "runtime/base/mapped_file.hpp"
#include "runtime/vindex/checksums.hpp"
#include "runtime/vindex/index_json.hpp"
#include "runtime/vindex/layer_file.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/hub_server.hpp"
#include "tests/support/json_text.hpp"

namespace larql::test {
namespace {

// Enough of it that there is a middle, and that experts outweigh heads.
tiny_gguf larger_model() {
  auto m = tiny_gguf{};
  m.expert_width = 256;
  return m;
}

class Pull : public model_test {
protected:
  Pull() : model_test(larger_model()) {}

  void SetUp() override {
    model_test::SetUp();
    hub_.commit_directory("ann/tiny", vindex());
  }

  [[nodiscard]] fs::path copy() const { return scratch_ / "copy"; }

  [[nodiscard]] words pull_command(const words& options = {}) const {
    auto out = larql({"pull", "hf://ann/tiny", "-o", copy().string()});
    out.insert(out.end(), options.begin(), options.end());
    return out;
  }
  [[nodiscard]] finished pull(const words& options = {}, const std::string& token = "") const {
    return run(pull_command(options), hub_.environment(token));
  }

  /// The vindex without the pull's own notes.
  static file_tree vindex_files(const fs::path& dir) {
    auto out = read_tree(dir);
    std::erase_if(out, [](const auto& f) { return f.first.starts_with(".larql-pull"); });
    return out;
  }
  void expect_whole_copy() const {
    const auto expected = read_tree(vindex()), found = vindex_files(copy());
    EXPECT_EQ(found.size(), expected.size());
    for (const auto& [name, content] : expected) {
      const auto it = found.find(name);
      ASSERT_NE(it, found.end()) << name;
      EXPECT_EQ(difference(it->second, content), "") << name;
    }
  }
  std::uint64_t whole_bytes() const {
    auto sum = std::uint64_t{0};
    for (const auto& [name, content] : read_tree(vindex()))
      sum += content.size();
    return sum;
  }

  hub_server hub_;
};

TEST_F(Pull, BringsEveryByteAndPrintsTheDirectory) {
  const auto done = pull();
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(done.out, copy().string() + "\n");
  expect_whole_copy();
  EXPECT_EQ(done.err.find("could not be checked"), std::string::npos) << done.err;
}

TEST_F(Pull, SendsTheTokenToTheHubAndToNobodyElse) {
  hub_.secret_repos = {"ann/tiny"};
  const auto refused = pull();
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("401"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("HF_TOKEN"), std::string::npos) << refused.err;
  const auto done = pull({}, "hf_secret");
  ASSERT_EQ(done.code, 0) << done.err;
  expect_whole_copy();
  EXPECT_GT(hub_.storage().calls().size(), 10u);
  EXPECT_EQ(hub_.token_leaks(), 0u);
  hub_.forget_calls();
  ASSERT_EQ(pull({}, "hf_secret").code, 0);
  for (const auto& c : hub_.hub().calls())
    EXPECT_EQ(c.header("authorization"), "Bearer hf_secret") << c.target;
}

TEST_F(Pull, AGatedModelSaysHowToGetAccess) {
  hub_.gated_repos = {"ann/tiny"};
  const auto refused = pull({}, "hf_other");
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("accept its conditions"), std::string::npos) << refused.err;
  EXPECT_NE(refused.err.find("HF_TOKEN"), std::string::npos) << refused.err;
}

TEST_F(Pull, WhatDoesNotExistIsNamed) {
  auto command = larql({"pull", "hf://ann/tiny@v9", "-o", copy().string()});
  auto refused = run(command, hub_.environment());
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("no such branch, tag or commit"), std::string::npos) << refused.err;
  command[2] = "hf://ann/none";
  refused = run(command, hub_.environment("hf_secret"));
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("404"), std::string::npos) << refused.err;
  hub_.commit("ann/empty", {{"README.md", "nothing"}});
  command[2] = "hf://ann/empty";
  refused = run(command, hub_.environment());
  EXPECT_NE(refused.err.find("is no vindex"), std::string::npos) << refused.err;
  command[2] = "ann/tiny";
  refused = run(command, hub_.environment());
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("hf://OWNER/NAME"), std::string::npos) << refused.err;
}

TEST_F(Pull, HalfOfTheExpertsCostHalfOfTheBytes) {
  ASSERT_EQ(pull({"--preset", "moe-experts"}).code, 0);
  const auto whole = hub_.sent_bytes();
  fs::remove_all(copy());
  hub_.forget_calls();
  const auto done = pull({"--experts", "0-3"});
  ASSERT_EQ(done.code, 0) << done.err;
  const auto ratio = static_cast<double>(hub_.sent_bytes()) / static_cast<double>(whole);
  fmt::print("half of the experts: {} of {} bytes, ratio {:.3f}\n", hub_.sent_bytes(), whole,
             ratio);
  EXPECT_LT(ratio, 0.56);
  EXPECT_GT(ratio, 0.45);
}

TEST_F(Pull, NodesServeTheirPulledHalvesWithTheBitsOfTheWhole) {
  const auto expected = logits();
  auto nodes = std::vector<node_ptr>{};
  auto map = std::string{};
  for (const auto* range : {"0-3", "4-7"}) {
    const auto dir = scratch_ / (std::string{"node-"} + range);
    const auto done = run(larql({"pull", "hf://ann/tiny", "-o", dir.string(), "--experts", range}),
                          hub_.environment());
    ASSERT_EQ(done.code, 0) << done.err;
    nodes.push_back(std::make_unique<node_process>(dir, words{"--experts", range}));
    map += (map.empty() ? "" : ",") + nodes.back()->owns(range);
    // What was not pulled is not served as zeros.
    const auto refused = run(larql_node({dir.string(), "--port", "0", "--experts", "0-7"}));
    EXPECT_EQ(refused.code, 1) << refused.out;
    EXPECT_NE(refused.err.find("expert"), std::string::npos) << refused.err;
  }
  ASSERT_EQ(pull({"--preset", "moe-client"}).code, 0);
  EXPECT_FALSE(fs::exists(copy() / "layers"));
  const auto out = scratch_ / "remote.logits";
  const auto ran = run(larql(
      {"logits", copy().string(), "--ids", prompt_ids, "-o", out.string(), "--moe-shards", map}));
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(difference(read_file(out), expected), "");
}

TEST_F(Pull, APartPassesVerifyUntilAByteOfAnOwnedExpertIsWrong) {
  ASSERT_EQ(pull({"--experts", "0-3"}).code, 0);
  const auto verify = [&](const words& options = {}) {
    auto command = larql({"verify", copy().string()});
    command.insert(command.end(), options.begin(), options.end());
    return run(command);
  };
  EXPECT_EQ(verify().code, 0) << verify().out;
  const auto deep = verify({"--deep"});
  EXPECT_EQ(deep.code, 0) << deep.out << deep.err;
  EXPECT_EQ(deep.out.find("not checked"), std::string::npos) << deep.out;

  const auto layer = copy() / "layers/layer_03.weights";
  const auto content = read_file(layer);
  const auto config = *vindex::read_index(copy());
  const auto header = *vindex::read_layer_header(*file::open(layer), config);
  const auto flip = [&](std::uint64_t at) {
    overwrite(layer, at, std::string(1, static_cast<char>(content[at] ^ 0x10)));
  };
  flip(header.entries[6].down_offset + 9); // a hole: nobody's byte
  EXPECT_EQ(verify({"--deep"}).code, 0);
  flip(header.entries[2].gate_up_offset + 9);
  EXPECT_EQ(verify().code, 0); // not looked at
  const auto bad = verify({"--deep"});
  EXPECT_EQ(bad.code, 1);
  EXPECT_NE(bad.out.find("layer_03.weights: expert 2: SHA-256 is "), std::string::npos) << bad.out;
  EXPECT_NE(bad.out.find("failed: 1 wrong"), std::string::npos) << bad.out;

  // The remedy: the same pull, told to look.
  ASSERT_EQ(pull({"--experts", "0-3"}).code, 0);
  EXPECT_EQ(verify({"--deep"}).code, 1);
  const auto before = hub_.sent_bytes();
  ASSERT_EQ(pull({"--experts", "0-3", "--check"}).code, 0);
  EXPECT_LT(hub_.sent_bytes() - before, whole_bytes() / 10); // that expert
  EXPECT_EQ(verify({"--deep"}).code, 0) << verify({"--deep"}).out;

  fs::remove(copy() / "layers/layer_04.weights");
  const auto missing = verify();
  EXPECT_EQ(missing.code, 1);
  EXPECT_NE(missing.out.find("layer_04.weights"), std::string::npos) << missing.out;

  fs::remove(layer); // another remedy
  ASSERT_EQ(pull({"--experts", "0-3"}).code, 0);
  EXPECT_EQ(verify({"--deep"}).code, 0) << verify({"--deep"}).out;
}

TEST_F(Pull, MoreExpertsComeInAddition) {
  ASSERT_EQ(pull({"--experts", "0-3"}).code, 0);
  const auto first = hub_.sent_bytes();
  hub_.forget_calls();
  ASSERT_EQ(pull({"--experts", "2-5"}).code, 0);
  EXPECT_LT(hub_.sent_bytes(), first * 7 / 10);
  const auto node = std::make_unique<node_process>(copy(), words{"--experts", "0-5"});
  ASSERT_EQ(pull({"--preset", "all"}).code, 0); // and a node may run meanwhile
  expect_whole_copy();
}

TEST_F(Pull, AKilledPullGoesOnAndFetchesOnlyTheRest) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{5}});
  auto sent = std::uint64_t{0};
  for (const auto share : {4u, 2u}) { // killed twice, at a quarter and at half
    auto child = child_process{pull_command({"--connections", "2"}), hub_.environment()};
    ASSERT_TRUE(hub_.storage().wait_for_sent(whole_bytes() / share));
    child.signal(SIGKILL);
    ASSERT_TRUE(child.wait());
    EXPECT_FALSE(fs::exists(copy() / "index.json")); // nobody takes it for a model
  }
  hub_.storage().clear_faults();
  const auto done = pull();
  ASSERT_EQ(done.code, 0) << done.err;
  sent = hub_.sent_bytes();
  fmt::print("killed twice: {} bytes sent for {} ({:.3f})\n", sent, whole_bytes(),
             static_cast<double>(sent) / static_cast<double>(whole_bytes()));
  // Lost per kill and connection: what was on the way, and what was not noted yet.
  EXPECT_LT(sent, whole_bytes() + 2 * 2 * 600'000);
  expect_whole_copy();
}

TEST_F(Pull, CtrlCSaysThatTheSameCommandGoesOn) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{5}});
  auto child = child_process{pull_command(), hub_.environment()};
  ASSERT_TRUE(hub_.storage().wait_for_sent(whole_bytes() / 4));
  child.signal(SIGINT);
  EXPECT_EQ(child.wait(), (exit_status{130, 0})) << child.err();
  EXPECT_NE(child.err().find("goes on from here"), std::string::npos) << child.err();
  hub_.storage().clear_faults();
  ASSERT_EQ(pull().code, 0);
  expect_whole_copy();
}

TEST_F(Pull, CutsAndBusyServersAreGotOver) {
  auto& hub = hub_.hub();
  auto& storage = hub_.storage();
  hub.add_fault({.target = "/revision/", .status = 429, .headers = {"Retry-After: 1"}});
  hub.add_fault({.target = "/tree/", .status = 503});
  hub.add_fault({.target = "/resolve/", .times = 2, .cut_after = 10});
  storage.add_fault({.target = "/blob/", .skip = 1, .times = 3, .cut_after = 30'000});
  storage.add_fault({.target = "/blob/", .skip = 2, .times = 2, .status = 500});
  const auto done = pull();
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("429"), std::string::npos) << done.err;
  expect_whole_copy();
}

TEST_F(Pull, AWrongByteIsFetchedAgainAlone) {
  hub_.storage().add_fault(
      {.target = "/blob/" + sha256_of(read_file(vindex() / "layers/layer_02.weights")),
       .flip = true});
  const auto done = pull();
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_NE(done.err.find("layer_02.weights: expert"), std::string::npos) << done.err;
  EXPECT_LT(hub_.sent_bytes(), whole_bytes() * 11 / 10); // an expert more, not a file
  expect_whole_copy();
}

TEST_F(Pull, AContentThatStaysWrongIsNeverTaken) {
  hub_.storage().add_fault(
      {.target = "/blob/" + sha256_of(read_file(vindex() / "attn_weights_q4k.bin")),
       .times = 100,
       .flip = true});
  const auto done = pull();
  EXPECT_EQ(done.code, 1);
  EXPECT_NE(done.err.find("attn_weights_q4k.bin: has another hash"), std::string::npos) << done.err;
  EXPECT_FALSE(fs::exists(copy() / "attn_weights_q4k.bin"));
  EXPECT_FALSE(fs::exists(copy() / "index.json"));
  hub_.storage().clear_faults();
  ASSERT_EQ(pull().code, 0);
  expect_whole_copy();
}

TEST_F(Pull, ABranchThatMovesMeanwhileDoesNotMixFiles) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{2}});
  auto child = child_process{pull_command(), hub_.environment()};
  ASSERT_TRUE(hub_.storage().wait_for_sent(whole_bytes() / 4));
  hub_.commit("ann/tiny",
              {{"tokenizer.json", std::string(5000, 'x')}, {"norms.bin", std::string(5000, 'y')}});
  EXPECT_EQ(child.wait(), (exit_status{0, 0})) << child.err();
  expect_whole_copy();
}

TEST_F(Pull, ANewCommitReplacesWhatChangedAndNothingElse) {
  ASSERT_EQ(pull().code, 0);
  const auto tokenizer = read_file(vindex() / "tokenizer.json") + " ";
  auto sums = **vindex::read_checksums(vindex());
  sums.files["tokenizer.json"] = {tokenizer.size(),
                                  hash_bytes(std::as_bytes(std::span{tokenizer}))};
  hub_.commit("ann/tiny", {{"README.md", "new"},
                           {"tokenizer.json", tokenizer},
                           {"checksums.json", vindex::write_checksums(sums)}});
  hub_.forget_calls();
  ASSERT_EQ(pull().code, 0);
  EXPECT_EQ(read_file(copy() / "README.md"), "new");
  EXPECT_EQ(read_file(copy() / "index.json"), read_file(vindex() / "index.json"));
  EXPECT_EQ(read_file(copy() / "tokenizer.json"), read_file(vindex() / "tokenizer.json") + " ");
  EXPECT_LT(hub_.sent_bytes(), whole_bytes() / 4);
  hub_.forget_calls();
  ASSERT_EQ(pull().code, 0);
  for (const auto& c : hub_.hub().calls())
    EXPECT_NE(c.target.find("/revision/"), std::string::npos) << c.target; // which commit it is
}

TEST_F(Pull, ASecondPullIntoADirectoryIsRefused) {
  hub_.storage().add_fault(
      {.target = "/blob/", .times = 1000, .per_block = std::chrono::milliseconds{500}});
  auto first = child_process{pull_command(), hub_.environment()};
  ASSERT_TRUE(hub_.storage().wait_for_sent(1000));
  const auto second = pull();
  EXPECT_EQ(second.code, 1);
  EXPECT_NE(second.err.find(fmt::format("process {} is pulling", first.pid())), std::string::npos)
      << second.err;
}

TEST_F(Pull, ADirectoryOfSomebodyElseIsLeftAlone) {
  fs::create_directory(copy());
  write_file(copy() / "letter.txt", std::string_view{"dear"});
  const auto refused = pull();
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("was not made by a pull"), std::string::npos) << refused.err;
  EXPECT_EQ(read_tree(copy()).size(), 1u);
}

TEST_F(Pull, ManyFilesNeedFewDescriptors) {
  auto extra = file_tree{};
  for (auto i = 0; i < 200; ++i)
    extra[fmt::format("extra-{}.txt", i)] = fmt::format("{}", i);
  hub_.commit("ann/tiny", extra);
  hub_.files_per_page = 1000;
  auto command = pull_command();
  const auto limited = std::string{"ulimit -n 64 && exec \"$@\""};
  command.insert(command.begin(), {"/bin/sh", "-c", limited, "sh"});
  const auto done = run(command, hub_.environment());
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(read_file(copy() / "extra-199.txt"), "199");
}

TEST_F(Pull, ADiskThatIsTooSmallIsNoticedBefore) {
  const auto index = read_file(vindex() / "index.json");
  auto list = json::array();
  list.push_back({{"type", "file"},
                  {"path", "index.json"},
                  {"size", index.size()},
                  {"oid", git_blob_of(index)}});
  list.push_back({{"type", "file"},
                  {"path", "embeddings.bin"},
                  {"size", 1},
                  {"oid", std::string(40, 'a')},
                  {"lfs", {{"oid", std::string(64, 'b')}, {"size", std::uint64_t{1} << 45}}}});
  for (auto l = 0; l < 6; ++l)
    list.push_back({{"type", "file"},
                    {"path", fmt::format("layers/layer_{:02}.weights", l)},
                    {"size", 9},
                    {"oid", std::string(40, 'c')}});
  hub_.hub().add_fault({.target = "/tree/", .status = 200, .body = json_text(list)});
  const auto refused = pull();
  EXPECT_EQ(refused.code, 1);
  EXPECT_NE(refused.err.find("free"), std::string::npos) << refused.err;
  EXPECT_EQ(hub_.hub().count("embeddings.bin"), 0u);
}

} // namespace
} // namespace larql::test
