// A GGUF, its parts and a checkpoint used from where they lie: cli/support/local_model.hpp and
// cli/laptop/cache.cpp from outside. What comes out is what the extracted vindex gives, bit by bit.

#include "runtime/import/gguf_checkpoint.hpp"
#include "tests/e2e/programs.hpp"
#include "tests/support/safetensors_writer.hpp"

namespace larql::test {
namespace {

tiny_gguf with_q6k() {
  auto out = tiny_gguf{};
  out.expert_encodings = {quant::encoding::q6_k, quant::encoding::q4_k, quant::encoding::f32};
  out.value_encoding = quant::encoding::q6_k;
  return out;
}

class FromFile : public model_test {
protected:
  FromFile() : model_test(with_q6k()) {}

  [[nodiscard]] child_process::variables settings() const {
    return {{"LARQL_CACHE", cache().string()}};
  }
  [[nodiscard]] fs::path cache() const { return scratch_ / "cache"; }

  [[nodiscard]] finished done(const words& command) const { return run(command, settings()); }

  // The output of a command for a model, which must succeed.
  [[nodiscard]] std::string out_of(const std::string& command, const fs::path& model,
                                   const words& options) const {
    auto all = larql({command, model.string()});
    all.insert(all.end(), options.begin(), options.end());
    const auto ended = done(all);
    EXPECT_EQ(ended.code, 0) << command << ": " << ended.err;
    return ended.out;
  }

  [[nodiscard]] std::string logits_of(const fs::path& model, const words& options = {}) {
    const auto file = scratch_ / fmt::format("l{}", ++files_);
    auto all = words{"--ids", prompt_ids, "-o", file.string()};
    all.insert(all.end(), options.begin(), options.end());
    (void) out_of("logits", model, all);
    return fs::exists(file) ? read_file(file) : std::string{};
  }

  [[nodiscard]] std::uint64_t cache_bytes() const {
    auto sum = std::uint64_t{0};
    for (const auto& f : fs::recursive_directory_iterator{cache()})
      sum += f.is_regular_file() ? f.file_size() : 0;
    return sum;
  }

  int files_ = 0;
};

TEST_F(FromFile, EveryCommandTakesAGgufAndGivesWhatItsVindexGives) {
  for (const auto& [command, options] : {
           std::pair{std::string{"run"}, words{"abc", "-q", "-n", "20"}},
           {"tokenize", {"abc zy"}},
       })
    EXPECT_EQ(out_of(command, gguf(), options), out_of(command, vindex(), options)) << command;
  EXPECT_EQ(difference(logits_of(gguf()), logits_of(vindex())), "");
  EXPECT_NE(out_of("bench", gguf(),
                   {"--prompt-tokens", "8", "--gen-tokens", "2", "--repeat", "1", "--no-probe"}),
            "");
  const auto shown = out_of("inspect", gguf(), {});
  for (const auto& part : {std::string{"lossless"}, gguf().string(), std::string{"Q6_K"}})
    EXPECT_NE(shown.find(part), std::string::npos) << shown;
  EXPECT_EQ(done(larql({"chat", gguf().string(), "--no-history"})).code, 0);
}

TEST_F(FromFile, ItsUseTakesNoRoomOnTheDisk) {
  const auto ask = larql({"run", gguf().string(), "abc", "-q", "-n", "2"});
  const auto first = done(ask);
  EXPECT_EQ(first.code, 0) << first.err;
  EXPECT_LT(cache_bytes(), fs::file_size(gguf()) / 4);
  const auto second = done(ask);
  EXPECT_EQ(second.err, "");
  EXPECT_EQ(second.out, first.out);
}

TEST_F(FromFile, AMovedFileIsFoundAgainAndADirectoryStandsForItsOnlyFile) {
  const auto want = logits_of(gguf());
  const auto bytes = cache_bytes();
  fs::create_directories(scratch_ / "models");
  fs::rename(gguf(), scratch_ / "models/other-name.gguf");
  EXPECT_EQ(difference(logits_of(scratch_ / "models/other-name.gguf"), want), "");
  EXPECT_EQ(difference(logits_of(scratch_ / "models"), want), "");
  EXPECT_LT(cache_bytes(), bytes + 1000); // a longer path
}

TEST_F(FromFile, ANodeServesAGgufToALaptopWithAVindexAndTheOtherWayRound) {
  const auto want = logits_of(vindex());
  const auto node_of = [&](const fs::path& model, const std::string& experts) {
    return node_process{model, {"--experts", experts}, settings()};
  };
  const auto map = [&](const node_process& a, const node_process& b) {
    return words{"--moe-shards", a.owns("0-3") + "," + b.owns("4-7")};
  };
  {
    const auto a = node_of(gguf(), "0-3"), b = node_of(gguf(), "4-7");
    EXPECT_EQ(difference(logits_of(vindex(), map(a, b)), want), "");
    EXPECT_EQ(difference(logits_of(gguf(), map(a, b)), want), "");
  }
  const auto a = node_of(vindex(), "0-3"), b = node_of(gguf(), "4-7");
  EXPECT_EQ(difference(logits_of(gguf(), map(a, b)), want), "");
}

// ---- one identity for all containers ------------------------------------------------------------

TEST_F(FromFile, ANodesDigestIsFoundOutInTheBackgroundAndIsThatOfTheVindex) {
  const auto of_file = node_process{gguf(), {"--experts", "2-5", "--name", "a"}, settings()};
  const auto of_vindex = node_process{vindex(), {"--experts", "2-5", "--name", "b"}};
  const auto digest_of = [&](const node_process& node) {
    const auto shown = done(larql({"status", "--json", "--moe-shards", node.owns("2-5")}));
    const auto parsed = json::parse(shown.out, nullptr, false);
    if (parsed.is_discarded() || parsed["nodes"].empty())
      return std::string{};
    const auto& digest = parsed["nodes"][0]["owned_digest"];
    return digest.is_string() ? digest.get<std::string>() : std::string{};
  };
  const auto want = digest_of(of_vindex);
  ASSERT_EQ(want.size(), 64u);
  EXPECT_TRUE(eventually([&] { return digest_of(of_file) == want; })) << digest_of(of_file);
}

TEST_F(FromFile, ASessionOfAGgufIsPlacedAtANodeWithItsVindexAndTheOtherWayRound) {
  for (const auto& [here, there] : {std::pair{gguf(), vindex()}, std::pair{vindex(), gguf()}}) {
    const auto want = out_of("run", here, {"abc", "-q", "-n", "12"});
    const auto place =
        node_process{there, {"--allow-sessions", "1", "--session-memory", "200MB"}, settings()};
    EXPECT_EQ(out_of("run", here, {"abc", "-q", "-n", "12", "--session-at", place.address()}),
              want);
  }
}

TEST_F(FromFile, ANodeWithOtherExpertsIsRefusedOnceItsDigestIsKnown) {
  // Norms and routers are those of the model; one expert has another number.
  const auto source = import::open_gguf(gguf());
  ASSERT_TRUE(source);
  const auto& t = source->tensors.at("layers.4.experts.down_proj");
  const auto other = scratch_ / "other.gguf";
  fs::copy_file(gguf(), other);
  overwrite(other, t.offset + 3, std::string(1, static_cast<char>(t.data[3] ^ std::byte{1})));
  const auto node = node_process{other, {}, settings()};
  const auto refused = [&] {
    const auto ended = done(larql({"logits", vindex().string(), "--ids", "2 5", "-o", "/dev/null",
                                   "--moe-shards", node.owns("0-7"), "--failover-timeout", "0"}));
    return ended.err.find("other weights of experts 0-7") != std::string::npos;
  };
  EXPECT_TRUE(eventually(refused));
}

TEST_F(FromFile, ANodeMakesNoTokenizer) {
  const auto node = node_process{gguf(), {"--experts", "2-3"}, settings()};
  for (const auto& f : fs::recursive_directory_iterator{cache()})
    EXPECT_NE(f.path().filename(), "tokenizer.json");
}

TEST_F(FromFile, CommandsThatReadAVindexsFilesSayWhoseTheyAre) {
  (void) logits_of(gguf());
  auto dir = done(larql({"cache", "path", gguf().string()})).out;
  dir.pop_back();
  for (const auto& command :
       {words{"verify", dir}, words{"slice", dir, "-o", "x", "--preset", "moe-client"},
        words{"publish", dir, "--repo", "ann/x", "--dry-run"}}) {
    const auto ended = done(larql(command));
    EXPECT_EQ(ended.code, 2) << ended.out;
    EXPECT_NE(ended.err.find(gguf().string()), std::string::npos) << ended.err;
  }
}

TEST_F(FromFile, AForeignGgufIsRefusedByName) {
  auto text = read_file(gguf());
  const auto at = text.find("gemma4");
  text.replace(at, 6, "gemma3");
  const auto other = scratch_ / "other.gguf";
  write_file(other, text);
  for (const auto& command :
       {larql({"run", other.string(), "abc"}), larql_node({other.string(), "--port", "0"})}) {
    const auto ended = done(command);
    EXPECT_EQ(ended.code, 1);
    EXPECT_NE(ended.err.find("gemma3"), std::string::npos) << ended.err;
  }
}

// ---- checkpoints --------------------------------------------------------------------------------

TEST_F(FromFile, ACheckpointIsMadeAVindexOnce) {
  const auto checkpoint = scratch_ / "model";
  write_hf(tiny_model{all_in(quant::encoding::bf16)}.checkpoint(), checkpoint);
  ASSERT_EQ(
      run(larql({"extract", checkpoint.string(), "-o", (scratch_ / "hf.vindex").string()})).code,
      0);
  const auto ask = [&](const fs::path& model) {
    const auto file = scratch_ / fmt::format("c{}", ++files_);
    const auto ended =
        done(larql({"logits", model.string(), "--ids", "2 5 77", "-o", file.string()}));
    EXPECT_EQ(ended.code, 0) << ended.err;
    return std::pair{ended.err, fs::exists(file) ? read_file(file) : std::string{}};
  };
  const auto first = ask(checkpoint);
  EXPECT_NE(first.first.find("made a vindex once"), std::string::npos) << first.first;
  EXPECT_EQ(difference(first.second, ask(scratch_ / "hf.vindex").second), "");
  const auto second = ask(checkpoint);
  EXPECT_EQ(second.first, "");
  EXPECT_EQ(second.second, first.second);
}

// ---- larql cache --------------------------------------------------------------------------------

TEST_F(FromFile, TheCacheIsListedAndRemovedAndFilesOfTheUserStay) {
  EXPECT_NE(done(larql({"cache", "list"})).out.find("is empty"), std::string::npos);
  const auto want = logits_of(gguf());
  const auto checkpoint = scratch_ / "model";
  write_hf(tiny_model{all_in(quant::encoding::bf16)}.checkpoint(), checkpoint);
  ASSERT_EQ(done(larql({"logits", checkpoint.string(), "--ids", "2", "-o", "/dev/null"})).code, 0);

  const auto listed = done(larql({"cache", "list"})).out;
  for (const auto& part : {gguf().string(), checkpoint.string(), std::string{"extracted"}})
    EXPECT_NE(listed.find(part), std::string::npos) << listed;
  auto path = done(larql({"cache", "path", gguf().string()})).out;
  path.pop_back();
  EXPECT_TRUE(fs::exists(fs::path{path} / "locations.json")) << path;
  EXPECT_EQ(done(larql({"cache", "path"})).out, cache().string() + "\n");

  EXPECT_EQ(done(larql({"cache", "remove"})).code, 2);
  EXPECT_EQ(done(larql({"cache", "remove", gguf().string()})).code, 0);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_TRUE(fs::exists(gguf()));
  EXPECT_EQ(done(larql({"cache", "remove", gguf().string()})).code, 1);
  EXPECT_EQ(difference(logits_of(gguf()), want), ""); // it is made anew

  fs::rename(gguf(), scratch_ / "gone.gguf");
  EXPECT_NE(done(larql({"cache", "list"})).out.find("gone or changed"), std::string::npos);
  EXPECT_EQ(done(larql({"cache", "remove", "--gone"})).code, 0);
  EXPECT_FALSE(fs::exists(path));
  EXPECT_NE(done(larql({"cache", "list"})).out.find(checkpoint.string()), std::string::npos);
  EXPECT_EQ(done(larql({"cache", "remove", "--all"})).code, 0);
  EXPECT_NE(done(larql({"cache", "list"})).out.find("is empty"), std::string::npos);
}

TEST_F(FromFile, WhatLarqlHasNotMadeIsNeitherListedNorRemoved) {
  write_file(cache() / "files/photos/me.jpg", "precious");
  write_file(cache() / "extracted/thesis/index.json", "{}");
  write_file(cache() / "hub/ann/notes/n.txt", "precious");
  EXPECT_NE(done(larql({"cache", "list"})).out.find("is empty"), std::string::npos);
  EXPECT_EQ(done(larql({"cache", "remove", "--all"})).code, 0);
  EXPECT_EQ(read_tree(cache()).size(), 3u);
  (void) logits_of(gguf());
  auto path = done(larql({"cache", "path", gguf().string()})).out;
  path.pop_back();
  write_file(fs::path{path} / "mine.txt", "precious");
  const auto refused = done(larql({"cache", "remove", gguf().string()}));
  EXPECT_EQ(refused.code, 2);
  EXPECT_NE(refused.err.find("mine.txt"), std::string::npos) << refused.err;
  EXPECT_TRUE(fs::exists(fs::path{path} / "mine.txt"));
}

} // namespace
} // namespace larql::test
